"""ZeroMQ sockets for tests of the bus, closed at the end; and the loop that serves them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias

import zmq

from slbroker.bus.sockets import bind_router, connect_dealer
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from slbroker.bus.address import BusAddress
    from slbroker.bus.curve import KeyPair

Socket: TypeAlias = "zmq.Socket[bytes]"


class Net:
    """Sockets that are closed when the test ends."""

    def __init__(self) -> None:
        self.context: zmq.Context[Socket] = zmq.Context()
        self._made: list[Socket] = []

    def bind(self, address: BusAddress, keys: KeyPair | None = None) -> Socket:
        self._made.append(bind_router(self.context, address, keys))
        return self._made[-1]

    def connect(self, address: BusAddress, credit: int = 0) -> Socket:
        self._made.append(connect_dealer(self.context, address, credit=credit))
        return self._made[-1]

    def close(self) -> None:
        self.context.destroy(0)  # also what a test that failed has left open: term() would wait for it for ever


def bound(router: Socket, address: BusAddress) -> BusAddress:
    """Where a router bound to `address` really is."""
    endpoint = router.get(zmq.LAST_ENDPOINT)
    assert isinstance(endpoint, bytes)
    return address if address.path else address._replace(port=int(endpoint.rpartition(b":")[2]))


def receive(from_socket: Socket, seconds: float = 5.0) -> list[bytes]:
    assert from_socket.poll(int(within(seconds) * 1000)), "nothing came"
    return from_socket.recv_multipart()


def run(test: Coroutine[object, object, None]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(test, within(20.0))

    asyncio.run(limited())


async def comes_true(condition: Callable[[], object]) -> None:
    """Let the loop run until the condition is true; `run` limits for how long."""
    while not condition():
        await asyncio.sleep(0.005)
