"""An edge's links to brokers, on real sockets: the broker's end is a ROUTER in the hands of the test."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import zmq

from slbroker.bus import curve, envelope
from slbroker.bus.address import BusAddress, parse_bus_address
from slbroker.bus.dealer import SILENCE
from slbroker.bus.dispatcher import Dispatcher
from slbroker.bus.envelope import Kind
from slbroker.bus.sockets import bind_router
from slbroker.settings.bus import BrokerAccess
from slbroker.settings.dispatch import DispatchSettings
from slbroker_edge.brokerlinks import BrokerLinks, load_keys
from tests.support.bus import ANSWER, hello, job, kind_of
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Coroutine
    from pathlib import Path

    import pytest

    from slbroker.bus.envelope import Answer
    from slbroker.bus.jobs import Job


TICKS = 10  # in the time after which a silent broker is called anew


class Site:
    """A dispatcher with links, as an edge's service has them, and the sockets of brokers."""

    def __init__(self, addresses: Collection[BusAddress], pools: Collection[str]) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.dispatcher: Dispatcher[Job] = Dispatcher("e1", 1_000, DispatchSettings())
        self.links = BrokerLinks(self.dispatcher, self._on_envelope, lambda: None, ticks=SILENCE / TICKS)
        self.links.open(self.context, dict.fromkeys(addresses), pools)
        self.answered: list[tuple[Job, Answer]] = []
        self.brokers: list[zmq.Socket[bytes]] = []

    def bind(self, address: BusAddress) -> zmq.Socket[bytes]:
        """Start a broker's socket."""
        self.brokers.append(bind_router(self.context, address))
        return self.brokers[-1]

    def _on_envelope(self, frames: list[bytes]) -> None:
        self.answered += self.dispatcher.receive(frames[0], frames[1:], time.monotonic())

    def turn(self) -> list[tuple[bytes, list[bytes]]]:
        """A tick and a turn of the edge's loop; what no link has taken."""
        now = time.monotonic()
        self.dispatcher.expire(now)
        return self.links.send(self.dispatcher.send(now), now)

    async def hear(self, broker: zmq.Socket[bytes], *kinds: Kind) -> tuple[bytes, list[bytes]]:
        """Wait until the broker gets one of these from the edge; who says it, and what."""
        async with asyncio.timeout(within(5.0)):
            while True:
                self.turn()
                while broker.poll(0):
                    identity, *frames = broker.recv_multipart()
                    if kind_of(frames) in kinds:
                        return identity, frames
                await asyncio.sleep(0.01)

    async def join(self, broker: zmq.Socket[bytes], name: str = "b1") -> bytes:
        """Let the broker be greeted and offer workers; the link's identity there."""
        identity, _frames = await self.hear(broker, Kind.WHO)
        broker.send_multipart([identity, *envelope.encode(Kind.HELLO, hello(name))])
        await self.hear(broker, Kind.WELCOME)
        return identity

    async def until(self, accounts: int) -> None:
        async with asyncio.timeout(within(5.0)):
            while len(self.dispatcher.workers) != accounts:
                self.turn()
                await asyncio.sleep(0.01)


@asynccontextmanager
async def site(*addresses: BusAddress, pools: Collection[str] = ("default",)) -> AsyncIterator[Site]:
    made = Site(addresses, pools)
    try:
        yield made
    finally:
        made.links.close()
        for broker in made.brokers:
            broker.close(0)
        made.context.term()


def address(folder: Path, name: str = "broker") -> BusAddress:
    return parse_bus_address(f"ipc://{folder}/{name}")


def run(play: Coroutine[Any, Any, None]) -> None:
    asyncio.run(play)


def test_a_broker_is_greeted_for_each_pool_on_a_connection_of_its_own(tmp_path: Path) -> None:
    async def play() -> None:
        async with site(address(tmp_path), pools={"default", "premium"}) as here:
            broker = here.bind(address(tmp_path))
            greetings: dict[bytes, dict[str, Any]] = {}
            while len(greetings) < 2:
                identity, frames = await here.hear(broker, Kind.WHO)
                greetings[identity] = envelope.decode_info(frames[1])
            assert sorted(info["pool"] for info in greetings.values()) == ["default", "premium"]
            assert {info["edge"] for info in greetings.values()} == {"e1"}

    run(play())


def test_requests_go_to_brokers_in_turn_and_answers_come_back(tmp_path: Path) -> None:
    async def play() -> None:
        addresses = [address(tmp_path, name) for name in ("first", "second")]
        async with site(*addresses) as here:
            brokers = [here.bind(each) for each in addresses]
            for number, broker in enumerate(brokers):
                await here.join(broker, f"b{number}")
            jobs = [job(), job()]
            for each in jobs:
                here.dispatcher.submit(each, time.monotonic())
            for broker in brokers:
                identity, frames = await here.hear(broker, Kind.REQUESTS)
                ((number, _message, _source),) = envelope.decode_requests(frames[1])
                route = envelope.decode_head(frames).batch_id
                assert len(route) == 8
                broker.send_multipart([identity, *envelope.encode_replies([(number, ANSWER)], route)])
            async with asyncio.timeout(within(5.0)):
                while len(here.answered) < 2:
                    await asyncio.sleep(0.01)
            assert {each for each, _answer in here.answered} == set(jobs)

    run(play())


def test_a_broker_that_was_started_again_says_who_and_its_requests_go_elsewhere(tmp_path: Path) -> None:
    async def play() -> None:
        async with site(address(tmp_path)) as here:
            broker = here.bind(address(tmp_path))
            identity = await here.join(broker)
            here.dispatcher.submit(job(), time.monotonic())
            await here.hear(broker, Kind.REQUESTS)
            broker.send_multipart([identity, *envelope.encode(Kind.WHO)])
            await here.until(accounts=0)
            assert (here.dispatcher.in_flight, here.dispatcher.garbage) == (1, 0)
            await here.join(broker, "b1 again")
            await here.hear(broker, Kind.REQUESTS)

    run(play())


def test_a_broker_that_is_gone_has_no_account(tmp_path: Path) -> None:
    async def play() -> None:
        async with site(address(tmp_path)) as here:
            broker = here.bind(address(tmp_path))
            await here.join(broker)
            broker.close(0)
            await here.until(accounts=0)
            here.brokers.clear()
            (tmp_path / "broker").unlink(missing_ok=True)
            await here.join(here.bind(address(tmp_path)))

    run(play())


def test_a_broker_that_had_keys_and_has_none_now_is_met(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """libzmq gives up on it for good."""

    async def play() -> None:
        async with site(address(tmp_path)) as here:
            former: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
            locked = bind_router(former, address(tmp_path), curve.create(tmp_path / "keys"))
            await asyncio.sleep(0.2)  # the edge is turned away
            locked.close(0)
            former.term()
            broker = here.bind(address(tmp_path))
            for _ in range(2 * TICKS):
                here.links.tick(time.monotonic())
            deadline = time.monotonic() + 10
            while not caplog.records and time.monotonic() < deadline:  # a thread finds out why, while nobody has spoken
                await asyncio.sleep(0.01)
            await here.join(broker)
            assert [record.message for record in caplog.records] == [
                f"the broker at {address(tmp_path)}, asked for workers of pool default: it is silent;"
                " does it have such workers, and do the bus keys fit?"
            ]

    run(play())


def test_a_broker_that_falls_silent_has_no_account_and_is_called_anew(tmp_path: Path) -> None:
    async def play() -> None:
        async with site(address(tmp_path)) as here:
            broker = here.bind(address(tmp_path))
            before = await here.join(broker)
            for _ in range(TICKS - 1):
                here.links.tick(time.monotonic())
            assert here.dispatcher.workers
            here.links.tick(time.monotonic())
            assert not here.dispatcher.workers
            assert await here.join(broker) != before

    run(play())


def test_what_is_for_others_is_left_to_the_edges_own_socket(tmp_path: Path) -> None:
    async def play() -> None:
        async with site(address(tmp_path)) as here:
            await here.join(here.bind(address(tmp_path)))
            here.dispatcher.receive(b"worker", envelope.encode(Kind.HELLO, hello("w1")), time.monotonic())
            assert [(identity, kind_of(frames)) for identity, frames in here.turn()] == [(b"worker", Kind.WELCOME)]

    run(play())


def test_without_keys_nothing_is_encrypted() -> None:
    where = parse_bus_address("tcp://127.0.0.1:5591")
    assert load_keys(BrokerAccess((where,)), None) == {where: None}
