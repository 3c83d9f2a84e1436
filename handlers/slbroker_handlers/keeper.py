"""The plugin of a worker through its life: started, loaded again without losing a request, stopped."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from slbroker.errors import PluginError
from slbroker.filewatch import Watch
from slbroker.plugin import lifecycle

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from slbroker.plugin import Handlers
    from slbroker.plugin.responder import Responder
    from slbroker_handlers.loader import PluginSource

SWAP_TIME: Final = 3.0  # seconds that a reload has to end in when the worker stops

logger = logging.getLogger(__name__)


class PluginKeeper:
    """Puts a new version of the plugin in the place of the old one once it has been imported and started.

    What the old one has begun it finishes; then it is stopped. A version that fails changes nothing and is said why.
    """

    def __init__(
        self,
        responder: Responder,
        source: PluginSource | None,
        *,
        watch: bool,
        open_tasks: Callable[[], Collection[asyncio.Task[None]]],
        swapped: Callable[[Handlers], None],
    ) -> None:
        """`source` is where the plugin comes from, None for one that stays. `watch` loads it when its files change.

        `open_tasks` returns the async handlers that run; `swapped` is told of the new plugin.
        """
        self._responder = responder
        self._source = source
        self._watch: Watch | None = None
        if source is not None and watch:
            self._watch = Watch(source.main_files(), time.monotonic(), source.files())
        self._open_tasks = open_tasks
        self._swapped = swapped
        self._swaps: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()
        self.busy_with = ""  # in words, for whoever waits for the end

    async def start(self) -> None:
        """Call the startup hooks; raises PluginError."""
        with self._at("a startup hook of the plugin"):
            await lifecycle.start(self._responder.app)

    @contextmanager
    def _at(self, what: str) -> Iterator[None]:
        """Say in `busy_with` what goes on."""
        before, self.busy_with = self.busy_with, what
        try:
            yield
        finally:
            self.busy_with = before

    def tick(self, now: float) -> None:
        """Load the plugin again if its files are watched and have changed; `now` in seconds, monotonic."""
        if self._watch is None or not self._watch.changed(now):
            return
        try:
            self.reload()
        except PluginError as error:
            self._complain(error)

    def reload(self) -> None:
        """Load the plugin again; raise PluginError, and keep the old one, when it cannot be imported."""
        if self._source is None:
            return
        if self._watch is not None:
            self._watch.look()
        try:
            with self._at("the plugin's import"), _without_loop():
                app = self._source.load_again()
        finally:
            self._follow()
        swap = asyncio.get_running_loop().create_task(self._swap(app))
        self._swaps.add(swap)
        swap.add_done_callback(self._swaps.discard)

    async def _swap(self, app: Handlers) -> None:
        assert self._source is not None
        async with self._turn:
            try:
                await lifecycle.start(app)
            except PluginError as error:
                self._source.note_failure(error)
                self._follow()
                self._complain(error)
                return
            old, unfinished = self._responder.app, set(self._open_tasks())
            self._responder.use_app(app)
            self._swapped(app)
            logger.info("plugin %s loaded again", self._source.name)
        if unfinished and old.shutdown_hooks:
            await asyncio.wait(unfinished)
        await lifecycle.stop(old)
        if threads := self._source.take_threads():
            logger.warning(
                "plugin %s: threads of the version before run on (%s), which nobody can end from outside;"
                " end them in app.shutdown, or start the worker again",
                self._source.name, ", ".join(threads),
            )  # fmt: skip
        # What is frozen is never collected, and a plugin is a circle: its functions know its module.
        del old
        gc.unfreeze()
        gc.collect()
        gc.freeze()

    def _follow(self) -> None:
        """Watch the files that the plugin is made of now, or that would mend it."""
        if self._watch is not None and self._source is not None:
            self._watch.turn_to(self._source.main_files(), self._source.files())

    def _complain(self, error: PluginError) -> None:
        logger.error("not reloaded, the old one stays in use: %s", error)

    async def stop(self) -> None:
        """Call the shutdown hooks, of a version that is still finishing too."""
        if self._swaps:
            with self._at("the hooks of a plugin that is loaded again"):
                await asyncio.wait(self._swaps, timeout=SWAP_TIME)
            self.close()
        with self._at("a shutdown hook of the plugin"):
            await lifecycle.stop(self._responder.app)

    def close(self) -> None:
        """Let go of what has not finished."""
        for swap in self._swaps:
            swap.cancel()


@contextmanager
def _without_loop() -> Iterator[None]:
    """Let a plugin be imported as at the start, when no loop ran: asyncio.run in it refuses to begin in one."""
    loop = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(loop)
