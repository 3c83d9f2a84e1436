"""Log lines on standard error, which a plugin's own configuration of `logging` leaves as they are.

An event is a line, in plain words or as JSON; `slbroker.logline` keeps what others wrote from being more than that. Of
one place in the code there are so many lines in a while, and then a count. When nobody reads them, lines are left out
and counted: a log that hangs does not hold up calls.
"""

from __future__ import annotations

import io
import json
import logging
import os
import select
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any, Final

from slbroker.logline import FIELD_COST, FIELDS, LOGGERS, MOST_LINES, WINDOW, escaped, event, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slbroker.logline import Call

_SCRIPTS: Final = "slbroker.kemi.script"  # what scripts log themselves
MOST_CAUSES: Final = 1_000  # that are counted by themselves
MOST_FRAMES: Final = 30  # lines of a traceback, the last ones
AT_ONCE: Final = 8  # lines of calls in one write: what a pipe takes in one piece
PATIENCE: Final = 0.2  # seconds that a line waits for whoever reads the log; while he hangs, later ones do not wait
_as_json = json.JSONEncoder().encode
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


# One event, one line --------------------------------------------------------------------------------------------


class Form(logging.Formatter):
    """How an event is written."""

    def __init__(self) -> None:
        super().__init__()
        self._told: tuple[float, str] = (0.0, "")  # the last moment, as it is written

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or the lines, of a record."""
        name, fields = getattr(record, "slbroker", ("note", {}))
        return self.line(record.created, record.levelname, record.getMessage(), name, fields, _behind(record))

    def line(
        self, created: float, level: str, words: str, name: str, fields: Mapping[str, Any], behind: Sequence[str] = ()
    ) -> str:
        """Return what is written of an event called `name`; `behind` are lines that belong to it."""
        raise NotImplementedError

    def _time_of(self, created: float) -> str:
        """Return when that was; all calls of a turn are told at one moment."""
        if self._told[0] != created:
            self._told = created, self._written(created)
        return self._told[1]

    def _written(self, created: float) -> str:
        raise NotImplementedError


class Plain(Form):
    """Time, level, process and words. The lines of a traceback or of a message stand behind, and begin with blanks."""

    def __init__(self, *, timed: bool = True) -> None:
        super().__init__()
        self._timed = timed

    def line(
        self, created: float, level: str, words: str, name: str, fields: Mapping[str, Any], behind: Sequence[str] = ()
    ) -> str:
        """Return the line, and those behind it."""
        del name, fields
        head = f"{self._time_of(created)}{level:<7} [{os.getpid()}] {escaped(words)}"
        return "\n".join([head, *(f"    {line}" for line in behind)]) if behind else head

    def _written(self, created: float) -> str:
        if not self._timed:
            return ""
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(created)) + f",{int(created % 1 * 1e3):03d} "


class Json(Form):
    """An object on one line: ts, level, event, pid, those of `FIELDS` that there are, and the plain line's words."""

    def line(
        self, created: float, level: str, words: str, name: str, fields: Mapping[str, Any], behind: Sequence[str] = ()
    ) -> str:
        """Return the one line."""
        said = {"ts": self._time_of(created), "level": level.lower(), "event": name, "pid": os.getpid()}
        for field in FIELDS:
            value = fields.get(field)
            if value is not None and value not in ("", b"") and (value or field != "status"):
                said[field] = _field(value)
        said["message"] = escaped(words)
        if behind:
            said["text"] = "\n".join(behind)
        return _as_json(said)

    def _written(self, created: float) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(created)) + f".{int(created % 1 * 1e3):03d}Z"


def _field(value: object) -> object:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, int):
        return value
    return shown(value) if isinstance(value, bytes) else escaped(str(value), FIELD_COST)


def _behind(record: logging.LogRecord) -> list[str]:
    """Return the lines behind a record: those of its traceback, whose words may be anybody's; of a message."""
    if isinstance(given := getattr(record, "behind", None), list):
        return given
    if not record.exc_info or record.exc_info[0] is None:
        return []
    lines = [line for entry in traceback.format_exception(*record.exc_info) for line in entry.split("\n") if line]
    left_out = [f"({len(lines) - MOST_FRAMES} lines before)"] if len(lines) > MOST_FRAMES else []
    return [escaped(line, FIELD_COST) for line in left_out + lines[-MOST_FRAMES:]]


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
        self._unread = 0  # lines left out because nobody read those before
        self._hangs = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        try:
            self._write(self.form.format(record), record.levelno)
        except Exception:
            self.handleError(record)

    def put(self, calls: Sequence[Call]) -> None:
        """Write a line for each of some calls that ended together: many, and so past all that `logging` does."""
        now, form, level = time.time(), self.form, logging.INFO
        lines = [form.line(now, "INFO", call.words(), "call", call._asdict()) for call in calls]
        self.acquire()
        try:
            for start in range(0, len(lines), AT_ONCE):
                self._write("\n".join(lines[start : start + AT_ONCE]), level)
        finally:
            self.release()

    def _write(self, text: str, level: int) -> None:
        if self._prioritised:
            mark = f"<{_PRIORITIES.get(level, 6)}>"
            text = mark + text.replace("\n", f"\n{mark}")
        if not self._is_read():
            self._unread += text.count("\n") + 1
            return
        unread, self._unread = self._unread, 0
        if unread:
            words = f"{unread} log lines were left out, since nobody read those before them"
            told = self.form.line(time.time(), "WARNING", words, "lines-left-out", {})
            text = f"{'<4>' if self._prioritised else ''}{told}\n{text}"
        try:
            self.stream.write(text + self.terminator)
            self.flush()
        except BlockingIOError:
            self._unread += 1

    def _is_read(self) -> bool:
        """Return whether a line goes out at once, or soon."""
        try:
            poller = select.poll()
            poller.register(self.stream.fileno(), select.POLLOUT)
        except (OSError, ValueError, AttributeError):  # a stream of Python's own
            return True
        self._hangs = not poller.poll(0 if self._hangs else PATIENCE * 1e3)
        return not self._hangs

    def look(self, now: float) -> None:
        """Say what the limit has left out, when it is time; `now` is monotonic, in seconds."""
        for words, count in self.limit.left_out(now):
            logging.getLogger(__name__).warning(
                "%d more lines like this one were left out: %s", count, words,
                extra=event("lines-left-out") | {"counted": True},
            )  # fmt: skip


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


def look(now: float) -> None:
    """Say what was left out; to be called now and then. `now` is monotonic, in seconds."""
    if _lines is not None:
        _lines.look(now)


def keep_own() -> None:
    """Make all our loggers there are `OwnLogger`s; called again when a plugin has been loaded."""
    for name, logger in logging.Logger.manager.loggerDict.items():
        if name.partition(".")[0] in LOGGERS and type(logger) is logging.Logger:
            logger.__class__ = OwnLogger
