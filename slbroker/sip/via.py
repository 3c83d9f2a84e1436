"""The top Via: is it usable, where does the reply go, and what must be stamped into it (RFC 3261 18.2, RFC 3581)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from slbroker.errors import Drop, Reject
from slbroker.sip import vialist
from slbroker.sip.grammar import COOKIE, HOST, IPV6, MAX_PORT, PROTOCOL, TOKEN, VIA_VALUE
from slbroker.sip.uri import text

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_PORT = 5060
MAX_PORT_DIGITS = 5
MAX_PARAMS = vialist.MAX_PARAMS - 1  # with the `received` that may be added, workers still read it
MAX_MARKS = 1_024  # commas and semicolons in a list of Vias; a hundred proxies write so many

# The Via that nearly every request has: no list, quote or white space, and of what is stamped only an empty rport, with
# a run of parameters before it and one behind it, two that `vialist` reads. What is repeated of a class is never given
# back ("*+", "++"), and a parameter that is given back leaves its ";" where none is wanted: a match takes linear time.
_PARAMS = rb"(?:;(?![rR])[%b]++(?:=[%b]*+)?){0,%d}" % (TOKEN, VIA_VALUE, MAX_PARAMS // 2)
_match_ordinary = re.compile(
    rb"SIP/2\.0/[%b]++ ([%b]++|\[[%b]++\])(?::([0-9]++))?%b(?:(;rport)(%b))?" % (PROTOCOL, HOST, IPV6, _PARAMS, _PARAMS)
).fullmatch

# In a Via without lists and quotes: the sent-by, and the first branch that is one of RFC 3261 8.1.1.7.
_match_sent_by = re.compile(rb"SIP/2\.0/[%b]++ ([^; \t]++);" % PROTOCOL).match
_find_branch = re.compile(rb";branch=(%b[^;\x00-\x20\x7f]++)(?=;|\Z)" % COOKIE).search

# RFC 3261 25.1: via-parm = sent-protocol LWS sent-by *( SEMI via-params ). Every run of white space is followed by a
# different character, so a match takes linear time. What follows the sent-by is cut by _cut_first below. The version is
# not judged: where it is not 2.0, a 505 has to find its way ("badvers" of RFC 4475).
_match_via = re.compile(
    rb"[Ss][Ii][Pp][ \t]*/[ \t]*[0-9]+\.[0-9]+[ \t]*/[ \t]*[%b]+[ \t]+"
    % TOKEN  # transport: any token
    # host; RFC 3261 has neither "_" nor zones, nor IPv6 without brackets, but peers have
    + rb"([0-9A-Za-z._-]+|\[[0-9A-Fa-f:.]+(?:%[0-9A-Za-z._~-]+)?\]|[0-9A-Fa-f:.]{2,60}(?:%[0-9A-Za-z._~-]+)?)"
    # port; whether it is one is judged where it is needed: clients that have none write nothing there, or -1
    rb"(?:[ \t]*:[ \t]*+(-?[0-9]*+))?[ \t]*(?=[;,]|\Z)"
).match

# RFC 3261 25.1: quoted-string = DQUOTE *(qdtext / quoted-pair ) DQUOTE; a quote found alone is one never closed.
_find_marks = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*"|[;,"]').finditer


def stamp_top(headers: list[bytes], host: str, port: int, *, strict: bool = False, connected: bool = False) -> int:
    """Stamp the first Via in the flat list `headers`, in place; return the port to answer to.

    There must be one. Raises as `stamp` does, and then changes nothing.
    """
    at = find_top(headers)
    headers[at], reply_port = stamp(headers[at], host, port, strict=strict, connected=connected)
    return reply_port


def find_top(headers: Sequence[bytes]) -> int:
    """Return where the value of the first Via stands in the flat list `headers`; there must be one."""
    at = headers.index(b"via")
    while at % 2:  # a value that reads "via"
        at = headers.index(b"via", at + 1)
    return at + 1


def identity(value: bytes) -> tuple[bytes, bytes]:
    """Return the sent-by and branch that tell transactions apart (RFC 3261 17.2.3); `value` and b"" without such."""
    if b"," not in value and b'"' not in value:
        sent_by = _match_sent_by(value)
        branch = sent_by and _find_branch(value, sent_by.end() - 1)
        if sent_by and branch:
            return sent_by[1], branch[1]
    return value, b""


def stamp(value: bytes, host: str, port: int, *, strict: bool = False, connected: bool = False) -> tuple[bytes, int]:
    """Return the top Via header's value as a server must pass it on, and the port to answer to.

    `host` and `port` are the packet's source. Adds `received` where the sent-by differs from it (RFC 3261 18.2.1) and
    fills `rport` where the client asked for it (RFC 3581 4). A `received` that the client wrote itself is removed.
    The sent-by's port is echoed whatever it is; it has to be one only where the answer goes there: over UDP, without
    rport. `connected` says that the answer goes back on a connection (18.2.2).
    Raises Drop("no-via") when the value is no Via, or names no port where one is needed, for then there is nowhere to
    send an answer; and, when `strict`, Reject(400) where the value cannot be read to its end ("badinv01" of RFC 4475).
    """
    source = _as_written(host)
    ordinary = _match_ordinary(value)
    if ordinary is None:
        return _stamp_exactly(value, source, port, strict, connected)
    at = ordinary.end(3)
    if at >= 0:
        return b"%b=%d;received=%b%b" % (value[:at], port, source, ordinary[4]), port
    sent_by, digits = ordinary.group(1, 2)
    reply_port = DEFAULT_PORT if digits is None else read_port(digits) or _own_port(port, connected)
    return value if _is_source(sent_by, source) else b"%b;received=%b" % (value, source), reply_port


def read_port(digits: bytes) -> int:
    """Return the port that is written, 0 when it is none."""
    number = int(digits) if digits.isdigit() and len(digits) <= MAX_PORT_DIGITS else 0
    return number if number <= MAX_PORT else 0


def _own_port(port: int, connected: bool) -> int:
    """Return the source's port, which is as good as any on a connection; raise Drop over UDP."""
    if not connected:
        raise Drop("no-via")
    return port


def _is_source(sent_by: bytes, source: bytes) -> bool:
    """Return whether a sent-by names the host that the packet came from."""
    return sent_by == source or sent_by.strip(b"[]") == source


@lru_cache(maxsize=4_096)
def _as_written(host: str) -> bytes:
    """Return a source address as Via has it; a link-local address's zone is ours, not the peer's."""
    return host.partition("%")[0].encode()


def _refuse_unreadable(value: bytes) -> None:
    """Raise Reject for what no worker could read, and for a list too long to be looked through."""
    if value.count(b";") + value.count(b",") > MAX_MARKS:
        raise Reject(400, "Bad Via Header")
    vialist.parse_vias(value)


def _stamp_exactly(value: bytes, source: bytes, port: int, strict: bool, connected: bool) -> tuple[bytes, int]:
    """Do what `stamp` does where quotes, lists, white space or params of the client's own need a careful reading."""
    found = _match_via(value)
    if found is None:
        raise Drop("no-via")
    cut, (sent_by, digits) = found.end(), found.groups()
    reply_port = _port_of(sent_by, digits)
    params, end = _cut_first(value, cut)
    kept: list[bytes] = []
    filled = b""
    for param in params:
        name = param.partition(b"=")[0].rstrip(b" \t").lower()
        if name == b"rport":
            if not filled:
                filled = b"rport=%d;received=%b" % (port, source)
                kept.append(filled)
        elif name != b"received":
            kept.append(param)
    if not filled and not _is_source(sent_by, source):
        kept.append(b"received=" + source)
    reply_port = port if filled else reply_port or _own_port(port, connected)
    if strict:
        _refuse_unreadable(value)
    return b";".join((value[:cut].rstrip(b" \t"), *kept)) + value[end:], reply_port


def _port_of(sent_by: bytes, digits: bytes | None) -> int:
    """Return the port that a sent-by names, 0 when that is none. Raises Drop("no-via") for what is no host."""
    if b":" in sent_by and sent_by[:1] != b"[":
        if vialist.read_bare_ipv6(text(sent_by)) is None:
            raise Drop("no-via")
        if digits is None:
            return 0  # where the address ends and a port begins is a guess
    return DEFAULT_PORT if digits is None else read_port(digits)


def _cut_first(value: bytes, start: int) -> tuple[list[bytes], int]:
    """Return the params behind `start` of the first Via in a comma-joined list, empty ones left out, and where it ends.

    Raises Drop("no-via") when a quote is never closed, or there are more params than anyone writes.
    """
    params: list[bytes] = []
    for found in _find_marks(value, start):
        mark = found[0]
        if mark == b'"' or (mark == b";" and len(params) == MAX_PARAMS):
            raise Drop("no-via")
        if mark in (b";", b","):
            params.append(value[start : found.start()].strip(b" \t"))
            if mark == b",":
                return [param for param in params if param], found.start()
            start = found.end()
    params.append(value[start:].strip(b" \t"))
    return [param for param in params if param], len(value)
