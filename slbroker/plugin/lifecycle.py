"""What a plugin does when a worker begins and ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from slbroker.errors import PluginError
from slbroker.plugin.faults import describe, place

if TYPE_CHECKING:
    from slbroker.plugin.handlers import Handlers
    from slbroker.plugin.kinds import Hook

logger = logging.getLogger(__name__)


async def start(app: Handlers) -> None:
    """Call the startup hooks in order; raise PluginError, one line with where it happened, when one fails."""
    for hook in app.startup_hooks:
        try:
            await _call(hook)
        except BaseException as error:
            if _is_ours(error):
                raise
            raise PluginError(f"the plugin's startup failed: {describe(error)}, at {place(error)}") from error


async def stop(app: Handlers) -> None:
    """Call the shutdown hooks, the last declared first; one that fails is logged and keeps no other from its turn."""
    for hook in reversed(app.shutdown_hooks):
        try:
            await _call(hook)
        except BaseException as error:
            if _is_ours(error):
                raise
            logger.error("the plugin's shutdown failed: %s, at %s", describe(error), place(error))


def _is_ours(error: BaseException) -> bool:
    """Return whether the process itself ends, which is no fault of the plugin's."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


async def _call(hook: Hook) -> None:
    result = hook()
    if isinstance(result, Awaitable):
        await result
