"""What every slbroker process does alike: signals, an orderly end."""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import Final, Protocol

from slbroker.errors import UserError

logger = logging.getLogger(__name__)

_STOP: Final = (signal.SIGTERM, signal.SIGINT)


class Service(Protocol):
    """An edge, a worker."""

    async def start(self) -> None:
        """Begin to serve."""

    def reload(self) -> None:
        """Read again what may have changed; called on SIGHUP."""

    async def drain(self) -> None:
        """Take nothing new and finish what was begun; called on SIGTERM and SIGINT."""

    def close(self) -> None:
        """Let go of everything."""


def run_service(service: Service, lifeline: int | None = None) -> None:
    """Run `service` until SIGTERM or SIGINT, or until `lifeline`, a pipe from the parent, is closed; then drain it.

    A second signal ends the process at once; but one that has a parent leaves that to it: Ctrl-C and systemd signal
    parent and children alike, and the parent tells its children too. SIGHUP reloads. Raises what `start` raises.
    """
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        main = loop.create_task(_run(service, lifeline))
        while not main.done():
            try:
                loop.run_until_complete(main)
            except (SystemExit, KeyboardInterrupt) as error:
                if main.done():
                    raise
                _tell_of(error)


def _tell_of(error: BaseException) -> None:
    """Log what a task or a callback of a plugin's own has raised. It would end the loop, and with it every request."""
    from slbroker.plugin.faults import describe, place  # noqa: PLC0415 - an edge needs nothing of it

    logger.error("a task of the plugin raised %s, at %s; serving on", describe(error), place(error))


async def _run(service: Service, lifeline: int | None) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()

    def stop() -> None:
        stopping.set()
        for number in _STOP if lifeline is None else ():
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)  # so that the second one kills, whatever the process is busy with

    def orphaned() -> None:
        assert lifeline is not None
        loop.remove_reader(lifeline)
        stopping.set()

    for number in _STOP:
        loop.add_signal_handler(number, stop)
    loop.add_signal_handler(signal.SIGHUP, _reload, service)
    try:
        await service.start()
        if lifeline is not None:
            loop.add_reader(lifeline, orphaned)
        await stopping.wait()
        logger.info("stopping: what was begun is finished first")
        await service.drain()
    finally:
        service.close()


def _reload(service: Service) -> None:
    try:
        service.reload()
    except UserError as error:
        logger.error("not reloaded, the old one stays in use: %s", error)
