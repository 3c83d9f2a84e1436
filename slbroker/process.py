"""What every slbroker process does alike: a start, signals, an orderly end."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from slbroker.errors import UserError
from slbroker.herald import Outside
from slbroker.loop import Loop
from slbroker.signals import Signals

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from slbroker.herald import Herald
    from slbroker.supervisor import Parent
    from slbroker.upgrade import Upgrade

logger = logging.getLogger(__name__)

START_CANCELLED: Final = 1.0  # seconds that a start has to end in when it is not wanted any more


class Service(Protocol):
    """An edge, a worker, a broker."""

    heir: int  # the process that takes our place, once it does; else 0

    async def start(self) -> None:
        """Begin to serve."""

    def reload(self) -> None:
        """Read again what may have changed; called on SIGHUP."""

    async def drain(self) -> None:
        """Take nothing new and finish what was begun; called on SIGTERM and SIGINT."""

    def close(self) -> None:
        """Let go of everything."""

    def patience(self) -> float:
        """Return for how many seconds, from the signal on, the end may be waited for; called in a thread."""

    def waits_for(self) -> str:
        """Return what the process is busy with, for the line that says what an end waits for; called in a thread."""


def run_service(
    service: Service, parent: Parent | None = None, alive_file: Path | None = None, upgrade: Upgrade | None = None
) -> None:
    """Run `service` until SIGTERM or SIGINT, or until its `parent` is gone; then drain it.

    The parent is told that it serves, and that its loop turns; else systemd is, and `alive_file` is touched. A second
    signal ends the process at once; but one that has a parent leaves that to it: Ctrl-C and systemd signal
    parent and children alike, and the parent tells its children too. SIGHUP reloads; SIGUSR2 begins an `upgrade`, where
    there is such a thing. Raises what `start` raises.
    """
    calls = _Calls(service, upgrade)
    with Signals(
        calls.stop,
        calls.reload,
        service.patience,
        service.waits_for,
        calls.upgrade if upgrade else None,
        has_parent=parent is not None,
    ) as signals:  # all around the loop, whose end may wait for a plugin's threads
        herald = parent or Outside(os.environ, alive_file)
        _run_loop(_run(service, parent.lifeline if parent else None, calls, signals, herald))


def _run_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run `main` to its end, whatever a plugin's tasks raise."""
    with asyncio.Runner(loop_factory=Loop) as runner:
        loop = runner.get_loop()
        task = loop.create_task(main)
        while not task.done():
            try:
                loop.run_until_complete(task)
            except (SystemExit, KeyboardInterrupt) as error:
                if task.done():
                    raise
                _tell_of(error)
            except RuntimeError:
                if task.done() or loop.is_closed():
                    raise
                logger.error("the plugin has stopped the event loop, which is the worker's; serving on")


def _tell_of(error: BaseException) -> None:
    """Log what a task or a callback of a plugin's own has raised. It would end the loop, and with it every request."""
    from slbroker.plugin.faults import describe, place  # noqa: PLC0415 - an edge needs nothing of it

    logger.error("a task of the plugin raised %s, at %s; serving on", describe(error), place(error))


class _Calls:
    """What signals ask for, handed over to the loop."""

    def __init__(self, service: Service, upgrade: Upgrade | None) -> None:
        self.stopping = asyncio.Event()
        self._upgrade = upgrade
        self._service = service
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_to_stop = False

    def use(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hand over to `loop`, what has been asked for before, too."""
        self._loop = loop
        if self._is_to_stop:
            self.stopping.set()

    def stop(self) -> None:
        self._is_to_stop = True
        self._post(self.stopping.set)

    def reload(self) -> None:
        self._post(partial(_reload, self._service))

    def upgrade(self) -> None:
        assert self._upgrade is not None
        self._post(self._upgrade.begin)

    def _post(self, call: Callable[[], None]) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(call)


async def _run(service: Service, lifeline: int | None, calls: _Calls, signals: Signals, herald: Herald) -> None:
    loop, stopping = asyncio.get_running_loop(), calls.stopping
    calls.use(loop)

    def orphaned() -> None:
        assert lifeline is not None
        loop.remove_reader(lifeline)
        stopping.set()

    ticker: asyncio.TimerHandle | None = None

    def beat() -> None:
        nonlocal ticker
        herald.beat()
        ticker = loop.call_later(herald.interval, beat)

    if lifeline is not None:  # one that is still starting when its parent dies has nobody to serve for
        loop.add_reader(lifeline, orphaned)
    try:
        if not await _start(service, stopping):
            return
        signals.ready()
        herald.begun()
        if herald.interval:
            beat()
        await stopping.wait()
        logger.info("stopping: what was begun is finished first")
        if service.heir:
            herald.hand_on(service.heir)
        else:
            herald.ends()
        await service.drain()
    finally:
        if ticker is not None:
            ticker.cancel()
            herald.ended()
        service.close()


async def _start(service: Service, stopping: asyncio.Event) -> bool:
    """Start; return False when the end came first, such as while a startup hook waits for what never comes."""
    start, stop = asyncio.ensure_future(service.start()), asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait((start, stop), return_when=asyncio.FIRST_COMPLETED)
        if start.done():
            start.result()
            return True
        logger.info("stopping: the start has not ended, and is given up")
        start.cancel()
        await asyncio.wait((start,), timeout=START_CANCELLED)
        return False
    finally:
        stop.cancel()


def _reload(service: Service) -> None:
    try:
        service.reload()
    except UserError as error:
        logger.error("not reloaded, the old one stays in use: %s", error)
