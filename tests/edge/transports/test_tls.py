"""SIP over TLS: what is different from TCP."""

from __future__ import annotations

import logging
import select
import ssl
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from slbroker import Handlers
from slbroker.settings.connections import TlsSettings
from slbroker.tls import server_context
from slbroker_edge.transports.connection import MAX_UNREAD, PARTING
from slbroker_edge.transports.tls import HANDSHAKES, RECORD
from tests.support.certificates import Authority, Pair, common_name
from tests.support.sip import read_reply, request
from tests.support.streams import VIAS, StreamRig, app, series, small_socket, tiny_socket
from tests.support.timing import within

if TYPE_CHECKING:
    import socket
    from pathlib import Path


TRANSPORT = "tls"
VIA = VIAS[TRANSPORT]
OPTIONS = request(via=VIA)


# The way of a request -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_request_is_answered(rig: StreamRig, authority: Authority, version: ssl.TLSVersion) -> None:
    context = authority.client()
    context.minimum_version = context.maximum_version = version
    phone = rig.call(context)
    phone.say(OPTIONS)
    reply = read_reply(phone.hear())
    assert reply.one(b"Subject").decode() == f"tls 127.0.0.1 {phone.address[1]}"
    assert reply.one(b"Via").decode() == f"{VIA}={phone.address[1]};received=127.0.0.1"
    assert rig.name == f"tls:127.0.0.1:{rig.port}"


def test_requests_larger_than_a_record(rig: StreamRig, authority: Authority) -> None:
    phone = rig.call(authority.client())
    phone.say(request("MESSAGE", via=VIA, body=b"x" * 60_000) + series(100))
    assert [read_reply(phone.hear()).status for _ in range(101)] == [200] * 101


def test_a_fault_is_answered_and_ends_the_connection(rig: StreamRig, authority: Authority) -> None:
    phone = rig.call(authority.client())
    phone.say(request(via=VIA, content_length=None) + OPTIONS)
    assert read_reply(phone.hear()).status == 400
    assert phone.read() == b""  # by the closing alert: SSLSocket.recv would raise at an end without
    phone.hang_up()
    assert rig.closed == {"fault": 1}


def test_a_ping_gets_a_pong(rig: StreamRig, authority: Authority) -> None:
    phone = rig.call(authority.client())
    phone.say(b"\r\n\r\n\0")
    assert phone.read() == b"\r\n"
    assert phone.is_silent()
    phone.say(b"\0" + OPTIONS)
    assert read_reply(phone.hear()).status == 200


def test_a_peer_that_does_not_read_is_not_read_from(rig: StreamRig, authority: Authority) -> None:
    """Nor does the edge spin meanwhile; and when the peer reads, all replies are there."""
    phone = rig.call(authority.client(), small_socket())
    phone.sock.settimeout(0.05)
    sent, whole = 0, series(500)
    with suppress(TimeoutError):
        while True:
            at = sent % len(whole)
            sent += phone.sock.send(whole[at : at + len(whole) // 25])
            rig.streams.serve(rig.now)
            rig.turn()
    assert not select.select([rig.streams.fileno()], [], [], 0.1)[0]
    phone.sock.setblocking(False)
    early = [phone.hear() for _ in range(sent * 500 // len(whole))]
    phone.say(whole[sent % len(whole) :])
    late = [phone.hear() for _ in range((sent // len(whole) + 1) * 500 - len(early))]
    assert {reply[:14] for reply in early + late} == {b"SIP/2.0 200 OK"}
    assert phone.is_silent()
    assert rig.open == 1


def test_a_peer_that_reads_slowly_is_not_given_up(server: Pair, authority: Authority) -> None:
    """What it has taken counts, although it takes longer for a record than it has for one read."""
    large = Handlers()
    large.otherwise(lambda request: request.reply(200, headers={"Content-Type": "text/plain"}, body=b"x" * 60_000))
    with StreamRig(transport="tls", tls=TlsSettings(server.certificate, server.key)) as rig:
        rig.join(large)
        phone = BytePhone(rig.connect(tiny_socket()).sock, authority.client(), rig)
        phone.say(series(4))
        taken: list[int] = []
        while sum(taken) < 2 * RECORD:
            rig.advance(6.0)
            assert rig.open == 1, taken
            assert rig.streams.unsent
            taken.append(phone.take())
        assert max(taken) < RECORD / 2
        rig.advance(21.0)
        assert rig.closed == {"unread": 1}


class BytePhone:
    """A TLS client that takes as few bytes from its socket as a test likes, whatever the records are."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, rig: StreamRig) -> None:
        self._sock = sock
        self._rig = rig
        self._come, self._go = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._come, self._go, server_hostname="127.0.0.1")
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                assert select.select([sock], [], [], within(5))[0]
                self._come.write(sock.recv(100_000))
            else:
                self._flush()
                return

    def _flush(self) -> None:
        self._sock.sendall(self._go.read())
        self._rig.settle()

    def say(self, data: bytes) -> None:
        """Send all of it and let the edge answer."""
        self._tls.write(data)
        self._flush()

    def take(self) -> int:
        """Read what its kernel has kept, let the edge send more, and return how much it was."""
        size = len(self._sock.recv(8_192))
        self._rig.settle()
        return size


# Handshakes -----------------------------------------------------------------------------------------------------


def test_old_versions_are_refused(rig: StreamRig, authority: Authority) -> None:
    context = authority.client()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        rig.call(context)
    assert rig.closed == {"handshake": 1}


def test_no_tls_at_all(rig: StreamRig, authority: Authority) -> None:
    phone = rig.connect()
    phone.say(OPTIONS)
    assert b"SIP" not in phone.read()  # an alert
    assert phone.is_cut()
    assert rig.closed == {"handshake": 1}
    assert rig.shown() == {}
    rig.call(authority.client()).say(OPTIONS)
    assert rig.shown() == {"replied": 1}


def test_a_connection_that_never_speaks(rig: StreamRig) -> None:
    phone = rig.connect()
    rig.advance(9.5)
    assert phone.is_silent()
    rig.advance(1.5)
    assert phone.is_cut()
    assert rig.closed == {"deadline": 1}


def test_a_connection_that_ends_in_its_handshake(rig: StreamRig) -> None:
    phone = rig.connect()
    phone.say(b"\x16\x03\x01")
    phone.hang_up()
    assert (rig.open, rig.closed) == (0, {"handshake": 1})


def test_handshakes_leave_time_for_others(rig: StreamRig, authority: Authority) -> None:
    """A handshake costs more than a hundred requests: only some are done in one turn."""
    waiting = [rig.begin(authority.client()) for _ in range(HANDSHAKES * 2)]
    for tls in waiting:
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
    for turn in (1, 2):
        rig.streams.serve(rig.now)
        assert len(select.select(waiting, [], [], 0.05)[0]) == HANDSHAKES * turn


def test_a_failed_handshake_is_logged_for_those_who_look(rig: StreamRig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    rig.connect().say(b"x" * MAX_UNREAD)
    assert [r.getMessage().partition(" failed: ")[0] for r in caplog.records] == ["TLS handshake with 127.0.0.1"]


# Certificates -------------------------------------------------------------------------------------------------


def test_a_client_with_a_certificate(authority: Authority, server: Pair, other: Pair) -> None:
    settings = TlsSettings(server.certificate, server.key, clients=authority.certificate)
    with StreamRig(transport="tls", tls=settings) as rig:
        rig.join(app)
        phone = rig.call(authority.client(other))
        phone.say(OPTIONS)
        assert read_reply(phone.hear()).status == 200


def test_a_client_without_one(authority: Authority, server: Pair, tmp_path: Path) -> None:
    settings = TlsSettings(server.certificate, server.key, clients=authority.certificate)
    with StreamRig(transport="tls", tls=settings) as rig:
        stranger = Authority(tmp_path).issue("stranger")
        for client in (authority.client(), authority.client(stranger)):
            phone = rig.call(client)  # in TLS 1.3 the client is through before the server has seen its certificate
            with pytest.raises(ssl.SSLError):
                phone.read()
        assert rig.closed == {"handshake": 2}


def test_a_new_certificate_is_for_new_connections(rig: StreamRig, authority: Authority, other: Pair) -> None:
    before = rig.call(authority.client())
    assert rig.secure
    rig.secure.context = server_context(TlsSettings(other.certificate, other.key))
    after = rig.call(authority.client())
    names = []
    for phone in (before, after):
        phone.say(OPTIONS)
        assert read_reply(phone.hear()).status == 200
        assert isinstance(phone.sock, ssl.SSLSocket)
        certificate = phone.sock.getpeercert()
        assert certificate
        names.append(common_name(dict(certificate)))
    assert names == ["first", "second"]


def test_at_the_end_a_handshake_is_waited_for(rig: StreamRig, authority: Authority) -> None:
    tls = rig.begin(authority.client())
    with suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    rig.settle()
    rig.now += PARTING
    rig.streams.close_listeners()
    assert not rig.streams.part(rig.now)
    while rig.open and not tls.version():
        with suppress(ssl.SSLWantReadError):
            tls.do_handshake()
        rig.settle()
    assert rig.streams.part(rig.now)
    assert select.select([tls], [], [], within(5.0))[0]
    assert tls.recv(1) == b"", "with a closing alert, or Python would raise"
