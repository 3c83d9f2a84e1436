"""KSR.set_reply_close() over TCP and TLS, in Kamailio and in slbroker: which replies come, and whether the end does."""

from __future__ import annotations

import socket
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pytest

from tests.peers.brokers import free_bus_address, new_keys, start_edge
from tests.peers.pair import SCRIPTS, Servers, installed_version, require_module, start_kamailio_with
from tests.support.peers import free_tcp_port
from tests.support.sip import read_reply, request
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.certificates import Authority

pytestmark = [pytest.mark.peer, pytest.mark.timeout(within(120))]

VIA = "SIP/2.0/TCP 192.0.2.1:9;branch=z9hG4bK776asdhds;rport"
SOON = within(1)  # seconds in which a connection that is closed behind a reply has ended
WAYS = {
    "stay": ([200], False),
    "close": ([403], True),
    "close by send_reply": ([403], True),
    "error": ([500], True),
    "mode 2": ([403], False),
    "too late": ([403], False),
    "in between": ([100, 403], True),
}
BEFORE_BOTH = {"kamailio": ([100], True), "slbroker": ([100, 403], True)}


@pytest.fixture(scope="module")
def ports(servers: Servers, authority: Authority) -> Mapping[tuple[str, str], int]:
    """The ports of both, by server and transport."""
    require_module("tls", "kamailio-tls-modules")
    pair, script = authority.issue("both"), SCRIPTS / "closing.py"
    found = {("kamailio", transport): free_tcp_port() for transport in ("tcp", "tls")}
    start_kamailio_with(
        *(servers.program, script, servers.folder / "theirs", "WITH_STREAMS"),
        *(f"LISTEN_{transport.upper()}={transport}:127.0.0.1:{port}" for (_, transport), port in found.items()),
        *(f'CERTIFICATE="{pair.certificate}"', f'PRIVATE_KEY="{pair.key}"'),
    )
    keys, bus = new_keys(servers.folder), free_bus_address("ipc", servers.folder)
    files = ("--tls-cert", str(pair.certificate), "--tls-key", str(pair.key))
    edge = start_edge(servers.slbroker, keys, bus, ["tcp:127.0.0.1", "tls:127.0.0.1"], files)
    release = ("--kemi-version", installed_version())
    handler = servers.slbroker("handler", "--bus", bus, "--keys", str(keys), "--kemi", str(script), *release)
    handler.wait_for("handler ready")
    return {**found, **{("slbroker", transport): edge.ports[f"{transport}:127.0.0.1"] for transport in ("tcp", "tls")}}


def ask(how: str, transport: str, port: int, authority: Authority) -> tuple[list[int], bool]:
    """The statuses of the replies, and whether the connection has ended behind them."""
    with ExitStack() as stack:
        sock: socket.socket = stack.enter_context(socket.create_connection(("127.0.0.1", port), within(5)))
        if transport == "tls":
            context = authority.client()
            sock = stack.enter_context(context.wrap_socket(sock, server_hostname="127.0.0.1"))
        sock.sendall(request(via=VIA, x_how=how, call_id=f"closing-{how.replace(' ', '-')}"))
        heard, has_ended = b"", False
        sock.settimeout(SOON)
        with suppress(TimeoutError):
            while not has_ended:
                data = sock.recv(65_535)
                heard += data
                has_ended = not data
        return [read_reply(reply + b"\r\n\r\n").status for reply in heard.split(b"\r\n\r\n")[:-1]], has_ended


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("transport", ["tcp", "tls"])
@pytest.mark.parametrize("server", ["kamailio", "slbroker"])
def test_both_close_the_connection_behind_the_reply(
    server: str, transport: str, how: str, ports: Mapping[tuple[str, str], int], authority: Authority
) -> None:
    assert ask(how, transport, ports[server, transport], authority) == WAYS[how]


@pytest.mark.parametrize("transport", ["tcp", "tls"])
@pytest.mark.parametrize("server", BEFORE_BOTH)
def test_a_reply_behind_one_that_closes_leaves_here_alone(
    server: str, transport: str, ports: Mapping[tuple[str, str], int], authority: Authority
) -> None:
    """Kamailio has closed the connection, and the caller never sees the final reply."""
    assert ask("before both", transport, ports[server, transport], authority) == BEFORE_BOTH[server]
