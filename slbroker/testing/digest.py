"""What a phone answers to a 401 or 407: for tests of plugins that authenticate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slbroker import auth
from slbroker.sip.credentials import parse_credentials, quoted

if TYPE_CHECKING:
    from slbroker.sip.response import Response


def credentials(
    response: Response, method: str, uri: str, username: str, password: str, *, algorithm: str = "", count: int = 1
) -> dict[str, str]:
    """Return the header that answers the challenge in `response`, to be sent with the same `method` and `uri`.

    Of several challenges it takes the first, as RFC 8760 2.4 wants, or the one of `algorithm`. `count` is the nc.
    Raises ValueError where there is no such challenge.
    """
    title, answer = (
        ("WWW-Authenticate", "Authorization")
        if response.status == 401
        else ("Proxy-Authenticate", "Proxy-Authorization")
    )
    offered = [parse_credentials(value.encode(errors="surrogateescape")).params for value in response.all(title)]
    wanted = [params for params in offered if algorithm in ("", params.get("algorithm", auth.MD5))]
    if not wanted:
        raise ValueError(f"there is no such challenge in {response.status} {response.reason}")
    params = {name: wanted[0][name] for name in ("realm", "nonce", "algorithm") if name in wanted[0]}
    params |= {"username": username, "uri": uri}
    if "qop" in wanted[0]:
        params |= {"qop": "auth", "nc": f"{count:08x}", "cnonce": "0a4f113b"}
    used = params.get("algorithm", auth.MD5)
    secret = auth.ha1(used, username, params["realm"], password)
    params["response"] = auth.response(used, secret, method, params)
    plain = ("algorithm", "qop", "nc")
    words = [f"{name}={value if name in plain else quoted(value)}" for name, value in params.items()]
    return {answer: "Digest " + ", ".join(words)}
