"""SIP over WebSocket connections: what is different from TCP, on real sockets and a clock of the test's own."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from websockets.frames import Opcode

from slbroker.settings.connections import StreamSettings, TlsSettings
from slbroker_edge.transports.connection import PARTING
from slbroker_edge.transports.wsframes import MAX_MESSAGE
from tests.support import streams
from tests.support.sip import TYPICAL, read_reply, request
from tests.support.streams import VIAS, StreamRig, app, served, small
from tests.support.wsphone import WsPhone, client, handshake, sent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.certificates import Authority

TRANSPORT = "ws"
VIA = VIAS[TRANSPORT]
OPTIONS = request(via=VIA)
numbered = partial(streams.numbered, via=VIA)


# The way of a request -------------------------------------------------------------------------------------------


def test_a_request_is_answered_on_its_connection(rig: StreamRig) -> None:
    phone, other = rig.websocket(), rig.websocket()
    phone.say(OPTIONS)
    reply = read_reply(phone.hear())
    host, port = phone.phone.address
    assert reply.status == 200
    assert reply.one(b"Subject").decode() == f"ws {host} {port}"
    assert reply.one(b"Via").decode() == f"{VIA}={port};received={host}"
    assert other.is_silent()
    assert phone.is_silent()
    assert rig.shown() == {"replied": 1}


def test_the_name_is_kamailios(rig: StreamRig) -> None:
    assert rig.name == f"ws:127.0.0.1:{rig.port}"


def test_a_message_needs_no_content_length(rig: StreamRig) -> None:
    """RFC 7118 4.2: the frame says where it ends. A length that is there counts."""
    phone = rig.websocket()
    for length, status in [(None, 200), ("0", 200), ("5", 400), ("x", 400)]:
        phone.say(request(via=VIA, content_length=length))
        assert read_reply(phone.hear()).status == status


@pytest.mark.parametrize(("text", "opcode"), [(True, Opcode.TEXT), (False, Opcode.BINARY)])
def test_an_answer_is_of_the_kind_of_its_request(rig: StreamRig, text: bool, opcode: Opcode) -> None:
    phone = rig.websocket()
    phone.say(OPTIONS, text=text)
    frame = phone.hear_frame()
    assert frame.opcode is opcode
    assert read_reply(bytes(frame.data)).status == 200


def test_both_kinds_in_one_segment(rig: StreamRig) -> None:
    phone = rig.websocket()
    for number, send in enumerate([phone.protocol.send_text, phone.protocol.send_binary] * 3):
        send(numbered(number))
    phone.flush()
    frames = [phone.hear_frame() for _ in range(6)]
    found = {read_reply(bytes(frame.data)).one(b"Call-ID"): frame.opcode for frame in frames}
    assert found == {b"call-%d" % n: Opcode.BINARY if n % 2 else Opcode.TEXT for n in range(6)}


def test_what_is_no_text_is_answered_in_binary(rig: StreamRig) -> None:
    phone = rig.websocket()
    phone.say(request("INFO", via=VIA))
    assert phone.hear_frame().opcode is Opcode.BINARY


def test_an_ack_is_absorbed(rig: StreamRig) -> None:
    phone = rig.websocket()
    phone.say(request("INVITE", via=VIA))
    reply = read_reply(phone.hear())
    assert reply.status == 404
    phone.say(request("ACK", via=VIA, to=reply.one(b"To")))
    assert phone.is_silent()
    assert rig.shown() == {"replied": 1, "absorbed": 1}


def test_a_provisional_reply_and_the_final_one_are_a_frame_each(rig: StreamRig) -> None:
    phone = rig.websocket()
    phone.say(request("SUBSCRIBE", via=VIA))
    assert [read_reply(phone.hear()).status for _ in range(2)] == [100, 489]


def test_many_in_one_segment_are_one_batch(rig: StreamRig, monkeypatch: pytest.MonkeyPatch) -> None:
    (worker,) = rig.workers.values()
    batches: list[None] = []
    take = worker.take
    monkeypatch.setattr(worker, "take", lambda frames, now: batches.append(take(frames, now)))
    phone = rig.websocket()
    for number in range(30):
        phone.protocol.send_text(numbered(number))
    phone.flush()
    assert [read_reply(phone.hear()).one(b"Call-ID") for _ in range(30)] == [b"call-%d" % n for n in range(30)]
    assert len(batches) == 1


@pytest.mark.parametrize("name", TYPICAL)
def test_typical_requests_in_fragments(rig: StreamRig, name: str) -> None:
    phone = rig.websocket()
    data = TYPICAL[name]
    phone.say_in_parts(data[:1], data[1:100], b"", data[100:])
    assert read_reply(phone.hear()).status in {200, 404}


def test_byte_by_byte(rig: StreamRig) -> None:
    phone = rig.websocket()
    phone.protocol.send_text(OPTIONS)
    for byte in sent(phone.protocol):
        phone.phone.sock.send(bytes((byte,)))
        rig.streams.serve(rig.now)
    rig.turn()
    assert read_reply(phone.hear()).status == 200


def test_the_longest_message_is_taken(rig: StreamRig) -> None:
    start = request(via=VIA)
    phone = rig.websocket()
    phone.say(start + b"x" * (MAX_MESSAGE - len(start)))
    assert read_reply(phone.hear()).status == 200


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (request(via=None), "no-via"),
        (b"SIP/2.0 200 OK\r\nVia: x\r\n\r\n", "response"),
        (request("CANCEL", via=VIA), "cancel"),
        (request("ACK", via=VIA), "ack"),
        (b"hello", "no-via"),
    ],
)
def test_what_is_not_answered_hurts_nobody(rig: StreamRig, data: bytes, cause: str) -> None:
    phone = rig.websocket()
    phone.say(data)
    assert phone.is_silent()
    assert rig.shown() == {"dropped": {cause: 1}}
    phone.say(OPTIONS)
    assert read_reply(phone.hear()).status == 200


# Keepalives -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "opcode"), [(True, Opcode.TEXT), (False, Opcode.BINARY)])
def test_a_double_crlf_gets_a_crlf(rig: StreamRig, text: bool, opcode: Opcode) -> None:
    """RFC 7118 6, RFC 5626 3.5.1."""
    phone = rig.websocket()
    phone.say(b"\r\n\r\n", text=text)
    frame = phone.hear_frame()
    assert (frame.opcode, bytes(frame.data)) == (opcode, b"\r\n")
    assert rig.shown() == {}


def test_a_ping_gets_a_pong(rig: StreamRig) -> None:
    phone = rig.websocket()
    phone.protocol.send_ping(b"are you there?")
    phone.flush()
    frame = phone.hear_frame()
    assert (frame.opcode, bytes(frame.data)) == (Opcode.PONG, b"are you there?")


def test_a_silent_peer_is_asked_and_stays_if_it_is_there() -> None:
    """A page cannot send pings (RFC 7118 6), but its browser answers them."""
    with StreamRig(small(idle=60, deadline=5), transport="ws") as rig:
        phone = rig.websocket()
        for _ in range(3):
            rig.advance(61)
            assert phone.hear_frame().opcode is Opcode.PING
        rig.advance(50)
        assert (rig.open, phone.is_open) == (1, True)


def test_a_silent_peer_that_is_gone_is_closed() -> None:
    with StreamRig(small(idle=60, deadline=5), transport="ws") as rig:
        phone = rig.websocket()
        rig.advance(61)
        assert rig.open == 1
        rig.advance(6)
        assert (rig.open, rig.closed) == (0, {"idle": 1})
        assert phone.hear_close() == 1001


# Who is let in --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("subprotocols", [[], ["chat"], ["SIP"]])
def test_who_does_not_ask_for_sip_is_refused(rig: StreamRig, subprotocols: list[str]) -> None:
    phone = rig.knock(subprotocols=subprotocols)
    assert phone.shake_hands().status_code == 400
    assert phone.is_cut()
    phone.phone.hang_up()
    assert (rig.open, rig.closed) == (0, {"handshake": 1})


def test_a_web_browser_is_told_what_this_is(rig: StreamRig) -> None:
    phone = rig.connect()
    phone.say(b"GET / HTTP/1.1\r\nHost: example.com\r\nConnection: keep-alive\r\n\r\n")
    answer = phone.read()
    assert answer.startswith(b"HTTP/1.1 426 Upgrade Required\r\n")
    assert b"\r\nUpgrade: websocket\r\n" in answer
    assert phone.is_cut()
    phone.hang_up()
    assert (rig.open, rig.closed) == (0, {"handshake": 1})


@pytest.mark.parametrize(
    ("origins", "origin", "status"),
    [
        ((), None, 101),
        ((), "https://anywhere.example.net", 101),
        (("https://a.example.com", "https://b.example.com"), "https://b.example.com", 101),
        (("https://a.example.com",), "https://a.example.com:8443", 403),
        (("https://a.example.com",), "https://b.example.com", 403),
        (("https://a.example.com",), "null", 403),
        (("https://a.example.com",), None, 403),
        (("https://a.example.com", "none"), None, 101),
        (("none",), "https://a.example.com", 403),
    ],
)
def test_origins(origins: tuple[str, ...], origin: str | None, status: int) -> None:
    with StreamRig(StreamSettings(origins=origins), transport="ws") as rig:
        assert rig.knock(origin=origin).shake_hands().status_code == status


def test_a_connection_cap_and_one_for_each_source() -> None:
    for settings, what in [(small(connections=2), "all"), (small(per_source=2), "source")]:
        with StreamRig(settings, transport="ws") as rig:
            rig.join(app)
            phones = [rig.websocket() for _ in range(2)]
            with pytest.raises((ConnectionResetError, BrokenPipeError)):
                rig.knock().shake_hands()
            assert rig.streams.figures()["refused"] == 1, what
            phones[0].say(OPTIONS)
            assert read_reply(phones[0].hear()).status == 200


# Stopping -------------------------------------------------------------------------------------------------------


def test_a_stopping_edge_answers_what_it_has_taken(rig: StreamRig) -> None:
    (worker,) = rig.workers.values()
    worker.frozen = True
    phone, late = rig.websocket(), rig.knock()
    phone.say(numbered(1))
    rig.streams.stop()
    assert late.is_cut()
    rig.join(app)
    rig.kill(worker)
    rig.dispatcher.lose(b"worker 1", rig.now)
    rig.turn()
    assert read_reply(phone.hear()).one(b"Call-ID") == b"call-1"
    rig.streams.close()
    data = phone.phone.sock.recv(1_000)
    phone.protocol.receive_data(data)
    assert phone.protocol.close_rcvd is not None
    assert phone.protocol.close_rcvd.code == 1001
    assert (rig.open, rig.closed) == (0, {"stop": 2})


def test_at_the_end_one_at_rest_is_closed_and_one_that_has_yet_to_begin_is_waited_for(rig: StreamRig) -> None:
    phone, late = rig.websocket(), rig.knock()
    phone.say(numbered(1))
    assert read_reply(phone.hear()).status == 200
    rig.now += PARTING
    rig.streams.close_listeners()
    assert not rig.streams.part(rig.now)
    assert rig.open == 1
    late.shake_hands()
    assert rig.streams.part(rig.now)
    phone.protocol.receive_data(phone.phone.sock.recv(1_000))
    assert phone.protocol.close_rcvd is not None
    assert phone.protocol.close_rcvd.code == 1001


# Secure ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def secure(authority: Authority) -> Iterator[StreamRig]:
    pair = authority.issue("server")
    tls = TlsSettings(pair.certificate, pair.key)
    with served(small(idle=60, deadline=5), transport="wss", tls=tls) as made:
        yield made


def test_over_tls(secure: StreamRig, authority: Authority) -> None:
    below = secure.call(authority.client())
    with below.sock:
        phone = WsPhone(below, client(secure.port))
        assert phone.shake_hands().status_code == 101
        for number in range(40):
            phone.protocol.send_text(numbered(number))
        phone.flush()
        replies = [read_reply(phone.hear()) for _ in range(40)]
        assert [reply.one(b"Call-ID") for reply in replies] == [b"call-%d" % n for n in range(40)]
        assert replies[0].one(b"Subject").startswith(b"wss 127.0.0.1 ")
        phone.protocol.send_close(1000)
        phone.flush()
        assert phone.hear_close() == 1000
    assert secure.closed == {"peer": 1}
    assert secure.name == f"wss:127.0.0.1:{secure.port}"


def test_over_tls_there_is_one_deadline_for_both_handshakes(secure: StreamRig, authority: Authority) -> None:
    secure.connect()
    with secure.call(authority.client()).sock:
        secure.advance(6)
        assert secure.closed == {"deadline": 2}


def test_over_tls_a_fault_is_told_too(secure: StreamRig, authority: Authority) -> None:
    below = secure.call(authority.client())
    with below.sock:
        phone = WsPhone(below, client(secure.port))
        phone.shake_hands()
        phone.say(b"x" * (MAX_MESSAGE + 1))
        assert phone.hear_close() == 1009


def test_plain_websocket_to_a_secure_listener(secure: StreamRig) -> None:
    phone = secure.knock()
    phone.phone.sock.send(handshake(phone.protocol))
    secure.settle()
    assert secure.closed == {"handshake": 1}
