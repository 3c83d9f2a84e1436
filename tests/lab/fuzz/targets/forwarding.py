"""Fuzz target: a stateless proxy, `parse` -> `Forwarder.receive` -> `Onward.to`, and `backward` of a reply to it.

Invariant: what leaves is read by `parse` as what came, but for what a proxy changes: one Via more, which is ours, one
hop less, Routes that name us gone. Its lines are those that came, byte for byte, unless a Route was followed or a
Content-Length put in for a stream; its body is the one that was read. It is never much longer. The same bytes leave
again when the same bytes come. A reply to it comes back to the source, its lines those of a reply to what came; the
bytes of the mutant taken for a reply do not.

Allowed exceptions: Drop and Reject from `parse` and `receive` (the latter is answered), and from `to` for what is too
long; Drop from `backward`.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from slbroker.errors import Drop, Reject
from slbroker.sip.parser import parse
from tests.lab.fuzz.seeds import MESSAGES
from tests.support.forwarding import CHECKS, CLIENT, HOP, TCP, Site, branch, headers, lines_of, reply_to, unwrap, vias
from tests.support.sip import request

ROUNDS = 3_000
DICTIONARY = "sip.dict"
SITE: Final = Site()
_SENT: Final = SITE.forward(request("INVITE"))
SEEDS = (
    *MESSAGES,
    _SENT,
    request("BYE", route="<sip:192.0.2.7;lr>, <sip:far>, <sip:b;lr>"),
    request("BYE", "sip:192.0.2.7;lr", route=["<sip:192.0.2.7;r2=on;lr>", "<sip:b;lr>"]),
    request("INVITE", "sip:bob@example.com;maddr=192.0.2.7", max_forwards=None, content_length=None, body=b"v=0"),
    reply_to(_SENT, 180, b"Ringing", b"uas"),
)
HOPS: Final = (HOP, HOP._replace(listen=TCP))
MAX_ADDED: Final = 512


def check(data: bytes) -> None:
    """Assert the invariant for one datagram."""
    with suppress(Drop):
        back = SITE.backward(data)
        assert (back.flow.host, back.flow.port) == CLIENT  # one of the replies among the seeds
        assert len(back.data) < len(data)
    try:
        message = parse(data, CHECKS)
    except (Drop, Reject):
        return
    for hop in HOPS:
        try:
            sent = SITE.receive(data).to(hop)
        except (Drop, Reject):
            continue
        assert sent == SITE.receive(data).to(hop)
        assert len(sent) < len(data) + MAX_ADDED
        read = parse(sent, CHECKS)
        assert read[4:] == message[4:]
        assert (read.method, read.body) == (message.method, message.body)
        came = b"\r\n".join((*lines_of(data.lstrip(b"\r\n\x00 \t")), b"", message.body))
        if not headers(came, b"route") and b"addr" not in message.uri.lower():
            start = b"%b %b SIP/2.0" % (message.method, message.uri)
            assert unwrap(sent, came) == b"\r\n".join((start, *lines_of(came)[1:], b"", message.body))
        assert branch(sent).startswith(b"z9hG4bKs1")
        back = SITE.backward(reply_to(sent))
        assert back.flow.host == CLIENT[0]
        assert vias(back.data) == vias(sent)[1:]
