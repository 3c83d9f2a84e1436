"""A connection that is made anew when nobody answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

import zmq

from slbroker.bus import curve
from slbroker.bus.dealer import SILENCE, Dealer
from slbroker.bus.sockets import connect_dealer
from tests.slbroker.bus.net import Net, bound, comes_true, receive, run

if TYPE_CHECKING:
    from pathlib import Path

    from slbroker.bus.address import BusAddress
    from tests.slbroker.bus.net import Socket

TICKS = 0.5
MOST = round(SILENCE / TICKS)


class Caller:
    """A dealer, and what it has heard."""

    def __init__(self, net: Net, address: BusAddress) -> None:
        self.heard: list[list[bytes]] = []
        self.made: list[Socket] = []

        self.faults: list[str] = []

        def connect(where: BusAddress) -> Socket:
            self.made.append(connect_dealer(net.context, where))
            return self.made[-1]

        self.dealer = Dealer(address, connect, self.heard.append, lambda: None, self.faults.append, ticks=TICKS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.dealer.close()

    def ticks(self, count: int) -> list[bool]:
        return [self.dealer.tick() for _ in range(count)]

    async def is_turned_away(self) -> None:
        """Wait until libzmq has given up. Call it before there is anybody who could turn us away."""
        (dealer,) = self.made
        watch = dealer.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL)
        await comes_true(lambda: watch.poll(0))
        dealer.disable_monitor()
        watch.close(0)

    async def is_answered(self, router: Socket) -> None:
        """Say something, and hear the answer."""
        await comes_true(lambda: not self.dealer.send([[b"hello"]]))
        identity, *_ = receive(router)
        router.send_multipart([identity, b"welcome"])
        await comes_true(lambda: self.heard)
        self.heard.clear()


def test_a_silent_peer_is_called_on_a_new_connection_again_and_again(net: Net, address: BusAddress) -> None:
    async def test() -> None:
        router = net.bind(address)
        with Caller(net, bound(router, address)) as caller:
            for times in (1, 2, 3):
                assert caller.ticks(MOST) == [False] * (MOST - 1) + [True]
                assert caller.dealer.renewed == times
            await caller.is_answered(router)
            assert caller.dealer.renewed == 0

    run(test())


def test_whoever_speaks_keeps_the_connection(net: Net, address: BusAddress) -> None:
    async def test() -> None:
        router = net.bind(address)
        with Caller(net, bound(router, address)) as caller:
            for _ in range(3):
                await caller.is_answered(router)
                assert not any(caller.ticks(MOST - 1))

    run(test())


def test_a_peer_that_had_keys_and_has_none_now_is_met(net: Net, address: BusAddress, tmp_path: Path) -> None:
    """libzmq alone would never try again."""

    async def test() -> None:
        former = Net()
        where = bound(former.bind(address), address)
        former.close()
        with Caller(net, where) as caller:
            turned_away = asyncio.ensure_future(caller.is_turned_away())
            await asyncio.sleep(0)  # it watches
            locked = Net()
            locked.bind(where, curve.create(tmp_path / "edge"))
            await turned_away
            locked.close()
            router = net.bind(where)
            for _ in range(20):
                assert caller.dealer.send([[b"anybody?"]]), "libzmq has learned it: so this module can go"
                await asyncio.sleep(0.01)
            assert caller.ticks(MOST)[-1]
            await caller.is_answered(router)

    run(test())
