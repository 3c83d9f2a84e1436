"""What a log line is: one event, plain or JSON, whatever a peer has written; not too many; in nobody's way."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker import logs
from slbroker.bus.losses import Losses
from slbroker.logforms import Json, Plain
from slbroker.logline import MOST_COST, MOST_LINES, WINDOW, Call, escaped, event, lines_of, shown
from slbroker.logoutput import MOST_KEPT, PATIENCE
from slbroker.logs import Lines, is_journal, set_up_logging
from tests.support.examples import examples
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slbroker.logforms import Form

# What begins a line, moves a cursor, hides or turns letters, or is no text; and what a forged line would look like.
EVIL = (
    "\r\n", "\n", "\r", "\x0b", "\x0c", "\x1b[2J\x1b[31m", "\x85", "\u2028", "\u2029", "\u202e", "\u200b", "\x00",
    "\x7f", "\ud800", '"}\n{"ts": "', "\n2026-11-29 15:00:00,000 WARNING [1] wrong credentials from 192.0.2.9 by udp: ",
    "\n<0>", "\\", '"', "\N{PILE OF POO}", "\xff",
)  # fmt: skip
words = st.lists(st.sampled_from(EVIL) | st.text(max_size=20), max_size=30).map("".join)
raw = st.binary(max_size=300) | words.map(lambda text: text.encode("utf-8", "surrogatepass"))
LONGEST = 6_000  # bytes of any line: below two pages of a pipe, so a flood of them is a matter of their number alone
PLAIN = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (?:WARNING|ERROR|INFO) +\[\d+\] [^\x00-\x1f\x7f]*")


def written(form: Form, record: logging.LogRecord) -> bytes:
    """What goes to standard error, as bytes."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace")
    handler = Lines(form, prioritised=False)
    handler.setStream(stream)
    handler.handle(record)
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue()


def record_of(message: str, *arguments: object, **extra: Any) -> logging.LogRecord:
    made = logging.LogRecord("a.plugin", logging.WARNING, "plugin.py", 1, message, arguments, None)
    made.__dict__.update(extra)
    return made


def assert_one_plain_line(data: bytes) -> None:
    assert data.endswith(b"\n")
    assert len(data) <= LONGEST
    (line,) = data.decode().splitlines()
    assert PLAIN.fullmatch(line), line
    assert line.isprintable()


def read_json_line(data: bytes) -> dict[str, Any]:
    assert data.endswith(b"\n")
    assert data.count(b"\n") == 1
    assert len(data) <= LONGEST
    assert data.decode("ascii")[:-1].isprintable()
    said = json.loads(data)
    assert isinstance(said, dict)
    return said


@given(raw)
def test_a_peers_bytes_stay_on_their_line(said: bytes) -> None:
    text = shown(said)
    assert text.isascii()
    assert text.isprintable()
    assert len(text) <= 410


@examples(200)
@given(words)
def test_whatever_somebody_logs_is_one_line(said: str) -> None:
    """A plugin that logs what a peer has written: our handler is the root's."""
    assert_one_plain_line(written(Plain(), record_of("from %s: %s", said, said)))
    assert read_json_line(written(Json(), record_of("from %s: %s", said, said)))["event"] == "note"


@examples(200)
@given(raw, raw, words)
def test_whatever_a_call_is_made_of_is_one_line(method: bytes, call_id: bytes, cause: str) -> None:
    call = Call(method, call_id, "udp:192.0.2.7:5060", "failed", 500, 0.1, "default", cause, cause, cause)
    about = event("call", **call._asdict())
    assert_one_plain_line(written(Plain(), record_of("%s", call.words(), **about)))
    said = read_json_line(written(Json(), record_of("%s", call.words(), **about)))
    assert said["call_id" if call_id else "event"] == (shown(call_id) if call_id else "call")
    assert said["source"] == "udp:192.0.2.7:5060"


@examples(100)
@given(words)
def test_a_traceback_forges_no_line(said: str) -> None:
    try:
        raise ValueError(said)
    except ValueError as error:
        record = record_of("it failed")
        record.exc_info = (type(error), error, error.__traceback__)
    first, *behind = written(Plain(), record).decode().split("\n")[:-1]
    assert PLAIN.fullmatch(first)
    assert all(line.startswith("    ") and line.isprintable() for line in behind)
    assert len(behind) <= 31
    lines = read_lines_of_json(written(Json(), record))
    assert "ValueError" in "".join(lines)


def read_lines_of_json(data: bytes) -> list[str]:
    assert data.count(b"\n") == 1
    text = json.loads(data)["text"]
    assert isinstance(text, str)
    return text.split("\n")


@given(raw)
def test_a_whole_message_is_told_line_by_line_and_each_is_harmless(message: bytes) -> None:
    lines = lines_of(message)
    assert all(line.isprintable() for line in lines)
    assert len(lines) == max(message.removesuffix(b"\n").count(b"\n"), 0) + 1


def test_a_long_line_is_cut_and_says_by_how_much() -> None:
    assert escaped("a" * 10_000) == "a" * MOST_COST + "... (8000 more)"
    assert escaped("\n" * 10_000).endswith(" more)")
    assert escaped("as it is") == "as it is"


def test_json_has_stable_keys_in_a_stable_order() -> None:
    about = event(
        "request-lost", cause="no answer", duration=0.1234567, status=500, handler="f", worker="w", pool="p",
        source="udp:192.0.2.7:5060", method=b"INVITE", call_id=b"a\xff",
    )  # fmt: skip
    said = read_json_line(written(Json(), record_of("lost", **about)))
    assert list(said) == [
        "ts", "level", "event", "pid", "call_id", "method", "source", "pool", "worker", "handler", "status", "duration",
        "cause", "message",
    ]  # fmt: skip
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", said.pop("ts"))
    assert said.pop("pid") == os.getpid()
    assert said == {
        "level": "warning", "event": "request-lost", "call_id": r"a\xff", "method": "INVITE",
        "source": "udp:192.0.2.7:5060", "pool": "p", "worker": "w", "handler": "f", "status": 500,
        "duration": 0.123457, "cause": "no answer", "message": "lost",
    }  # fmt: skip


# Not too many ---------------------------------------------------------------------------------------------------


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What set_up_logging writes to."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    set_up_logging("info")
    yield stream
    logs._lines = None


def test_one_cause_that_comes_without_end_is_counted_and_leaves_room_for_others(log: io.StringIO) -> None:
    logger = logging.getLogger("slbroker.test")
    for number in range(MOST_LINES + 23):
        logger.error("failed: %d", number)
    logger.error("something else")
    for number in range(MOST_LINES + 5):
        logger.error("handler: %d", number, extra={"counted_as": f"cause {number % 2}"})
    lines = log.getvalue().splitlines()
    assert len(lines) == MOST_LINES + 1 + MOST_LINES + 5
    assert lines[MOST_LINES].endswith("something else")
    logs.look(time.monotonic() + WINDOW + 0.1)
    assert log.getvalue().splitlines()[-1].endswith(f"23 more lines like this one were left out: failed: {MOST_LINES}")
    logger.error("failed again")
    assert log.getvalue().endswith("failed again\n")


def test_what_is_counted_by_its_cause_and_what_plugins_log_is_not_limited_twice(log: io.StringIO) -> None:
    losses = Losses(logging.getLogger("slbroker.test"))
    for number in range(4):
        for _ in range(MOST_LINES):
            losses.request(f"cause {number}", 0.0, b"INVITE", b"c", "lost")
    for _ in range(MOST_LINES * 2):
        logging.getLogger("a.plugin").info("its own affair")
    assert len(log.getvalue().splitlines()) == MOST_LINES * 6


# In nobody's way ------------------------------------------------------------------------------------------------


def test_who_does_not_read_the_log_holds_nobody_up_and_is_told_what_he_missed() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "w") as stream:
        handler = Lines(Plain(), prioritised=False)
        handler.setStream(stream)
        calls = [Call(b"INVITE", b"c" * 90, "udp:192.0.2.7:5060", "replied", 200)] * 100
        begun = time.thread_time()
        for _ in range(100):
            handler.put(calls)
        assert time.thread_time() - begun < within(2.0)
        os.set_blocking(reader.fileno(), False)
        said = read_all(reader, handler)
        handler.handle(record_of("back again"))
        said += read_all(reader, handler)
        assert said.endswith("back again\n")
        assert all(PLAIN.fullmatch(line) for line in said.splitlines())
        missed = re.search(r"(\d+) log lines were left out, since nobody read", said)
        assert missed
        assert said.count("call INVITE") + int(missed[1]) == 100 * 100
        assert said.count("call INVITE") * len(said.partition("\n")[0]) > MOST_KEPT * 0.9, "so much is kept for him"


def read_all(reader: IO[bytes], handler: Lines) -> str:
    """What comes out of a pipe until there is nothing more; the handler looks at it now and then, as a process does."""
    said = b""
    while data := reader.read():
        said += data
        handler.look(0.0)
    return said.decode()


@pytest.mark.parametrize("pause", [0.0, 0.01])
def test_who_reads_slowly_gets_every_line_and_holds_nobody_up(pause: float) -> None:
    """A second's worth of lines in a moment; who reads has a page at a time. Nobody else is to wait for that."""
    reading, writing = os.pipe()
    said = bytearray()

    def read() -> None:
        while data := os.read(reading, 4_096):
            said.extend(data)
            time.sleep(pause)

    reader = threading.Thread(target=read)
    reader.start()
    with os.fdopen(writing, "w") as stream:
        handler = Lines(Json(), prioritised=False)
        handler.setStream(stream)
        for number in range(20):
            begun = time.monotonic()
            handler.put([Call(b"INVITE", b"%d-%d" % (number, at), "udp:192.0.2.7:5060", "shed") for at in range(50)])
            assert time.monotonic() - begun < within(PATIENCE), "nobody waits"
        handler.flush()
        for _ in range(1_000):
            if handler._output.drain(1.0):
                break
    reader.join()
    os.close(reading)
    told = [json.loads(line)["call_id"] for line in said.decode().splitlines()]
    assert told == [f"{number}-{at}" for number in range(20) for at in range(50)]


def test_a_disk_that_is_full_costs_lines_and_says_so_when_there_is_room_again(tmp_path: Path) -> None:
    handler = Lines(Plain(), prioritised=False)
    calls = [Call(b"INVITE", b"c" * 90, "udp:192.0.2.7:5060", "replied", 200)] * 100
    with Path("/dev/full").open("w") as full, (tmp_path / "log").open("w") as room:
        handler.setStream(full)
        for _ in range(100):
            handler.put(calls)
        handler.handle(record_of("not written either"))
        os.dup2(room.fileno(), full.fileno())
        handler.handle(record_of("room again"))
        handler.flush()
        lines = (tmp_path / "log").read_text().splitlines()
        assert all(PLAIN.fullmatch(line) for line in lines)
        assert lines[-1].endswith("room again")
        assert "log lines were left out, since the log cannot be written: No space left on device" in lines[-2]


def test_lines_of_several_processes_on_one_pipe_are_whole() -> None:
    """A write of more than a page may be mixed with another's."""
    reading, writing = os.pipe()
    script = (
        "import sys; from slbroker.logline import Call; from slbroker.logs import *; import slbroker.logs as logs\n"
        "set_up_logging('info')\n"
        "for n in range(40): tell_calls([Call(b'INVITE', sys.argv[1].encode() * 90, 'udp:192.0.2.7:5060', 'shed')] * 9)"
        "; logs._lines._output.drain(1.0)"
    )
    words = [sys.executable, "-c", script]
    processes = [subprocess.Popen([*words, word], stderr=writing) for word in "abc"]
    os.close(writing)
    with os.fdopen(reading, "rb") as reader:
        lines = reader.read().decode().splitlines()
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert len(lines) == 3 * 40 * 9
    assert all(re.fullmatch(r"[^,]*,\d+ INFO .* Call-ID (a+|b+|c+), from udp:192.0.2.7:5060: shed, unanswered", one)
               for one in lines)  # fmt: skip


@examples(200)
@given(raw, raw, words, words, st.floats(0, 1e6), st.sampled_from([0, 100, 200, 699]))
def test_a_call_is_told_as_any_event_with_its_fields_is(
    method: bytes, call_id: bytes, cause: str, handler: str, duration: float, status: int
) -> None:
    """Calls have a quicker way to their line."""
    call = Call(method, call_id, "udp:192.0.2.7:5060", "failed", status, duration, "default", cause, handler, cause)
    lines = {
        form: (form.calls(12.5, [call])[0], form.line(12.5, "INFO", call.words(), "call", call._asdict()))
        for form in (Plain(), Json())
    }
    (plain, usual), (quick, json_line) = lines.values()
    assert plain == usual
    assert list(json.loads(quick).items()) == list(json.loads(json_line).items())


# journald -------------------------------------------------------------------------------------------------------


def test_what_the_journal_reads_has_its_priority_and_no_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "w") as stream:
        status = os.fstat(stream.fileno())
        assert not is_journal(stream, {})
        assert not is_journal(stream, {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino + 1}"})
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        monkeypatch.setattr("sys.stderr", stream)
        for form in ("plain", "json"):
            set_up_logging("debug", form)
            logger = logging.getLogger("slbroker.test")
            for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
                logger.log(level, "at %d", level)
            try:
                raise ValueError("a\nb")
            except ValueError:
                logger.exception("failed")
            stream.flush()
            lines = os.read(reader.fileno(), 65_536).decode().splitlines()
            assert [line[:3] for line in lines[:5]] == ["<7>", "<6>", "<4>", "<3>", "<2>"]
            assert all(line.startswith("<3>") for line in lines[5:])
            if form == "plain":
                assert lines[2] == f"<4>WARNING [{os.getpid()}] at 30"
                assert len(lines) > 6
            else:
                assert json.loads(lines[2][3:])["message"] == "at 30"
                assert len(lines) == 6
    logs._lines = None
