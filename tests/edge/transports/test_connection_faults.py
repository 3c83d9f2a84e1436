"""What ends a TCP connection, and what a peer still gets when it does."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from slbroker_edge.transports.connection import PARTING
from tests.support.sip import read_reply, request
from tests.support.streams import VIA, app, numbered

if TYPE_CHECKING:
    from tests.support.streams import StreamRig


LONG = b"X: " + b"x" * 40_000


@pytest.mark.parametrize(
    ("data", "status", "reason"),
    [
        (request(via=VIA, content_length=None), 400, "Missing Content-Length Header"),
        (request(via=VIA, content_length=["0", "1"]), 400, "Repeated Content-Length Header"),
        (request(via=VIA, content_length="-1"), 400, "Bad Content-Length Header"),
        (request(via=VIA, content_length="70000"), 413, "Request Entity Too Large"),
        (request(via=VIA, lines=[LONG]), 513, "Message Too Large"),
        (request("INVITE", via=VIA, content_length=None, cseq="x"), 400, "Missing Content-Length Header"),
    ],
)
def test_a_fault_is_answered_and_ends_the_connection(rig: StreamRig, data: bytes, status: int, reason: str) -> None:
    phone = rig.connect()
    phone.say(numbered(1) + data + numbered(3) * 500)
    replies = {reply.one(b"Call-ID"): reply for reply in (read_reply(phone.hear()), read_reply(phone.hear()))}
    assert replies.pop(b"call-1").status == 200
    (reply,) = replies.values()
    assert (reply.status, reply.reason) == (status, reason)
    assert reply.one(b"Via").endswith(b"received=127.0.0.1")
    assert phone.is_cut()
    phone.hang_up()
    assert rig.shown() == {"replied": 2}
    assert (rig.open, rig.closed) == (0, {"fault": 1})


@pytest.mark.parametrize(
    ("data", "fates"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01", {}),
        (b"\0\x0b" + request(via=VIA), {}),
        (b"\0" * 1_100 + request(via=VIA), {}),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", {"dropped": {"no-via": 1}}),
        (request("ACK", via=VIA, content_length=None), {"dropped": {"bad-ack": 1}}),
        (request("CANCEL", via=VIA, content_length="x"), {"dropped": {"cancel": 1}}),
        (request("ACK", via=VIA, content_length=None, cseq="x ACK"), {"dropped": {"bad-ack": 1}}),
        (b"SIP/2.0 200 OK\r\nVia: x\r\n\r\n", {"dropped": {"response": 1}}),
        (b"\r\n" * 600, {}),
    ],
)
def test_a_fault_in_silence(rig: StreamRig, data: bytes, fates: dict[str, object]) -> None:
    phone = rig.connect()
    phone.say(data)
    assert phone.is_cut()
    assert rig.shown() == fates
    assert (rig.open, rig.closed) == (0, {"fault": 1})


def test_a_ping_before_a_fault_still_gets_its_pong(rig: StreamRig) -> None:
    phone = rig.connect()
    phone.say(b"\r\n\r\n\0" + request(via=VIA, content_length=None))
    data = b""
    while piece := phone.read():
        data += piece
    assert data.startswith(b"\r\nSIP/2.0 400 Missing Content-Length Header\r\n")


def test_after_a_fault_answers_that_are_on_their_way_still_come(rig: StreamRig) -> None:
    (worker,) = rig.workers.values()
    worker.frozen = True
    phone = rig.connect()
    phone.say(numbered(1) + request(via=VIA, content_length=None))
    assert read_reply(phone.hear()).status == 400
    assert phone.is_silent()
    rig.join(app)
    rig.kill(worker)
    rig.dispatcher.lose(b"worker 1", rig.now)
    rig.turn()
    assert read_reply(phone.hear()).one(b"Call-ID") == b"call-1"
    assert phone.is_cut()


def test_after_a_fault_the_connection_ends_whatever_is_on_its_way(rig: StreamRig) -> None:
    (worker,) = rig.workers.values()
    worker.frozen = True
    phone = rig.connect()
    phone.say(numbered(1) + request(via=VIA, content_length=None))
    assert read_reply(phone.hear()).status == 400
    rig.advance(PARTING + 0.5)
    assert phone.is_cut()
    assert rig.closed == {"fault": 1}


def test_a_peer_that_sends_no_more_gets_its_answers(rig: StreamRig) -> None:
    """Half closed, as `nc -N` does it."""
    phone = rig.connect()
    phone.sock.send(numbered(1) + numbered(2))
    phone.sock.shutdown(socket.SHUT_WR)
    assert [read_reply(phone.hear()).one(b"Call-ID") for _ in range(2)] == [b"call-1", b"call-2"]
    assert phone.is_cut()
    assert (rig.open, rig.closed) == (0, {"peer": 1})


def test_a_peer_that_sends_no_more_waits_for_a_second_at_most(rig: StreamRig) -> None:
    phone = rig.connect()
    phone.sock.send(request("CANCEL", via=VIA))  # one that nobody answers; the connection does not know that
    phone.sock.shutdown(socket.SHUT_WR)
    assert phone.is_silent()
    rig.advance(PARTING + 0.5)
    assert phone.is_cut()
    assert rig.closed == {"peer": 1}


def test_a_closed_connection_is_a_send_failure_and_no_more(rig: StreamRig) -> None:
    phone, other = rig.connect(), rig.connect()
    rig.end_at_the_worker(phone.reset)
    phone.sock.send(numbered(1, "INVITE"))
    rig.settle()
    assert rig.edge.send_failures == 1
    assert rig.closed == {"peer": 1}
    other.say(numbered(2))
    assert read_reply(other.hear()).status == 200
    assert rig.shown() == {"replied": 2}
