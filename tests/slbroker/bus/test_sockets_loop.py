"""A bus socket on the asyncio loop: all that comes is told, and nothing that goes out blocks."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

from slbroker.bus.address import BusAddress
from slbroker.bus.sockets import MAX_BYTES_PER_TURN, MAX_PER_TURN, BusSocket
from tests.slbroker.bus.net import Net, Socket, bound, comes_true, receive, run
from tests.support.timing import within

if TYPE_CHECKING:
    from pathlib import Path


class Listener:
    """A BusSocket and what it has told."""

    def __init__(self, zsocket: Socket, fail_on: bytes = b"") -> None:
        self.heard: list[list[bytes]] = []
        self.turns: list[int] = []
        self._fail_on = fail_on
        self.bus = BusSocket(asyncio.get_running_loop(), zsocket, self._hear, self._turn)

    def _hear(self, frames: list[bytes]) -> None:
        self.heard.append(frames)
        if frames[-1] == self._fail_on:
            raise ZeroDivisionError("a bug")

    def _turn(self) -> None:
        self.turns.append(len(self.heard))


def test_all_that_arrives_is_told_turn_by_turn(net: Net, address: BusAddress) -> None:
    async def test() -> None:
        router = net.bind(address)
        edge = Listener(router)
        worker = Listener(net.connect(bound(router, address)))
        await comes_true(lambda: not worker.bus.send([[b"hello"]]))
        await comes_true(lambda: edge.heard)
        (identity, _), *_ = edge.heard
        assert edge.bus.send([[identity, b"%d" % number] for number in range(500)]) == []
        await comes_true(lambda: len(worker.heard) == 500)
        assert worker.heard == [[b"%d" % number] for number in range(500)]
        shares = [after - before for before, after in zip([0, *worker.turns], worker.turns, strict=False)]
        assert sum(shares) == 500
        assert all(0 < share <= MAX_PER_TURN for share in shares)
        for number in range(500):  # a send takes ZeroMQ's signal that something has come
            assert worker.bus.send([[b"%d" % number]]) == []
            if number % 50 == 0:
                await asyncio.sleep(0)
        await comes_true(lambda: len(edge.heard) >= 501)
        assert [frames[1] for frames in edge.heard[-500:]] == [b"%d" % number for number in range(500)]
        edge.bus.close()
        worker.bus.close()

    run(test())


def test_large_messages_make_a_turn_short(net: Net, address: BusAddress) -> None:
    """While they come in, the loop sees to its other sockets."""

    async def test() -> None:
        router = net.bind(address)
        dealer = net.connect(bound(router, address))
        half = MAX_BYTES_PER_TURN // 2
        for _ in range(8):
            dealer.send(b"x" * half)
        assert router.poll(int(within(5.0) * 1000))
        edge = Listener(router)
        await comes_true(lambda: len(edge.heard) == 8)
        shares = [after - before for before, after in zip([0, *edge.turns], edge.turns, strict=False)]
        assert max(shares) <= 2
        edge.bus.close()

    run(test())


def test_a_worker_that_has_gone_is_refused_and_what_was_for_it_comes_back(net: Net, address: BusAddress) -> None:
    async def test() -> None:
        router = net.bind(address)
        edge = Listener(router)
        workers = [net.connect(bound(router, address)) for _ in range(2)]
        for worker, name in zip(workers, (b"goes", b"stays"), strict=True):
            worker.send(name)
        await comes_true(lambda: len(edge.heard) == 2)
        names = {name: identity for identity, name in edge.heard}
        assert edge.bus.send([[identity, b"x"] for identity in names.values()]) == []
        workers[0].close(0)
        to_gone, to_stays = ([names[name], b"1", b"2"] for name in (b"goes", b"stays"))
        await comes_true(lambda: edge.bus.send([to_gone]))
        assert edge.bus.send([to_gone, to_stays, [b"nobody", b"3"], to_gone]) == [to_gone, [b"nobody", b"3"], to_gone]
        assert [receive(workers[1]) for _ in range(2)] == [[b"x"], [b"1", b"2"]]
        edge.bus.close()

    run(test())


def test_without_an_edge_nothing_piles_up_at_a_worker(net: Net, folder: Path) -> None:
    async def test() -> None:
        worker = Listener(net.connect(BusAddress(str(folder / "bus"), "", 0)))
        assert worker.bus.send([[b"hello"], [b"again"]]) == [[b"hello"], [b"again"]]
        worker.bus.close()

    run(test())


def test_a_bug_in_one_message_does_not_keep_the_next_from_being_read(net: Net, address: BusAddress) -> None:
    async def test() -> None:
        bugs: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, happened: bugs.append(happened["exception"]))
        router = net.bind(address)
        dealer = net.connect(bound(router, address))
        edge = Listener(router, fail_on=b"bad")
        for word in (b"good", b"bad", b"better", b"best"):
            dealer.send(word)
        await comes_true(lambda: len(edge.heard) == 4)
        assert [type(bug) for bug in bugs] == [ZeroDivisionError]
        edge.bus.close()

    run(test())


def test_a_closed_socket_takes_nothing(net: Net, address: BusAddress) -> None:
    async def test() -> None:
        edge = Listener(net.bind(address))
        edge.bus.close()
        assert edge.bus.send([[b"x", b"y"]]) == [[b"x", b"y"]]
        await asyncio.sleep(0)  # the first reading was due
        assert edge.heard == []

    run(test())


class Asked:
    """The frames of a socket, and what is asked of it."""

    def __init__(self, frames: Any) -> None:
        self.frames = frames
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.asked.append(name)
        return getattr(self.frames, name)


class Echo(Listener):
    """Sends back what it hears when a turn ends, as a worker does."""

    def _turn(self) -> None:
        super()._turn()
        waiting, self.heard = self.heard, []
        assert self.bus.send(waiting) == []


def test_what_comes_alone_is_answered_before_zeromq_is_asked_for_more(net: Net, address: BusAddress) -> None:
    """ZeroMQ asks the system whenever it is asked for more: once is enough, for having read and for having sent."""

    async def test() -> None:
        router = net.bind(address)
        echo = Echo(router)
        dealer = net.connect(bound(router, address))
        dealer.send(b"first")
        await comes_true(lambda: dealer.poll(0))
        receive(dealer)
        asked = Asked(echo.bus._frames)
        echo.bus._frames = asked  # type: ignore[assignment]
        echo.bus._receive = lambda: asked.receive()
        for number in range(5):
            asked.asked.clear()
            dealer.send(b"%d" % number)
            await comes_true(lambda: dealer.poll(0))
            assert receive(dealer) == [b"%d" % number]
            assert asked.asked == ["receive", "send", "receive"]
        echo.bus.close()

    run(test())


def test_whatever_comes_while_something_is_sent_is_heard(net: Net, address: BusAddress) -> None:
    """A send may take ZeroMQ's signal: nothing else comes here that would give another one."""

    async def test() -> None:
        router = net.bind(address)
        echo = Echo(router)
        dealers = [net.connect(bound(router, address)) for _ in range(3)]
        dice = random.Random(1)
        for turn in range(300):
            sent = [(each, b"%d" % turn) for each in dealers for _ in range(dice.choice((0, 1, 1, 3)))]
            for at, (dealer, word) in enumerate(sent):
                dealer.send(word)
                if at % 2:
                    await asyncio.sleep(dice.choice((0, 0, 0.0005)))
            for dealer, word in sent:
                await comes_true(lambda dealer=dealer: dealer.poll(0))  # type: ignore[misc]
                assert receive(dealer) == [word]
        echo.bus.close()

    run(test())
