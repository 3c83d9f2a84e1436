"""What ends a WebSocket, and what one peer cannot take from the others."""

from __future__ import annotations

from functools import partial

import pytest
from websockets.frames import Frame, Opcode

from slbroker_edge.transports.connection import MAX_UNREAD, PARTING
from slbroker_edge.transports.websocket import FRAMES
from slbroker_edge.transports.wsframes import HANDSHAKE_FRAMES, MAX_HANDSHAKE, MAX_MESSAGE
from tests.support import streams
from tests.support.sip import read_reply, request
from tests.support.streams import TURN, VIAS, StreamRig, app, small, small_socket
from tests.support.wsphone import handshake, sent

TRANSPORT = "ws"
VIA = VIAS[TRANSPORT]
OPTIONS = request(via=VIA)
numbered = partial(streams.numbered, via=VIA)


# What ends a connection -----------------------------------------------------------------------------------------


def test_a_peer_that_closes(rig: StreamRig) -> None:
    phone = rig.websocket()
    phone.protocol.send_close(1000, "bye")
    phone.flush()
    assert phone.hear_close() == 1000
    assert phone.is_cut()
    assert (rig.open, rig.closed) == (0, {"peer": 1})


def test_a_peer_that_is_gone(rig: StreamRig) -> None:
    phone = rig.websocket()
    phone.phone.hang_up()
    assert (rig.open, rig.closed) == (0, {"peer": 1})


@pytest.mark.parametrize("politely", [True, False])
def test_closed_in_the_middle_of_a_request(rig: StreamRig, politely: bool) -> None:
    phone, other = rig.websocket(), rig.websocket()

    def say_goodbye() -> None:
        phone.protocol.send_close(1001)
        phone.phone.sock.send(sent(phone.protocol))

    rig.end_at_the_worker(say_goodbye if politely else phone.phone.reset)
    phone.protocol.send_text(numbered(1, "INVITE"))
    phone.phone.sock.send(sent(phone.protocol))
    rig.settle()
    assert rig.edge.send_failures == 1
    assert rig.closed == {"peer": 1}
    other.say(numbered(2))
    assert read_reply(other.hear()).status == 200
    assert rig.shown() == {"replied": 2}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (Frame(Opcode.TEXT, b"x" * (MAX_MESSAGE + 1)).serialize(mask=True), 1009),
        (Frame(Opcode.TEXT, b"\xff").serialize(mask=True), 1007),
        (Frame(Opcode.TEXT, b"x").serialize(mask=False), 1002),
        (OPTIONS, 1002),
        (Frame(Opcode.PING, b"").serialize(mask=True) * 2_000, 1008),
    ],
    ids=["oversize", "no UTF-8", "unmasked", "no frame", "flood"],
)
def test_a_fault_ends_it_with_the_right_code(rig: StreamRig, data: bytes, code: int) -> None:
    phone, other = rig.websocket(), rig.websocket()
    phone.phone.sock.send(data)
    rig.settle()
    assert phone.hear_close() == code
    phone.phone.hang_up()
    assert (rig.open, rig.closed) == (1, {"fault": 1})
    other.say(OPTIONS)
    assert read_reply(other.hear()).status == 200


def test_a_peer_that_does_not_react_to_a_fault_is_cut(rig: StreamRig) -> None:
    phone = rig.websocket()
    phone.phone.say(OPTIONS)
    assert phone.hear_close() == 1002
    assert rig.open == 1
    rig.advance(PARTING + 0.5)
    assert (rig.open, rig.closed) == (0, {"fault": 1})


@pytest.mark.parametrize("said", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nX: y\r\n"])
def test_a_handshake_has_a_deadline(said: bytes) -> None:
    with StreamRig(small(idle=60, deadline=5), transport="ws") as rig:
        phone = rig.connect()
        if said:
            phone.say(said)
        rig.advance(3)
        if said:
            phone.say(b"T")
        assert rig.open == 1
        rig.advance(3)
        assert phone.is_cut()
        assert (rig.open, rig.closed) == (0, {"deadline": 1})


def test_half_a_message_has_a_deadline() -> None:
    with StreamRig(small(idle=60, deadline=5), transport="ws") as rig:
        phone = rig.websocket()
        phone.protocol.send_text(b"OPTIONS ", fin=False)
        phone.flush()
        rig.advance(4)
        phone.protocol.send_ping(b"")
        phone.flush()
        rig.advance(2)
        assert phone.hear_close() == 1008
        assert (rig.open, rig.closed) == (0, {"deadline": 1})


def test_an_endless_handshake_is_refused(rig: StreamRig) -> None:
    phone = rig.connect()
    phone.say(b"GET / HTTP/1.1\r\nX: " + b"x" * MAX_HANDSHAKE)
    assert phone.read().startswith(b"HTTP/1.1 431 ")
    assert phone.is_cut()


def test_garbage_for_a_handshake(rig: StreamRig) -> None:
    phone = rig.connect()
    phone.say(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc")
    assert phone.is_cut()
    phone.hang_up()
    assert (rig.open, rig.closed) == (0, {"fault": 1})


# A peer that does not read --------------------------------------------------------------------------------------


def test_it_is_not_read_either_and_then_it_gets_all() -> None:
    with StreamRig(small(), transport="ws") as rig:
        rig.join(app)
        phone = rig.websocket(sock=small_socket())
        count = 1
        while not rig.streams.unsent:
            assert count < 200
            phone.protocol.send_text(numbered(count, "PUBLISH"))
            phone.protocol.send_text(numbered(count + 1, "PUBLISH"))
            phone.phone.sock.send(sent(phone.protocol))
            rig.settle()
            count += 2
        phone.protocol.send_text(numbered(count))
        phone.phone.sock.send(sent(phone.protocol))
        rig.settle()
        assert rig.fates.received == count - 1
        heard = [read_reply(phone.hear()).one(b"Call-ID") for _ in range(count)]
        assert heard == [b"call-%d" % number for number in range(1, count + 1)]
        assert not rig.streams.unsent


def test_it_is_closed_when_it_owes_too_much() -> None:
    with StreamRig(small(), transport="ws") as rig:
        rig.join(app)
        phone = rig.websocket(sock=small_socket())
        for number in range(MAX_UNREAD):
            if not rig.open:
                break
            try:
                for again in range(8):
                    phone.protocol.send_text(numbered(8 * number + again, "PUBLISH"))
                phone.phone.sock.send(sent(phone.protocol))
            except (BlockingIOError, ConnectionResetError, BrokenPipeError):
                pass
            rig.settle()
        assert rig.closed == {"unread": 1}
        assert rig.edge.send_failures


def test_it_is_closed_after_a_while() -> None:
    with StreamRig(small(deadline=5), transport="ws") as rig:
        rig.join(app)
        phone = rig.websocket(sock=small_socket())
        while not rig.closed:  # the kernel may take the rest at the last moment; then there is more to come
            while not rig.streams.unsent:
                phone.protocol.send_text(numbered(1, "PUBLISH"))
                phone.phone.sock.send(sent(phone.protocol))
                rig.settle()
            rig.advance(6)
        assert rig.closed == {"unread": 1}


# Time is shared -------------------------------------------------------------------------------------------------


def test_frames_and_handshakes_are_shared_out_over_the_turns(rig: StreamRig) -> None:
    """Nobody, however many they are, keeps the edge from its other sockets."""
    phones = [rig.knock() for _ in range(FRAMES // HANDSHAKE_FRAMES * 2)]
    for phone in phones:
        phone.phone.sock.send(handshake(phone.protocol))
    turns = serve_all(rig)
    assert turns > 1
    for phone in phones:
        while not phone.is_open:
            phone.take()
    for phone in phones:
        for _ in range(100):
            phone.protocol.send_ping(b"")
        phone.phone.sock.send(sent(phone.protocol))
    assert serve_all(rig) > 100 * len(phones) // (FRAMES + 256)
    for phone in phones:
        assert [phone.hear_frame().opcode for _ in range(100)] == [Opcode.PONG] * 100


def serve_all(rig: StreamRig) -> int:
    """Let the edge take all that is waiting; how many turns that took, each with its own `now`."""
    turns = 0
    while rig.streams.serve(rig.now):
        rig.now += TURN
        turns += 1
    rig.turn()
    return turns


# Memory ---------------------------------------------------------------------------------------------------------


def test_what_is_kept_is_given_back(rig: StreamRig) -> None:
    phones = [rig.websocket() for _ in range(4)]
    for phone in phones:
        phone.protocol.send_text(b"x" * 1_000, fin=False)
        phone.protocol.send_continuation(b"x" * 500, fin=False)
        phone.phone.say(sent(phone.protocol) + b"\x80\xfe\x00\xff\0\0\0\0" + b"y" * 20)
    assert rig.streams._held == 4 * 1_520
    half = rig.knock()
    half.phone.say(handshake(half.protocol)[:30])
    assert rig.streams._held == 4 * 1_520 + 30
    for phone in (*phones, half):
        phone.phone.hang_up()
    assert rig.streams._held == 0
    assert rig.closed == {"peer": 5}
