"""Fuzz target: the datagram parser with the top Via's stamp, `parse` and `stamp_top`.

Invariant: a Message is whole and of the right types, holds no line end outside its body, is written out and read
again as the same Message; nothing that starts with SIP/ becomes one, and nothing that says ACK is answered. Checks put
on can refuse a request, and change nothing else. The stamp changes the first Via alone, names a port that can be sent
to, and stays the same when it is put on again (where the parameters are not too many to be read).

Allowed exceptions: Drop with a counter's name for a cause, and BadRequest with a status, phrase and headers that can be
sent, from `parse`; Drop("no-via"), and Reject(400) where it is strict, from `stamp_top`.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from slbroker.errors import Drop, Reject
from slbroker.sip.grammar import MAX_CSEQ, MAX_HEADERS, REPEATABLE, SINGLE_HEADERS, is_token
from slbroker.sip.parser import BadRequest, parse
from slbroker.sip.validate import NAMES, Checks
from slbroker.sip.via import MAX_PARAMS, stamp_top
from tests.lab.fuzz.reading import read_head
from tests.lab.fuzz.seeds import MESSAGES

if TYPE_CHECKING:
    from slbroker.sip.message import Message

ROUNDS = 10_000
DICTIONARY = "sip.dict"
SEEDS = MESSAGES

SOURCE = ("192.0.2.77", 40_077)
_is_cause = re.compile(r"[a-z]+(-[a-z]+)*").fullmatch
_is_phrase = re.compile(r"[\x20-\x7e]+").fullmatch
_is_extra = re.compile(rb"(?:\r\n[A-Z][A-Za-z-]+: [^\x00-\x1f]+)*").fullmatch
ALL: Final = Checks(frozenset(NAMES), frozenset((b"100rel",)), max_body=1_000)
NONE: Final = Checks(frozenset())


def check(data: bytes) -> None:
    """Assert the invariant for one datagram."""
    head = read_head(data)
    try:
        message = parse(data)
    except Drop as drop:
        assert _is_cause(drop.cause), drop.cause
        return
    except BadRequest as bad:
        assert not head.says_ack
        check_fault(bad)
        message = bad.message
    else:
        assert not head.says_ack or message.method == b"ACK"
        check_message(message, data)
        assert parse(write_out(message)) == message
    check_checks(data)
    assert head.start[:4].upper() != b"SIP/"
    check_headers(message)
    check_stamp(message)


def check_fault(bad: BadRequest) -> None:
    """A fault can be told to the peer, and repeats nothing that may stand once."""
    assert 400 <= bad.status <= 699
    assert _is_phrase(bad.reason), bad.reason
    assert _is_extra(bad.extra), bad.extra
    names = bad.message.headers[::2]
    assert all(names.count(name) <= 1 for name in SINGLE_HEADERS)


def check_message(message: Message, data: bytes) -> None:
    """A request that is served has all that a request needs."""
    assert is_token(message.method)
    assert not re.search(rb"[\x00-\x20<>\"\x7f]", message.uri)
    assert message.call_id
    assert message.call_id == message.first(b"call-id")
    assert not any(re.search(rb"[\x00-\x20\x7f-\xff\"<>;,]", tag) for tag in (message.from_tag, message.to_tag))
    for name in SINGLE_HEADERS:
        assert len(message.all(name)) <= 1 or (name in REPEATABLE and len(set(message.all(name))) == 1)
    assert message.body in data


def once(message: Message) -> list[bytes]:
    """The headers, those that may stand once only the first time."""
    kept: list[bytes] = []
    for name, value in message.pairs():
        if name not in SINGLE_HEADERS or name not in kept[::2]:
            kept += (name, value)
    return kept


def check_headers(message: Message) -> None:
    """What workers get is bytes and small numbers, and no value can begin a line."""
    assert all(type(part) is bytes for part in (*message[:2], *message[3:7], *message.headers))
    assert 0 <= message.cseq <= MAX_CSEQ
    assert len(message.headers) % 2 == 0
    assert len(message.headers) <= 2 * MAX_HEADERS
    for name, value in message.pairs():
        assert is_token(name)
        assert name == name.lower()
        assert not re.search(rb"[\r\n]|\A[ \t]|[ \t]\Z", value)


def check_checks(data: bytes) -> None:
    """With all checks on there is the same message as with none, or a refusal that repeats the same headers."""
    try:
        bare = parse(data, NONE)
    except BadRequest as bad:
        bare = bad.message
    try:
        judged = parse(data, ALL)
    except BadRequest as bad:
        check_fault(bad)
        judged = bad.message._replace(uri=bare.uri, body=bare.body)
        bare = bare._replace(headers=once(bare))  # a refusal repeats each of them once
    assert judged == bare


def write_out(message: Message) -> bytes:
    """The message as a request again."""
    lines = [b"%b: %b\r\n" % pair for pair in message.pairs()]
    return b"%b %b SIP/2.0\r\n%b\r\n%b" % (message.method, message.uri, b"".join(lines), message.body)


def check_stamp(message: Message) -> None:
    """The stamp is put on once."""
    before = list(message.headers)
    stamped = list(before)
    try:
        port = stamp_top(stamped, *SOURCE)
    except Drop as drop:
        assert drop.cause == "no-via"
        return
    assert 0 < port < 65_536
    with suppress(Reject):
        strict = list(before)
        assert stamp_top(strict, *SOURCE, strict=True) == port
        assert strict == stamped
    at = before[::2].index(b"via") * 2 + 1
    assert stamped[:at] + stamped[at + 1 :] == before[:at] + before[at + 1 :]
    assert not re.search(rb"[\r\n]", stamped[at])
    if before[at].count(b";") >= MAX_PARAMS:
        return  # only the first stamp can do without reading them part by part
    again = list(stamped)
    assert stamp_top(again, *SOURCE) == port
    twice = list(again)
    assert stamp_top(twice, *SOURCE) == port
    assert again == twice
