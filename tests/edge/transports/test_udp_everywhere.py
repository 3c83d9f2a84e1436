"""An edge on all addresses of a machine: whoever asks one of them is answered from it, and handlers read its name.

The loopback has 127.0.0.1 and all its neighbours. Of IPv6 it has one address: `tests/lab/network/test_two_addresses.py`
has the rest.
"""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from slbroker.errors import BindError, Exit
from slbroker.keys import create as create_keys
from slbroker.listen import ListenAddress
from slbroker_edge.transports.binding import open_socket
from slbroker_edge.transports.udp import MAX_ASKED, EverywhereListener, UdpListener
from tests.support import asking
from tests.support.certificates import Authority
from tests.support.peers import free_udp_port
from tests.support.processes import run_slbroker
from tests.support.sip import read_reply

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from slbroker_edge.edge import Edge
    from tests.conftest import Start
    from tests.support.processes import Process

HOSTS = ("127.0.0.1", "127.0.0.2")
TRANSPORTS = ("udp", "tcp", "tls", "ws", "wss")
NOT_HERE = "198.51.100.77"  # TEST-NET-2


class Site:
    """An edge on every address and transport, with a worker and a recording."""

    def __init__(self, start: Start, folder: Path, pure: str) -> None:
        self.folder = folder
        self.env = {"SLBROKER_PURE": pure} if pure else {}
        self.start = start
        self.ports = {transport: free_udp_port("0.0.0.0") for transport in TRANSPORTS}
        self.bus = f"ipc://{folder}/bus"
        self.plugin, self.ring = folder / "plugin.py", folder / "ring"
        self.plugin.write_text(asking.PLUGIN)
        create_keys(self.ring)

    def edge(self, *words: str) -> Process:
        pair = Authority(self.folder).issue("server")
        listen = [word for each, port in self.ports.items() for word in ("--listen", f"{each}:*:{port}")]
        tls = ("--tls-cert", str(pair.certificate), "--tls-key", str(pair.key))
        process = self.start("edge", *listen, *tls, "--bus", self.bus, "--keys", str(self.ring), *words, env=self.env)
        process.wait_for("edge ready")
        return process

    def handler(self, *words: str) -> Process:
        process = self.start(
            "handler", "--bus", self.bus, "--plugin", str(self.plugin), "--keys", str(self.ring), *words, env=self.env
        )
        process.wait_for("handler ready")
        return process


@pytest.fixture(params=["", "1"], ids=["as installed", "pure"])
def site(request: pytest.FixtureRequest, start_slbroker: Start, tmp_path: Path) -> Site:
    return Site(start_slbroker, tmp_path, request.param)


def test_forty_clients_of_either_address_are_answered_from_it(site: Site) -> None:
    site.edge()
    site.handler()
    port = site.ports["udp"]
    with ExitStack() as stack:
        hosts = [HOSTS[number % 2] for number in range(40)]
        clients = [stack.enter_context(asking.connected(host, port, "127.0.0.1")) for host in hosts]
        for client in clients:
            client.send(asking.options())
        heard = [read_reply(client.recv(65_535)).one(asking.LISTEN).decode() for client in clients]
    assert heard == [f"udp:{host}:{port}" for host in hosts]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_handlers_read_the_address_that_was_asked(site: Site, transport: str) -> None:
    site.edge()
    site.handler()
    port = site.ports[transport]
    for host in (*HOSTS, *HOSTS):
        assert asking.ask(transport, host, port) == (200, f"{transport}:{host}:{port}")


def test_every_kind_of_reply_leaves_from_the_address_that_was_asked(site: Site) -> None:
    """A handler's, at once and late; the edge's own 400, 420 and 503; an error's 500; and the one to a repeat."""
    site.edge("--ack-window", "5")
    port = site.ports["udp"]
    for host in HOSTS:
        with asking.connected(host, port, "127.0.0.1") as client:
            assert asking.answer(client, asking.options())[0] == 503
            assert asking.answer(client, asking.options(from_=None))[0] == 400
            assert asking.answer(client, asking.options(require="x"))[0] == 420
    site.handler()
    for host in HOSTS:
        with asking.connected(host, port, "127.0.0.1") as client:
            late = asking.options(method="SUBSCRIBE")
            assert asking.answer(client, late) == (202, f"udp:{host}:{port}")
            assert asking.answer(client, late) == (202, f"udp:{host}:{port}")
            assert asking.answer(client, asking.options(method="MESSAGE"))[0] == 500
            assert asking.answer(client, asking.options(method="FOO"))[0] in (404, 405, 501)


def test_ping_is_answered_at_every_address(site: Site) -> None:
    site.edge()
    site.handler()
    for host in HOSTS:
        for transport in ("udp", "tcp"):
            ping = run_slbroker("ping", f"sip:{host}:{site.ports[transport]};transport={transport}")
            assert ping.wait() == Exit.OK, ping


def test_routes_match_the_address_that_was_asked_and_the_one_that_is_configured(site: Site) -> None:
    port, tcp = site.ports["udp"], site.ports["tcp"]
    site.edge(
        *("--route", f"pool=two listen=udp:127.0.0.2:{port}", "--route", f"pool=one listen=udp:*:{port}"),
        *("--route", f"pool=two listen=tcp:127.0.0.2:{tcp}", "--route", f"pool=one listen=tcp:0.0.0.0:{tcp}"),
    )
    site.handler("--pool", "two")
    for transport, number in (("udp", port), ("tcp", tcp)):
        assert asking.ask(transport, "127.0.0.2", number)[0] == 200
        assert asking.ask(transport, "127.0.0.1", number)[0] == 503
    site.handler("--pool", "one")
    assert asking.ask("udp", "127.0.0.1", port)[0] == asking.ask("tcp", "127.0.0.3", tcp)[0] == 200


def test_a_recording_names_the_address_that_was_asked(site: Site) -> None:
    site.edge()
    record = site.folder / "record"
    handler = site.handler("--record", str(record))
    port = site.ports["udp"]
    assert asking.ask("udp", "127.0.0.2", port)[0] == 200
    handler.stop()
    (line,) = [json.loads(line) for line in record.read_text().splitlines() if "source" in line]
    assert line["source"][2] == f"udp:127.0.0.2:{port}"
    replayed = run_slbroker("replay", str(record), "--plugin", str(site.plugin))
    assert replayed.wait() == Exit.OK
    explained = run_slbroker("explain", str(record), "--plugin", str(site.plugin))
    assert explained.wait() == Exit.OK
    assert f"udp:127.0.0.2:{port}" in explained.output


# The listener ---------------------------------------------------------------------------------------------------


class Taker:
    """What the listener sees of an edge."""

    def __init__(self) -> None:
        self.taken: list[tuple[Any, list[Any]]] = []

    def take(self, datagrams: list[Any], listener: Any, _now: float) -> None:
        self.taken.append((listener, datagrams))


@pytest.fixture
def everywhere() -> Iterator[EverywhereListener]:
    listener = UdpListener.open(ListenAddress("udp", "0.0.0.0", 0), share_port=False)
    assert isinstance(listener, EverywhereListener)
    yield listener
    listener.close()


def take(listener: UdpListener) -> list[tuple[Any, list[Any]]]:
    taker: Any = Taker()
    edge: Edge = taker
    listener.take(edge, 0.0)
    return list(taker.taken)


def test_one_address_is_one_listener_for_good(everywhere: EverywhereListener) -> None:
    port = int(everywhere.name.rpartition(":")[2])
    seen = set()
    for _ in range(3):
        with asking.connected("127.0.0.2", port, "127.0.0.1") as client:
            client.send(b"x")
            ((listener, datagrams),) = take(everywhere)
            seen.add(listener)
            assert listener.send([(b"y", datagrams[0][1])]) == 1
            assert client.recv(9) == b"y"
    assert {listener.name for listener in seen} == {f"udp:127.0.0.2:{port}"}
    assert len(seen) == 1


def test_more_addresses_than_are_remembered_are_answered_too(everywhere: EverywhereListener) -> None:
    port = int(everywhere.name.rpartition(":")[2])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind(("127.0.0.1", 0))
        client.settimeout(5.0)
        for number in range(MAX_ASKED + 10):
            host = f"127.1.{number // 250}.{1 + number % 250}"
            client.sendto(b"x", (host, port))
            ((listener, datagrams),) = take(everywhere)
            listener.send([(b"y", datagrams[0][1])])
            assert client.recvfrom(9) == (b"y", (host, port))
    assert len(everywhere._asked) <= MAX_ASKED


def test_a_listener_on_one_address_asks_for_no_control_messages() -> None:
    with open_socket(ListenAddress("udp", "127.0.0.1", 0), share_port=False) as sock:
        assert sock.getsockopt(socket.IPPROTO_IP, 8) == 0
        assert type(UdpListener(sock)) is UdpListener
    with open_socket(ListenAddress("udp", "0.0.0.0", 0), share_port=False) as sock:
        assert sock.getsockopt(socket.IPPROTO_IP, 8) == 1


# --freebind -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("host", [NOT_HERE, "2001:db8::77"])
def test_an_address_that_is_not_there_yet_wants_freebind(host: str, transport: str) -> None:
    address = ListenAddress(transport, host, 0)
    with pytest.raises(BindError, match="is it an address of this machine\\? --freebind"):
        open_socket(address, share_port=False)
    try:
        open_socket(address, share_port=False, freebind=True).close()
    except BindError as error:
        pytest.skip(f"no IPv6 here: {error}")


def test_freebind_as_option_in_the_environment_and_in_the_file(start_slbroker: Start, tmp_path: Path) -> None:
    ring, config = tmp_path / "ring", tmp_path / "slbroker.toml"
    create_keys(ring)
    config.write_text("[edge]\nfreebind = true\n")
    for words, env in ((("--freebind",), {}), ((), {"SLBROKER_FREEBIND": "1"}), (("--config", str(config)), {})):
        port = free_udp_port()
        common = ("--listen", f"udp:{NOT_HERE}:{port}", "--bus", f"ipc://{tmp_path}/{port}", "--keys", str(ring))
        start_slbroker("edge", *common, *words, env=env).wait_for("edge ready")
    refused = run_slbroker("edge", *common)
    assert refused.wait() == Exit.BIND
    assert "--freebind" in refused.log
    running = start_slbroker("run", "--listen", f"udp:{NOT_HERE}:{free_udp_port()}", "--freebind", "--workers", "1")
    running.wait_for("edge ready")
    assert run_slbroker("check", "--listen", f"udp:{NOT_HERE}:0").wait() == Exit.BIND
    assert run_slbroker("check", "--listen", f"udp:{NOT_HERE}:0", "--freebind").wait() == Exit.OK
