"""Via as handlers see it: every Via of a request, typed (RFC 3261 20.42).

The edge comes here only with a top Via that is out of the ordinary; see `via`.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from slbroker.errors import Reject
from slbroker.sip.grammar import A_TOKEN, WS, unquoted
from slbroker.sip.uri import text

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_VIAS: Final = 128  # in one value; real ones have as many as there are proxies
MAX_PARAMS: Final = 64
MAX_DIGITS: Final = 10  # of a port; it may be none, such as 0, where nobody needs it

_QUOTED: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*"'
# RFC 3261 25.1: via-parm = sent-protocol LWS sent-by; sent-by = host [ COLON port ]. "_" and zones are in use.
_match_head = re.compile(
    rb"%b%b%b/%b%b%b/%b(%b)[ \t]++"
    % (WS, A_TOKEN, WS, WS, A_TOKEN, WS, WS, A_TOKEN)
    + rb"(?:\[([0-9A-Fa-f:.]++(?:%[0-9A-Za-z._~-]++)?)\]|([0-9A-Za-z._-]++)(?!:[0-9A-Fa-f]*+[:.])"
    rb"|([0-9A-Fa-f:.]{2,60}+(?:%[0-9A-Za-z._~-]++)?))[ \t]*+(?::[ \t]*+(-?[0-9]*+)[ \t]*+)?"
).match
# via-params: a token with or without a value; a value is a token, a host (received=[::1] too) or a quoted-string.
_match_param = re.compile(
    rb";%b(?:(%b)%b(?:=%b(%b|[^\";,\x00-\x20\x7f]*+)%b)?|(?=[;,]|\Z))" % (WS, A_TOKEN, WS, WS, _QUOTED, WS),
    re.DOTALL,
).match


@dataclass(frozen=True, slots=True)
class Via:
    """One Via. Two are equal when their bytes are.

    `transport` is in capitals, such as "UDP"; `host` in lower case, IPv6 without its brackets; `port` the number that
    is written, be it a port or not (phones write 0), None where there is none of ten digits at most. `params` has names
    in lower case, None for a parameter without a value, the first of two with one name; of the top Via it has what the
    edge wrote there, `received` and `rport`.
    """

    raw: bytes
    transport: str = field(compare=False)
    host: str = field(compare=False)
    port: int | None = field(compare=False)
    params: Mapping[str, str | None] = field(compare=False)

    @property
    def branch(self) -> str:
        """The transaction's id, as the client made it (RFC 3261 8.1.1.7); "" where there is none (RFC 2543)."""
        return self.params.get("branch") or ""

    def __str__(self) -> str:
        return text(self.raw)


def parse_vias(raw: bytes) -> list[Via]:
    """Parse a value that may hold several, separated by commas (RFC 3261 7.3.1). Raises Reject(400, reason)."""
    vias: list[Via] = []
    start = 0
    while start <= len(raw):
        via, end = read_via(raw, start)
        vias.append(via)
        if len(vias) > MAX_VIAS or (end < len(raw) and raw[end] != ord(",")):
            raise Reject(400, "Bad Via Header")
        start = end + 1
        if not raw[start:].strip(b" \t"):  # a comma at the very end has nothing to separate
            break
    return vias


def read_via(raw: bytes, start: int) -> tuple[Via, int]:
    """Return the Via that begins at `start`, and where it ends: at a comma, or behind it all. Raises Reject(400)."""
    head = _match_head(raw, start)
    if head is None:
        raise Reject(400, "Bad Via Header")
    transport, ipv6, name, bare, digits = head.groups()
    is_number = digits is not None and digits.isdigit() and len(digits) <= MAX_DIGITS
    host, port = text(ipv6 or name or bare).lower(), int(digits) if is_number else None
    if bare:
        read = read_bare_ipv6(host)
        if read is None:
            raise Reject(400, "Bad Via Header")
        host, port = read[0], port if digits else read[1]
    params, end = _read_params(raw, head.end())
    return Via(raw[start:end].strip(b" \t"), text(transport).upper(), host, port, MappingProxyType(params)), end


def _read_params(raw: bytes, end: int) -> tuple[dict[str, str | None], int]:
    """Return the parameters that begin at `end`, and where they end; those with nothing in them are passed over."""
    params: dict[str, str | None] = {}
    for _ in range(MAX_PARAMS + 1):
        found = _match_param(raw, end)
        if found is None:
            return params, end
        if found[1] is not None:
            params.setdefault(text(found[1]).lower(), None if found[2] is None else _plain(found[2]))
        end = found.end()
    raise Reject(400, "Too Many Parameters In Via")


def read_bare_ipv6(sent_by: str) -> tuple[str, int | None] | None:
    """Return host and port of a sent-by that begins with an IPv6 address without its brackets, or None.

    What may be part of the address is taken for it: "2001:db8::1:5060" has no port.
    """
    host, port = sent_by, ""
    if sent_by.count(":") == 8:
        host, _, port = sent_by.rpartition(":")
    if not _is_ipv6(host) or not (port.isdecimal() or not port):
        return None
    return host, int(port) if port else None


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _plain(raw: bytes) -> str:
    return text(unquoted(raw) if raw[:1] == b'"' else raw)
