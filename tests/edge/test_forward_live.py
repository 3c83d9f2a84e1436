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
from tests.support.processes import run_slbroker
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
