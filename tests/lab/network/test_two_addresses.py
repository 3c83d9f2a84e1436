"""A host with two addresses of each family, and an address that moves: who asks one of them is answered from it.

The hosts here are network namespaces on one Ethernet segment (a bridge and veth pairs), each with an edge and a worker.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import pytest

from slbroker.keys import create as create_keys
from tests.lab.network import namespaces
from tests.support import asking
from tests.support.certificates import Authority, Pair
from tests.support.forwarding import reply_to
from tests.support.peers import missing_peer, require_peer
from tests.support.processes import Process
from tests.support.sip import read_reply, request
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

PORT: Final = 5060  # the hosts are the test's own
TLS_PORT: Final = 5061
ONE: Final = ("10.77.0.1", "2001:db8:77::1")
TWO: Final = ("10.77.1.1", "2001:db8:77:1::1")
PHONE: Final = ("10.77.0.9", "2001:db8:77::9")
MOVING: Final = ("10.77.0.100", "2001:db8:77::100")  # what VRRP moves
INTERFACE: Final = "eth0"


class Segment:
    """Hosts that reach each other without a router."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._switch = self._make("switch")
        namespaces.ip("-n", self._switch, "link", "add", "br0", "type", "bridge")
        namespaces.ip("-n", self._switch, "link", "set", "br0", "up")

    def _make(self, host: str) -> str:
        name = namespaces.owned_name(host)
        self._stack.callback(namespaces.remove, name)
        namespaces.make(name)
        return name

    def host(self, name: str, *addresses: str) -> Host:
        """A new host with these addresses; those that are IPv6 may be used at once."""
        there = self._make(name)
        namespaces.inside(there, lambda: Path("/proc/sys/net/ipv6/conf/default/accept_dad").write_text("0"))
        cable = ("link", "add", INTERFACE, "netns", there, "type", "veth", "peer", "name", name, "netns", self._switch)
        namespaces.ip(*cable)
        namespaces.ip("-n", self._switch, "link", "set", name, "master", "br0", "up")
        namespaces.ip("-n", there, "link", "set", INTERFACE, "up")
        host = Host(there, self._stack)
        for address in addresses:
            host.add(address)
        return host


class Host:
    """One of them."""

    def __init__(self, name: str, stack: ExitStack) -> None:
        self.name = name
        self._stack = stack

    def add(self, address: str) -> None:
        """Have this address from now on, and tell the neighbours, as VRRP does."""
        if ":" in address:
            namespaces.ip("-n", self.name, "addr", "add", f"{address}/48", "dev", INTERFACE, "nodad")
        else:
            namespaces.ip("-n", self.name, "addr", "add", f"{address}/16", "dev", INTERFACE)

    def drop(self, address: str) -> None:
        """Have it no more."""
        prefix = 48 if ":" in address else 16
        namespaces.ip("-n", self.name, "addr", "del", f"{address}/{prefix}", "dev", INTERFACE)

    def forget_neighbours(self) -> None:
        """Look for hardware addresses anew: a gratuitous ARP would say that they have changed."""
        namespaces.ip("-n", self.name, "neigh", "flush", "dev", INTERFACE)

    def link_local(self) -> str:
        """Its own fe80:: address, without a zone."""
        shown = subprocess.run(
            [require_peer("ip"), "-n", self.name, "-6", "-o", "addr", "show", "dev", INTERFACE, "scope", "link"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return shown.stdout.split(" inet6 ")[1].partition("/")[0]

    def resolve(self, name: str, *addresses: str) -> None:
        """Have programs that start here read these addresses of a name from a hosts(5) file, from now on."""
        hosts = Path("/etc/netns") / self.name / "hosts"  # which ip-netns(8) mounts over /etc/hosts
        if not hosts.exists():
            self._stack.callback(shutil.rmtree, hosts.parent)
            hosts.parent.mkdir(parents=True)
        hosts.write_text("127.0.0.1 localhost\n" + "".join(f"{address} {name}\n" for address in addresses))

    def slbroker(self, *words: str, pure: bool = False, env: dict[str, str] | None = None) -> Process:
        """Start that command here."""
        env = (env or {}) | ({"SLBROKER_PURE": "1"} if pure else {})
        command = (require_peer("ip"), "netns", "exec", self.name, sys.executable, "-m", "slbroker", *words)
        return self._stack.enter_context(Process(*command, env=env))

    def run(self, plugin: Path, pair: Pair, *words: str, pure: bool = False) -> Process:
        """Start an edge and a worker; return when both are there."""
        tls = ("--tls-cert", str(pair.certificate), "--tls-key", str(pair.key))
        process = self.slbroker("run", "--plugin", str(plugin), "--workers", "1", *tls, *words, pure=pure)
        process.wait_for("handler ready")
        return process

    def do(self, action: Callable[[], T]) -> T:
        """Return what `action` does here."""
        return namespaces.inside(self.name, action)


@pytest.fixture
def segment() -> Iterator[Segment]:
    namespaces.require_namespaces()
    namespaces.remove_leftovers()
    with ExitStack() as stack:
        try:
            made = Segment(stack)
        except subprocess.CalledProcessError as error:
            missing_peer(f"no bridge here: {error.stderr.strip()}")
        yield made


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "plugin.py"
    path.write_text(asking.PLUGIN)
    return path


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Authority(tmp_path).issue("server")


def listen_everywhere() -> list[str]:
    hosts = ("*", "[::]")
    transports = (("udp", PORT), ("tcp", PORT), ("tls", TLS_PORT))
    return [word for host in hosts for name, port in transports for word in ("--listen", f"{name}:{host}:{port}")]


@pytest.mark.parametrize("pure", [False, True], ids=["as installed", "pure"])
def test_clients_of_either_address_are_answered_from_it(segment: Segment, plugin: Path, pair: Pair, pure: bool) -> None:
    """40 of 40 with connected sockets, over IPv4 and IPv6; TCP and TLS name the address too."""
    edge, phone = segment.host("edge", *ONE, *TWO), segment.host("phone", *PHONE)
    edge.run(plugin, pair, *listen_everywhere(), pure=pure)

    def call(hosts: tuple[str, str]) -> list[str]:
        with ExitStack() as stack:
            clients = [stack.enter_context(asking.connected(hosts[number % 2], PORT)) for number in range(40)]
            for client in clients:
                client.send(asking.options())
            return [read_reply(client.recv(65_535)).one(asking.LISTEN).decode() for client in clients]

    for hosts in zip(ONE, TWO, strict=True):
        heard = phone.do(lambda hosts=hosts: call(hosts))  # type: ignore[misc]
        assert heard == [asking.name("udp", hosts[number % 2], PORT) for number in range(40)]
    for host in (*ONE, *TWO):
        for transport, port in (("tcp", PORT), ("tls", TLS_PORT)):
            seen = phone.do(lambda transport=transport, host=host, port=port: asking.ask(transport, host, port))  # type: ignore[misc]
            assert seen == (200, asking.name(transport, host, port))
        uri = f"sip:{f'[{host}]' if ':' in host else host}:{PORT}"
        ping = phone.slbroker("ping", uri)
        assert ping.wait() == 0, ping


@pytest.mark.parametrize("pure", [False, True], ids=["as installed", "pure"])
def test_a_link_local_address_is_answered_on_its_link(segment: Segment, plugin: Path, pair: Pair, pure: bool) -> None:
    edge, phone = segment.host("edge", *ONE), segment.host("phone", *PHONE)
    edge.run(plugin, pair, "--listen", f"udp:[::]:{PORT}", "--listen", f"tcp:[::]:{PORT}", pure=pure)
    address = edge.link_local()
    for transport in ("udp", "tcp"):
        seen = phone.do(lambda transport=transport: asking.ask(transport, f"{address}%{INTERFACE}", PORT))  # type: ignore[misc]
        assert seen == (200, asking.name(transport, address, PORT))


@pytest.mark.parametrize("pure", [False, True], ids=["as installed", "pure"])
@pytest.mark.parametrize("everywhere", [False, True], ids=["bound", "everywhere"])
def test_on_a_link_requests_reach_their_next_hop_and_replies_their_phone(
    segment: Segment, tmp_path: Path, everywhere: bool, pure: bool
) -> None:
    """SIP names fe80:: addresses without the link that the kernel wants to know; what is plain, and what is not."""
    edge, phone = segment.host("edge", *ONE), segment.host("phone", *PHONE)
    ours, theirs = edge.link_local(), phone.link_local()
    create_keys(tmp_path / "ring")
    listen = f"udp:[::]:{PORT}" if everywhere else f"udp:[{ours}%{INTERFACE}]:{PORT}"
    files = ("--keys", str(tmp_path / "ring"), "--bus", f"ipc://{tmp_path}/bus")
    route = f"pass=sip:[{theirs}]:{PORT}"
    edge.slbroker("edge", "--listen", listen, *files, "--route", route, pure=pure).wait_for("edge ready")

    def call(hops: str | None) -> bytes:
        link = socket.if_nametoindex(INTERFACE)
        with ExitStack() as stack:
            caller, callee = (stack.enter_context(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) for _ in range(2))
            for sock, port in ((caller, 0), (callee, PORT)):
                sock.settimeout(within(3.0))
                sock.bind((theirs, port, 0, link))
            via = f"SIP/2.0/UDP [{theirs}]:{caller.getsockname()[1]};rport;branch=z9hG4bK1"
            caller.sendto(request(via=via, max_forwards=hops), (ours, PORT, 0, link))
            gone_on, hop = callee.recvfrom(65_535)
            callee.sendto(reply_to(gone_on), hop)
            return caller.recv(65_535)

    for hops in ("70", None):
        assert phone.do(lambda hops=hops: call(hops)).startswith(b"SIP/2.0 200 ")  # type: ignore[misc]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_on_a_link_requests_reach_a_next_hop_over_tcp(segment: Segment, tmp_path: Path, transport: str) -> None:
    """Two requests by one connection, and their replies; they come over UDP, or over TCP."""
    edge, phone = segment.host("edge", *ONE), segment.host("phone", *PHONE)
    ours, theirs = edge.link_local(), phone.link_local()
    create_keys(tmp_path / "ring")
    listen = [word for name in ("udp", "tcp") for word in ("--listen", f"{name}:[{ours}%{INTERFACE}]:{PORT}")]
    files = ("--keys", str(tmp_path / "ring"), "--bus", f"ipc://{tmp_path}/bus")
    route = f"pass=sip:[{theirs}]:{PORT};transport=tcp"
    edge.slbroker("edge", *listen, *files, "--route", route).wait_for("edge ready")

    def calls() -> list[bytes]:
        link = socket.if_nametoindex(INTERFACE)
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        with ExitStack() as stack:
            caller = stack.enter_context(socket.socket(socket.AF_INET6, kind))
            hop = stack.enter_context(socket.socket(socket.AF_INET6, socket.SOCK_STREAM))
            hop.bind((theirs, PORT, 0, link))
            hop.listen()
            for sock in (caller, hop):
                sock.settimeout(within(3.0))
            caller.connect((ours, PORT, 0, link))
            heard = []
            callee = None
            for number in range(2):
                via = f"SIP/2.0/{transport.upper()} [{theirs}]:9;rport;branch=z9hG4bK{number}"
                caller.send(request(via=via, call_id=f"call{number}"))
                if callee is None:
                    callee = stack.enter_context(hop.accept()[0])
                    callee.settimeout(within(3.0))
                gone_on = callee.recv(65_535)
                assert gone_on.split(b"\r\n")[1].startswith(f"Via: SIP/2.0/TCP [{ours}]:{PORT};".encode())
                callee.sendall(reply_to(gone_on))
                heard.append(caller.recv(65_535)[:12])
            return heard

    assert phone.do(calls) == [b"SIP/2.0 200 "] * 2


@pytest.mark.parametrize("everywhere", [False, True], ids=["freebind", "everywhere"])
def test_an_address_that_moves_is_answered_by_who_has_it(
    segment: Segment, plugin: Path, pair: Pair, everywhere: bool
) -> None:
    """VRRP's take-over: two edges stand ready for one address of each family, and one of them has it."""
    first, second = segment.host("first", *ONE), segment.host("second", *TWO)
    phone = segment.host("phone", *PHONE)
    listen = listen_everywhere() if everywhere else ["--freebind"]
    if not everywhere:
        hosts = (MOVING[0], f"[{MOVING[1]}]")
        listen += [word for host in hosts for name in ("udp", "tcp") for word in ("--listen", f"{name}:{host}:{PORT}")]
    for host in (first, second):
        host.run(plugin, pair, *listen)

    def answered(address: str) -> list[tuple[int, str]]:
        phone.forget_neighbours()
        return [phone.do(lambda name=name: asking.ask(name, address, PORT)) for name in ("udp", "tcp")]  # type: ignore[misc]

    holders = [first, second, first]
    for address in MOVING:
        expected = [(200, asking.name(transport, address, PORT)) for transport in ("udp", "tcp")]
        for before, holder in zip([None, *holders], holders, strict=False):
            if before is not None:
                before.drop(address)
            holder.add(address)
            assert answered(address) == expected
        holders[-1].drop(address)


def contact_of(host: Host, address: str) -> str:
    """The Contact that a handler puts into its answer to who has asked this address."""
    status, contact = host.do(lambda: asking.ask("udp", address, PORT))
    assert status == 200
    return contact


def test_each_address_is_named_as_peers_reach_it_wherever_it_is(segment: Segment, plugin: Path) -> None:
    """As an orchestrator's field gives them: each host's own addresses, and one of each family that moves."""
    plugin.write_text(asking.PLUGIN.replace("request.listen", "request.contact('bob')"))
    phone = segment.host("phone", *PHONE)
    first, second = segment.host("first", *ONE), segment.host("second", *TWO)
    for host, own in ((first, ONE), (second, TWO)):
        listen = (
            f"udp:{own[0]}:{PORT} udp:[{own[1]}]:{PORT} "
            f"udp:{MOVING[0]}:{PORT} advertise 203.0.113.5:5060 udp:[{MOVING[1]}]:{PORT} advertise sip.example.com"
        )
        env = {"SLBROKER_LISTEN": listen, "SLBROKER_FREEBIND": "1"}
        host.slbroker("run", "--plugin", str(plugin), "--workers", "1", env=env).wait_for("handler ready")
    for before, holder in ((None, first), (first, second)):
        for address in MOVING:
            if before is not None:
                before.drop(address)
            holder.add(address)
        phone.forget_neighbours()
        assert contact_of(phone, MOVING[0]) == "<sip:bob@203.0.113.5:5060>"
        assert contact_of(phone, MOVING[1]) == f"<sip:bob@sip.example.com:{PORT}>"
        for own in (ONE, TWO):
            assert contact_of(phone, own[0]) == f"<sip:bob@{own[0]}:{PORT}>"
            assert contact_of(phone, own[1]) == f"<sip:bob@[{own[1]}]:{PORT}>"


def test_a_bus_name_that_is_ipv6_first_leads_to_the_edge(segment: Segment, plugin: Path, tmp_path: Path) -> None:
    """By the system's own resolver: it listens on IPv4 alone, then on IPv6 alone, then the name is another host's."""
    create_keys(tmp_path / "ring")
    phone, worker = segment.host("phone", *PHONE), segment.host("worker", "10.77.0.8", "2001:db8:77::8")
    first, second = segment.host("first", *ONE), segment.host("second", *TWO)
    shared = ("--keys", str(tmp_path / "ring"), "--insecure-bus")
    worker.resolve("edge.example", ONE[1], ONE[0])
    handler = worker.slbroker("handler", "--plugin", str(plugin), "--bus", "tcp://edge.example:5590", *shared)

    def serves(host: Host, bus: str, address: str) -> None:
        edge = host.slbroker("edge", "--listen", f"udp:{address}:{PORT}", "--bus", f"tcp://{bus}:5590", *shared)
        edge.wait_for("joins pool")
        phone.forget_neighbours()
        assert phone.do(lambda: asking.ask("udp", address, PORT)) == (200, asking.name("udp", address, PORT))
        assert edge.stop() == 0, edge

    serves(first, ONE[0], ONE[0])
    serves(first, f"[{ONE[1]}]", ONE[0])
    worker.resolve("edge.example", TWO[1], TWO[0])
    serves(second, TWO[0], TWO[0])
    assert handler.stop() == 0, handler
