"""The top Via: is it usable, where does the reply go, and what must be stamped into it (RFC 3261 18.2, RFC 3581)."""

from __future__ import annotations

import re

from slbroker.errors import Drop

DEFAULT_PORT = 5060

# RFC 3261 25.1: via-parm = sent-protocol LWS sent-by *( SEMI via-params ). Every run of white space is followed by a
# different character, so a match takes linear time. What follows the sent-by is cut by _cut_first below.
_match_via = re.compile(
    rb"[Ss][Ii][Pp][ \t]*/[ \t]*2\.0[ \t]*/[ \t]*[0-9A-Za-z.!%*_+`'~-]+[ \t]+"  # transport: any token
    rb"([0-9A-Za-z._-]+|\[[0-9A-Fa-f:.]+(?:%[0-9A-Za-z._~-]+)?\])"  # host; RFC 3261 has neither "_" nor zones, peers do
    rb"(?:[ \t]*:[ \t]*([0-9]{1,5}))?[ \t]*(?=[;,]|\Z)"  # port
).match

# RFC 3261 25.1: quoted-string = DQUOTE *(qdtext / quoted-pair ) DQUOTE; a quote found alone is one never closed.
_find_marks = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[;,"]').finditer


def stamp_top(headers: list[bytes], host: str, port: int) -> int:
    """Stamp the first Via in the flat list `headers`, in place; return the port to answer to on UDP.

    There must be one. Raises Drop as `stamp` does.
    """
    at = headers.index(b"via")
    while at % 2:  # a value that reads "via"
        at = headers.index(b"via", at + 1)
    headers[at + 1], reply_port = stamp(headers[at + 1], host, port)
    return reply_port


def stamp(value: bytes, host: str, port: int) -> tuple[bytes, int]:
    """Return the top Via header's value as a server must pass it on, and the port to answer to on UDP.

    `host` and `port` are the packet's source. Adds `received` where the sent-by differs from it (RFC 3261 18.2.1) and
    fills `rport` where the client asked for it (RFC 3581 4). A `received` that the client wrote itself is removed.
    Raises Drop("no-via") when the value is no Via, for then there is nowhere to send an answer.
    """
    found = _match_via(value)
    if found is None:
        raise Drop("no-via")
    sent_by, sent_port = found.groups()
    reply_port = int(sent_port) if sent_port else DEFAULT_PORT
    if not 0 < reply_port < 65_536:
        raise Drop("no-via")
    source = host.partition("%")[0].encode()  # a link-local address's zone is ours, not the peer's
    differs = sent_by.strip(b"[]") != source
    cut = found.end()
    params = value[cut:].lower()
    if b'"' in params or b"," in params or b" " in params or b"\t" in params or b"received" in params:
        return _stamp_exactly(value, cut, source, port, reply_port, differs)
    at = params.find(b";rport")
    if at < 0:
        return b"%b;received=%b" % (value, source) if differs else value, reply_port
    at += 6  # behind ";rport"
    if params[at : at + 1] not in (b"", b";") or params.find(b";rport", at) >= 0:
        return _stamp_exactly(value, cut, source, port, reply_port, differs)
    at += cut
    return b"%b=%d;received=%b%b" % (value[:at], port, source, value[at:]), port


def _stamp_exactly(
    value: bytes, cut: int, source: bytes, port: int, reply_port: int, differs: bool
) -> tuple[bytes, int]:
    """Do what `stamp` does where quotes, lists, white space or params of the client's own need a careful reading."""
    params, end = _cut_first(value, cut)
    kept: list[bytes] = []
    filled = b""
    for param in params:
        name = param.partition(b"=")[0].rstrip(b" \t").lower()
        if name == b"rport":
            if not filled:
                filled = b"rport=%d" % port
                kept.append(filled)
        elif name != b"received":
            kept.append(param)
    if differs or filled:
        kept.append(b"received=" + source)
    return b";".join((value[:cut].rstrip(b" \t"), *kept)) + value[end:], port if filled else reply_port


def _cut_first(value: bytes, start: int) -> tuple[list[bytes], int]:
    """Return the params behind `start` of the first Via in a comma-joined list, empty ones left out, and where it ends.

    Raises Drop("no-via") when a quote is never closed.
    """
    params: list[bytes] = []
    for found in _find_marks(value, start):
        mark = found[0]
        if mark == b'"':
            raise Drop("no-via")
        if mark in (b";", b","):
            params.append(value[start : found.start()].strip(b" \t"))
            if mark == b",":
                return [param for param in params if param], found.start()
            start = found.end()
    params.append(value[start:].strip(b" \t"))
    return [param for param in params if param], len(value)
