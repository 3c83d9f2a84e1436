"""When a socket is read: at once while little comes, every so often while more does."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from slbroker_edge.transports.pacing import MANY, PacedReader

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

FD = 7
INTERVAL = 0.001
MOST = 128


class FakeHandle:
    def __init__(self, at: float, callback: Callable[[], None]) -> None:
        self.at = at
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class FakeLoop:
    """What a reader asks of a loop, and a clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.readers: dict[int, Callable[[], None]] = {}
        self.handles: list[FakeHandle] = []

    def add_reader(self, fd: int, callback: Callable[[], None]) -> None:
        assert fd not in self.readers
        self.readers[fd] = callback

    def remove_reader(self, fd: int) -> None:
        del self.readers[fd]

    def call_later(self, delay: float, callback: Callable[[], None]) -> FakeHandle:
        self.handles.append(FakeHandle(self.now + delay, callback))
        return self.handles[-1]

    def call_soon(self, callback: Callable[[], None]) -> FakeHandle:
        return self.call_later(0.0, callback)

    @property
    def due(self) -> list[float]:
        """When something is to be called, from now on."""
        return [handle.at - self.now for handle in self.handles if not handle.cancelled]


class Rig:
    """A reader, its socket and its loop."""

    def __init__(self, interval: float = INTERVAL) -> None:
        self.loop = FakeLoop()
        self.waiting = 0
        self.looks: list[int] = []
        self.is_broken = False
        loop = cast("asyncio.AbstractEventLoop", self.loop)
        self.reader = PacedReader(loop, FD, self._take, most=MOST, interval=interval)

    def _take(self) -> int:
        if self.is_broken:
            raise ZeroDivisionError("a bug")
        count = min(self.waiting, MOST)
        self.waiting -= count
        self.looks.append(count)
        return count

    @property
    def watches(self) -> bool:
        return FD in self.loop.readers

    def come(self, count: int) -> None:
        """Datagrams come; the loop tells if it watches."""
        self.waiting += count
        if self.watches:
            self.loop.readers[FD]()

    def tick(self) -> None:
        """The next thing that is due happens."""
        (handle,) = [handle for handle in self.loop.handles if not handle.cancelled]
        self.loop.handles.clear()
        self.loop.now = handle.at
        handle.callback()


def test_what_comes_alone_is_read_at_once() -> None:
    rig = Rig()
    for _ in range(3):
        rig.come(1)
        assert rig.looks[-1] == 1
        while not rig.watches:
            rig.tick()
    assert rig.looks.count(1) == 3


def test_what_comes_soon_after_travels_together() -> None:
    rig = Rig()
    for _ in range(6):
        rig.come(1)
    assert rig.looks == [1]
    assert rig.loop.due == [INTERVAL]
    rig.tick()
    assert rig.looks == [1, 5]
    assert not rig.watches


def test_it_watches_again_after_a_few_looks_for_nothing() -> None:
    rig = Rig()
    rig.come(1)
    rig.come(7)
    for _ in range(4):
        rig.tick()
    assert rig.looks == [1, 7, 0, 0, 0]
    assert (rig.watches, rig.loop.due) == (True, [])


def test_without_an_interval_every_datagram_is_read_as_it_comes() -> None:
    rig = Rig(interval=0.0)
    for _ in range(4):
        rig.come(1)
    assert (rig.looks, rig.watches, rig.loop.due) == ([1] * 4, True, [])


def test_a_full_look_is_followed_by_another_at_once() -> None:
    rig = Rig()
    rig.come(1)
    rig.come(2 * MOST + 5)
    rig.tick()
    assert rig.loop.due == [0.0]
    rig.tick()
    rig.tick()
    assert rig.looks == [1, MOST, MOST, 5]
    assert rig.loop.due == [INTERVAL]


def test_replies_to_many_are_a_reason_to_look() -> None:
    rig = Rig()
    rig.come(1)
    rig.come(MANY)
    rig.tick()
    rig.waiting = 3
    rig.reader.nudge()
    assert rig.looks == [1, MANY, 3]
    assert rig.loop.due == [INTERVAL], "one look is due, not two"
    rig.waiting = 2
    rig.reader.nudge()
    assert rig.looks == [1, MANY, 3], "few came of late"


@pytest.mark.parametrize("came", [0, 1, MANY - 1])
def test_replies_to_few_are_none(came: int) -> None:
    rig = Rig()
    rig.come(came)
    before = list(rig.looks)
    rig.waiting = 1
    rig.reader.nudge()
    assert rig.looks == before


def test_a_bug_does_not_end_the_reading() -> None:
    rig = Rig()
    rig.come(1)
    rig.is_broken = True
    with pytest.raises(ZeroDivisionError):
        rig.tick()
    assert (rig.watches, rig.loop.due) == (True, [])
    with pytest.raises(ZeroDivisionError):
        rig.come(1)
    rig.is_broken = False
    rig.come(1)
    assert rig.looks == [1, 2]


@pytest.mark.parametrize("came", [0, 1])
def test_it_stops(came: int) -> None:
    rig = Rig()
    rig.come(came)
    rig.reader.stop()
    assert (rig.watches, rig.loop.due) == (False, [])
    rig.reader.nudge()
    assert len(rig.looks) <= 1
