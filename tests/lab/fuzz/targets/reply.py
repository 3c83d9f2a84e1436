"""Fuzz target: the reply builder, `parse` -> `stamp_top` -> `build_reply`, and `parse_response` back.

Invariant: a reply is read alike by `parse_response`, by a strict reader and, where it can, by sipmessage. Its lines are
the status line, the request's Vias, From, To, Call-ID and CSeq (and what else its status repeats) in the request's
order with the request's bytes, and one Content-Length; nothing of the request begins a line of its own. Only the first
Via is stamped, and only a To without a tag gets ours.

Allowed exceptions: Drop and BadRequest from `parse` (the latter is answered), Drop from `stamp_top`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slbroker.errors import Drop
from slbroker.sip.grammar import MAX_HEADERS
from slbroker.sip.parser import BadRequest, parse
from slbroker.sip.reasons import reason_for
from slbroker.sip.reply import build_reply
from slbroker.sip.response import parse_response
from slbroker.sip.via import stamp_top
from tests.lab.fuzz.reading import Head, read_head, split_outside_quotes, without_stamp
from tests.lab.fuzz.seeds import MESSAGES
from tests.support.sip import ReadReply, read_reply

if TYPE_CHECKING:
    from slbroker.sip.message import Message

ROUNDS = 6_000
DICTIONARY = "sip.dict"
SEEDS = MESSAGES

TAG: Final = b"s100f0-0123456789abcdef01234567"
STATUSES: Final = (100, 183, 200, 488)
TITLES: Final = {
    b"via": b"Via", b"from": b"From", b"to": b"To", b"call-id": b"Call-ID", b"cseq": b"CSeq",
    b"record-route": b"Record-Route", b"timestamp": b"Timestamp",
}  # fmt: skip
ONCE: Final = (b"from", b"to", b"call-id", b"cseq")


def check(data: bytes) -> None:
    """Assert the invariant for the replies to one datagram."""
    try:
        message = parse(data)
        reasons, extra = {status: reason_for(status) for status in STATUSES}, b"\r\nAllow: INVITE"
    except Drop:
        return
    except BadRequest as bad:
        message, reasons, extra = bad.message, {bad.status: bad.reason}, bad.extra
    try:
        stamp(message)
    except Drop:
        return
    head = read_head(data)
    for status, reason in reasons.items():
        reply = build_reply(message, status, reason, TAG, extra)
        read = check_reply(reply, head, dict(line.split(b": ", 1) for line in extra.split(b"\r\n")[1:]))
        assert (read.status, read.reason) == (status, reason)


def stamp(message: Message) -> None:
    """Put the stamp on, as the edge does."""
    assert isinstance(message.headers, list)
    stamp_top(message.headers, "192.0.2.77", 40_077)


def check_reply(data: bytes, head: Head, extra: dict[bytes, bytes]) -> ReadReply:
    """Assert that the reply in `data` repeats `head` as it must, and has the headers `extra` beside; return it."""
    reply = read_reply(data)
    response = parse_response(data)
    if len(reply.headers) <= MAX_HEADERS:  # a request with so many lines gets a reply with one more
        assert response is not None
        assert (response.status, response.reason) == (reply.status, reply.reason)
        assert [value.encode(errors="surrogateescape") for _name, value in response.headers] == [
            value for _name, value in reply.headers
        ]
        assert response.body == reply.body
    echoed = [(name, value) for name, value in reply.headers if name not in extra and name != b"Content-Length"]
    assert [reply.one(name) for name in extra] == list(extra.values())
    wanted = repeated_by(reply.status, head)
    assert [name for name, _value in echoed] == [TITLES[name] for name, _value in wanted]
    top = [name for name, _value in wanted].index(b"via")
    for at, ((name, was), (_title, value)) in enumerate(zip(wanted, echoed, strict=True)):
        if at == top:
            check_top(was, value)
        elif name == b"to" and value != was:
            assert reply.status > 100
            assert value.startswith(was + b";tag=")
            assert b";" not in value[len(was) + 5 :]
        else:
            assert value == was
    return reply


def repeated_by(status: int, head: Head) -> list[tuple[bytes, bytes]]:
    """What a reply with this status repeats, in order (RFC 3261 8.2.6, 12.1.1)."""
    names = {b"via", *ONCE}
    if status == 100:
        names.add(b"timestamp")
    elif status < 300:
        names.add(b"record-route")
    wanted: list[tuple[bytes, bytes]] = []
    for name, value in head.headers:
        if name in names and not (name in ONCE and any(name == other for other, _value in wanted)):
            wanted.append((name, value))
    return wanted


def check_top(was: bytes, value: bytes) -> None:
    """The first Via of the first line is stamped, those behind its comma are not."""
    before, after = split_outside_quotes(was, ord(",")), split_outside_quotes(value, ord(","))
    assert after[1:] == before[1:]
    assert without_stamp(after[0]) == without_stamp(before[0])
