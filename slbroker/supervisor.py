"""Several processes as one command: start them, restart those that die, stop them together.

The parent waits for signals. Children are forked before any thread or ZeroMQ context exists; each holds the read end of
a pipe, so that it stops when the parent was killed, and the write end of another, to say that it has served for long
enough. Then its successor is started, and only when that serves is it told to stop.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import select
import signal
import struct
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NoReturn, TypeAlias

from slbroker.errors import Exit, UserError
from slbroker.following import Following
from slbroker.herald import Outside
from slbroker.logs import finish as finish_log
from slbroker.signals import terminal_is_gone

if TYPE_CHECKING:
    from slbroker.upgrade import Upgrade

logger = logging.getLogger(__name__)

_report: Final = struct.Struct("=iIQ")  # whose it is, by process id, what it says, and a number
_WEARY, _READY, _BEGUN, _ALIVE, _HANDED_ON, _SERVES_ON = range(6)
_MOST_REPORTS: Final = 256  # read at once


@dataclass(frozen=True, slots=True)
class Parent:
    """What a child has of its parent: `lifeline`, a descriptor that can be read when the parent is gone; and an ear."""

    lifeline: int
    _reports: int
    interval: float = 0.0  # seconds between two signs of life, 0.0 where nobody wants them

    def is_weary(self, served: int) -> None:
        """Say that this process has served so many requests, which is enough; it serves on until it is told to stop."""
        self._say(_WEARY, served)

    def is_ready(self) -> None:
        """Say that this process serves."""
        self._say(_READY, 0)

    def begun(self) -> None:
        """Say that this process has started; that edges have welcomed it is another matter."""
        self._say(_BEGUN, 0)

    def beat(self) -> None:
        """Say that its loop turns."""
        self._say(_ALIVE, 0)

    def ends(self) -> None:
        """Say nothing: the parent knows best."""

    def hand_on(self, process: int) -> None:
        """Say that a child of that process is in our place."""
        self._say(_HANDED_ON, max(process, 0))

    def lives(self) -> bool:
        """Return whether it does."""
        return not select.select((self.lifeline,), (), (), 0.0)[0]

    def serve_on(self, process: int) -> None:
        """Say that nobody of that process, which has gone, is in our place."""
        self._say(_SERVES_ON, max(process, 0))

    def ended(self) -> None:
        """Say nothing: the parent will see."""

    def _say(self, word: int, number: int) -> None:
        with contextlib.suppress(OSError):  # it is gone, which the lifeline tells
            os.write(self._reports, _report.pack(os.getpid(), word, number))


Program: TypeAlias = Callable[[Parent], None]  # runs until the process is to end

FIRST_PAUSE: Final = 0.1  # seconds before a child that died is started again; doubled each time it dies young
LONGEST_PAUSE: Final = 5.0
GROWN_UP: Final = 10.0  # seconds after which a child's death is no longer a failed start
STOP_TIME: Final = 10.0  # seconds that children have to drain before they are killed, where nothing else is said
SLOW_START: Final = 10.0  # seconds after which a successor that does not serve keeps others from theirs no longer
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGIO)
# A child whose first start ends so will end so again: the person at the keyboard has to mend it. Later on the others
# still serve, and it may mend itself: a plugin file that is being replaced.
_HOPELESS: Final = (Exit.USAGE, Exit.CONFIG, Exit.BIND, Exit.PLUGIN, Exit.TAKEOVER)


@dataclass(slots=True)
class Child:
    """One of the processes, while it runs and in between; and the one that is to take its place."""

    title: str
    program: Program
    pid: int = 0
    starts: int = 0
    started: float = 0.0  # when the latest one was
    pause: float = FIRST_PAUSE
    due: float = field(default=0.0)  # when to start it (again)
    served: int = 0  # requests, of one that has said that they are enough
    successor: int = 0  # its process id
    has_begun: bool = False  # once
    is_followed: bool = False  # a child of another parent is in its place
    heard: float | None = None  # when it has last shown that its loop turns; None before it has


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
        finish_log()
        os._exit(code)


class Supervisor:
    """Keeps its children running until it is told to stop."""

    def __init__(
        self,
        programs: Sequence[tuple[str, Program]],
        stop_time: float = STOP_TIME,
        herald: Outside | None = None,
        upgrade: Upgrade | None = None,
    ) -> None:
        """`programs` are (title for the log, what to run), started in that order; `stop_time` in seconds.

        SIGUSR2 begins an `upgrade`, where there is such a thing.

        The `herald` is told when all have begun, and goes on hearing that they live: one that hangs is killed.
        """
        self._herald = herald or Outside({})
        self._upgrade = upgrade
        self._signals = (*_SIGNALS, signal.SIGUSR2) if upgrade is not None else _SIGNALS
        self._looked = self._told = 0.0
        self._stop_time = stop_time
        self._children = [Child(title, program) for title, program in programs]
        self._lifeline, self._keep = os.pipe()
        self._reports, self._said = os.pipe()
        self._leaving: dict[int, str] = {}  # processes whose successors serve, by id, and what they are called
        self._stop_by: float | None = None
        self._following = Following()
        self._result = Exit.OK

    def run(self) -> int:
        """Run until SIGTERM or SIGINT, or until a child fails in a way no restart mends; return the exit code."""
        signal.pthread_sigmask(signal.SIG_BLOCK, self._signals)
        fcntl.fcntl(self._reports, fcntl.F_SETOWN, os.getpid())  # who gets SIGIO when there is something to read
        fcntl.fcntl(self._reports, fcntl.F_SETFL, os.O_NONBLOCK | os.O_ASYNC)
        os.set_blocking(self._said, False)  # a parent that is held up must hold up no child
        while self._stop_by is None or any(self._pids()):
            self._start_due()
            received = signal.sigtimedwait(self._signals, self._patience())
            self._listen()
            self._reap()
            self._watch(time.monotonic())
            self._end_followed(time.monotonic())
            if self._upgrade is not None:
                self._upgrade.look()
            if received is not None:
                self._on_signal(signal.Signals(received.si_signo))
            if self._stop_by is not None and time.monotonic() > self._stop_by:
                self._signal_all(signal.SIGKILL)
        self._herald.ended()
        return self._result

    def _start_due(self) -> None:
        if self._stop_by is not None:
            return
        now = time.monotonic()
        for child in self._children:
            if child.is_followed:
                continue
            if not child.pid and now >= child.due:
                child.pid = self._start(child, now)
            elif child.served and not child.successor and now >= child.due and not self._is_starting(now):
                child.successor = self._start(child, now)

    def _is_starting(self, now: float) -> bool:
        """Return whether a successor is about to serve: one at a time, so that those who serve have the processors."""
        return any(child.successor and now - child.started < SLOW_START for child in self._children)

    def _start(self, child: Child, now: float) -> int:
        child.started = now
        child.starts += 1
        return os.fork() or self._become(child.program)

    def _become(self, program: Program) -> NoReturn:
        os.close(self._keep)
        os.close(self._reports)
        if self._upgrade is not None:
            signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # it is for us alone, whomever it was sent to
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._signals)
        _be(lambda: program(Parent(self._lifeline, self._said, self._herald.interval)))

    def _patience(self) -> float:
        """Return for how many seconds there is nothing to do but wait."""
        patience = self._wait_for_children(now := time.monotonic())
        if self._stop_by is None and (wait := self._following.wait(now)) is not None:
            patience = min(patience, max(0.01, wait))
        return min(patience, self._herald.interval) if self._herald.interval else patience

    def _wait_for_children(self, now: float) -> float:
        if self._stop_by is not None:
            return max(0.01, self._stop_by - now)
        wanted = [
            child
            for child in self._children
            if not child.is_followed and (not child.pid or (child.served and not child.successor))
        ]
        blocked = SLOW_START if self._is_starting(now) else 0.0  # a report that it serves wakes us earlier
        return min((max(blocked if child.pid else 0.0, child.due - now) for child in wanted), default=3600.0)

    # What children say --------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Take what children have written since the last time."""
        with contextlib.suppress(BlockingIOError):
            while True:
                for pid, word, number in _report.iter_unpack(os.read(self._reports, _report.size * _MOST_REPORTS)):
                    for child in self._children:
                        if word == _WEARY and pid == child.pid:
                            child.served = number
                        elif word == _READY and pid == child.successor and self._stop_by is None:
                            self._replace(child)
                        elif word in (_BEGUN, _ALIVE) and pid == child.pid:
                            self._hear(child, word)
                        elif word == _HANDED_ON and pid == child.pid:
                            self._hand_on(child, number)
                        elif word == _SERVES_ON and pid == child.pid:
                            self._serve_on(number)

    def _hand_on(self, child: Child, process: int) -> None:
        """Note that a child of that process is in the place of this one."""
        child.is_followed = self._following.follow(process, time.monotonic())

    def _serve_on(self, process: int) -> None:
        """Note that it has gone, before it was in the place of all: whoever has left for it is started again."""
        if self._following.fail(process, time.monotonic()) and self._stop_by is None:
            for child in self._children:
                child.is_followed = False

    def _end_followed(self, now: float) -> None:
        """End, when all are followed. A child that was started in the middle of it has nobody behind it, and ends."""
        left = [child for child in self._children if child.pid and not child.is_followed]
        wait = self._following.wait(now)
        if self._stop_by is not None or wait is None or (left and wait):
            return
        logger.info("process %d is in our place; what was begun is finished first", self._following.heir)
        self._stop_by = now + self._stop_time
        self._herald.hand_on(self._following.heir)
        for child in left:
            _signal(child.pid, signal.SIGTERM)

    def _hear(self, child: Child, word: int) -> None:
        child.heard = time.monotonic()
        if word == _BEGUN and not child.has_begun:
            child.has_begun = True
            if all(each.has_begun for each in self._children):
                self._herald.begun()

    def _watch(self, now: float) -> None:
        """Say that we live, and end children that have not said so for too long, to be started again."""
        interval, patience = self._herald.interval, self._herald.patience
        if not interval:
            return
        paused = now - self._looked > 2 * interval + 1.0  # we were, and so they were
        self._looked = now
        if now - self._told >= interval:
            self._told = now
            self._herald.beat()
        for child in self._children:
            if not child.pid or child.heard is None or self._stop_by is not None:
                continue
            if paused:
                child.heard = now
            elif now - child.heard > patience:
                logger.error(
                    "%s: process %d has hung for %.0f s, and is killed", child.title, child.pid, now - child.heard
                )
                child.heard = None
                _signal(child.pid, signal.SIGKILL)

    def _replace(self, child: Child) -> None:
        """Let the successor of a child be it, and the one that was it leave."""
        logger.info(
            "%s: process %d leaves after %d requests, process %d is in its place",
            child.title, child.pid, child.served, child.successor,
        )  # fmt: skip
        self._leaving[child.pid] = child.title
        _signal(child.pid, signal.SIGTERM)
        child.pid, child.successor, child.served, child.pause = child.successor, 0, 0, FIRST_PAUSE
        child.heard = time.monotonic()

    # What becomes of them -----------------------------------------------------------------------------------------

    def _pids(self) -> Iterator[int]:
        """Yield the ids of the processes that there are."""
        yield from self._leaving
        for child in self._children:
            yield from filter(None, (child.pid, child.successor))

    def _reap(self) -> None:
        for pid in list(self._pids()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self._on_end(pid, os.waitstatus_to_exitcode(status))

    def _on_end(self, pid: int, code: int) -> None:
        how = f"by signal {-code}" if code < 0 else f"with code {code}"
        title = self._leaving.pop(pid, None)
        if title is not None:
            if code and self._stop_by is None:
                logger.warning("%s: process %d, which was replaced, ended %s", title, pid, how)
            return
        (child,) = (each for each in self._children if pid in (each.pid, each.successor))
        was_successor = pid == child.successor
        if was_successor:
            child.successor = 0
        else:
            child.pid, child.successor, child.served = child.successor, 0, 0  # which is ready, or soon will be
            child.heard = None
        if self._stop_by is None and not child.is_followed:
            self._start_again(child, code, f"process {pid} ended {how}", was_successor=was_successor)

    def _start_again(self, child: Child, code: int, how: str, *, was_successor: bool) -> None:
        """Say what has ended, and when there will be another one in its place."""
        level = logging.WARNING if code else logging.INFO
        if code in _HOPELESS and child.starts == 1:
            self._result = Exit(code)
            self._stop()
        elif child.pid and not was_successor:
            logger.log(level, "%s: %s; its successor has been started", child.title, how)
        else:
            now = time.monotonic()
            is_failure = code != Exit.OK and now - child.started <= GROWN_UP
            child.pause = min(child.pause * 2, LONGEST_PAUSE) if is_failure else FIRST_PAUSE
            child.due = now + child.pause
            logger.log(
                level, "%s%s: %s; starting it again in %.1f s",
                "the successor of " if was_successor else "", child.title, how, child.pause,
            )  # fmt: skip

    def _on_signal(self, number: signal.Signals) -> None:
        if number is signal.SIGUSR2:
            if self._upgrade is not None and self._stop_by is None:
                self._upgrade.begin()
        elif number is signal.SIGHUP and not terminal_is_gone():
            self._signal_all(signal.SIGHUP)
        elif number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if self._stop_by is None:
                self._stop()
            else:
                self._signal_all(signal.SIGKILL)

    def _stop(self) -> None:
        self._stop_by = time.monotonic() + self._stop_time
        self._herald.ends()
        self._signal_all(signal.SIGTERM)

    def _signal_all(self, number: signal.Signals) -> None:
        for pid in self._pids():
            _signal(pid, number)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
