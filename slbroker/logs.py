"""Log lines on standard error, which a plugin's own configuration of `logging` leaves as they are.

An event is a line, in plain words or as JSON (`logforms`); `logline` keeps what others wrote from being more than that.
Of one place in the code there are so many lines in a while, and then a count. When nobody reads them, lines are left
out and counted (`logoutput`): a log that hangs does not hold up calls.
"""

from __future__ import annotations

import io
import logging
import os
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from slbroker.logforms import Json, Plain
from slbroker.logline import FIELD_COST, LOGGERS, MOST_LINES, WINDOW, escaped, event
from slbroker.logoutput import Output

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from slbroker.logforms import Form
    from slbroker.logline import Call

_SCRIPTS: Final = "slbroker.kemi.script"  # what scripts log themselves
MOST_CAUSES: Final = 1_000  # that are counted by themselves
# sd-daemon(3): what systemd's journal reads in front of a line.
_PRIORITIES: Final = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class OwnLogger(logging.Logger):
    """A logger that neither `logging.config` puts off, which disables those that it does not name, nor `disable`."""

    @property
    def disabled(self) -> bool:
        """False: without our lines nobody knows what became of a request."""
        return False

    @disabled.setter
    def disabled(self, _value: bool) -> None:
        pass

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - logging's name
        """Return whether our own level lets a record pass, whatever `logging.disable` has said to all."""
        return level >= self.getEffectiveLevel()


# Not too many, and never in the way -----------------------------------------------------------------------------


class Limit(logging.Filter):
    """Lets so many lines of one place in our code pass in a window, for each cause that a record is `counted_as`.

    What scripts and plugins log is their affair.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, int, str], int] = {}
        self._first: dict[tuple[str, int, str], str] = {}
        self._until = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is to be said."""
        if record.name.partition(".")[0] not in LOGGERS or record.name == _SCRIPTS or hasattr(record, "counted"):
            return True
        place = record.pathname, record.lineno, getattr(record, "counted_as", "")
        if len(self._said) >= MOST_CAUSES and place not in self._said:
            place = record.pathname, record.lineno, ""
        said = self._said[place] = self._said.get(place, 0) + 1
        if said == MOST_LINES + 1:
            self._first[place] = escaped(record.getMessage(), FIELD_COST)
        return said <= MOST_LINES

    def left_out(self, now: float) -> list[tuple[str, int]]:
        """Begin another window when it is time; return lines of which some were left out, and how many."""
        if now < self._until:
            return []
        self._until = now + WINDOW
        found = [(self._first[place], said - MOST_LINES) for place, said in self._said.items() if said > MOST_LINES]
        self._said.clear()
        self._first.clear()
        return found


class Lines(logging.StreamHandler[Any]):
    """Writes whole lines, and waits for nobody who does not read them."""

    def __init__(self, form: Form, *, prioritised: bool) -> None:
        super().__init__(sys.stderr)
        self.form = form
        self.limit = Limit()
        self.addFilter(self.limit)
        self._prioritised = prioritised
        self._left_out = 0  # lines, since there was no room for them, and a line has not said so yet
        self.unlogged = 0  # ... in all
        self._output = Output(self.stream)

    def setStream(self, stream: Any) -> Any:  # noqa: N802 - logging's name
        """Write elsewhere from now on; return where to before."""
        before = super().setStream(stream)
        self._output = Output(self.stream)
        return before

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        try:
            self._write(self.form.format(record), record.levelno)
        except Exception:
            self.handleError(record)

    def put(self, calls: Sequence[Call]) -> None:
        """Write a line for each of some calls that ended together: many, and so past all that `logging` does."""
        lines = self.form.calls(time.time(), calls)
        self.acquire()
        try:
            for text in together(lines, self._output.piece):
                self._write(text, logging.INFO)
        finally:
            self.release()

    def _write(self, text: str, level: int) -> None:
        output = self._output
        if not output.has_room and not output.drain():
            self._left_out += text.count("\n") + 1
            self.unlogged += text.count("\n") + 1
            return
        if self._left_out:
            left_out, self._left_out = self._left_out, 0
            why = f"the log cannot be written: {output.fault}" if output.fault else "nobody read those before them"
            words = f"{left_out} log lines were left out, since {why}"
            output.put(self._marked(self.form.line(time.time(), "WARNING", words, "lines-left-out", {}), 30))
        output.put(self._marked(text, level))

    def _marked(self, text: str, level: int) -> str:
        """Return a text with its line end, and what the journal reads in front of each line."""
        if not self._prioritised:
            return text + self.terminator
        mark = f"<{_PRIORITIES.get(level, 6)}>"
        return f"{mark}{text}{self.terminator}".replace("\n", f"\n{mark}", text.count("\n"))

    def forget(self) -> None:
        """Leave what waits to the process that has forked this one."""
        self._output.forget()
        self._left_out = 0

    def flush(self) -> None:
        """Give who reads some time for what has not been written: the end of a process calls this."""
        self.acquire()
        try:
            self._output.finish()
        finally:
            self.release()

    def look(self, now: float) -> None:
        """Write what waits; say what the limit has left out, when it is time. `now` is monotonic, in seconds."""
        self._output.drain()
        for words, count in self.limit.left_out(now):
            logging.getLogger(__name__).warning(
                "%d more lines like this one were left out: %s", count, words,
                extra=event("lines-left-out") | {"counted": True},
            )  # fmt: skip


def together(lines: Sequence[str], most: int) -> Iterator[str]:
    """Yield lines of ASCII in texts of so many bytes at most, with priorities and the last line's end."""
    start, size = 0, 0
    for at, line in enumerate(lines):
        size += len(line) + 4
        if size > most and at > start:
            yield "\n".join(lines[start:at])
            start, size = at, len(line) + 4
    yield "\n".join(lines[start:])


# Setting it up --------------------------------------------------------------------------------------------------

_lines: Lines | None = None


def set_up_logging(level: str, form: str = "plain") -> None:
    """Log to standard error, a line a record, from `level` (debug, info, warning, error) on, as plain, json or journal.

    What a plugin prints leaves with each line, too: a buffer would be lost with a process that is killed.
    """
    global _lines  # noqa: PLW0603 - standard error is one, and so is who writes there
    in_journal = form == "journal" or is_journal(sys.stderr, os.environ)
    _lines = handler = Lines(Json() if form == "json" else Plain(timed=not in_journal), prioritised=in_journal)
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)  # for libraries, and plugins without own
    for name in LOGGERS:
        top = logging.getLogger(name)
        top.handlers[:] = [handler]
        top.setLevel(level.upper())
        top.propagate = False  # what a plugin does with the root's handlers is its own affair
    keep_own()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)


def is_journal(stream: Any, environment: Mapping[str, str]) -> bool:
    """Return whether systemd's journal reads `stream`: its device and inode are in JOURNAL_STREAM (systemd.exec(5))."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return environment.get("JOURNAL_STREAM", "") == f"{status.st_dev}:{status.st_ino}"


def tell_calls(calls: Sequence[Call]) -> None:
    """Write a line for each of some calls, whatever the level is: who has asked for them wants to read them."""
    if _lines is not None:
        _lines.put(calls)


def unlogged() -> int:
    """Return how many log lines nobody read, or no disk took."""
    return _lines.unlogged if _lines is not None else 0


def finish() -> None:
    """Give who reads the log some time for what has not been written; for a process that ends without more ado."""
    if _lines is not None:
        _lines.flush()


def _forget() -> None:
    if _lines is not None:
        _lines.forget()


os.register_at_fork(after_in_child=_forget)


def look(now: float) -> None:
    """Write what waits, and say what was left out; to be called now and then. `now` is monotonic, in seconds."""
    if _lines is not None:
        _lines.look(now)


def keep_own() -> None:
    """Make all our loggers there are `OwnLogger`s; called again when a plugin has been loaded."""
    for name, logger in logging.Logger.manager.loggerDict.items():
        if name.partition(".")[0] in LOGGERS and type(logger) is logging.Logger:
            logger.__class__ = OwnLogger
