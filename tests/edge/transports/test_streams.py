"""SIP over TCP connections: what comes in on one is answered on it."""

from __future__ import annotations

import errno
import socket
from contextlib import suppress

import pytest

from slbroker.errors import BindError
from slbroker.listen import ListenAddress
from slbroker_edge.transports import streams as streams_module
from slbroker_edge.transports.binding import open_socket
from tests.support.sip import TYPICAL, read_reply, request
from tests.support.streams import VIA, StreamRig, app, numbered

PING = b"\r\n\r\n"


# The way of a request -------------------------------------------------------------------------------------------


def test_a_request_is_answered_on_its_connection(rig: StreamRig) -> None:
    phone, other = rig.connect(), rig.connect()
    phone.say(request(via=VIA))
    reply = read_reply(phone.hear())
    host, port = phone.address
    assert reply.status == 200
    assert reply.one(b"Subject").decode() == f"tcp {host} {port}"
    assert (reply.one(b"Via").decode()) == f"{VIA}={port};received={host}"
    assert other.is_silent()
    assert phone.is_silent()
    assert rig.shown() == {"replied": 1}


def test_the_name_is_kamailios(rig: StreamRig) -> None:
    assert rig.name == f"tcp:127.0.0.1:{rig.port}"


def test_over_ipv6() -> None:
    with StreamRig(host="::1") as rig:
        rig.join(app)
        phone = rig.connect()
        phone.say(request(via="SIP/2.0/TCP [2001:db8::1];rport"))
        reply = read_reply(phone.hear())
        assert reply.one(b"Subject").decode() == f"tcp ::1 {phone.address[1]}"
        assert reply.one(b"Via").decode() == f"SIP/2.0/TCP [2001:db8::1];rport={phone.address[1]};received=::1"
        assert rig.name == f"tcp:[::1]:{rig.port}"


def test_requests_in_one_segment_are_one_batch(rig: StreamRig, monkeypatch: pytest.MonkeyPatch) -> None:
    (worker,) = rig.workers.values()
    batches = []
    take = worker.take

    def count(frames: list[bytes], now: float) -> None:
        batches.append(len(frames))
        take(frames, now)

    monkeypatch.setattr(worker, "take", count)
    phone = rig.connect()
    phone.say(b"".join(numbered(number) for number in range(20)))
    assert [read_reply(phone.hear()).one(b"Call-ID") for _ in range(20)] == [b"call-%d" % n for n in range(20)]
    assert len(batches) == 1


def test_requests_of_many_connections_are_one_batch(rig: StreamRig, monkeypatch: pytest.MonkeyPatch) -> None:
    phones = [rig.connect() for _ in range(20)]
    for number, phone in enumerate(phones):
        phone.sock.send(numbered(number))
    served = []
    serve = rig.streams.serve
    monkeypatch.setattr(rig.streams, "serve", lambda now: served.append(serve(now)))
    rig.settle()
    assert [read_reply(phone.hear()).one(b"Call-ID") for phone in phones] == [b"call-%d" % n for n in range(20)]
    assert served == [20]


def test_byte_by_byte(rig: StreamRig) -> None:
    phone = rig.connect()
    for byte in TYPICAL["sipp_invite"]:
        phone.sock.send(bytes((byte,)))
        rig.streams.serve(rig.now)
    rig.turn()
    assert read_reply(phone.hear()).status == 404


def test_an_ack_is_absorbed(rig: StreamRig) -> None:
    phone = rig.connect()
    phone.say(request("INVITE", via=VIA))
    reply = read_reply(phone.hear())
    phone.say(request("ACK", via=VIA, to=reply.one(b"To")))
    assert phone.is_silent()
    assert rig.shown() == {"replied": 1, "absorbed": 1}


def test_an_ack_on_another_connection_is_absorbed_too(rig: StreamRig) -> None:
    phone = rig.connect()
    phone.say(request("INVITE", via=VIA))
    reply = read_reply(phone.hear())
    phone.hang_up()
    rig.connect().say(request("ACK", via=VIA, to=reply.one(b"To")))
    assert rig.shown() == {"replied": 1, "absorbed": 1}


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (request(via=None), "no-via"),
        (b"SIP/2.0 200 OK\r\nVia: x\r\nl: 0\r\n\r\n", "response"),
        (request("CANCEL", via=VIA), "cancel"),
        (request("ACK", via=VIA), "ack"),
        (b"GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "no-via"),
    ],
)
def test_what_is_not_answered_hurts_nobody(rig: StreamRig, data: bytes, cause: str) -> None:
    phone = rig.connect()
    phone.say(data)
    assert phone.is_silent()
    assert rig.shown() == {"dropped": {cause: 1}}
    phone.say(request(via=VIA))
    assert read_reply(phone.hear()).status == 200


def test_a_malformed_request_is_refused_and_the_next_one_is_served(rig: StreamRig) -> None:
    """Its length is in order, so the stream is: RFC 3261 18.3."""
    phone = rig.connect()
    phone.say(request(via=VIA, cseq="x") + request(via=VIA))
    assert [read_reply(phone.hear()).status for _ in range(2)] == [400, 200]


def test_a_provisional_reply_and_the_final_one(rig: StreamRig) -> None:
    phone = rig.connect()
    phone.say(request("SUBSCRIBE", via=VIA))
    assert [read_reply(phone.hear()).status for _ in range(2)] == [100, 489]


# Keepalives -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_ping_gets_a_pong(rig: StreamRig, count: int) -> None:
    """RFC 5626 3.5.1: a double CRLF, and a single one."""
    phone = rig.connect()
    phone.say(PING * count)
    assert phone.read() == b"\r\n" * count
    assert rig.shown() == {}


@pytest.mark.parametrize("keepalive", [b"\r\n\r\n\0", b"\r\n\0", b"\0", b" \t\r\n"])
@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "byte by byte"])
def test_a_keepalive_with_nul_or_blanks_keeps_the_connection(rig: StreamRig, keepalive: bytes, bytewise: bool) -> None:
    """Asterisk 12 and later keep connections alive with line ends and a NUL; only a double CRLF gets a pong."""
    phone = rig.connect()
    for piece in [keepalive[at : at + 1] for at in range(len(keepalive))] if bytewise else [keepalive]:
        phone.say(piece)
    if keepalive.startswith(PING):
        assert phone.read() == b"\r\n"
    assert phone.is_silent()
    phone.say(numbered(1) + keepalive + numbered(2))
    assert [read_reply(phone.hear()).status for _ in range(2)] == [200, 200]
    assert (rig.open, rig.closed) == (1, {})


def test_a_ping_in_two_halves(rig: StreamRig) -> None:
    phone = rig.connect()
    phone.say(b"\r\n")
    assert phone.is_silent()
    phone.say(b"\r\n")
    assert phone.read() == b"\r\n"


def test_pings_among_requests(rig: StreamRig) -> None:
    phone = rig.connect()
    phone.say(PING + numbered(1) + PING + b"\r\n" + numbered(2))
    data = b""
    while data.count(b"Call-ID") < 2:
        data += phone.read()
    assert data.startswith(b"\r\n\r\nSIP/2.0 200 OK\r\n")
    assert data.count(b"SIP/2.0 200 OK\r\n") == 2


# Accepting ------------------------------------------------------------------------------------------------------


class Short:
    """A listening socket of a process that has no descriptor left."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        self.asked = 0

    def accept(self) -> tuple[socket.socket, tuple[str, int]]:
        self.asked += 1
        raise OSError(errno.EMFILE, "Too many open files")

    def close(self) -> None:
        self.listener.close()


def test_a_shortage_of_descriptors_is_waited_out(rig: StreamRig, caplog: pytest.LogCaptureFixture) -> None:
    """The loop must not turn and turn for a connection that cannot be accepted."""
    ((fd, (listener, name, make)),) = rig.streams._listeners.items()
    short = Short(listener)
    rig.streams._listeners[fd] = (short, name, make)  # type: ignore[assignment]
    phone = rig.connect()
    assert short.asked == 1
    rig.streams._listeners[fd] = (listener, name, make)
    rig.settle()
    assert rig.open == 0
    rig.advance(streams_module.PAUSE + 0.5)
    phone.say(request(via=VIA))
    assert read_reply(phone.hear()).status == 200
    assert [record.getMessage() for record in caplog.records] == ["cannot accept connections: Too many open files"]


def test_more_than_one_turn_accepts(rig: StreamRig) -> None:
    socks = [socket.create_connection(("127.0.0.1", rig.port)) for _ in range(streams_module.ACCEPTS * 2 + 3)]
    rig.settle()
    assert rig.open == len(socks)
    for sock in socks:
        sock.close()
    rig.settle()
    assert (rig.open, rig.closed) == (0, {"peer": len(socks)})


def test_a_listen_address_that_is_taken(rig: StreamRig) -> None:
    with pytest.raises(BindError, match=r"^cannot listen on tcp:127.0.0.1:\d+: Address already in use; is something"):
        open_socket(ListenAddress("tcp", "127.0.0.1", rig.port), share_port=False)


def test_processes_share_a_port() -> None:
    with open_socket(ListenAddress("tcp", "127.0.0.1", 0), share_port=True) as first:
        port: int = first.getsockname()[1]
        open_socket(ListenAddress("tcp", "127.0.0.1", port), share_port=True).close()


# Stopping -------------------------------------------------------------------------------------------------------


def test_a_stopping_edge_answers_what_it_has_taken(rig: StreamRig) -> None:
    (worker,) = rig.workers.values()
    worker.frozen = True
    phone = rig.connect()
    phone.say(numbered(1))
    rig.streams.stop()
    phone.say(numbered(2))
    with pytest.raises(ConnectionRefusedError):
        rig.connect()
    rig.join(app)
    rig.kill(worker)
    rig.dispatcher.lose(b"worker 1", rig.now)
    rig.turn()
    assert read_reply(phone.hear()).one(b"Call-ID") == b"call-1"
    assert phone.is_silent()
    assert not rig.streams.unsent
    rig.streams.close()
    with suppress(ConnectionResetError):  # the request that came too late was not read
        assert phone.sock.recv(1) == b""
    assert (rig.open, rig.closed) == (0, {"stop": 1})
    assert rig.shown() == {"replied": 1}
