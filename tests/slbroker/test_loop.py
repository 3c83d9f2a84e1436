"""The loop: what is watched is called, errors are told, and the rest of asyncio is as ever."""

from __future__ import annotations

import asyncio
import os
import resource
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from slbroker.loop import FD_SETSIZE, Loop, unwatch, watch

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [Loop, asyncio.new_event_loop]


def run(main: Coroutine[Any, Any, None], make: Callable[[], asyncio.AbstractEventLoop] = Loop) -> None:
    with asyncio.Runner(loop_factory=make) as runner:
        runner.run(main)


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    try:
        yield ends
    finally:
        for end in ends:
            os.close(end)


@pytest.mark.parametrize("make", LOOPS)
def test_what_is_watched_is_called_when_it_can_be_read(make: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def main() -> None:
        loop, heard = asyncio.get_running_loop(), asyncio.Event()
        with pipe() as (reader, writer):

            def hear() -> None:
                assert os.read(reader, 9) == b"x"
                heard.set()

            watch(loop, reader, hear)
            for _ in range(3):
                os.write(writer, b"x")
                await asyncio.wait_for(heard.wait(), 5)
                heard.clear()
            unwatch(loop, reader)
            os.write(writer, b"x")
            await asyncio.sleep(0.02)
            assert not heard.is_set()
            unwatch(loop, reader)  # once more does no harm

    run(main(), make)


def test_a_descriptor_that_was_closed_is_forgotten() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        reader, writer = os.pipe()
        watch(loop, reader, lambda: None)
        os.close(reader)
        os.close(writer)
        unwatch(loop, reader)

    run(main())


def test_a_call_may_end_the_watching_of_another_that_is_due() -> None:
    async def main() -> None:
        loop, calls = asyncio.get_running_loop(), []
        with pipe() as (one, to_one), pipe() as (two, to_two):

            def call(mine: int, other: int) -> None:
                calls.append(mine)
                unwatch(loop, mine)
                unwatch(loop, other)

            watch(loop, one, lambda: call(one, two))
            watch(loop, two, lambda: call(two, one))
            os.write(to_one, b"x")
            os.write(to_two, b"x")
            await asyncio.sleep(0.05)
            assert len(calls) == 1

    run(main())


def test_an_error_is_told_and_ends_nothing() -> None:
    async def main() -> None:
        loop, told = asyncio.get_running_loop(), asyncio.Event()
        errors: list[object] = []

        def tell(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            errors.append(context["exception"])
            told.set()

        loop.set_exception_handler(tell)
        with pipe() as (reader, writer):

            def fail() -> None:
                os.read(reader, 1)
                raise ZeroDivisionError("a bug")

            watch(loop, reader, fail)
            for _ in range(2):
                os.write(writer, b"x")
                await asyncio.wait_for(told.wait(), 5)
                told.clear()
            unwatch(loop, reader)
        assert [type(error) for error in errors] == [ZeroDivisionError] * 2

    run(main())


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_what_ends_a_loop_ends_this_one(error: type[BaseException]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with pipe() as (reader, writer):

            def leave() -> None:
                os.read(reader, 1)
                raise error

            watch(loop, reader, leave)
            os.write(writer, b"x")
            try:
                await asyncio.sleep(5)
            finally:
                unwatch(loop, reader)

    with pytest.raises(error):
        run(main())


def test_what_can_always_be_read_keeps_nobody_from_being_served() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with pipe() as (reader, writer), pipe() as (other, to_other):
            watch(loop, reader, lambda: None)  # and never reads
            os.write(writer, b"x")
            heard = asyncio.Event()
            loop.add_reader(other, heard.set)
            os.write(to_other, b"x")
            await asyncio.wait_for(heard.wait(), 5)
            loop.remove_reader(other)
            await asyncio.wait_for(asyncio.sleep(0.01), 5)
            await asyncio.wait_for(asyncio.to_thread(time.sleep, 0.01), 5)
            unwatch(loop, reader)

    run(main())


def test_short_waits_are_no_longer_than_asked_for() -> None:
    """epoll alone would make a millisecond of half of one."""

    async def main() -> None:
        waits = []
        for _ in range(50):
            begun = time.perf_counter()
            await asyncio.sleep(0.0005)
            waits.append(time.perf_counter() - begun)
        assert min(waits) >= 0.0005
        assert sorted(waits)[10] < 0.001, "one in five, on a busy machine"

    run(main())


def test_it_waits_where_more_than_a_thousand_descriptors_were_handed_down() -> None:
    """select(2), which waits for less than a millisecond, cannot have the one behind them."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], min(2 * FD_SETSIZE, before[1])), before[1]))
    many = [os.open(os.devnull, os.O_RDONLY) for _ in range(FD_SETSIZE)]
    try:

        async def main() -> None:
            for seconds in (0.0, 0.0005, 0.002, 0.02):
                begun = time.monotonic()
                await asyncio.sleep(seconds)
                assert time.monotonic() - begun >= seconds

        run(main())
    finally:
        for fd in many:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_while_asyncio_has_nothing_to_do_its_loop_is_not_gone_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """What arrives alone wakes a process a few times; each turn of asyncio's costs more than the request."""
    turns = calls = 0
    once = Loop._run_once  # type: ignore[attr-defined]

    def counting(loop: Loop) -> None:
        nonlocal turns
        turns += 1
        once(loop)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with pipe() as (reader, writer):

            def hear() -> None:
                nonlocal calls
                calls += 1
                os.read(reader, 1)
                if calls < 100:
                    os.write(writer, b"x")

            watch(loop, reader, hear)
            os.write(writer, b"x")
            await asyncio.sleep(0.3)
            unwatch(loop, reader)

    monkeypatch.setattr(Loop, "_run_once", counting)
    run(main())
    assert calls == 100
    assert turns < 20


@pytest.mark.parametrize("what", ["call_soon", "call_later", "task", "stop"])
def test_what_a_call_gives_asyncio_to_do_is_done_at_once(what: str) -> None:
    async def main() -> None:
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        tasks: list[Any] = []

        async def finish() -> None:
            done.set()

        with pipe() as (reader, writer):

            def hear() -> None:
                os.read(reader, 1)
                if what == "call_soon":
                    loop.call_soon(done.set)
                elif what == "call_later":
                    loop.call_later(0.01, done.set)
                else:
                    tasks.append(loop.create_task(finish()))

            watch(loop, reader, hear)
            loop.call_later(20, lambda: None)
            begun = time.monotonic()
            os.write(writer, b"x")
            await done.wait()
            assert time.monotonic() - begun < 10
            unwatch(loop, reader)

    if what == "stop":
        loop = Loop()
        with pipe() as (reader, writer):
            loop.call_later(20, lambda: None)
            loop.watch(reader, loop.stop)
            os.write(writer, b"x")
            begun = time.monotonic()
            loop.run_forever()
            assert time.monotonic() - begun < 10
        loop.close()
    else:
        run(main())


def test_what_is_read_without_end_keeps_no_timer_waiting() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with pipe() as (reader, writer):
            watch(loop, reader, lambda: None)  # it stays readable
            os.write(writer, b"x")
            begun = time.monotonic()
            for _ in range(10):
                await asyncio.sleep(0.01)
            assert time.monotonic() - begun < 5
            unwatch(loop, reader)

    run(main())
