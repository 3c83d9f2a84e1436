"""The rig with TLS in front, a worker behind, and certificates of an authority made for the test.

A test module that says `rig = tlsrig.rig` has the fixture; `rig` needs `server`, and that `authority`.
"""

from __future__ import annotations

import select
import ssl
from typing import TYPE_CHECKING

import pytest

from slbroker import Handlers, Reply, Request
from slbroker.config import StreamSettings, TlsSettings
from slbroker.tls import server_context
from slbroker_edge.transports.tls import TlsConnections
from tests.edge.streamrig import Phone, StreamRig
from tests.support.certificates import Authority, Pair
from tests.support.sip import request
from tests.support.timing import within

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

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
