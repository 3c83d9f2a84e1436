"""One WebSocket without its socket: what comes out of its bytes, however they are cut."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from slbroker_edge.transports.wsframes import (
    HANDSHAKE_FRAMES,
    MAX_FRAMES,
    MAX_HANDSHAKE,
    MAX_MESSAGE,
    Received,
    Session,
)
from tests.support.sip import TYPICAL
from tests.support.wsphone import client, handshake, sent

if TYPE_CHECKING:
    from websockets.client import ClientProtocol

NOW = 100.0
REQUESTS = list(TYPICAL.values())


def opened(now: float = NOW) -> tuple[Session, ClientProtocol]:
    """Both ends after the handshake."""
    session, protocol = Session(None, now), client()
    assert session.feed(handshake(protocol), now) == []
    protocol.receive_data(session.output())
    protocol.events_received()
    assert session.is_open
    assert protocol.handshake_exc is None
    return session, protocol


def frame(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    """A frame as a client sends it."""
    return Frame(opcode, data, fin).serialize(mask=True)


def heard(protocol: ClientProtocol, session: Session) -> list[tuple[Opcode, bytes]]:
    """What the client hears of the session."""
    data = session.output()
    if data:
        protocol.receive_data(data)
    return [(e.opcode, bytes(e.data)) for e in protocol.events_received() if isinstance(e, Frame)]


# A message is a message, however it comes -----------------------------------------------------------------------


def stream() -> tuple[bytes, list[Received]]:
    """Messages of both kinds, whole and in parts, with control frames between and inside."""
    first, second, third, *others = REQUESTS
    data = b"".join(
        (
            frame(Opcode.TEXT, first),
            frame(Opcode.PING, b"?"),
            frame(Opcode.BINARY, second[:40], fin=False),
            frame(Opcode.PONG, b""),
            frame(Opcode.CONT, b"", fin=False),
            frame(Opcode.CONT, second[40:]),
            frame(Opcode.TEXT, b"\r\n\r\n"),
            frame(Opcode.TEXT, b"", fin=False),
            frame(Opcode.CONT, third),
            *(frame(Opcode.TEXT, other) for other in others),
        )
    )
    return data, [Received(m, is_text) for m, is_text in zip(REQUESTS, [True, False, True, True, True], strict=True)]


@pytest.mark.parametrize("size", [1, 2, 7, 1_000_000])
def test_however_it_is_cut(size: int) -> None:
    session, protocol = opened()
    data, wanted = stream()
    messages = []
    for at in range(0, len(data), size):
        messages += session.feed(data[at : at + size], NOW)
    assert messages == wanted
    assert heard(protocol, session) == [(Opcode.PONG, b"?"), (Opcode.TEXT, b"\r\n")]
    assert (session.held, session.begun, session.over) == (0, None, "")


def test_messages_behind_the_handshake_in_one_segment() -> None:
    session, protocol = Session(None, NOW), client()
    data = handshake(protocol) + frame(Opcode.PING, b"") + frame(Opcode.TEXT, REQUESTS[0])
    assert session.feed(data, NOW) == [Received(REQUESTS[0], True)]
    protocol.receive_data(session.output())
    assert [getattr(e, "opcode", "response") for e in protocol.events_received()] == ["response", Opcode.PONG]


@pytest.mark.parametrize("size", [1, 3])
def test_a_handshake_in_pieces(size: int) -> None:
    session, protocol = Session(None, NOW), client()
    data = handshake(protocol)
    for at in range(0, len(data), size):
        assert session.output() == b""
        assert (session.begun, session.is_open, session.over) == (NOW, False, "")
        assert session.held == at
        session.feed(data[at : at + size], NOW + at)
    assert session.is_open
    assert (session.begun, session.held) == (None, 0)


# What it knows about time and memory ----------------------------------------------------------------------------


def test_a_message_that_has_begun() -> None:
    session, _ = opened()
    data = frame(Opcode.TEXT, REQUESTS[0])
    pieces = [data[:1], data[1:50], data[50:] + data[:20], data[20:]]
    begun = []
    for number, piece in enumerate(pieces):
        session.feed(piece, NOW + number)
        begun.append(session.begun)
    assert begun == [NOW, NOW, NOW + 2, None]
    assert session.held == 0


def test_pings_inside_a_message_do_not_prolong_it() -> None:
    session, _ = opened()
    session.feed(frame(Opcode.TEXT, b"", fin=False), NOW + 1)
    session.feed(frame(Opcode.PING, b""), NOW + 2)
    session.feed(frame(Opcode.CONT, b"x", fin=False), NOW + 3)
    assert session.begun == NOW + 1


def test_asking_and_hearing() -> None:
    session, protocol = opened()
    protocol.receive_data(session.ask())
    assert session.asked
    assert session.feed(sent(protocol), NOW) == []
    assert not session.asked


# Answers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "is_text", "opcode"),
    [
        (b"SIP/2.0 200 OK\r\n\r\n", True, Opcode.TEXT),
        (b"SIP/2.0 200 OK\r\n\r\n", False, Opcode.BINARY),
        ("SIP/2.0 200 Schön\r\n\r\n".encode(), True, Opcode.TEXT),
        ("SIP/2.0 200 Schön\r\n\r\n".encode("latin-1"), True, Opcode.BINARY),
    ],
)
def test_a_reply_is_of_the_kind_of_its_request_where_it_can_be(reply: bytes, is_text: bool, opcode: Opcode) -> None:
    """RFC 7118 4.2: what is no UTF-8 has to be binary."""
    session, protocol = opened()
    protocol.receive_data(session.wrap(reply, is_text=is_text))
    (event,) = protocol.events_received()
    assert isinstance(event, Frame)
    assert (event.opcode, bytes(event.data), event.fin) == (opcode, reply, True)


@pytest.mark.parametrize("data", [b"\r\n\r\n", b"\r\n\r\n\0", b"\0\r\n\r\n", b"\r\n\r\n\r\n\r\n \t"])
def test_a_ping_gets_a_pong_whatever_blanks_are_around(data: bytes) -> None:
    session, protocol = opened()
    assert session.feed(frame(Opcode.TEXT, data), NOW) == []
    assert heard(protocol, session) == [(Opcode.TEXT, b"\r\n")]


@pytest.mark.parametrize("data", [b"", b"\r\n", b"\r", b"\n\r\n", b"\0", b"\r\n\0", b" \t", b"\r\n\0\r\n"])
def test_what_is_no_ping_gets_no_pong(data: bytes) -> None:
    session, protocol = opened()
    assert session.feed(frame(Opcode.TEXT, data), NOW) == []
    assert heard(protocol, session) == []


# Faults ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(Frame(Opcode.TEXT, b"x").serialize(mask=False), 1002, id="unmasked"),
        pytest.param(b"\x83\x80\0\0\0\0", 1002, id="opcode"),
        pytest.param(b"\xc1\x80\0\0\0\0", 1002, id="reserved bit, as for compression"),
        pytest.param(b"\x09\x80\0\0\0\0", 1002, id="ping in parts"),
        pytest.param(b"\x89\xfe\0\x7e\0\0\0\0" + b"x" * 126, 1002, id="long ping"),
        pytest.param(frame(Opcode.CONT, b"x"), 1002, id="continues nothing"),
        pytest.param(frame(Opcode.TEXT, b"x", fin=False) + frame(Opcode.TEXT, b"x"), 1002, id="no end"),
        pytest.param(frame(Opcode.CLOSE, b"\x03"), 1002, id="bad close"),
        pytest.param(frame(Opcode.TEXT, b"x\xff"), 1007, id="no UTF-8"),
        pytest.param(frame(Opcode.TEXT, b"\xc3", fin=False) + frame(Opcode.CONT, b"x"), 1007, id="nor in parts"),
        pytest.param(frame(Opcode.TEXT, b"x" * (MAX_MESSAGE + 1)), 1009, id="too long"),
        pytest.param(b"\x81\xff\x7f" + b"\xff" * 7, 1009, id="said to be far too long"),
        pytest.param(b"\x81\xff" + b"\xff" * 8, 1009, id="beyond any length"),
        pytest.param(
            frame(Opcode.TEXT, b"x" * 60_000, fin=False) + frame(Opcode.CONT, b"x" * 6_000), 1009, id="in parts"
        ),
        pytest.param(frame(Opcode.PING, b"") * (MAX_FRAMES + 1), 1008, id="too many"),
    ],
)
def test_a_fault_is_told_and_ends_it(data: bytes, code: int) -> None:
    session, protocol = opened()
    good = frame(Opcode.BINARY, REQUESTS[0])
    assert session.feed(good + data + good, NOW) == [Received(REQUESTS[0], False)]
    assert (session.over, session.is_open) == ("fault", False)
    protocol.receive_data(session.output())
    assert protocol.close_rcvd is not None
    assert protocol.close_rcvd.code == code


def test_the_longest_message() -> None:
    session, _ = opened()
    data = frame(Opcode.TEXT, b"x" * MAX_MESSAGE)
    assert session.feed(data, NOW) == [Received(b"x" * MAX_MESSAGE, True)]


def test_a_peer_that_says_goodbye() -> None:
    session, protocol = opened()
    protocol.send_close(1000, "bye")
    session.feed(sent(protocol) + frame(Opcode.TEXT, REQUESTS[0]), NOW)
    assert (session.over, session.is_open) == ("peer", False)
    protocol.receive_data(session.output())
    assert protocol.close_rcvd_then_sent is False
    assert session.close(1001) == b""


def test_our_goodbye() -> None:
    session, protocol = opened()
    protocol.receive_data(session.close(1001))
    assert protocol.close_rcvd is not None
    assert protocol.close_rcvd.code == 1001
    assert session.close(1001) == b""
    assert (session.held, session.is_open) == (0, False)


# Refused handshakes ---------------------------------------------------------------------------------------------


def changed(old: bytes, new: bytes) -> bytes:
    """A handshake with one part of it replaced."""
    data = handshake(client())
    assert old in data
    return data.replace(old, new)


@pytest.mark.parametrize(
    ("data", "status"),  # 4: any such, since versions of the library differ
    [
        pytest.param(
            changed(b"Sec-WebSocket-Protocol: sip", b"Sec-WebSocket-Protocol: chat, xmpp"), 400, id="protocol"
        ),
        pytest.param(changed(b"Sec-WebSocket-Protocol: sip\r\n", b""), 400, id="no protocol"),
        pytest.param(changed(b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version: 8"), 400, id="version"),
        pytest.param(changed(b"Sec-WebSocket-Key: ", b"Sec-WebSocket-Key: x"), 400, id="key"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 426, id="plain HTTP"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", 426, id="HTTP/2"),
        pytest.param(b"GET /\r\n\r\n", 400, id="no version"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", 400, id="a body"),
        pytest.param(b"GET / HTTP/1.1\r\nno header\r\n\r\n", 400, id="no header"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"X: x\r\n" * 200 + b"\r\n", 4, id="many headers"),
        pytest.param(b"GET / HTTP/1.1\r\nX: " + b"x" * 9_000 + b"\r\n\r\n", 4, id="long header"),
        pytest.param(b"GET / HTTP/1.1\r\nX: " + b"x" * MAX_HANDSHAKE, 431, id="endless header"),
        pytest.param(REQUESTS[0], 400, id="SIP"),
        pytest.param(b"GET \xff HTTP/1.1\r\n\r\n", 4, id="no ASCII"),
        pytest.param(b"GET / HTTP/1.1\nHost: x\n\r\n\r\n", 400, id="bare line feeds"),
    ],
)
def test_a_refused_handshake(data: bytes, status: int) -> None:
    session = Session(None, NOW)
    assert session.feed(data, NOW) == []
    answer = session.output()
    assert answer.startswith(b"HTTP/1.1 %d" % status)
    assert b"\r\nConnection: close\r\n" in answer
    assert len(answer) < 700
    assert (session.over, session.is_open) == ("handshake", False)
    assert session.frames in (0, HANDSHAKE_FRAMES)


def test_a_version_that_is_not_ours_is_told_which_is() -> None:
    """RFC 6455 4.4."""
    session = Session(None, NOW)
    session.feed(changed(b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version: 8"), NOW)
    assert b"\r\nSec-WebSocket-Version: 13\r\n" in session.output()


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x02\x00", b"\r\n\r\n", b"\0", b" GET / HTTP/1.1\r\n\r\n"])
def test_what_is_no_http_hears_nothing(data: bytes) -> None:
    session = Session(None, NOW)
    assert session.feed(data, NOW) == []
    assert (session.over, session.output()) == ("fault", b"")


def test_several_protocols_with_ours_among_them() -> None:
    session = Session(None, NOW)
    session.feed(changed(b"Sec-WebSocket-Protocol: sip", b"Sec-WebSocket-Protocol: msrp, sip"), NOW)
    assert session.is_open
    assert b"\r\nSec-WebSocket-Protocol: sip\r\n" in session.output()


# Anything at all ------------------------------------------------------------------------------------------------


def test_a_ping_before_a_fault_in_one_segment() -> None:
    session, protocol = opened()
    assert session.feed(frame(Opcode.TEXT, b"\r\n\r\n") + b"\x83\x80\0\0\0\0", NOW) == []
    assert [opcode for opcode, _ in heard(protocol, session)] == [Opcode.CLOSE]


@given(st.lists(st.binary(max_size=300), max_size=5), st.booleans())
def test_any_bytes(pieces: list[bytes], after_handshake: bool) -> None:
    session = opened()[0] if after_handshake else Session(None, NOW)
    for piece in pieces:
        if not session.over:
            session.feed(piece, NOW)
            session.output()
            assert session.held <= MAX_HANDSHAKE + MAX_MESSAGE
    session.close(1001)


@given(st.integers(), st.integers(1, 12))
def test_any_mutant(seed: int, changes: int) -> None:
    """What was right before the first spoilt byte comes out right; nothing raises."""
    dice = random.Random(seed)
    data = bytearray(stream()[0])
    first = len(data)
    for _ in range(changes):
        at = dice.randrange(len(data))
        data[at] = dice.randrange(256)
        first = min(first, at)
    session, _ = opened()
    messages = session.feed(bytes(data), NOW)
    if first > len(frame(Opcode.TEXT, REQUESTS[0])):
        assert messages[0] == Received(REQUESTS[0], True)
    session.output()
    session.close(1001)
