"""An edge and workers in this process, on real sockets: the loopback before them, a ZeroMQ bus between them."""

from __future__ import annotations

import asyncio
import gc
import socket
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from slbroker import Handlers, Reply, Request, keys
from slbroker.bus import envelope
from slbroker.bus.address import BusAddress, parse_bus_address
from slbroker.errors import BindError, KeyFileError, NoAnswerError
from slbroker.listen import parse_listen_address
from slbroker.settings.edge import EdgeSettings
from slbroker.settings.handler import HandlerSettings
from slbroker_edge.service import EdgeService
from slbroker_handlers.worker import Worker
from tests.support.figures import ask_figures
from tests.support.peers import free_udp_port
from tests.support.sip import read_reply, request
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
    from pathlib import Path

    from tests.support.sip import ReadReply

HERE = "udp:127.0.0.1:0"
app = Handlers()
gates: list[asyncio.Event] = []


@app.on("INVITE")
async def wait(request: Request) -> Reply:
    gate = asyncio.Event()
    gates.append(gate)
    await gate.wait()
    return request.reply(404)


@app.otherwise
def answer(request: Request) -> Reply:
    return request.reply(200, headers={"X-Listen": request.source.listen})


@pytest.fixture(autouse=True)
def thaw() -> Iterator[None]:
    """Services freeze what there is at their start; a test's remains are garbage like any other."""
    gates.clear()
    yield
    gc.unfreeze()


class Site:
    """What the edges and workers of a test share."""

    def __init__(self, folder: Path) -> None:
        self.ring = folder / "ring"
        self.bus: BusAddress = parse_bus_address(f"ipc://{folder}/bus")
        keys.create(self.ring)

    def settings(self, *listen: str, **more: Any) -> EdgeSettings:
        addresses = tuple(parse_listen_address(address) for address in listen or (HERE,))
        return EdgeSettings(addresses, self.bus, self.ring, 32.0, **more)

    @asynccontextmanager
    async def edge(self, *listen: str, **more: Any) -> AsyncIterator[EdgeService]:
        service = EdgeService(self.settings(*listen, **more))
        try:
            await service.start()
            yield service
        finally:
            service.close()

    @asynccontextmanager
    async def worker(self, *edges: EdgeService) -> AsyncIterator[Worker]:
        """A worker that `edges` have welcomed."""
        worker = Worker(HandlerSettings((self.bus,), self.ring, "app", 128), app)
        try:
            await worker.start()
            name = worker._hello["name"]
            await eventually(lambda: all(name in names_of_workers(edge) for edge in edges))
            yield worker
        finally:
            worker.close()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def names_of_workers(edge: EdgeService) -> list[str]:
    return [str(worker["name"]) for worker in edge.edge.dispatcher.figures()]


async def eventually(condition: Callable[[], object], seconds: float = 5.0) -> None:
    async with asyncio.timeout(within(seconds)):
        while not condition():
            await asyncio.sleep(0.01)


def run(play: Coroutine[Any, Any, None]) -> None:
    asyncio.run(play)


class Peer:
    """A SIP peer on the loop, connected: it hears only what comes from where it sends to."""

    def __init__(self, name: str) -> None:
        host, _, port = name.removeprefix("udp:").rpartition(":")
        self.sock = socket.socket(socket.AF_INET6 if "[" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_000_000)
        self.sock.setblocking(False)
        self.sock.connect((host.strip("[]"), int(port)))

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, method: str, call_id: str = "c1") -> None:
        self.sock.send(request(method, call_id=call_id, via="SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK1"))

    async def receive(self) -> ReadReply:
        async with asyncio.timeout(within(5.0)):
            return read_reply(await asyncio.get_running_loop().sock_recv(self.sock, 65_535))

    async def ask(self, method: str) -> ReadReply:
        self.send(method)
        return await self.receive()


def name_of(edge: EdgeService, number: int = 0) -> str:
    return edge._sockets._listeners[number].name


async def figures_of(bus: BusAddress) -> list[dict[str, Any]]:
    """What `slbroker stats` is told."""
    return await asyncio.get_running_loop().run_in_executor(None, ask_figures, bus, within(5.0))


# Serving --------------------------------------------------------------------------------------------------------


def test_a_request_is_answered_and_counted(site: Site) -> None:
    async def play() -> None:
        async with site.edge() as edge, site.worker(edge):
            with Peer(name_of(edge)) as peer:
                reply = await peer.ask("OPTIONS")
            assert reply.status == 200
            assert b";tag=s1" in reply.one(b"To")
            (figures,) = await figures_of(site.bus)
            assert (figures["received"], figures["replied"], figures["in_flight"]) == (1, 1, 0)
            assert [(worker["answered"], worker["credit"]) for worker in figures["workers"]] == [(1, 128)]

    run(play())


def test_a_reply_leaves_from_the_socket_that_the_request_came_in_on(site: Site) -> None:
    async def play() -> None:
        async with site.edge(HERE, HERE, "udp:[::1]:0") as edge, site.worker(edge):
            for number in range(3):
                name = name_of(edge, number)
                with Peer(name) as peer:
                    assert (await peer.ask("OPTIONS")).one(b"X-Listen") == name.encode()

    run(play())


def test_several_workers_share_the_requests(site: Site) -> None:
    async def play() -> None:
        async with site.edge() as edge, site.worker(edge), site.worker(edge):
            with Peer(name_of(edge)) as peer:
                for number in range(100):
                    peer.send("OPTIONS", f"c{number}")
                seen = {(await peer.receive()).one(b"Call-ID") for _ in range(100)}
            assert len(seen) == 100
            assert all(worker["answered"] for worker in edge.edge.dispatcher.figures())

    run(play())


def test_a_worker_that_vanishes_is_noticed(site: Site) -> None:
    async def play() -> None:
        async with site.edge() as edge, AsyncExitStack() as second:
            async with site.worker(edge):
                with Peer(name_of(edge)) as peer:
                    peer.send("INVITE")
                    await eventually(lambda: gates)
                await second.enter_async_context(site.worker(edge))
            # The first one has gone without a word.
            await eventually(lambda: len(gates) == 2, seconds=2.0)
            gates[1].set()
            await eventually(lambda: edge.edge.fates.replied == 1)

    run(play())


def test_garbage_on_the_bus_is_counted_and_harms_nothing(site: Site) -> None:
    async def play() -> None:
        async with site.edge() as edge, site.worker(edge):
            with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
                dealer.set(zmq.LINGER, 0)
                dealer.connect(str(site.bus))
                for frames in ([b""], [b"\xc1", b"\xc1"], [b"a", b"b", b"c"], envelope.encode_replies([(1, b"x")])):
                    dealer.send_multipart(frames)
                await eventually(lambda: edge.edge.dispatcher.garbage == 3 and edge.edge.dispatcher.late == 1)
            with Peer(name_of(edge)) as peer:
                assert (await peer.ask("OPTIONS")).status == 200

    run(play())


# Several processes ----------------------------------------------------------------------------------------------


def test_a_worker_finds_the_further_processes_of_an_edge_also_after_a_restart(site: Site) -> None:
    async def play() -> None:
        port = free_udp_port()
        async with site.edge(f"udp:127.0.0.1:{port}") as alone, site.worker(alone) as worker:
            alone.edge.dispatcher.leave()
            alone._turn()
            alone.close()
            listen = f"udp:127.0.0.1:{port}"
            async with (
                site.edge(listen, processes=2) as first,
                site.edge(listen, processes=2, process=1) as second,
            ):
                await eventually(lambda: names_of_workers(first) == names_of_workers(second) == [worker._hello["name"]])
                everything = await figures_of(site.bus)
                assert [figures["name"] for figures in everything] == [first.name, second.name]
                alone._context = zmq.Context()  # closed twice: once here, once by `site.edge`

    run(play())


def test_stats_of_nobody() -> None:
    with pytest.raises(NoAnswerError, match="no edge answers at ipc:///tmp/nobody-is-here"):
        ask_figures(parse_bus_address("ipc:///tmp/nobody-is-here"), 0.05)


# Ending ---------------------------------------------------------------------------------------------------------


def test_draining_answers_all_that_the_kernel_had(site: Site) -> None:
    async def play() -> None:
        async with site.edge() as edge, site.worker(edge):
            with Peer(name_of(edge)) as peer:
                for number in range(300):  # more than a batch, and the loop sees none of them before it drains
                    peer.send("OPTIONS", f"c{number}")
                await edge.drain()
                assert (edge.edge.fates.received, edge.edge.fates.replied) == (300, 300)
                assert len({(await peer.receive()).one(b"Call-ID") for _ in range(300)}) == 300

    run(play())


def test_draining_waits_for_a_handler(site: Site) -> None:
    async def play() -> None:
        async with site.edge() as edge, site.worker(edge):
            with Peer(name_of(edge)) as peer:
                peer.send("INVITE")
                await eventually(lambda: gates)
                draining = asyncio.ensure_future(edge.drain())
                await asyncio.sleep(0)
                gates[0].set()
                await draining
                assert (await peer.receive()).status == 404

    run(play())


def test_edge_and_worker_that_stop_at_the_same_time_do_not_wait_for_each_other(site: Site) -> None:
    async def play() -> None:
        for _ in range(3):
            async with site.edge() as edge, site.worker(edge) as worker:
                async with asyncio.timeout(within(0.9)):  # a worker that hears no GOODBYE waits for a second
                    await asyncio.gather(edge.drain(), worker.drain())

    run(play())


def test_what_becomes_of_the_messages_is_logged_at_the_end(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        async with site.edge() as edge, site.worker(edge):
            with Peer(name_of(edge)) as peer:
                await peer.ask("OPTIONS")

    caplog.set_level("INFO")
    run(play())
    (last,) = (message for message in caplog.messages if message.startswith("edge stopped"))
    assert sorted(last.removeprefix("edge stopped: ").split(", ")) == ["received 1", "replied 1"]


# What cannot be had ---------------------------------------------------------------------------------------------


def test_a_taken_port_ends_the_start_and_nothing_else_is_said(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        async with site.edge() as edge:
            caplog.clear()
            other = EdgeService(site.settings(HERE, name_of(edge)))
            with pytest.raises(BindError, match="something else listening"):
                await other.start()
            other.close()
            assert caplog.messages == []

    caplog.set_level("INFO")
    run(play())


def test_a_taken_bus_ends_the_start(site: Site) -> None:
    async def play() -> None:
        async with site.edge():
            other = EdgeService(site.settings())
            with pytest.raises(BindError, match="another edge is listening there"):
                await other.start()
            other.close()

    run(play())


def test_without_a_key_ring_there_is_no_edge(site: Site) -> None:
    site.ring.unlink()
    with pytest.raises(KeyFileError, match="no key file"):
        EdgeService(site.settings())


# The key ring ---------------------------------------------------------------------------------------------------


def test_a_reload_takes_the_new_ring_and_keeps_the_old_when_it_is_broken(site: Site) -> None:
    async def play() -> None:
        async with site.edge() as edge:
            signers = [edge.edge.ack_filter.signer]
            keys.rotate_file(site.ring, 1_000.0)
            edge.reload()
            signers.append(edge.edge.ack_filter.signer)
            site.ring.write_text("garbled")
            with suppress(KeyFileError):
                edge.reload()
            signers.append(edge.edge.ack_filter.signer)
            tags = [signer.sign(b"c", b"f", 1) for signer in signers]
            assert tags[0] != tags[1] == tags[2]

    run(play())
