"""How an event is written: in plain words, or as JSON; one line, whatever it tells of."""

from __future__ import annotations

import logging
import os
import time
import traceback
from functools import lru_cache
from json.encoder import JSONEncoder, encode_basestring_ascii
from typing import TYPE_CHECKING, Any, Final

from slbroker.logline import FIELD_COST, FIELDS, escaped, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slbroker.logline import Call

MOST_FRAMES: Final = 30  # lines of a traceback, the last ones
_as_json = JSONEncoder().encode
_quoted = encode_basestring_ascii


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

    def calls(self, created: float, calls: Sequence[Call]) -> list[str]:
        """Return the lines of calls: those of events "call" with their words and fields, made in less time."""
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

    def calls(self, created: float, calls: Sequence[Call]) -> list[str]:
        """Return the lines."""
        head = f"{self._time_of(created)}INFO    [{os.getpid()}] "
        return [head + escaped(call.words()) for call in calls]

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

    def calls(self, created: float, calls: Sequence[Call]) -> list[str]:
        """Return the lines."""
        head = f'{{"ts": "{self._time_of(created)}", "level": "info", "event": "call", "pid": {os.getpid()}'
        return [head + self._call(call) for call in calls]

    def _call(self, call: Call) -> str:
        """Return what is behind the head, its keys in the order of `FIELDS`."""
        method, call_id, source, fate, status, duration, pool, worker, handler, cause = call
        whose = f', "call_id": {_quoted(shown(call_id))}' if call_id else ""
        what = f', "method": {_name(method)}' if method else ""
        given = f"{whose}{what}{_key('source', source)}{_who(pool, worker, handler)}"
        end = f', "status": {status}' if status else ""
        why = f', "cause": {_quoted(escaped(cause, FIELD_COST))}' if cause else ""
        words = _quoted(escaped(call.words()))
        return f'{given}{end}, "duration": {duration:.6f}{why}{_key("fate", fate)}, "message": {words}}}'

    def _written(self, created: float) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(created)) + f".{int(created % 1 * 1e3):03d}Z"


def _field(value: object) -> object:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, int):
        return value
    return shown(value) if isinstance(value, bytes) else escaped(str(value), FIELD_COST)


# What many lines have in common is written once.


@lru_cache(1_024)
def _name(said: bytes) -> str:
    return _quoted(shown(said))


@lru_cache(4_096)
def _key(key: str, value: str) -> str:
    return f', "{key}": {_quoted(escaped(value, FIELD_COST))}' if value else ""


@lru_cache(1_024)
def _who(pool: str, worker: str, handler: str) -> str:
    return _key("pool", pool) + _key("worker", worker) + _key("handler", handler)


def _behind(record: logging.LogRecord) -> list[str]:
    """Return the lines behind a record: those of its traceback, whose words may be anybody's; of a message."""
    if isinstance(given := getattr(record, "behind", None), list):
        return given
    if not record.exc_info or record.exc_info[0] is None:
        return []
    lines = [line for entry in traceback.format_exception(*record.exc_info) for line in entry.split("\n") if line]
    left_out = [f"({len(lines) - MOST_FRAMES} lines before)"] if len(lines) > MOST_FRAMES else []
    return [escaped(line, FIELD_COST) for line in left_out + lines[-MOST_FRAMES:]]
