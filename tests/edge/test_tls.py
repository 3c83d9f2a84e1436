"""SIP over TLS: what is different from TCP."""

from __future__ import annotations

import logging
import select
import signal
import socket
import ssl
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from slbroker import Handlers, Reply, Request
from slbroker.config import ListenAddress, StreamSettings, TlsSettings
from slbroker.errors import ConfigError
from slbroker.tls import server_context, try_files
from slbroker_edge.transports.connection import MAX_UNREAD
from slbroker_edge.transports.tls import HANDSHAKES, TlsConnections
from tests.edge.streamrig import Phone, StreamRig, small_socket
from tests.support.certificates import Authority, Pair, common_name
from tests.support.processes import run_slbroker
from tests.support.sip import read_reply, request
from tests.support.timing import until, within

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Start

VIA = "SIP/2.0/TLS 192.0.2.1:5061;branch=z9hG4bK776asdhds;rport"
OPTIONS = request(via=VIA)

app = Handlers()


@app.otherwise
def answer(request: Request) -> Reply:
    source = request.source
    return request.reply(200, "OK", headers={"Subject": f"{source.transport} {source.host} {source.port}"})


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def server(authority: Authority) -> Pair:
    return authority.issue("first")


@pytest.fixture(scope="module")
def other(authority: Authority) -> Pair:
    return authority.issue("second")


@pytest.fixture
def rig(server: Pair) -> Iterator[TlsRig]:
    with TlsRig(TlsSettings(server.certificate, server.key)) as made:
        made.join(app)
        yield made


class TlsRig(StreamRig):
    """A rig whose connections are TLS."""

    def __init__(self, settings: TlsSettings, streams: StreamSettings | None = None) -> None:
        self.makers = TlsConnections(server_context(settings))
        super().__init__(streams, transport="tls", make=self.makers)

    def begin(self, context: ssl.SSLContext, sock: socket.socket | None = None) -> ssl.SSLSocket:
        """Connect; the handshake is the caller's."""
        plain = self.connect(sock).sock
        tls = context.wrap_socket(plain, do_handshake_on_connect=False, server_hostname="127.0.0.1")
        return self._stack.enter_context(tls)

    def call(self, context: ssl.SSLContext, sock: socket.socket | None = None) -> Phone:
        """Connect and do the handshake; raises what the client finds wrong."""
        tls = self.begin(context, sock)
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                self.settle()
                assert select.select([tls], [], [], within(5))[0]
            else:
                self.settle()
                return TlsPhone(self, tls)


class TlsPhone(Phone):
    """Its socket may have nothing for the reader although it is readable: a session ticket is no data."""

    def read(self) -> bytes:
        while True:
            try:
                return super().read()
            except ssl.SSLWantReadError:
                continue

    def is_silent(self) -> bool:
        self._rig.settle()
        with pytest.raises(ssl.SSLWantReadError):
            self.sock.recv(1)
        return not self._heard


# The way of a request -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_request_is_answered(rig: TlsRig, authority: Authority, version: ssl.TLSVersion) -> None:
    context = authority.client()
    context.minimum_version = context.maximum_version = version
    phone = rig.call(context)
    phone.say(OPTIONS)
    reply = read_reply(phone.hear())
    assert reply.one(b"Subject").decode() == f"tls 127.0.0.1 {phone.address[1]}"
    assert reply.one(b"Via").decode() == f"{VIA}={phone.address[1]};received=127.0.0.1"
    assert rig.name == f"tls:127.0.0.1:{rig.port}"


def test_requests_larger_than_a_record(rig: TlsRig, authority: Authority) -> None:
    phone = rig.call(authority.client())
    phone.say(request("MESSAGE", via=VIA, body=b"x" * 60_000) + OPTIONS * 100)
    assert [read_reply(phone.hear()).status for _ in range(101)] == [200] * 101


def test_a_fault_is_answered_and_ends_the_connection(rig: TlsRig, authority: Authority) -> None:
    phone = rig.call(authority.client())
    phone.say(request(via=VIA, content_length=None) + OPTIONS)
    assert read_reply(phone.hear()).status == 400
    assert phone.read() == b""  # by the closing alert: SSLSocket.recv would raise at an end without
    phone.hang_up()
    assert rig.closed == {"fault": 1}


def test_a_ping_gets_a_pong(rig: TlsRig, authority: Authority) -> None:
    phone = rig.call(authority.client())
    phone.say(b"\r\n\r\n")
    assert phone.read() == b"\r\n"


def test_a_peer_that_does_not_read_is_not_read_from(rig: TlsRig, authority: Authority) -> None:
    """Nor does the edge spin meanwhile; and when the peer reads, all replies are there."""
    phone = rig.call(authority.client(), small_socket())
    phone.sock.settimeout(0.05)
    sent, whole = 0, OPTIONS * 20
    with suppress(TimeoutError):
        while True:
            sent += phone.sock.send(whole[sent % len(whole) :])
            rig.streams.serve(rig.now)
            rig.turn()
    assert not select.select([rig.streams.fileno()], [], [], 0.1)[0]
    phone.sock.setblocking(False)
    early = [phone.hear() for _ in range(sent // len(OPTIONS))]
    phone.say(whole[sent % len(whole) :])
    late = [phone.hear() for _ in range((sent // len(whole) + 1) * 20 - len(early))]
    assert {reply[:14] for reply in early + late} == {b"SIP/2.0 200 OK"}
    assert phone.is_silent()
    assert rig.open == 1


def test_a_peer_that_reads_slowly_is_not_given_up(server: Pair, authority: Authority) -> None:
    """A backlog goes out record by record, so that each that is read counts."""
    large = Handlers()
    large.otherwise(lambda request: request.reply(200, headers={"Content-Type": "text/plain"}, body=b"x" * 60_000))
    with TlsRig(TlsSettings(server.certificate, server.key)) as rig:
        rig.join(large)
        phone = rig.call(authority.client(), small_socket())
        phone.say(OPTIONS * 4)
        for _ in range(5):
            rig.advance(6.0)
            assert rig.streams.unsent
            assert phone.read()
            rig.settle()
        assert phone.sock.recv(1)
        assert rig.open == 1


# Handshakes -----------------------------------------------------------------------------------------------------


def test_old_versions_are_refused(rig: TlsRig, authority: Authority) -> None:
    context = authority.client()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        rig.call(context)
    assert rig.closed == {"handshake": 1}


def test_no_tls_at_all(rig: TlsRig, authority: Authority) -> None:
    phone = rig.connect()
    phone.say(OPTIONS)
    assert b"SIP" not in phone.read()  # an alert
    assert phone.is_cut()
    assert rig.closed == {"handshake": 1}
    assert rig.shown() == {}
    rig.call(authority.client()).say(OPTIONS)
    assert rig.shown() == {"replied": 1}


def test_a_connection_that_never_speaks(rig: TlsRig) -> None:
    phone = rig.connect()
    rig.advance(9.5)
    assert phone.is_silent()
    rig.advance(1.5)
    assert phone.is_cut()
    assert rig.closed == {"deadline": 1}


def test_a_connection_that_ends_in_its_handshake(rig: TlsRig) -> None:
    phone = rig.connect()
    phone.say(b"\x16\x03\x01")
    phone.hang_up()
    assert (rig.open, rig.closed) == (0, {"handshake": 1})


def test_handshakes_leave_time_for_others(rig: TlsRig, authority: Authority) -> None:
    """A handshake costs more than a hundred requests: only some are done in one turn."""
    waiting = [rig.begin(authority.client()) for _ in range(HANDSHAKES * 2)]
    for tls in waiting:
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
    for turn in (1, 2):
        rig.streams.serve(rig.now)
        assert len(select.select(waiting, [], [], 0.05)[0]) == HANDSHAKES * turn


# Clients' certificates ------------------------------------------------------------------------------------------


def test_a_client_with_a_certificate(authority: Authority, server: Pair, other: Pair) -> None:
    with TlsRig(TlsSettings(server.certificate, server.key, clients=authority.certificate)) as rig:
        rig.join(app)
        phone = rig.call(authority.client(other))
        phone.say(OPTIONS)
        assert read_reply(phone.hear()).status == 200


def test_a_client_without_one(authority: Authority, server: Pair, tmp_path: Path) -> None:
    with TlsRig(TlsSettings(server.certificate, server.key, clients=authority.certificate)) as rig:
        stranger = Authority(tmp_path).issue("stranger")
        for client in (authority.client(), authority.client(stranger)):
            phone = rig.call(client)  # in TLS 1.3 the client is through before the server has seen its certificate
            with pytest.raises(ssl.SSLError):
                phone.read()
        assert rig.closed == {"handshake": 2}


# Files ----------------------------------------------------------------------------------------------------------


def test_a_new_certificate_is_for_new_connections(rig: TlsRig, authority: Authority, other: Pair) -> None:
    before = rig.call(authority.client())
    rig.makers.context = server_context(TlsSettings(other.certificate, other.key))
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


def test_files_that_are_wrong(server: Pair, other: Pair, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("no PEM")
    for certificate, key, clients, message in (
        (tmp_path / "none", server.key, None, r"TLS file .*none: No such file or directory"),
        (server.certificate, tmp_path / "none", None, r"TLS file .*none: No such file or directory"),
        (server.certificate, tmp_path, None, r"TLS file .*: Is a directory"),
        (server.certificate, other.key, None, r"TLS key .*second.key does not belong to certificate .*first.pem"),
        (text, server.key, None, r"TLS certificate .*text with key .*: both have to be in PEM"),
        (server.certificate, server.certificate, None, r"TLS certificate .* with key .*: both have to be in PEM"),
        (server.certificate, server.key, text, r"TLS file .*text holds no certificates in PEM"),
    ):
        with pytest.raises(ConfigError, match=rf"^{message}[^\n]*$"):
            server_context(TlsSettings(certificate, key, clients))


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(
    authority: Authority, server: Pair, tmp_path: Path
) -> None:
    locked = tmp_path / "locked.key"
    authority._run("pkey", "-in", str(server.key), "-aes128", "-passout", "pass:secret", "-out", str(locked))
    with pytest.raises(ConfigError, match="without a passphrase"):
        server_context(TlsSettings(server.certificate, locked))


def test_a_tls_address_needs_a_certificate(server: Pair) -> None:
    listen = [ListenAddress("udp", "127.0.0.1", 5060), ListenAddress("tls", "::1", 5061)]
    with pytest.raises(ConfigError, match=r"^tls:\[::1\]:5061 needs a certificate: name it with --tls-cert FILE"):
        try_files(listen, None)
    assert try_files(listen[:1], None) == "not used"
    assert str(server.certificate) in try_files(listen, TlsSettings(server.certificate, server.key))


# The command ----------------------------------------------------------------------------------------------------


@pytest.fixture
def options(server: Pair, tmp_path: Path) -> list[str]:
    """An edge with TLS, its files copied to where a test may change them."""
    ring = tmp_path / "ring"
    assert run_slbroker("keys", "new", str(ring)).wait() == 0
    (tmp_path / "cert.pem").write_bytes(server.certificate.read_bytes())
    (tmp_path / "key.pem").write_bytes(server.key.read_bytes())
    return [
        *("--listen", "tls:127.0.0.1:0", "--bus", f"ipc://{tmp_path}/bus", "--keys", str(ring)),
        *("--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem")),
    ]


def shown_name(authority: Authority, port: int) -> str:
    """Who the edge says it is."""
    with socket.create_connection(("127.0.0.1", port), timeout=within(5)) as sock:
        tls = authority.client().wrap_socket(sock, server_hostname="127.0.0.1")
        certificate = tls.getpeercert()
        tls.close()
    assert certificate
    return common_name(dict(certificate))


def test_sighup_loads_the_certificate_again(
    start_slbroker: Start, authority: Authority, other: Pair, options: list[str], tmp_path: Path
) -> None:
    edge = start_slbroker("edge", *options)
    port = int(edge.wait_for("edge ready").rpartition("tls:127.0.0.1:")[2].partition(",")[0])
    assert shown_name(authority, port) == "first"
    (tmp_path / "cert.pem").write_text("broken")
    edge.send(signal.SIGHUP)
    line = edge.wait_for("not reloaded, the old one stays in use: TLS certificate")
    edge.wait_for("loaded again")  # the key ring is not held up
    assert "Traceback" not in edge.log
    assert edge.log.count("not reloaded") == 1
    assert line.endswith("without a passphrase")
    assert shown_name(authority, port) == "first"
    (tmp_path / "cert.pem").write_bytes(other.certificate.read_bytes())
    (tmp_path / "key.pem").write_bytes(other.key.read_bytes())
    edge.send(signal.SIGHUP)
    edge.wait_for("cert.pem loaded again")
    until(lambda: shown_name(authority, port) == "second", what="the new certificate")
    assert edge.stop() == 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"--tls-cert": ""}, "slbroker: TLS needs a certificate: name it with --tls-cert FILE"),
        ({"--tls-cert": "", "--tls-key": ""}, "needs a certificate: name it with --tls-cert FILE and --tls-key FILE"),
        ({"--tls-key": "/nowhere/key"}, "slbroker: TLS file /nowhere/key: No such file or directory"),
        ({"--tls-ca": "/nowhere/ca"}, "slbroker: --tls-ca alone turns no client away"),
    ],
)
def test_a_wrong_option_is_one_line(options: list[str], change: dict[str, str], says: str) -> None:
    given = dict(zip(options[::2], options[1::2], strict=True)) | change
    ended = run_slbroker("edge", *(word for name, value in given.items() if value for word in (name, value)))
    assert ended.wait() == 3
    assert says in ended.log
    assert ended.log.count("\n") == 1


def test_ping_over_tls(start_slbroker: Start, authority: Authority, options: list[str]) -> None:
    edge = start_slbroker("edge", *options)
    port = edge.wait_for("edge ready").rpartition("tls:127.0.0.1:")[2].partition(",")[0]
    uri = f"sips:127.0.0.1:{port}"
    for more in (("--tls-ca", str(authority.certificate)), ("--insecure",)):
        pinged = run_slbroker("ping", uri, *more)
        assert pinged.wait() == 0, pinged
        assert pinged.output.startswith(f"503 Service Unavailable from {uri} in ")
    distrusted = run_slbroker("ping", uri)
    assert distrusted.wait() == 6
    assert distrusted.log.startswith(f"slbroker: cannot trust {uri}: ")
    plain = run_slbroker("ping", f"sip:127.0.0.1:{port};transport=tcp")
    assert plain.wait() == 6


def test_check_knows_the_files(options: list[str], tmp_path: Path) -> None:
    given = dict(zip(options[::2], options[1::2], strict=True))
    words = ("--listen", "tls:127.0.0.1:0", "--tls-cert", given["--tls-cert"], "--tls-key")
    good = run_slbroker("check", *words, given["--tls-key"])
    assert good.wait() == 0, good
    assert "ok   tls      " in good.output
    bad = run_slbroker("check", *words, str(tmp_path / "none"))
    assert bad.wait() == 3
    assert "BAD  tls      TLS file" in bad.output


def test_a_failed_handshake_is_logged_for_those_who_look(rig: TlsRig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    rig.connect().say(b"x" * MAX_UNREAD)
    assert [r.getMessage().partition(" failed: ")[0] for r in caplog.records] == ["TLS handshake with 127.0.0.1"]
