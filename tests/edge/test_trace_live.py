"""`slbroker trace` and `--trace`: the whole messages of one call, from edges that run; bounded, and gone afterwards."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
from typing import TYPE_CHECKING

import pytest

from slbroker.errors import Exit
from tests.peers.brokers import free_bus_address, new_keys, start_edge, start_handler
from tests.support.processes import run_slbroker
from tests.support.sip import read_reply, request
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Start
    from tests.peers.brokers import Edge


class Phone:
    """A socket that asks."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.count = 0

    def ask(self, port: int, call_id: str, method: str = "OPTIONS", uri: str = "sip:bob@example.com") -> bytes:
        self.count += 1
        via = f"SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK{self.count}"
        asked = request(method, uri, call_id=call_id, via=via)
        self.sock.sendto(asked, ("127.0.0.1", port))
        read_reply(self.sock.recv(4096))
        return asked


@pytest.fixture
def phone() -> Iterator[Phone]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(within(5.0))
        yield Phone(sock)


@pytest.fixture
def edge(start_slbroker: Start, tmp_path: Path, request: pytest.FixtureRequest) -> Edge:
    ring, bus = new_keys(tmp_path), free_bus_address("ipc", tmp_path)
    started = start_edge(start_slbroker, ring, bus, options=getattr(request, "param", ()))
    start_handler(start_slbroker, ring, bus).wait_for("handler ready")
    return started


def test_a_call_is_shown_whole_while_others_are_not(start_slbroker: Start, edge: Edge, phone: Phone) -> None:
    trace = start_slbroker("trace", "one@here", "--bus", edge.bus, "--count", "4", "--seconds", "30", "--json")
    asked = b""
    for number in range(200):  # until the trace is at work, and then to its end
        asked = phone.ask(edge.port, "one@here")
        phone.ask(edge.port, f"other-{number}")
        if not trace.running:
            break
        time.sleep(0.05)
    assert trace.wait() == Exit.OK
    told = [json.loads(line) for line in trace.output.splitlines()]
    assert [each["direction"] for each in told] == ["received", "sent"] * 2
    assert {each["listen"] for each in told} == {f"udp:127.0.0.1:{edge.port}"}
    assert {each["peer"] for each in told} == {"127.0.0.1:{1}".format(*phone.sock.getsockname())}
    assert told[0]["message"].partition("branch=")[0] == asked.decode().partition("branch=")[0]
    assert told[1]["message"].startswith("SIP/2.0 ")
    assert "Call-ID: one@here" in told[1]["message"]
    assert re.search(r"^4 messages, of \S+; ended: count$", trace.log, re.MULTILINE)


def test_a_trace_ends_after_its_time_and_who_goes_away_leaves_nothing(
    start_slbroker: Start, edge: Edge, phone: Phone
) -> None:
    ended = run_slbroker("trace", "nobody", "--bus", edge.bus, "--seconds", "0.3")
    assert ended.wait() == Exit.OK
    assert "0 messages" in ended.log
    assert "ended: time" in ended.log
    for _ in range(10):  # more than an edge has at a time
        gone = start_slbroker("trace", "127.0.0.1", "--bus", edge.bus, "--seconds", "300")
        while gone.output.count("received") < 1:
            phone.ask(edge.port, "one")
        gone.kill()
        phone.ask(edge.port, "one")
    shown = run_slbroker("trace", "127.0.0.1", "--bus", edge.bus, "--seconds", "0.3")
    assert shown.wait() == Exit.OK


def test_several_processes_and_ctrl_c(start_slbroker: Start, tmp_path: Path, phone: Phone) -> None:
    ring, bus = new_keys(tmp_path), free_bus_address("ipc", tmp_path)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ("edge", "--listen", f"udp:127.0.0.1:{port}", "--bus", bus, "--keys", str(ring), "--processes", "2")
    start_slbroker(*words).wait_for("edge ready", times=2)
    start_handler(start_slbroker, ring, bus).wait_for("handler ready", times=2)
    trace = start_slbroker("trace", "source=127.0.0.0/8", "--bus", bus, "--seconds", "300")
    for number in range(200):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:  # the kernel deals flows
            sock.settimeout(within(5.0))
            Phone(sock).ask(port, f"call-{number}")
        if trace.output.count(" sent ") >= 20:
            break
        time.sleep(0.02)
    trace.send(signal.SIGINT)
    assert trace.wait() == Exit.OK
    assert len(re.findall(r"\S+:\d+(?=[,;])", trace.log.splitlines()[-1])) == 2, trace.log
    blocks = trace.output.split("\n\n")
    assert "    OPTIONS sip:bob@example.com SIP/2.0\n" in blocks[0]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("trace", "a b"), Exit.CONFIG, "name a Call-ID, a user, or an address"),
        (("trace", "source=x"), Exit.CONFIG, "no address and no network"),
        (("trace", "x", "--count", "0"), Exit.USAGE, "--count"),
        (("trace", "x", "--bus", "ipc:///nowhere/at/all", "--timeout", "0.2"), Exit.NO_ANSWER, "no edge answers"),
    ],
)
def test_what_cannot_be_traced_is_said_in_one_line(words: tuple[str, ...], code: Exit, said: str) -> None:
    refused = run_slbroker(*words)
    assert refused.wait() == code
    assert said in refused.log
    assert refused.log.count("\n") == 1


@pytest.mark.parametrize("edge", [("--trace", "source=127.0.0.1", "--log-calls")], indirect=True)
def test_what_an_edge_is_told_to_trace_from_its_start_is_in_its_log(edge: Edge, phone: Phone) -> None:
    """Line by line and escaped: a message that looks like our lines forges none."""
    evil = "one\x1b[31m@x"
    phone.ask(edge.port, "one", uri="sip:bob@example.com;x=\x1b")
    phone.ask(edge.port, "two")
    edge.process.wait_for("message-sent by udp:127.0.0.1:", times=2)
    edge.process.wait_for("call OPTIONS, Call-ID two, from udp:127.0.0.1:")
    log = edge.process.log
    assert evil not in log
    assert "\x1b" not in log
    assert re.search(r"INFO +\[\d+\] trace source=127.0.0.1: message-received by udp:.* from 127.0.0.1 port \d+", log)
    assert "\n    Call-ID: one\n" in log
    assert "\n    SIP/2.0 " in log
