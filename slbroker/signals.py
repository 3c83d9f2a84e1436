"""SIGTERM, SIGINT and SIGHUP of a process that serves, from its first moment to its last.

The first SIGTERM drains, the second one ends the process at once; SIGHUP reloads, once there is something to reload,
unless it says that the terminal is gone. A thread hears them, so that a second SIGTERM is heard, and the wait after the
first one is bounded, while the loop is busy in somebody's handler, and as process 1, which no default action ends.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NoReturn, Self

from slbroker.errors import Exit

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

logger = logging.getLogger(__name__)

STOP: Final = (signal.SIGTERM, signal.SIGINT)
FIRST_WORD: Final = 2.0  # seconds of waiting after which is said what for
NEXT_WORD: Final = 10.0  # ... and again
_END: Final = 0  # what ends the thread: no signal has this number

_TERMINALS: Final = [fd for fd in range(3) if os.isatty(fd)]

_current: Signals | None = None
_forking = threading.local()  # `mask`: the signals that were blocked before a fork
_early_hangups = 0


def hold_hangups() -> None:
    """Let SIGHUP not end this process, which has just begun: it is kept until there is something to reload."""

    def note(_number: int, _frame: FrameType | None) -> None:
        global _early_hangups  # noqa: PLW0603 - a signal has no other place to leave word
        _early_hangups += 1
        if terminal_is_gone():
            os._exit(128 + signal.SIGHUP)

    signal.signal(signal.SIGHUP, note)


def terminal_is_gone() -> bool:
    """Return whether this process was started in a terminal that has been closed."""
    poll = select.poll()
    for fd in _TERMINALS:
        poll.register(fd, 0)
    return any(events & select.POLLHUP for _fd, events in poll.poll(0))


class Signals:
    """Hears this process's signals while it is entered; to be entered in the main thread."""

    def __init__(
        self,
        on_stop: Callable[[], None],
        on_reload: Callable[[], None],
        patience: Callable[[], float],
        waits_for: Callable[[], str],
        on_upgrade: Callable[[], None] | None = None,
        *,
        has_parent: bool,
    ) -> None:
        """`on_stop`, `on_reload` and, at SIGUSR2, `on_upgrade` are called in a thread, the first once.

        From then on there are `patience()` seconds, after which the process ends, saying that it `waits_for()` what.
        One that `has_parent` leaves a second signal to that.
        """
        self._on_stop = on_stop
        self._on_reload = on_reload
        self._patience = patience
        self._waits_for = waits_for
        self._on_upgrade = on_upgrade
        self._has_parent = has_parent
        self._thread = threading.Thread(target=self._listen, name="signals", daemon=True)
        self._before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}
        self._lock = threading.Lock()
        self._is_ready = False
        self._hangups = _early_hangups
        self._stopped: float | None = None
        self._next_word = 0.0

    def __enter__(self) -> Self:
        global _current  # noqa: PLW0603 - a process has one set of signals
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        self._wakeup_before = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        upgrade = (signal.SIGUSR2,) if self._on_upgrade is not None else ()
        for number in (*STOP, signal.SIGHUP, *upgrade):
            self._before[number] = signal.signal(number, self._hear)
        self._thread.start()
        _current = self
        return self

    def __exit__(self, *_: object) -> None:
        global _current  # noqa: PLW0603
        _current = None
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.write(self._writing, bytes((_END,)))
        self._thread.join()
        os.close(self._reading)
        os.close(self._writing)

    def ready(self) -> None:
        """Note that there is something to reload; a SIGHUP that has come earlier counts now."""
        with self._lock:
            self._is_ready = True
            had, self._hangups = self._hangups, 0
        if had:
            self._on_reload()

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        """Pass on a signal that the pipe was not told of: somebody, such as a plugin, has put another in its place."""
        other = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        if other != self._writing:
            signal.set_wakeup_fd(other)
            os.write(self._writing, bytes((number,)))

    def _listen(self) -> None:
        poll = select.poll()
        poll.register(self._reading, select.POLLIN)
        while True:
            if poll.poll(None if self._stopped is None else 100):
                numbers = os.read(self._reading, 64)
                if _END in numbers:
                    return
                for number in numbers:
                    self._on(number)
            if self._stopped is not None:
                self._watch(time.monotonic() - self._stopped)

    def _on(self, number: int) -> None:
        if number == signal.SIGHUP and not terminal_is_gone():
            with self._lock:
                self._hangups += not self._is_ready
                is_ready = self._is_ready
            if is_ready:
                self._on_reload()
        elif number == signal.SIGUSR2 and self._on_upgrade is not None:
            if self._stopped is None:
                self._on_upgrade()
        elif number in (*STOP, signal.SIGHUP):
            if self._stopped is None:
                self._stopped = time.monotonic()
                self._next_word = FIRST_WORD
                self._on_stop()
            elif not self._has_parent:
                logger.warning("ending at once, at the second signal; what waits: %s", self._waits_for())
                _end(128 + number)

    def _watch(self, waited: float) -> None:
        """Say what is waited for; end the process when that takes too long."""
        if waited > self._patience():
            logger.error("ending after %.0f s of waiting for %s", waited, self._waits_for())
            _end(Exit.FAILURE)
        if waited > self._next_word:
            self._next_word = waited + NEXT_WORD
            logger.info("stopping: waiting for %s, for %.0f s at most", self._waits_for(), self._patience() - waited)


def _end(code: int) -> NoReturn:
    for handler in logging.getLogger("slbroker").handlers:
        with suppress(OSError, ValueError):
            handler.flush()
    os._exit(code)


def _hold() -> None:
    """Keep signals from the thread that forks: in the child they would be told to the loop here, until `_forget`."""
    if _current is not None:
        _forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, (*STOP, signal.SIGHUP))


def _release() -> None:
    mask, _forking.mask = getattr(_forking, "mask", None), None
    if mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _forget() -> None:
    """Give a child that a handler forks the signals of any process, which the loop here must not hear of."""
    global _current  # noqa: PLW0603
    if _current is not None:
        _current = None
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
    _release()


os.register_at_fork(before=_hold, after_in_parent=_release, after_in_child=_forget)
