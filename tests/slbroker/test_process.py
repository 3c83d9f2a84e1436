"""Signals and an orderly end, alike in every slbroker process."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from slbroker.errors import BindError, KeyFileError
from slbroker.process import run_service
from slbroker.supervisor import Parent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STOP = (signal.SIGTERM, signal.SIGINT)


class FakeService:
    """Notes what is asked of it; `meanwhile` runs as soon as it serves, `draining` when it is told to stop."""

    def __init__(self, meanwhile: Callable[[], None], draining: Callable[[], None] = lambda: None) -> None:
        self.heir = 0
        self.asked: list[str] = []
        self.meanwhile = meanwhile
        self.draining = draining

    async def start(self) -> None:
        self.asked.append("start")
        asyncio.get_running_loop().call_soon(self.meanwhile)

    def reload(self) -> None:
        self.asked.append("reload")

    async def drain(self) -> None:
        self.asked.append("drain")
        self.draining()
        await asyncio.sleep(0)  # a signal is handled by the loop
        await asyncio.sleep(0)

    def close(self) -> None:
        self.asked.append("close")

    def patience(self) -> float:
        return 30.0

    def waits_for(self) -> str:
        return "the test"


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    handlers = {number: signal.getsignal(number) for number in (*STOP, signal.SIGHUP)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def lifeline() -> Iterator[tuple[int, Callable[[], None]]]:
    """The end that a child has, and the death of its parent."""
    child, parent = os.pipe()
    open_ends = {child, parent}

    def cut() -> None:
        open_ends.remove(parent)
        os.close(parent)

    yield child, cut
    for end in open_ends:
        os.close(end)


def kill(*numbers: signal.Signals) -> Callable[[], None]:
    def send() -> None:
        for number in numbers:
            os.kill(os.getpid(), number)

    return send


@pytest.mark.parametrize("number", STOP)
def test_a_signal_drains_and_closes(number: signal.Signals) -> None:
    service = FakeService(kill(number))
    run_service(service)
    assert service.asked == ["start", "drain", "close"]


def test_a_signal_that_comes_while_it_starts_is_not_lost() -> None:
    service = FakeService(lambda: None)

    async def start() -> None:
        kill(signal.SIGHUP, signal.SIGTERM)()

    service.start = start  # type: ignore[method-assign]
    run_service(service)
    assert sorted(service.asked) == ["close", "drain", "reload"]


@pytest.mark.parametrize("number", STOP)
def test_a_child_leaves_that_to_its_parent(lifeline: tuple[int, Callable[[], None]], number: signal.Signals) -> None:
    """Ctrl-C and systemd signal the whole group, and the parent tells its children once more."""
    service = FakeService(kill(number), kill(*STOP))
    run_service(service, Parent(lifeline[0], -1))
    assert service.asked == ["start", "drain", "close"]


def test_a_child_whose_parent_has_gone_drains(lifeline: tuple[int, Callable[[], None]]) -> None:
    service = FakeService(lifeline[1])
    run_service(service, Parent(lifeline[0], -1))
    assert service.asked == ["start", "drain", "close"]


def test_a_child_whose_parent_goes_while_it_starts_starts_no_further(
    lifeline: tuple[int, Callable[[], None]],
) -> None:
    """As the process of an edge that waits for the workers of the one whose place it takes."""
    service = FakeService(lambda: None)

    async def start() -> None:
        lifeline[1]()
        await asyncio.sleep(30.0)

    service.start = start  # type: ignore[method-assign]
    begun = time.monotonic()
    run_service(service, Parent(lifeline[0], -1))
    assert service.asked == ["close"]
    assert time.monotonic() - begun < 10.0


def test_sighup_reloads() -> None:
    service = FakeService(kill(signal.SIGHUP, signal.SIGTERM))
    run_service(service)
    assert sorted(service.asked) == ["close", "drain", "reload", "start"]


def test_a_reload_that_fails_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    service = FakeService(kill(signal.SIGHUP, signal.SIGTERM))

    def reload() -> None:
        raise KeyFileError("ring is no usable key file")

    service.reload = reload  # type: ignore[method-assign]
    run_service(service)
    assert service.asked == ["start", "drain", "close"]
    assert caplog.messages == ["not reloaded, the old one stays in use: ring is no usable key file"]


def test_what_start_raises_goes_up_and_all_is_closed() -> None:
    service = FakeService(lambda: None)

    async def start() -> None:
        raise BindError("taken")

    service.start = start  # type: ignore[method-assign]
    with pytest.raises(BindError, match="taken"):
        run_service(service)
    assert service.asked == ["close"]
