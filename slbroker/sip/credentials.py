"""Credentials, as in Authorization and Proxy-Authorization (RFC 3261 20.7, 20.28; RFC 7235 2.1)."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from slbroker.errors import Reject
from slbroker.sip.grammar import A_TOKEN, WS, unquoted
from slbroker.sip.uri import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MAX_PARAMS: Final = 64  # Digest has a dozen

_match_scheme = re.compile(rb"(%b)[ \t]++" % A_TOKEN).match
# RFC 3261 25.1: auth-param = auth-param-name EQUAL ( token / quoted-string )
_match_param = re.compile(
    rb'%b(%b)%b=%b(?:(%b)|("[^"\\]*+(?:\\.[^"\\]*+)*"))%b(?:,|\Z)' % (WS, A_TOKEN, WS, WS, A_TOKEN, WS),
    re.DOTALL,
).match
# RFC 7230 7: who reads a list takes empty elements between its commas.
_match_empty = re.compile(rb"[ \t,]*+").match
# RFC 7235 2.1, for schemes such as Basic and Bearer: one word, which may end in "=".
_is_token68 = re.compile(rb"[0-9A-Za-z._~+/-]++=*+").fullmatch


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who a request says it comes from. Two are equal when their bytes are.

    `scheme` is in lower case, such as "digest". `params` has names in lower case, values without quotes. `token` is the
    word that other schemes have in their place, else "".
    """

    raw: bytes
    scheme: str = field(compare=False)
    params: Mapping[str, str] = field(compare=False)
    token: str = field(default="", compare=False)


def parse_credentials(raw: bytes) -> Credentials:
    """Parse the value of an Authorization header, whose list may have empty elements.

    Raises Reject(400, reason), also for a scheme alone (RFC 3261 25.1) and where a parameter stands twice.
    """
    found = _match_scheme(raw)
    if found is None:
        raise Reject(400, "Bad Credentials")
    scheme = text(found[1]).lower()
    rest = raw[found.end() :].strip(b" \t")
    if _is_token68(rest):
        return Credentials(raw, scheme, MappingProxyType({}), text(rest))
    params: dict[str, str] = {}
    at = _end_of_empty(rest, 0)
    while at < len(rest):
        param = _match_param(rest, at)
        if param is None or len(params) == MAX_PARAMS or (name := text(param[1]).lower()) in params:
            raise Reject(400, "Bad Credentials")
        params[name] = text(param[2] if param[2] is not None else unquoted(param[3]))
        at = _end_of_empty(rest, param.end())
    if not params:
        raise Reject(400, "Bad Credentials")
    return Credentials(raw, scheme, MappingProxyType(params))


def digests(values: Iterable[bytes]) -> Iterator[Credentials]:
    """Yield the Digest credentials in headers, passing over what cannot be read."""
    for value in values:
        with suppress(Reject):
            found = parse_credentials(value)
            if found.scheme == "digest":
                yield found


def quoted(value: str) -> str:
    """Return a value as a quoted-string (RFC 3261 25.1)."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _end_of_empty(rest: bytes, at: int) -> int:
    found = _match_empty(rest, at)
    assert found is not None
    return found.end()
