"""Several processes as one command: start them, restart those that die, stop them together.

The parent does nothing but wait for signals. Children are forked before any thread or ZeroMQ context exists; each holds
the read end of a pipe, so that it stops too when the parent was killed.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NoReturn, TypeAlias

from slbroker.errors import Exit, UserError
from slbroker.signals import terminal_is_gone

logger = logging.getLogger(__name__)

# Gets the pipe's descriptor; runs until the process is to end.
Program: TypeAlias = Callable[[int], None]

FIRST_PAUSE: Final = 0.1  # seconds before a child that died is started again; doubled each time it dies young
LONGEST_PAUSE: Final = 5.0
GROWN_UP: Final = 10.0  # seconds after which a child's death is no longer a failed start
STOP_TIME: Final = 10.0  # seconds that children have to drain before they are killed, where nothing else is said
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
# A child whose first start ends so will end so again: the person at the keyboard has to mend it. Later on the others
# still serve, and it may mend itself: a plugin file that is being replaced.
_HOPELESS: Final = (Exit.USAGE, Exit.CONFIG, Exit.BIND, Exit.PLUGIN)


@dataclass(slots=True)
class Child:
    """One of the processes, while it runs and in between."""

    title: str
    program: Program
    pid: int = 0
    starts: int = 0
    started: float = 0.0
    pause: float = FIRST_PAUSE
    due: float = field(default=0.0)  # when to start it (again)


def preflight(program: Callable[[], None]) -> int:
    """Run `program` in a process of its own, so that nothing of it stays in this one; return its exit code."""
    pid = os.fork()
    if not pid:
        _be(program)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _be(program: Callable[[], None]) -> NoReturn:
    """Be the child that runs `program`."""
    code: int = Exit.FAILURE
    try:
        program()
        code = Exit.OK
    except UserError as error:
        sys.stderr.write(f"slbroker: {error}\n")  # at once: the other children write there too
        code = error.exit_code
    except KeyboardInterrupt:
        code = Exit.OK
    except SystemExit:  # whoever says that has said why
        code = Exit.FAILURE
    except BaseException:
        logger.exception("a bug in slbroker; please report it")
    finally:
        for stream in (sys.stdout, sys.stderr):  # what a plugin has printed
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)


class Supervisor:
    """Keeps its children running until it is told to stop."""

    def __init__(self, programs: Sequence[tuple[str, Program]], stop_time: float = STOP_TIME) -> None:
        """`programs` are (title for the log, what to run), started in that order; `stop_time` in seconds."""
        self._stop_time = stop_time
        self._children = [Child(title, program) for title, program in programs]
        self._lifeline, self._keep = os.pipe()
        self._stop_by: float | None = None
        self._result = Exit.OK

    def run(self) -> int:
        """Run until SIGTERM or SIGINT, or until a child fails in a way no restart mends; return the exit code."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        while self._stop_by is None or any(child.pid for child in self._children):
            self._start_due()
            received = signal.sigtimedwait(_SIGNALS, self._patience())
            self._reap()
            if received is not None:
                self._on_signal(signal.Signals(received.si_signo))
            if self._stop_by is not None and time.monotonic() > self._stop_by:
                self._signal_all(signal.SIGKILL)
        return self._result

    def _start_due(self) -> None:
        now = time.monotonic()
        for child in self._children:
            if not child.pid and self._stop_by is None and now >= child.due:
                child.started = now
                child.starts += 1
                child.pid = os.fork()
                if not child.pid:
                    self._become(child.program)

    def _become(self, program: Program) -> NoReturn:
        os.close(self._keep)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        _be(lambda: program(self._lifeline))

    def _patience(self) -> float:
        """Return for how many seconds there is nothing to do but wait."""
        now = time.monotonic()
        if self._stop_by is not None:
            return max(0.01, self._stop_by - now)
        return min((max(0.0, child.due - now) for child in self._children if not child.pid), default=3600.0)

    def _reap(self) -> None:
        for child in self._children:
            if child.pid:
                pid, status = os.waitpid(child.pid, os.WNOHANG)
                if pid:
                    child.pid = 0
                    self._on_end(child, os.waitstatus_to_exitcode(status))

    def _on_end(self, child: Child, code: int) -> None:
        if self._stop_by is not None:
            return
        if code in _HOPELESS and child.starts == 1:
            self._result = Exit(code)
            self._stop()
            return
        now = time.monotonic()
        child.pause = FIRST_PAUSE if now - child.started > GROWN_UP else min(child.pause * 2, LONGEST_PAUSE)
        child.due = now + child.pause
        how = f"by signal {-code}" if code < 0 else f"with code {code}"
        logger.warning("%s ended %s; starting it again in %.1f s", child.title, how, child.pause)

    def _on_signal(self, number: signal.Signals) -> None:
        if number is signal.SIGHUP and not terminal_is_gone():
            self._signal_all(signal.SIGHUP)
        elif number is not signal.SIGCHLD:
            if self._stop_by is None:
                self._stop()
            else:
                self._signal_all(signal.SIGKILL)

    def _stop(self) -> None:
        self._stop_by = time.monotonic() + self._stop_time
        self._signal_all(signal.SIGTERM)

    def _signal_all(self, number: signal.Signals) -> None:
        for child in self._children:
            if child.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child.pid, number)
