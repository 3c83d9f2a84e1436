"""Requests that leave over TCP and TLS: connections are dialled, kept, used both ways, and given up."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import pytest

from slbroker.sip.framer import Framer
from tests.peers.brokers import Edge, new_keys, start_edge
from tests.support.certificates import Authority
from tests.support.servers import Server, answer_to
from tests.support.sip import request
from tests.support.timing import until, within

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Start

UNSENT = "SIP/2.0 477 Unfortunately error on sending to next hop occurred (477/SL)"


class StreamServer:
    """A server over TCP, or TLS where it has a context: it answers each request, and keeps its connections."""

    def __init__(self, stack: ExitStack, context: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.requests: list[bytes] = []
        self.connections: list[socket.socket] = []
        self.mute = False  # reads nothing
        self._context = context
        self._stack = stack
        self._host, self.port = host, 0
        self.rise()
        stack.callback(self.die)

    def rise(self) -> None:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        self.listener = socket.create_server((self._host, self.port), family=family)
        self.port = self.listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, args=(self.listener,), daemon=True)
        self._accepting.start()

    def die(self) -> None:
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self._accepting.join()
        self.hang_up()

    def hang_up(self) -> None:
        for one in self.connections:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self.connections.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        framer = Framer()
        with suppress(OSError, ValueError):
            if self._context is not None:
                sock = self._context.wrap_socket(sock, server_side=True)
            self.connections.append(sock)
            while data := sock.recv(65_535):
                for message in framer.feed(data, 0.0):
                    self.requests.append(message)
                    if not message.startswith((b"ACK ", b"SIP/")):
                        sock.sendall(answer_to(message, b"200 OK"))
        sock.close()


class Site:
    """An edge that passes all to one hop, and a caller over UDP."""

    def __init__(self, stack: ExitStack, start: Start, folder: Path, hop: str, *words: str, **more: Any) -> None:
        options = ("--route", f"pass={hop}", *words)
        self.edge: Edge = start_edge(start, new_keys(folder), f"ipc://{folder / 'bus'}", options=options, **more)
        self.caller = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.caller.bind(("127.0.0.1", 0))
        self.caller.settimeout(within(3))
        self._number = 0

    def send(self, method: str = "OPTIONS", **more: Any) -> None:
        self._number += 1
        via = f"SIP/2.0/UDP 127.0.0.1:{self.caller.getsockname()[1]};branch=z9hG4bK{self._number}"
        self.caller.sendto(
            request(method, via=via, call_id=f"call{self._number}", **more), ("127.0.0.1", self.edge.port)
        )

    def call(self, **more: Any) -> str:
        self.send(**more)
        return self.caller.recv(65_535).partition(b"\r\n")[0].decode()

    def connections(self) -> dict[str, Any]:
        found: dict[str, Any] = self.edge.figures()["connections"]
        return found


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as things:
        yield things


def test_udp_in_tcp_out_and_back(stack: ExitStack, start_slbroker: Start, tmp_path: Path) -> None:
    server = StreamServer(stack)
    site = Site(stack, start_slbroker, tmp_path, f"sip:127.0.0.1:{server.port};transport=tcp")
    for _ in range(50):  # before the connection stands
        site.send()
    until(lambda: len(server.requests) == 50, what="50 requests")
    assert [line for one in server.requests for line in one.split(b"\r\n") if line.startswith(b"Call-ID")] == [
        b"Call-ID: call%d" % number for number in range(1, 51)
    ]
    assert [site.caller.recv(65_535)[:12] for _ in range(50)] == [b"SIP/2.0 200 "] * 50
    found = site.connections()
    assert (found["open"], found["accepted"], found["dialled"], found["closed"]) == (1, 0, 1, {})
    via = server.requests[0].split(b"\r\n")[1]
    own = server.connections[0].getpeername()[1]  # nothing listens on TCP here: it is the connection's own address
    assert via.startswith(b"Via: SIP/2.0/TCP 127.0.0.1:%d;branch=z9hG4bK" % own)
    # The server asks by the same connection, for what would come back to itself: a loop, and answered so.
    server.connections[0].sendall(request("OPTIONS", via="SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bKback"))
    until(lambda: any(one.startswith(b"SIP/2.0 482 ") for one in server.requests), what="an answer")
    for number in range(1, 3):  # when it hangs up, the connection is dialled anew
        server.hang_up()
        until(lambda: site.connections()["closed"] == {"peer": number}, what="the end")  # noqa: B023
        assert site.call() == "SIP/2.0 200 OK"
    assert site.connections()["dialled"] == 3


def test_our_via_names_what_listens(stack: ExitStack, start_slbroker: Start, tmp_path: Path) -> None:
    server = StreamServer(stack)
    hop, listen = f"sip:127.0.0.1:{server.port};transport=tcp", ("udp:127.0.0.1", "tcp:127.0.0.1")
    site = Site(stack, start_slbroker, tmp_path, hop, listen=listen)
    site.call()
    port = site.edge.ports["tcp:127.0.0.1"]
    assert server.requests[0].split(b"\r\n")[1].startswith(b"Via: SIP/2.0/TCP 127.0.0.1:%d;branch=" % port)


def test_ipv6(stack: ExitStack, start_slbroker: Start, tmp_path: Path) -> None:
    server = StreamServer(stack, host="::1")
    site = Site(stack, start_slbroker, tmp_path, f"sip:[::1]:{server.port};transport=tcp")
    assert site.call() == "SIP/2.0 200 OK"


def test_who_refuses_connections_is_told_of_and_the_request_answered(
    stack: ExitStack, start_slbroker: Start, tmp_path: Path
) -> None:
    server = StreamServer(stack)
    server.die()
    site = Site(stack, start_slbroker, tmp_path, f"sip:127.0.0.1:{server.port};transport=tcp")
    assert site.call() == UNSENT  # it has waited for the connection
    site.edge.process.wait_for(f"no connection to tcp:127.0.0.1:{server.port}: Connection refused")
    assert site.call() == UNSENT
    figures = site.edge.wait_for_figures(in_flight=0)
    assert (figures["forwarded"], figures["failed"], figures["causes"]) == (0, 2, {"next hop unreachable": 2})
    server.rise()
    until(lambda: site.call() == "SIP/2.0 200 OK", what="an answer of the server")


def test_a_group_fails_over_from_tcp_at_once(stack: ExitStack, start_slbroker: Start, tmp_path: Path) -> None:
    gone, there, last = StreamServer(stack), StreamServer(stack), stack.enter_context(Server())
    gone.die()
    the_list = tmp_path / "dispatcher.list"
    lines = (
        f"1 sip:127.0.0.1:{gone.port};transport=tcp 0 9",
        f"1 sip:127.0.0.1:{there.port};transport=tcp 0 5",
        f"1 {last.uri}",
    )
    the_list.write_text("\n".join(lines))
    site = Site(stack, start_slbroker, tmp_path, "group:1", "--groups", str(the_list), "--ping-interval", "0.5")
    assert site.call() == "SIP/2.0 200 OK"
    assert there.requests
    there.die()
    until(lambda: [row["flags"] for row in site.edge.figures()["groups"]["1"]] == ["IP", "IP", "AP"], what="the states")
    assert site.call() == "SIP/2.0 200 OK"
    assert last.requests
    gone.rise()
    until(lambda: [row["flags"] for row in site.edge.figures()["groups"]["1"]] == ["AP", "IP", "AP"], what="a return")
    assert site.call() == "SIP/2.0 200 OK"
    assert gone.requests


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


def serving(authority: Authority) -> ssl.SSLContext:
    pair = authority.issue("server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


def test_tls(stack: ExitStack, start_slbroker: Start, tmp_path: Path, authority: Authority) -> None:
    server = StreamServer(stack, serving(authority))
    words = ("--next-hop-ca", str(authority.certificate))
    site = Site(stack, start_slbroker, tmp_path, f"sips:127.0.0.1:{server.port}", *words)
    assert [site.call() for _ in range(5)] == ["SIP/2.0 200 OK"] * 5
    assert server.requests[0].split(b"\r\n")[1].startswith(b"Via: SIP/2.0/TLS 127.0.0.1:")
    assert site.connections()["dialled"] == 1


def test_a_certificate_that_nobody_we_trust_has_signed_ends_it(
    stack: ExitStack, start_slbroker: Start, tmp_path: Path, authority: Authority
) -> None:
    server = StreamServer(stack, serving(authority))
    site = Site(stack, start_slbroker, tmp_path, f"sip:127.0.0.1:{server.port};transport=tls")
    assert site.call() == UNSENT
    line = site.edge.process.wait_for("its certificate is not good")
    assert "--next-hop-ca FILE says whom to trust" in line
    assert server.requests == []


@pytest.mark.parametrize("trusted", [True, False])
def test_a_group_over_tls_is_asked_whether_it_is_there(
    stack: ExitStack, start_slbroker: Start, tmp_path: Path, authority: Authority, trusted: bool
) -> None:
    """Nothing listens on TLS or TCP here: the ping makes the connection, and requests use it, if they may."""
    server, other = StreamServer(stack, serving(authority)), stack.enter_context(Server())
    the_list = tmp_path / "dispatcher.list"
    the_list.write_text(f"1 sips:127.0.0.1:{server.port} 0 9\n1 {other.uri}\n")
    trust = ("--next-hop-ca", str(authority.certificate)) if trusted else ()
    words = ("--groups", str(the_list), "--ping-interval", "0.5", *trust)
    site = Site(stack, start_slbroker, tmp_path, "group:1", *words)

    def expect(*states: str) -> None:
        until(lambda: [row["flags"] for row in site.edge.figures()["groups"]["1"]] == list(states), what=str(states))

    if not trusted:
        expect("IP", "AP")
        site.edge.process.wait_for("its certificate is not good")
        assert site.call() == "SIP/2.0 200 OK"
        assert server.requests == []
        return
    expect("AP", "AP")
    assert server.requests[0].startswith(b"OPTIONS sips:127.0.0.1:%d SIP/2.0\r\nVia: SIP/2.0/TLS " % server.port)
    assert site.call() == "SIP/2.0 200 OK"
    assert site.connections()["dialled"] == 1
    server.die()
    expect("IP", "AP")
    assert site.call() == "SIP/2.0 200 OK"
    server.rise()
    expect("AP", "AP")


def test_any_certificate_will_do_where_the_user_says_so(
    stack: ExitStack, start_slbroker: Start, tmp_path: Path, authority: Authority
) -> None:
    server = StreamServer(stack, serving(authority))
    site = Site(stack, start_slbroker, tmp_path, f"sip:127.0.0.1:{server.port};transport=tls", "--next-hop-insecure")
    assert site.call() == "SIP/2.0 200 OK"


def test_what_speaks_no_tls_is_given_up(stack: ExitStack, start_slbroker: Start, tmp_path: Path) -> None:
    server = StreamServer(stack)
    site = Site(stack, start_slbroker, tmp_path, f"sip:127.0.0.1:{server.port};transport=tls", "--next-hop-insecure")
    site.send()
    site.edge.process.wait_for(f"no connection to tls:127.0.0.1:{server.port}: ")
    assert site.caller.recv(65_535).decode().startswith(UNSENT)


def test_a_server_that_takes_no_connection_up_holds_requests_for_a_while_only(
    stack: ExitStack, start_slbroker: Start, tmp_path: Path
) -> None:
    full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
    blocked = [stack.enter_context(socket.socket()) for _ in range(3)]
    for one in blocked:
        one.setblocking(False)
        one.connect_ex(full.getsockname())
    site = Site(stack, start_slbroker, tmp_path, f"sip:127.0.0.1:{full.getsockname()[1]};transport=tcp")
    for _ in range(20):
        site.send()
    site.edge.process.wait_for("no connection within 4 s", 15)
    until(lambda: site.connections()["closed"] == {"dial": 1}, what="the end")
    assert [site.caller.recv(65_535).partition(b"\r\n")[0].decode() for _ in range(20)] == [UNSENT] * 20
    figures = site.edge.wait_for_figures(in_flight=0)
    assert (figures["forwarded"], figures["failed"]) == (0, 20)
