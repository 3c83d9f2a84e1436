"""Via as handlers see it: every Via of a request, typed (RFC 3261 20.42).

The edge comes here only with a top Via that is out of the ordinary; see `via`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from slbroker.errors import Reject
from slbroker.sip.uri import text

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_VIAS: Final = 128  # in one value; real ones have as many as there are proxies
MAX_PARAMS: Final = 64

# What is repeated is never given back ("*+", "++"): so every match takes linear time.
_WS: Final = rb"[ \t]*+"
_TOKEN: Final = rb"[0-9A-Za-z.!%*_+`'~-]++"
_QUOTED: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*"'
# RFC 3261 25.1: via-parm = sent-protocol LWS sent-by; sent-by = host [ COLON port ]. "_" and zones are in use.
_match_head = re.compile(
    rb"%b%b%b/%b%b%b/%b(%b)[ \t]++" % (_WS, _TOKEN, _WS, _WS, _TOKEN, _WS, _WS, _TOKEN)
    + rb"(?:\[([0-9A-Fa-f:.]++(?:%[0-9A-Za-z._~-]++)?)\]|([0-9A-Za-z._-]++))[ \t]*+(?::[ \t]*+([0-9]{1,5})[ \t]*+)?"
).match
# via-params: a token with or without a value; a value is a token, a host (received=[::1] too) or a quoted-string.
_match_param = re.compile(
    rb";%b(%b)%b(?:=%b(%b|[^\";,\x00-\x20\x7f]*+)%b)?" % (_WS, _TOKEN, _WS, _WS, _QUOTED, _WS), re.DOTALL
).match
_unquote = re.compile(rb"\\(.)", re.DOTALL).sub


@dataclass(frozen=True, slots=True)
class Via:
    """One Via. Two are equal when their bytes are.

    `transport` is in capitals, such as "UDP"; `host` in lower case, IPv6 without its brackets; `port` None where it is
    not written. `params` has names in lower case, None for a parameter without a value, the first of two with one name;
    of the top Via it has what the edge wrote there, `received` and `rport`.
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
        via, end = _read(raw, start)
        vias.append(via)
        if len(vias) > MAX_VIAS or (end < len(raw) and raw[end] != ord(",")):
            raise Reject(400, "Bad Via Header")
        start = end + 1
    return vias


def _read(raw: bytes, start: int) -> tuple[Via, int]:
    """Return the Via that begins at `start`, and where it ends."""
    head = _match_head(raw, start)
    if head is None:
        raise Reject(400, "Bad Via Header")
    transport, ipv6, name, digits = head.groups()
    params: dict[str, str | None] = {}
    end, room = head.end(), MAX_PARAMS
    while (param := _match_param(raw, end)) is not None:
        if not room:
            raise Reject(400, "Too Many Parameters In Via")
        room -= 1
        params.setdefault(text(param[1]).lower(), None if param[2] is None else _plain(param[2]))
        end = param.end()
    via = Via(
        raw[start:end].strip(b" \t"),
        text(transport).upper(),
        text(ipv6 or name).lower(),
        int(digits) if digits else None,
        MappingProxyType(params),
    )
    return via, end


def _plain(raw: bytes) -> str:
    return text(_unquote(rb"\1", raw[1:-1]) if raw[:1] == b'"' else raw)
