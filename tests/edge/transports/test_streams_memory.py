"""What is kept for a peer, and how much of it: replies that it does not read, and halves of messages."""

from __future__ import annotations

import select
from contextlib import suppress
from typing import TYPE_CHECKING

from slbroker import Handlers
from slbroker.settings.connections import StreamSettings
from slbroker_edge.transports import connection, streams
from tests.support.sip import request
from tests.support.streams import OPTIONS, VIA, StreamRig, is_served, series, served, small_socket, tiny_socket

if TYPE_CHECKING:
    import pytest

    from tests.support.streams import Phone

MANY = series(512)  # more than are in flight at once
large = Handlers()
large.otherwise(lambda request: request.reply(200, headers={"Content-Type": "text/plain"}, body=b"x" * 60_000))


def test_replies_that_are_not_read() -> None:
    """First the peer is not read from any more; then it is given up."""
    with served(StreamSettings(deadline=10.0)) as rig:
        phone = rig.connect(small_socket())
        sent = pour(rig, phone)
        assert sent < 4_000_000
        assert not select.select([rig.streams.fileno()], [], [], 0.1)[0]
        assert rig.streams.unsent
        assert connection.MAX_UNREAD >= rig.streams._held > 0
        assert is_served(rig.connect())
        rig.advance(9.0)
        assert rig.open == 2
        rig.advance(2.0)
        assert rig.closed == {"unread": 1}
        assert rig.streams._held == 0


def test_a_peer_that_reads_late_gets_every_reply() -> None:
    with served() as rig:
        phone = rig.connect(small_socket())
        sent = pour(rig, phone)
        for _ in range(sent * 512 // len(MANY)):
            assert phone.hear().startswith(b"SIP/2.0 200 OK")
        size = len(MANY) // 512
        phone.say(MANY[sent % len(MANY) :][: -sent % size or size])
        assert phone.hear().startswith(b"SIP/2.0 200 OK")
        assert phone.is_silent()
        assert rig.open == 1
        assert not rig.streams.unsent


def test_a_peer_that_reads_slowly_is_not_given_up() -> None:
    with StreamRig(StreamSettings(deadline=10.0)) as rig:
        rig.join(large)
        phone = rig.connect(tiny_socket())
        phone.say(series(4))
        for _ in range(8):
            rig.advance(6.0)
            assert rig.open == 1
            assert rig.streams.unsent
            assert phone.sock.recv(100_000)
            rig.settle()
        rig.advance(21.0)
        assert rig.closed == {"unread": 1}


def test_a_reply_far_too_long_for_a_peer_that_does_not_read() -> None:
    with StreamRig() as rig:
        rig.join(large)
        phone = rig.connect(small_socket())
        phone.say(series(9))
        assert rig.closed == {"unread": 1}
        assert rig.edge.send_failures == 9
        assert rig.streams._held == 0
        assert is_served(rig.connect(small_socket()))


def pour(rig: StreamRig, phone: Phone) -> int:
    """Send requests and read nothing until the kernel takes no more; return how many bytes it took."""
    sent, stuck = 0, 0
    while stuck < 3:
        try:
            at = sent % len(MANY)
            sent += phone.sock.send(MANY[at : at + len(MANY) // 512])
            stuck = 0
        except BlockingIOError:
            stuck += 1
            rig.settle()
        rig.streams.serve(rig.now)
        rig.turn()
    return sent


def test_half_messages_are_kept_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who goes beyond it is closed, and nobody else."""
    monkeypatch.setattr(streams, "MAX_HELD", 100_000)
    with served() as rig:
        half = request(via=VIA, content_length="60000") + b"x" * 30_000
        phones = [rig.connect() for _ in range(3)]
        for phone in phones:
            phone.say(half)
        assert all(phone.is_silent() for phone in phones)
        late = rig.connect()
        late.say(half)
        assert late.is_cut()
        assert rig.closed == {"limit": 1}
        assert is_served(rig.connect())
        for phone in phones:
            phone.hang_up()
        assert rig.streams._held == 0


def test_what_is_held_is_counted_to_the_byte() -> None:
    with served() as rig:
        phones = [rig.connect() for _ in range(3)]
        for phone, size in zip(phones, (1, 100, 250), strict=True):
            phone.say(OPTIONS + OPTIONS[:size])
        assert rig.streams._held == 351
        phones[0].say(OPTIONS[1:])
        phones[1].say(OPTIONS[100:200])
        assert rig.streams._held == 450
        for phone in phones:
            phone.hang_up()
        assert rig.streams._held == 0


def test_one_turn_takes_a_share_of_each() -> None:
    """Many that send much get less each, so that UDP's turn comes."""
    with served() as rig:
        phones = [rig.connect() for _ in range(streams.EVENTS)]
        body = request("MESSAGE", via=VIA, body=b"x" * 20_000)
        for phone in phones:
            phone.sock.setblocking(False)
            with suppress(BlockingIOError):
                phone.sock.send(body)
        rig.streams.serve(rig.now)
        assert rig.streams._held <= streams.ROOM
