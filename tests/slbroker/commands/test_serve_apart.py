"""Edge and handlers as commands of their own: key rings, several processes, their figures, their end."""

from __future__ import annotations

import json
import signal
import socket
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from slbroker.errors import Exit
from tests.peers.brokers import Edge, free_bus_address, new_keys, start_edge, start_handler
from tests.peers.phone import Phone
from tests.slbroker.commands.test_serve import PLUGIN, complaint, waiting_for
from tests.support.peers import free_udp_port
from tests.support.processes import Process, run_slbroker
from tests.support.sip import read_reply, request
from tests.support.timing import until, within

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Start


class Site:
    """A key ring, a bus, and what listens to them."""

    def __init__(self, start: Start, folder: Path) -> None:
        self.start = start
        self.ring = new_keys(folder)
        self.bus = free_bus_address("ipc", folder)
        self.plugin = folder / "answers.py"
        self.plugin.write_text(PLUGIN)

    def edge(self) -> Edge:
        return start_edge(self.start, self.ring, self.bus)

    def handler(self, *words: str) -> Process:
        """A handler with these tests' plugin that an edge has welcomed."""
        process = self.start(
            "handler", "--bus", self.bus, "--plugin", str(self.plugin), "--keys", str(self.ring), *words
        )
        process.wait_for("handler ready")
        return process

    def rotate(self) -> None:
        assert run_slbroker("keys", "rotate", str(self.ring)).wait() == Exit.OK


@pytest.fixture
def site(start_slbroker: Start, tmp_path: Path) -> Site:
    return Site(start_slbroker, tmp_path)


def reload(*processes: Process, times: int = 1) -> None:
    for process in processes:
        process.send(signal.SIGHUP)
    for process in processes:
        process.wait_for("loaded again", times=times)


# The key ring ---------------------------------------------------------------------------------------------------


def test_after_a_rotation_old_and_new_tags_are_absorbed(site: Site) -> None:
    edge, handler = site.edge(), site.handler()
    with Phone(edge.port) as phone:
        calls = [phone.call() for _ in range(3)]
        to = [phone.ask(calls[0].request("INVITE"))["To"]]
        site.rotate()
        reload(handler)  # signs with a key that the edge knows as its next one
        to.append(phone.ask(calls[1].request("INVITE"))["To"])
        phone.send(calls[1].ack(to[1]))
        edge.wait_for_figures(absorbed=1)
        reload(edge.process)
        to.append(phone.ask(calls[2].request("INVITE"))["To"])
        for call, value in zip(calls, to, strict=True):
            phone.send(call.ack(value))
        assert edge.wait_for_figures(absorbed=4)["dropped"] == {}
    assert to[0][-31:-24] != to[1][-31:-24] == to[2][-31:-24]


def test_a_broken_ring_is_one_line_and_the_old_one_stays(site: Site) -> None:
    edge, handler = site.edge(), site.handler()
    content = site.ring.read_bytes()
    site.ring.write_text("garbled")
    for process in (edge.process, handler):
        before = process.log
        process.send(signal.SIGHUP)
        line = process.wait_for("not reloaded")
        assert "the old one stays in use: " in line
        assert "is no usable key file" in line
        assert process.log == f"{before}{line}\n"
    with Phone(edge.port) as phone:
        call = phone.call()
        phone.send(call.ack(phone.ask(call.request("INVITE"))["To"]))
        edge.wait_for_figures(absorbed=1)
    site.ring.write_bytes(content)
    reload(edge.process, handler)


# Several processes ----------------------------------------------------------------------------------------------


def test_two_edge_processes_share_a_port(site: Site) -> None:
    port = free_udp_port()
    listen, keys = f"udp:127.0.0.1:{port}", str(site.ring)
    edge = site.start("edge", "--listen", listen, "--bus", site.bus, "--keys", keys, "--processes", "2")
    edge.wait_for("edge ready", times=2)
    handler = site.handler()
    handler.wait_for("handler ready", times=2)
    with ExitStack() as stack:
        phones = [stack.enter_context(Phone(port)) for _ in range(40)]  # the kernel chooses by source port
        for phone in phones:
            phone.send(phone.call().request("OPTIONS"))
        replies = [phone.receive() for phone in phones]
    assert [reply.status for reply in replies if reply] == [200] * 40
    edges = stats(site.bus)
    assert [figures["received"] > 0 for figures in edges] == [True, True]
    assert sum(figures["replied"] for figures in edges) == 40
    assert len({figures["name"] for figures in edges}) == 2
    shown = run_slbroker("stats", "--bus", site.bus)
    assert shown.wait() == Exit.OK
    assert [line for line in shown.output.splitlines() if line.startswith("edge")] == [
        f"edge {figures['name']}" for figures in edges
    ]
    assert shown.output.count("credit 128, open 0") == 2
    assert edge.stop() == Exit.OK


def stats(bus: str) -> list[dict[str, Any]]:
    asked = run_slbroker("stats", "--bus", bus, "--json")
    assert asked.wait() == Exit.OK
    edges: list[dict[str, Any]] = json.loads(asked.output)["edges"]
    return edges


def test_two_workers_of_one_handler_command(site: Site) -> None:
    edge = site.edge()
    handler = site.handler("--workers", "2")
    handler.wait_for("handler ready", times=2)
    assert len(edge.figures()["workers"]) == 2
    assert handler.stop() == Exit.OK
    edge.wait_for_figures(received=0, workers=[])  # type: ignore[arg-type]


# Addresses ------------------------------------------------------------------------------------------------------


def test_several_addresses_ipv6_among_them(site: Site) -> None:
    words = [word for address in ("udp:127.0.0.1:0", "udp:[::1]:0") for word in ("--listen", address)]
    edge = site.start("edge", *words, "--bus", site.bus, "--keys", str(site.ring))
    listening = edge.wait_for("edge ready").partition("listening on ")[2].split(", ")[:2]
    site.handler()
    for name, family in zip(listening, (socket.AF_INET, socket.AF_INET6), strict=True):
        host, _, port = name.removeprefix("udp:").rpartition(":")
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((host.strip("[]"), int(port)))  # hears nothing from elsewhere
            sock.settimeout(within(5.0))
            sock.send(request("OPTIONS", via=f"SIP/2.0/UDP {host};rport;branch=z9hG4bK1"))
            assert read_reply(sock.recv(65_535)).status == 200


# Ending ---------------------------------------------------------------------------------------------------------


@contextmanager
def stopping(site: Site, stopped: str, seconds: float) -> Iterator[tuple[Process, Phone]]:
    """A process that was told to stop while a request takes so many seconds, and who waits for the answer."""
    edge, handler = site.edge(), site.handler()
    process = edge.process if stopped == "edge" else handler
    with Phone(edge.port) as phone:
        phone.send(waiting_for(seconds, phone))
        handler.wait_for("begun by")
        process.send(signal.SIGTERM)
        process.wait_for("stopping")
        yield process, phone
    handler.kill()  # it may go on waiting for its own


@pytest.mark.parametrize("stopped", ["edge", "handler"])
def test_sigterm_drains(site: Site, stopped: str) -> None:
    with stopping(site, stopped, 0.5) as (process, phone):
        reply = phone.receive()
        assert reply is not None
        assert reply.status == 404
        assert process.wait() == Exit.OK


@pytest.mark.parametrize("stopped", ["edge", "handler"])
def test_a_second_sigterm_stops_at_once(site: Site, stopped: str) -> None:
    with stopping(site, stopped, 60) as (process, _phone):
        assert process.running
        process.send(signal.SIGTERM)
        assert process.wait(3.0) == 128 + signal.SIGTERM


def test_a_handler_whose_edge_comes_back_serves_again(site: Site) -> None:
    first, handler = site.edge(), site.handler()
    first.process.kill()
    second = site.edge()
    handler.wait_for(f":{second.process.pid} at ")
    with Phone(second.port) as phone:
        assert phone.ask(phone.call().request("OPTIONS")).status == 200


def test_a_killed_handler_s_requests_go_to_another(site: Site) -> None:
    edge = site.edge()
    handlers = [site.handler(), site.handler()]
    with Phone(edge.port) as phone:
        phone.send(waiting_for(0.3, phone))
        until(lambda: any("begun by" in handler.log for handler in handlers), what="a handler's beginning")
        (busy,) = [handler for handler in handlers if "begun by" in handler.log]
        busy.kill()
        reply = phone.receive()
        assert reply is not None
        assert int(reply["X-Worker"]) != busy.pid
    assert edge.wait_for_figures(replied=1)["received"] == 1


# Mistakes -------------------------------------------------------------------------------------------------------


def test_a_taken_port_and_a_taken_bus(site: Site, tmp_path: Path) -> None:
    edge = site.edge()
    keys = ("--keys", str(site.ring))
    port = run_slbroker("edge", "--listen", f"udp:127.0.0.1:{edge.port}", "--bus", f"ipc://{tmp_path}/other", *keys)
    assert "is something else listening there?" in complaint(port, Exit.BIND)
    bus = run_slbroker("edge", "--listen", "udp:127.0.0.1:0", "--bus", site.bus, *keys)
    assert "another edge is listening there" in complaint(bus, Exit.BIND)


def test_an_edge_without_handlers_says_so(site: Site) -> None:
    edge = site.edge()
    with Phone(edge.port) as phone:
        reply = phone.ask(phone.call().request("OPTIONS"))
        assert reply.status == 503
        assert 5 <= int(reply["Retry-After"]) <= 30
    assert "no worker in pool default" in edge.process.wait_for("WARNING")
    start_handler(site.start, site.ring, site.bus).wait_for("handler ready")
    assert edge.wait_for_figures(shed=1)["workers"][0]["answered"] == 0
