"""When a socket is read: at once while little comes, every so often while more does."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from slbroker_edge.transports.pacing import MANY, MEMORY, PacedReader

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
        self.reader = PacedReader(loop, FD, self._take, most=MOST, interval=interval, clock=lambda: self.loop.now)

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

    def come(self, count: int, after: float = 0.0) -> None:
        """Datagrams come; the loop tells if it watches."""
        self.loop.now += after
        self.waiting += count
        if self.watches:
            self.loop.readers[FD]()

    def tick(self) -> None:
        """The next thing that is due happens."""
        (handle,) = [handle for handle in self.loop.handles if not handle.cancelled]
        self.loop.handles.clear()
        self.loop.now = handle.at
        handle.callback()

    def run(self, rate: float, seconds: float) -> None:
        """One datagram after the other, at `rate` a second; looks happen when they are due."""
        for _ in range(round(rate * seconds)):
            at = self.loop.now + 1 / rate
            while due := [handle for handle in self.loop.handles if not handle.cancelled and handle.at <= at]:
                self.loop.now = due[0].at
                self.loop.handles.clear()
                due[0].callback()
            self.loop.now = at
            self.come(1)


def busy_rig() -> Rig:
    """Return a rig whose next look is put off: as many came as makes that worth while."""
    rig = Rig()
    rig.come(MOST)
    assert not rig.watches
    return rig


@pytest.mark.parametrize("rate", [1, 50, 500, 1_000, 2_000])
def test_what_comes_alone_is_read_at_once(rate: float) -> None:
    rig = Rig()
    rig.run(rate, 100 / rate)
    assert rig.looks == [1] * 100
    assert (rig.watches, rig.loop.due) == (True, [])


@pytest.mark.parametrize("rate", [6_000, 20_000, 100_000])
def test_at_a_rate_that_brings_several_in_an_interval_they_travel_together(rate: float) -> None:
    rig = Rig()
    rig.run(rate, 0.2)
    late = rig.looks[len(rig.looks) // 2 :]
    assert sum(late) / len(late) == pytest.approx(rate * INTERVAL, rel=0.25)


def test_a_look_that_is_put_off_is_so_for_the_interval() -> None:
    rig = busy_rig()
    assert rig.loop.due == [INTERVAL]
    rig.waiting = 5
    rig.tick()
    assert rig.looks == [MOST, 5]
    assert (rig.watches, rig.loop.due) == (False, [INTERVAL])


def test_it_watches_again_when_a_look_has_found_nothing() -> None:
    rig = busy_rig()
    rig.tick()
    assert rig.looks == [MOST, 0]
    assert (rig.watches, rig.loop.due) == (True, [])


def test_what_came_long_ago_puts_off_nothing() -> None:
    rig = busy_rig()
    rig.tick()
    rig.come(1, after=5 * MEMORY)
    assert (rig.watches, rig.loop.due) == (True, [])


def test_without_an_interval_every_datagram_is_read_as_it_comes() -> None:
    rig = Rig(interval=0.0)
    rig.run(100_000, 0.001)
    assert (rig.looks, rig.watches, rig.loop.due) == ([1] * 100, True, [])


def test_a_full_look_is_followed_by_another_at_once() -> None:
    rig = busy_rig()
    rig.come(2 * MOST + 5)
    rig.tick()
    assert rig.loop.due == [0.0]
    rig.tick()
    rig.tick()
    assert rig.looks == [MOST, MOST, MOST, 5]
    assert rig.loop.due == [INTERVAL]


def test_replies_to_many_are_a_reason_to_look() -> None:
    rig = busy_rig()
    rig.come(MANY)
    rig.tick()
    rig.waiting = 3
    rig.reader.nudge()
    assert rig.looks == [MOST, MANY, 3]
    assert rig.loop.due == [INTERVAL], "one look is due, not two"
    rig.waiting = 2
    rig.reader.nudge()
    assert rig.looks == [MOST, MANY, 3], "few came of late"


@pytest.mark.parametrize("came", [0, 1, MANY - 1])
def test_replies_to_few_are_none(came: int) -> None:
    rig = Rig()
    rig.come(came)
    before = list(rig.looks)
    rig.waiting = 1
    rig.reader.nudge()
    assert rig.looks == before


def test_a_bug_does_not_end_the_reading() -> None:
    rig = busy_rig()
    rig.is_broken = True
    with pytest.raises(ZeroDivisionError):
        rig.tick()
    assert (rig.watches, rig.loop.due) == (True, [])
    with pytest.raises(ZeroDivisionError):
        rig.come(1)
    rig.is_broken = False
    rig.come(1)
    assert rig.looks == [MOST, 2]


@pytest.mark.parametrize("came", [0, 1, MOST])
def test_it_stops(came: int) -> None:
    rig = Rig()
    rig.come(came)
    rig.reader.stop()
    assert (rig.watches, rig.loop.due) == (False, [])
    rig.reader.nudge()
    assert len(rig.looks) <= 1
