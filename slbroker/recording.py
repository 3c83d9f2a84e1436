"""Requests on file, as workers got them: one JSON object a line, for `slbroker replay` and for people.

{"time": 1760000000.1, "source": ["192.0.2.1", 5060, "udp:192.0.2.7:5060"], "request": "OPTIONS sip:... SIP/2.0\\r\\n"}

An ACK that the edge absorbed has `"absorbed": true` behind that. A reply on its way back has "reply" for "request".
The request is written anew from what the edge has read: header names in full, folded lines on one, the top Via stamped.
Bytes that are no UTF-8 come as lone surrogates (\\udc80 to \\udcff), so that none is lost.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Final, NamedTuple

from slbroker.bus.envelope import FILTERED_ACK, FORWARDED_REPLY
from slbroker.errors import ConfigError, Drop, Reject
from slbroker.proxy.passage import reply_message
from slbroker.sip.message import Message, Source, write_request
from slbroker.sip.parser import BadRequest, parse
from slbroker.sip.validate import Checks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOTHING: Final = Checks(names=frozenset())  # the edge has judged these requests already


class Record(NamedTuple):
    """One request: when a worker got it (unix seconds), where from, and what."""

    time: float
    source: Source
    message: Message


def write_record(record: Record) -> str:
    """Return a record's line, with its line end."""
    message, absorbed = record.message, record.message.method == FILTERED_ACK
    content: dict[str, object] = {"time": round(record.time, 3), "source": list(record.source)}
    if message.method == FORWARDED_REPLY:
        lines = write_request(b"", b"", message.headers, message.body).partition(b"\r\n")[2]
        written = b"SIP/2.0 %b\r\n%b" % (message.uri, lines)
        return json.dumps(content | {"reply": written.decode(errors="surrogateescape")}) + "\n"
    request = write_request(b"ACK" if absorbed else message.method, message.uri, message.headers, message.body)
    content["request"] = request.decode(errors="surrogateescape")
    return json.dumps(content | ({"absorbed": True} if absorbed else {})) + "\n"


def read_record(line: str) -> Record:
    """Return the record that a line holds; raise ValueError, in words for people, when it holds none."""
    try:
        content = json.loads(line)
        time, (host, port, listen), is_reply = content["time"], content["source"], "reply" in content
        request = content["reply" if is_reply else "request"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ValueError("it is no record; see: slbroker replay --help") from None
    if not (isinstance(host, str) and isinstance(listen, str) and isinstance(request, str)):
        raise ValueError("it is no record: host, listen and request have to be texts")
    if isinstance(port, bool) or not isinstance(port, int) or not isinstance(time, int | float):
        raise ValueError("it is no record: port and time have to be numbers")
    data = request.encode(errors="surrogateescape")
    message = _read_reply(data) if is_reply else read_request(data)
    if content.get("absorbed") is True:
        message = message._replace(method=FILTERED_ACK)
    return Record(float(time), Source(host, port, listen), message)


def read_request(data: bytes) -> Message:
    """Return the request in `data`; raise ValueError when an edge would not hand it to anybody."""
    try:
        return parse(data, NOTHING)
    except BadRequest as bad:
        raise ValueError(f"the edge answers this itself: {bad.status} {bad.reason}") from None
    except (Drop, Reject) as error:
        raise ValueError(f"the edge does not hand this to a handler: {error}") from None


def _read_reply(data: bytes) -> Message:
    try:
        if not data.startswith(b"SIP/2.0 "):
            raise Drop("bad-reply")
        return reply_message(data, FORWARDED_REPLY)
    except Drop:
        raise ValueError("this is no reply that an edge would let back") from None


def read_file(path: Path) -> Iterator[Record]:
    """Yield the records of a file in order; raise ConfigError, which names the line, for one that is none."""
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    try:
                        yield read_record(line)
                    except ValueError as error:
                        raise ConfigError(f"{path}:{number}: {error}") from None
    except OSError as error:
        raise ConfigError(f"recording {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"recording {path}: it is no text") from None


def count_records(path: Path) -> int | None:
    """Return how many lines a file has; None for what can be read once, such as a pipe, and what cannot be read."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
    except OSError:
        return None


class Recorder:
    """Appends to a file, which is for its owner alone: requests hold names and credentials."""

    def __init__(self, path: Path) -> None:
        """Raise ConfigError when the file cannot be written."""
        self._path = path
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(f"recording {path}: {error.strerror}") from None
        self._file = os.fdopen(descriptor, "wb", buffering=0)

    def add(self, records: list[Record]) -> None:
        """Write all lines of a batch in one piece, so that those of several workers do not mix; raises ConfigError."""
        try:
            self._file.write("".join(map(write_record, records)).encode())
        except OSError as error:
            raise ConfigError(f"recording {self._path}: {error.strerror}") from None

    def close(self) -> None:
        """Close the file."""
        self._file.close()
