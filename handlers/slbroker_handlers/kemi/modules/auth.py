"""KSR.auth: digest authentication with a password that the script knows (RFC 7616, MD5).

Nonces are signed and timed with the key ring, so any worker accepts what another one sent; nothing is remembered, so
one may be used again within its life.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slbroker.auth import MD5, ha1, is_right
from slbroker.errors import Reject
from slbroker.plugin.intruders import tell_of_wrong_credentials
from slbroker.plugin.reply import header_lines
from slbroker.sip.credentials import Credentials, digests, parse_credentials
from slbroker_handlers.kemi.exports import Module
from slbroker_handlers.kemi.passage import named
from slbroker_handlers.kemi.scriptlog import script_logger
from slbroker_handlers.kemi.uris import split_uri
from slbroker_handlers.kemi.variables.access import put
from slbroker_handlers.kemi.variables.requesturis import from_uri, to_uri

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slbroker.authnonce import NonceKeys
    from slbroker_handlers.kemi.call import Call

logger = script_logger(__name__)

auth = Module("auth")

# What the checks return besides 1.
ERROR: Final = -1
WRONG_PASSWORD: Final = -2
STALE_NONCE: Final = -4
NO_CREDENTIALS: Final = -5
OTHER_USER: Final = -8
# Bits of the flags.
WITH_QOP: Final = 1
WITH_STALE: Final = 16
HA1_GIVEN: Final = 1
SAME_USER: Final = 1  # of `checks`: the only one that checks anything

# RFC 3261 22.1: nobody can be challenged with these; Kamailio counts PRACK among them.
UNCHALLENGED: Final = ("ACK", "CANCEL", "PRACK")
ALGORITHM_SAID: Final = (6, 0)  # the release from which a challenge says its algorithm

_NEEDED: Final = ("username", "nonce", "uri", "response")  # RFC 3261 22.4; the realm is looked for

_MD5: Final = "MD5 only; nonces are signed with the key ring and expire after auth.nonce_expire seconds"


def _credentials(call: Call, realm: str, names: tuple[str, ...]) -> Credentials | None:
    """Return the digest credentials for a realm in one of these headers."""
    values = (value.encode(errors="surrogateescape") for name in names for value in call.all(name))
    return next((found for found in digests(values) if found.params.get("realm") == realm), None)


def _lacks_something(params: Mapping[str, str]) -> bool:
    needed = _NEEDED if "qop" not in params else (*_NEEDED, "nc", "cnonce")
    return not all(params.get(name) for name in needed)


_BOTH: Final = ("Proxy-Authorization", "Authorization")


def _nonces(call: Call) -> NonceKeys | None:
    call.request.unfit("a nonce has its time")
    nonces = call.request.context.nonces
    if nonces is None:
        logger.error("KSR.auth: there is no key ring to sign a nonce with")
    return nonces


@auth.export
def has_credentials(call: Call, realm: str) -> int:
    """Return 1 when the request has digest credentials for a realm."""
    return 1 if _credentials(call, realm, _BOTH) else -1


@auth.export(partial=_MD5)
def pv_auth_check(call: Call, realm: str, password: str, flags: int, checks: int) -> int:
    """Judge the credentials by a password (an HA1 with flag 1): 1, -2 wrong, -4 the nonce is too old, -5 none.

    Those of REGISTER are in Authorization, of others in Proxy-Authorization; ACK, CANCEL and PRACK need none. Bit 1 of
    `checks`: -8 unless the user is that of From, for REGISTER and PUBLISH of To, and for PUBLISH of the Request-URI.
    """
    name = "Authorization" if call.method == "REGISTER" else "Proxy-Authorization"
    result = _check(call, realm, password, flags, (name,))
    if result > 0 and checks & SAME_USER and call.checked is not None:
        return result if _is_same_user(call, call.checked.params.get("username", "")) else OTHER_USER
    return result


def _is_same_user(call: Call, username: str) -> bool:
    uris = [from_uri(call)]
    if call.method in ("REGISTER", "PUBLISH"):
        uris.append(to_uri(call))
    if call.method == "PUBLISH":
        uris.append(call.uri)
    user = username.partition("@")[0]
    return all(parts is not None and parts.user == user for parts in map(split_uri, uris))


@auth.export(partial=_MD5)
def pv_www_authenticate(call: Call, realm: str, password: str, flags: int) -> int:
    """Judge the credentials in Authorization by a password."""
    return _check(call, realm, password, flags, ("Authorization",))


@auth.export(partial=_MD5)
def pv_proxy_authenticate(call: Call, realm: str, password: str, flags: int) -> int:
    """Judge the credentials in Proxy-Authorization by a password."""
    return _check(call, realm, password, flags, ("Proxy-Authorization",))


@auth.export(partial=_MD5)
def pv_www_authenticate_method(call: Call, realm: str, password: str, flags: int, method: str) -> int:
    """Judge the credentials in Authorization by a password, as those of a request with this method."""
    return _check(call, realm, password, flags, ("Authorization",), method)


def _check(call: Call, realm: str, password: str, flags: int, names: tuple[str, ...], method: str | None = None) -> int:
    if call.method in UNCHALLENGED:
        return 1
    found, nonces = _credentials(call, realm, names), _nonces(call)
    if found is None:
        return NO_CREDENTIALS
    call.checked = found
    if nonces is None or found.params.get("algorithm", MD5).upper() != MD5:
        return ERROR
    if _lacks_something(found.params):
        return ERROR
    if "qop" in found.params and found.params["qop"].lower() != "auth":
        return ERROR
    age = nonces.age(found.params.get("nonce", ""), realm.encode(errors="surrogateescape"), b"", call.state.date())
    if age is None:
        return ERROR
    if age > call.state.params.numbers["auth.nonce_expire"]:
        return STALE_NONCE
    secret = password.lower() if flags & HA1_GIVEN else ha1(MD5, found.params.get("username", ""), realm, password)
    if is_right(MD5, secret, call.method if method is None else method, found.params):
        return 1
    tell_of_wrong_credentials(call.request, found.params.get("username", ""))
    return WRONG_PASSWORD


@auth.export(partial=_MD5)
def auth_challenge(call: Call, realm: str, flags: int) -> int:
    """Challenge: 401 for REGISTER, else 407. Flag 1 asks for qop=auth, flag 16 says that the nonce was stale."""
    return _challenge(call, realm, flags, proxy=call.method != "REGISTER")


@auth.export(partial=_MD5)
def www_challenge(call: Call, realm: str, flags: int) -> int:
    """Challenge with 401."""
    return _challenge(call, realm, flags, proxy=False)


@auth.export(partial=_MD5)
def proxy_challenge(call: Call, realm: str, flags: int) -> int:
    """Challenge with 407."""
    return _challenge(call, realm, flags, proxy=True)


@auth.export(partial=_MD5)
def auth_get_www_authenticate(call: Call, realm: str, flags: int, target: str) -> int:
    """Set a pseudo-variable to a WWW-Authenticate header, with its line end, for append_to_reply."""
    value = _make_challenge(call, realm, flags)
    return put(call, target, f"WWW-Authenticate: {value}\r\n") if value is not None else ERROR


@auth.export(partial="MD5 alone: 1, any other: -1")
def auth_algorithm(_call: Call, algorithm: str) -> int:
    """Choose the algorithm of challenges."""
    return 1 if algorithm.upper() == MD5 else ERROR


def _make_challenge(call: Call, realm: str, flags: int) -> str | None:
    """Return what a challenge's header says; None, logged, where there is none to make."""
    nonces = _nonces(call)
    if nonces is None or '"' in realm or "\\" in realm:
        return None
    nonce = nonces.make(realm.encode(errors="surrogateescape"), b"", call.state.date())
    value = f'Digest realm="{realm}", nonce="{nonce}"'
    value += ', qop="auth"' if flags & WITH_QOP else ""
    value += ", stale=true" if flags & WITH_STALE else ""
    value += ", algorithm=MD5" if call.state.release >= ALGORITHM_SAID else ""
    try:
        header_lines([("WWW-Authenticate", value)])
    except ValueError as error:
        logger.error("KSR.auth: no challenge for this realm: %s", error)
        return None
    return value


def _challenge(call: Call, realm: str, flags: int, *, proxy: bool) -> int:
    value = _make_challenge(call, realm, flags)
    if value is None:
        return ERROR
    if proxy:
        return call.reply(407, "Proxy Authentication Required", [("Proxy-Authenticate", value)])
    return call.reply(401, "Unauthorized", [("WWW-Authenticate", value)])


@auth.export
def consume_credentials(call: Call) -> int:
    """Take the credentials that were judged out of the request that goes on: 1, -1 where none were."""
    if call.checked is None:
        return -1
    for name in (b"authorization", b"proxy-authorization"):
        for line in named(call, name):
            try:
                is_judged = parse_credentials(line.value) == call.checked
            except Reject:
                continue
            line.gone = line.gone or is_judged
    return 1
