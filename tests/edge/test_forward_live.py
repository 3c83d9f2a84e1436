"""A forwarding edge between two UDP sockets: requests go on, replies come back, byte for byte but for what must change.

What the sockets see is judged by code that shares nothing with slbroker (`tests.support.forwarding`).
"""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from slbroker.keys import create as create_keys
from tests.support.forwarding import headers, reply_to, unwrap, vias
from tests.support.peers import free_udp_port
from tests.support.processes import call_slbroker, run_slbroker
from tests.support.sip import TYPICAL, read_reply, request
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Start


class Phone:
    """A UDP socket on the loopback."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((host, 0))
        self.sock.settimeout(within(3.0))
        self.host, self.port = self.sock.getsockname()[:2]

    @property
    def uri(self) -> str:
        return f"sip:[{self.host}]:{self.port}" if ":" in self.host else f"sip:{self.host}:{self.port}"

    def send(self, data: bytes, port: int) -> None:
        self.sock.sendto(data, (self.host, port))

    def receive(self) -> bytes:
        return self.sock.recv(65_535)

    def hears_nothing(self) -> bool:
        self.sock.settimeout(0.3)
        try:
            self.sock.recv(65_535)
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(within(3.0))
        return False

    def via(self, branch: str = "1", more: str = "") -> str:
        return f"SIP/2.0/UDP {self.host}:{self.port};branch=z9hG4bK{branch}{more}"


class Edge:
    """A running edge; `words` are options."""

    def __init__(self, start: Start, folder: Path, *words: str, listen: str = "udp:127.0.0.1:0") -> None:
        ring = folder / "ring"
        if not ring.exists():
            create_keys(ring)
        self.bus = f"ipc://{folder}/bus"
        self.ring = ring
        self.process = start("edge", "--listen", listen, "--keys", str(ring), "--bus", self.bus, *words)
        ready = self.process.wait_for("edge ready")
        self.port = int(ready.rpartition(listen.rpartition(":")[0] + ":")[2].partition(",")[0])

    def figures(self) -> dict[str, Any]:
        edges: list[dict[str, Any]] = json.loads(run_slbroker("stats", "--json", "--bus", self.bus).output)["edges"]
        return edges[0]


@pytest.fixture
def caller() -> Iterator[Phone]:
    phone = Phone()
    with phone.sock:
        yield phone


@pytest.fixture
def callee() -> Iterator[Phone]:
    phone = Phone()
    with phone.sock:
        yield phone


def test_a_request_goes_to_the_next_hop_and_its_reply_comes_back(
    start_slbroker: Start, tmp_path: Path, caller: Phone, callee: Phone
) -> None:
    edge = Edge(start_slbroker, tmp_path, "--route", f"pass={callee.uri}")
    sent = request("INVITE", via=caller.via(), lines=[b"X-Odd :  kept  as it is", b"s: short"], body=b"v=0\r\n")
    caller.send(sent, edge.port)
    came = callee.receive()
    assert unwrap(came, sent) == sent
    assert headers(came, b"max-forwards") == [b"Max-Forwards: 69"]
    reply = reply_to(came, 180, b"Ringing", b"t", b"body")
    callee.send(reply, edge.port)
    back = caller.receive()
    assert back == reply.replace(vias(came)[0] + b"\r\n", b"", 1)
    assert read_reply(back).status == 180
    figures = edge.figures()
    assert (figures["received"], figures["forwarded"], figures["unaccounted"]) == (1, 1, 0)
    assert figures["replies"] == {"received": 1, "forwarded": 1, "dropped": {}, "unaccounted": 0}


@pytest.mark.parametrize("name", TYPICAL)
def test_what_programs_send_arrives_as_they_sent_it(
    start_slbroker: Start, tmp_path: Path, caller: Phone, callee: Phone, name: str
) -> None:
    edge = Edge(start_slbroker, tmp_path, "--route", f"pass={callee.uri}", "--pass", callee.uri)
    caller.send(TYPICAL[name], edge.port)
    came = callee.receive()
    assert unwrap(came, TYPICAL[name]) == TYPICAL[name]


def test_stats_show_replies_by_themselves(start_slbroker: Start, tmp_path: Path, caller: Phone, callee: Phone) -> None:
    edge = Edge(start_slbroker, tmp_path, "--route", f"pass={callee.uri}")
    caller.send(request("OPTIONS", via=caller.via()), edge.port)
    callee.send(reply_to(callee.receive()), edge.port)
    callee.send(reply_to(request("OPTIONS")), edge.port)
    caller.receive()
    shown = run_slbroker("stats", "--bus", edge.bus)
    assert shown.wait() == 0
    lines = [line.split() for line in shown.output.splitlines()]
    assert ["replies", "forwarded", "1"] in lines
    assert ["replies", "dropped:", "not-ours", "1"] in lines


def test_ack_and_cancel_follow_and_a_handlers_call_ends_here(
    start_slbroker: Start, tmp_path: Path, caller: Phone, callee: Phone
) -> None:
    """The shield: what the handler refuses, and its ACK, the next hop never sees."""
    plugin = tmp_path / "plugin.py"
    plugin.write_text(
        "from slbroker import Handlers\napp = Handlers()\n"
        "@app.on('INVITE')\ndef invite(request):\n"
        "    return request.reply(403) if request.uri.user == 'bad' else request.forward()\n"
    )
    edge = Edge(start_slbroker, tmp_path, "--pass", callee.uri)
    handler = start_slbroker("handler", "--bus", edge.bus, "--keys", str(edge.ring), "--plugin", str(plugin))
    handler.wait_for("handler ready")
    caller.send(request("INVITE", "sip:bad@example.com", via=caller.via("bad"), call_id="bad"), edge.port)
    refused = read_reply(caller.receive())
    assert refused.status == 403
    caller.send(
        request("ACK", "sip:bad@example.com", via=caller.via("bad"), call_id="bad", to=refused.one(b"To")), edge.port
    )
    sent = [request(method, "sip:good@example.com", via=caller.via("good")) for method in ("INVITE", "CANCEL")]
    sent.append(request("ACK", "sip:good@example.com", via=caller.via("good"), to="<sip:bob@example.com>;tag=theirs"))
    for data in sent:
        caller.send(data, edge.port)
        came = callee.receive()
        assert unwrap(came, data) == data
    figures = edge.figures()
    assert {name: figures[name] for name in ("replied", "absorbed", "forwarded", "unaccounted")} == {
        "replied": 1, "absorbed": 1, "forwarded": 3, "unaccounted": 0,
    }  # fmt: skip


def test_an_edge_at_itself_ends(start_slbroker: Start, tmp_path: Path, caller: Phone) -> None:
    port = free_udp_port()
    edge = Edge(start_slbroker, tmp_path, "--route", f"pass=sip:127.0.0.1:{port}", listen=f"udp:127.0.0.1:{port}")
    caller.send(request("INVITE", via=caller.via()), edge.port)
    assert read_reply(caller.receive()).status == 482
    figures = edge.figures()
    assert figures["received"] <= 3
    assert figures["unaccounted"] == figures["replies"]["unaccounted"] == 0
    assert caller.hears_nothing()


def test_two_edges_pointed_at_each_other_end(start_slbroker: Start, tmp_path: Path, caller: Phone) -> None:
    """With one ring or with two: each knows its own Via."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    ports = [free_udp_port(), free_udp_port()]
    edges = [
        Edge(start_slbroker, tmp_path / name, "--route", f"pass=sip:127.0.0.1:{other}", listen=f"udp:127.0.0.1:{own}")
        for name, own, other in (("a", ports[0], ports[1]), ("b", ports[1], ports[0]))
    ]
    caller.send(request("INVITE", via=caller.via()), ports[0])
    assert read_reply(caller.receive()).status in (482, 483)
    assert caller.hears_nothing()
    for edge in edges:
        figures = edge.figures()
        assert figures["received"] <= 4
        assert figures["unaccounted"] == figures["replies"]["unaccounted"] == 0


def test_from_ipv4_to_ipv6_and_back(start_slbroker: Start, tmp_path: Path, caller: Phone) -> None:
    callee = Phone("::1")
    ports = [free_udp_port(), free_udp_port("::1")]
    with callee.sock:
        edge = Edge(
            start_slbroker, tmp_path, "--route", f"pass={callee.uri}", "--listen", f"udp:[::1]:{ports[1]}",
            listen=f"udp:127.0.0.1:{ports[0]}",
        )  # fmt: skip
        sent = request("INVITE", via=caller.via())
        caller.send(sent, edge.port)
        came = callee.receive()
        assert unwrap(came, sent) == sent
        assert vias(came)[0].startswith(b"Via: SIP/2.0/UDP [::1]:%d;" % ports[1])
        callee.send(reply_to(came), ports[1])
        assert read_reply(caller.receive()).status == 200


def test_from_everywhere_a_request_leaves_by_the_address_that_it_asked(
    start_slbroker: Start, tmp_path: Path, caller: Phone, callee: Phone
) -> None:
    edge = Edge(start_slbroker, tmp_path, "--route", f"pass={callee.uri}", listen="udp:0.0.0.0:0")
    caller.sock.sendto(request("INVITE", via=caller.via()), ("127.0.0.2", edge.port))
    data, source = callee.sock.recvfrom(65_535)
    assert source == ("127.0.0.2", edge.port)
    assert vias(data)[0].startswith(b"Via: SIP/2.0/UDP 127.0.0.2:%d;" % edge.port)
    callee.sock.sendto(reply_to(data), source)
    back, source = caller.sock.recvfrom(65_535)
    assert (back[:11], source) == (b"SIP/2.0 200", ("127.0.0.2", edge.port))


@pytest.mark.parametrize("ends", [False, True])
def test_a_request_over_tcp_goes_on_by_udp_and_its_reply_comes_back_on_the_connection(
    start_slbroker: Start, tmp_path: Path, callee: Phone, ends: bool
) -> None:
    """Where the connection has gone meanwhile, there is nobody who listens at the client's port: the reply is lost."""
    ports = [free_udp_port(), free_udp_port()]
    edge = Edge(
        start_slbroker, tmp_path, "--route", f"pass={callee.uri}", "--listen", f"tcp:127.0.0.1:{ports[1]}",
        listen=f"udp:127.0.0.1:{ports[0]}",
    )  # fmt: skip
    with socket.create_connection(("127.0.0.1", ports[1]), timeout=within(3.0)) as client:
        sent = request("INVITE", via="SIP/2.0/TCP phone.invalid:5060;branch=z9hG4bK1")
        client.sendall(sent)
        came = callee.receive()
        assert unwrap(came, sent) == sent
        if ends:
            client.close()
            assert edge.process.running
        callee.send(reply_to(came), edge.port)
        if not ends:
            assert client.recv(65_535) == reply_to(came).replace(vias(came)[0] + b"\r\n", b"", 1)
        else:
            assert edge.figures()["replies"]["unaccounted"] == 0


@pytest.mark.parametrize("words", [("--overload", "pass"), ("--on-failure", "pass")])
def test_what_is_to_pass_needs_to_be_told_where_to(tmp_path: Path, words: tuple[str, str]) -> None:
    create_keys(tmp_path / "ring")
    ended = call_slbroker("edge", "--listen", "udp:127.0.0.1:0", "--keys", str(tmp_path / "ring"), *words)
    assert ended.wait() == 3
    assert "--pass" in ended.log
