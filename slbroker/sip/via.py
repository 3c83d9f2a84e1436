"""The top Via: is it usable, where does the reply go, and what must be stamped into it (RFC 3261 18.2, RFC 3581)."""

from __future__ import annotations

import re

from slbroker.errors import Drop

DEFAULT_PORT = 5060

# RFC 3261 25.1: via-parm = sent-protocol LWS sent-by *( SEMI via-params ). Every run of white space is followed by a
# different character, so a match takes linear time. What follows the sent-by is cut by _end_of_first below.
_match_via = re.compile(
    rb"[Ss][Ii][Pp][ \t]*/[ \t]*2\.0[ \t]*/[ \t]*([A-Za-z][0-9A-Za-z.!%*_+`'~-]*)[ \t]+"  # transport
    rb"([0-9A-Za-z._-]+|\[[0-9A-Fa-f:.]+\])"  # host; "_" is no host character, but it is in use
    rb"(?:[ \t]*:[ \t]*([0-9]{1,5}))?[ \t]*(?=[;,]|$)"  # port
).match


def stamp(value: bytes, host: str, port: int) -> tuple[bytes, int]:
    """Return the top Via header's value as a server must pass it on, and the port to answer to on UDP.

    `host` and `port` are the packet's source. Adds `received` where the sent-by differs from it (RFC 3261 18.2.1) and
    fills `rport` where the client asked for it (RFC 3581 4). A `received` that the client wrote itself is removed.
    Raises Drop("no-via") when the value is no Via, for then there is nowhere to send an answer.
    """
    found = _match_via(value)
    if found is None:
        raise Drop("no-via")
    sent_by_host, sent_by_port = found[2], found[3]
    reply_port = int(sent_by_port) if sent_by_port else DEFAULT_PORT
    if not 0 < reply_port < 65_536:
        raise Drop("no-via")
    source = host.partition("%")[0].encode()  # a link-local address's zone is ours, not the peer's
    cut = found.end()
    params = value[cut:]
    if b'"' in params or b"," in params or b"received" in params.lower() or b" " in params or b"\t" in params:
        return _stamp_exactly(value, cut, source, port, reply_port)
    lowered = params.lower() + b";"
    at = lowered.find(b";rport;")
    if at >= 0:
        at += cut + 6  # behind ";rport"
        return b"%b=%d;received=%b%b" % (value[:at], port, source, value[at:]), port
    if b";rport=" in lowered:
        return _stamp_exactly(value, cut, source, port, reply_port)
    if sent_by_host != source and sent_by_host[1:-1] != source:
        return b"%b;received=%b" % (value, source), reply_port
    return value, reply_port


def _stamp_exactly(value: bytes, cut: int, source: bytes, port: int, reply_port: int) -> tuple[bytes, int]:
    """Do what `stamp` does where quotes, lists, white space or the client's own `received` need a careful reading."""
    end = _end_of_first(value, cut)
    kept: list[bytes] = []
    for param in _split_params(value[cut:end]):
        name = param.partition(b"=")[0].strip(b" \t").lower()
        if name == b"rport":
            kept.append(b"rport=%d" % port)
            reply_port = port
        elif name != b"received":
            kept.append(param)
    kept.append(b"received=" + source)
    return b";".join((value[:cut].rstrip(b" \t"), *kept)) + value[end:], reply_port


def _end_of_first(value: bytes, start: int) -> int:
    """Return where the first Via of a comma-joined list ends: at a comma outside quotes, or at the end."""
    return _find_unquoted(value, start, b",")


def _split_params(params: bytes) -> list[bytes]:
    """Split `;a;b="x;y"` at the semicolons outside quotes; empty pieces are left out."""
    pieces: list[bytes] = []
    start = 0
    while start <= len(params):
        end = _find_unquoted(params, start, b";")
        if piece := params[start:end].strip(b" \t"):
            pieces.append(piece)
        start = end + 1
    return pieces


# RFC 3261 25.1: quoted-string = DQUOTE *(qdtext / quoted-pair ) DQUOTE
_skip_quoted = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL).match


def _find_unquoted(value: bytes, start: int, wanted: bytes) -> int:
    """Return the index of `wanted` outside quoted strings from `start` on, or the length of `value`.

    Raises Drop("no-via") when a quote is never closed.
    """
    position = start
    while True:
        end = value.find(wanted, position)
        quote = value.find(b'"', position, end if end >= 0 else len(value))
        if quote < 0:
            return end if end >= 0 else len(value)
        quoted = _skip_quoted(value, quote)
        if quoted is None:
            raise Drop("no-via")
        position = quoted.end()
