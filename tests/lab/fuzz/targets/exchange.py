"""Fuzz target: one datagram through a whole edge and a whole worker, whose plugin reads and repeats what it can.

Invariant: at most one datagram comes out, none for a response, an ACK, a CANCEL or a keepalive; it goes to the source's
host and repeats the request as a reply must. An edge that is sent that reply says nothing. Every message has one
fate, nothing stays open, and a good OPTIONS right after is answered 200.

Allowed exceptions: none.
"""

from __future__ import annotations

from typing import Final

from slbroker.sip.validate import USUAL
from tests.lab.fuzz.pair import SOURCE, Pair
from tests.lab.fuzz.reading import read_head
from tests.lab.fuzz.seeds import MESSAGES
from tests.lab.fuzz.targets.datagram import ALL
from tests.lab.fuzz.targets.reply import TITLES, check_reply
from tests.support.sip import read_reply, request

ROUNDS = 4_000
DICTIONARY = "sip.dict"
SEEDS = MESSAGES

GOOD: Final = request(via="SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bKgood")
ADDED: Final = {b"Accept", b"X-Words", b"Allow", b"Unsupported", b"Retry-After", b"Accept-Encoding"}


def check(data: bytes) -> None:
    """Assert the invariant for one datagram; those of odd length are judged by all checks."""
    pair = Pair()
    if len(data) % 2:
        pair.edge.checks = ALL
    sent = pair.take(data)
    head = read_head(data)
    method = head.start.split(b" ")[0]
    assert len(sent) <= (0 if head.says_ack or method == b"CANCEL" or head.start[:4].upper() == b"SIP/" else 1)
    for reply, (host, port, *_scope) in sent:
        assert host == SOURCE[0]
        assert 0 < port < 65_536
        extra = {
            name: value
            for name, value in read_reply(reply).headers
            if name not in (*TITLES.values(), b"Content-Length")
        }
        assert set(extra) <= ADDED
        extra.pop(b"X-Words", None)
        check_reply(without(reply, b"X-Words"), head, extra)
        assert pair.take(reply) == []  # or two edges would go on talking to each other
    assert pair.edge.in_flight == 0
    pair.edge.checks = USUAL
    check_good(pair)


def check_good(pair: Pair) -> None:
    """A good OPTIONS is answered 200."""
    sent = pair.take(GOOD)
    assert len(sent) == 1
    assert sent[0][0].startswith(b"SIP/2.0 200 OK\r\n")


def without(reply: bytes, name: bytes) -> bytes:
    """The reply without its headers called `name`."""
    head, empty_line, body = reply.partition(b"\r\n\r\n")
    return b"\r\n".join(line for line in head.split(b"\r\n") if not line.startswith(name + b":")) + empty_line + body
