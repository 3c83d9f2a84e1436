"""The fuzz targets for a second or two each, always with the same inputs; and whatever once broke them, again."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from slbroker.bus import envelope
from slbroker.bus.memo import Memo, pack_memo
from slbroker.errors import Drop
from slbroker.sip import parser, via
from slbroker.sip.framer import Framer
from slbroker.sip.reply import build_reply
from slbroker.sip.validate import USUAL
from slbroker_edge.reader import read
from tests.lab.fuzz import run
from tests.lab.fuzz.mutator import MAX_SIZE, Mutator, read_dictionary
from tests.lab.fuzz.registry import FOLDER, NAMES, cases, load
from tests.lab.fuzz.targets import (
    bus,
    datagram,
    dispatcher,
    exchange,
    forwarding,
    recall,
    reply,
    stream,
    twins,
    values,
    websocket,
)
from tests.support.sip import PHONE_INVITE, SIPP_INVITE, request

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from slbroker.sip.message import Message
    from slbroker.sip.reading import Address, Reading
    from tests.lab.fuzz.registry import Target


@pytest.mark.parametrize("name", NAMES)
def test_mutants_of_the_seeds(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL", "slbroker_edge")  # an edge says that it has no workers, many times
    target = load(name)
    mutator = Mutator(target.SEEDS, read_dictionary(FOLDER / target.DICTIONARY), number=0)
    for data in [*target.SEEDS, *(mutator.next() for _ in range(target.ROUNDS))]:
        check(target, data)


def check(target: Target, data: bytes) -> None:
    try:
        target.check(data)
    except Exception as error:
        error.add_note(f"the input, to be kept as a file in tests/lab/fuzz/cases: {data!r}")
        raise


@pytest.mark.parametrize("name", NAMES)
def test_what_once_broke_a_target(name: str) -> None:
    for file in cases(name):
        check(load(name), file.read_bytes())


# The targets themselves: would they see it? -----------------------------------------------------------------------


def broken(target: Target, data: bytes) -> None:
    with pytest.raises((AssertionError, KeyError)):
        target.check(data)


def test_a_parser_that_loses_a_header_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(data: bytes) -> Message:
        message = parser.parse(data)
        return message._replace(headers=list(message.headers[:-2])) if b"Subject" in data else message

    for module in (datagram, reply):
        monkeypatch.setattr(module, "parse", lose)
    data = request(subject="1", lines=[b"Via: SIP/2.0/UDP 192.0.2.3"])
    broken(reply, data)
    monkeypatch.setattr(datagram, "parse", lambda data: parser.parse(data)._replace(call_id=b""))
    broken(datagram, data)


def test_a_parser_that_raises_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser, "tag_of", {}.__getitem__)
    for target in (datagram, reply, exchange):
        broken(target, PHONE_INVITE)


def test_a_stamp_that_is_put_on_twice_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def stamp_top(headers: list[bytes], host: str, port: int, **_more: object) -> int:
        headers[1] += b";received=" + host.encode()
        return port

    monkeypatch.setattr(datagram, "stamp_top", stamp_top)
    broken(datagram, SIPP_INVITE)


@pytest.mark.parametrize("wrong", [b"\r\nX: 1", b"\nX: 1", b";tag=2", b" "])
def test_a_reply_with_something_more_is_seen(monkeypatch: pytest.MonkeyPatch, wrong: bytes) -> None:
    def add(*words: Any) -> bytes:
        return build_reply(*words).replace(b"\r\nCSeq:", wrong + b"\r\nCSeq:")

    monkeypatch.setattr(reply, "build_reply", add)
    broken(reply, SIPP_INVITE)


def test_an_edge_that_answers_an_ack_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser, "_says_ack", lambda start, headers: False)
    for target in (datagram, exchange):
        broken(target, request("ACK", call_id=None))


@pytest.mark.parametrize("wrong", ["lose a header", "count no hop", "open no token"])
def test_a_proxy_that_goes_wrong_is_seen(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    if wrong == "lose a header":
        monkeypatch.setattr("slbroker.proxy.forward._count_hop", lambda head: head.delete(head.find(b"subject")))
    elif wrong == "count no hop":
        monkeypatch.setattr("slbroker.proxy.forward._count_hop", lambda head: None)
    else:
        monkeypatch.setattr("slbroker.proxy.flow.Seal.open", lambda seal, token, bound: None)
    with pytest.raises((AssertionError, Drop)):
        forwarding.check(SIPP_INVITE)


def test_twins_that_differ_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def other(data: bytes, source: Address, listen: str) -> Reading:
        return read(data, source, listen, USUAL)._replace(cseq=0)

    monkeypatch.setattr(twins, "read_ordinary", other)
    broken(twins, SIPP_INVITE)


def test_a_memory_that_goes_by_other_values_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    by_user = pack_memo(Memo(60.0, ("uri.user",), 23))
    data = recall.BETWEEN.join((by_user, recall.ANSWER, request(uri="sip:bob@h"), request(uri="sip:eve@h")))
    rest, outbox, *_more = recall.said(recall.jobs_of(data.split(recall.BETWEEN)[2:]), by_user, recall.ANSWER)[4:]
    assert (rest, [len(box) for box in outbox.values()]) == ([1], [1]), "the first is remembered, the other one is new"
    (one, table), (another, defined) = recall.KINDS
    other = type("Table", (defined,), {"key_of": lambda self, job: b""})
    monkeypatch.setattr(recall, "KINDS", ((one, table), (another, other)))
    broken(recall, data)


def test_two_readings_of_a_tag_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "tag_of", lambda value: b"1")
    broken(values, b"<sip:a@b>;tag=2")


def test_a_codec_that_lets_an_error_through_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envelope, "_DECODE_ERRORS", ())
    with pytest.raises(Exception, match=r"unpack|extra|incomplete"):
        bus.check(bus.SEEDS[0][:-1])


def test_a_dispatcher_that_forgets_a_request_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def forget(account: object, body: bytes, now: float, memos: object) -> tuple[list[object], int]:
        return [], 0

    monkeypatch.setattr("slbroker.bus.account.JobAccount.settle", forget)
    broken(dispatcher, dispatcher.SEEDS[0])


def test_a_framer_that_minds_the_cutting_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    class Careless(Framer):
        def feed(self, data: bytes, now: float) -> list[bytes]:
            return [data] if data.startswith(b"INVITE") and len(data) > 100 else super().feed(data, now)

    monkeypatch.setattr(stream, "Framer", Careless)
    broken(stream, b"\x10" + SIPP_INVITE * 2)


def test_a_websocket_that_minds_the_cutting_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    if websocket.wsframes is None:
        pytest.skip("the library for WebSockets is not installed")
    session = websocket.wsframes.Session
    feed = session.feed
    monkeypatch.setattr(session, "feed", lambda self, data, now: feed(self, data, now) if len(data) > 1 else [])
    broken(websocket, websocket.SEEDS[6])


# The mutator and the long run -------------------------------------------------------------------------------------


def test_the_mutator_is_deterministic_and_bounded() -> None:
    words = read_dictionary(FOLDER / "sip.dict")
    first, again, other = (Mutator(datagram.SEEDS, words, number) for number in (1, 1, 2))
    inputs = [first.next() for _ in range(2_000)]
    assert inputs == [again.next() for _ in range(2_000)]
    assert inputs != [other.next() for _ in range(2_000)]
    assert len(set(inputs)) > 1_800
    assert max(map(len, inputs)) <= MAX_SIZE
    assert first.change(b"abc", 7) == other.change(b"abc", 7)


def test_the_mutator_reaches_every_outcome() -> None:
    mutator = Mutator(datagram.SEEDS, read_dictionary(FOLDER / "sip.dict"), 3)
    outcomes = {outcome(mutator.next()) for _ in range(20_000)}
    assert outcomes >= {
        "served",
        "400",
        "416",
        "505",
        "no-via",
        "bare-crlf",
        "bad-ack",
        "response",
        "keepalive",
        "stun",
    }


def outcome(data: bytes) -> str:
    try:
        message = parser.parse(data)
        assert isinstance(message.headers, list)
        via.stamp_top(message.headers, "192.0.2.1", 5060)
    except Drop as drop:
        return drop.cause
    except parser.BadRequest as bad:
        return str(bad.status)
    return "served"


@pytest.mark.parametrize("dictionary", sorted({load(name).DICTIONARY for name in NAMES}))
def test_the_dictionaries_are_read(dictionary: str) -> None:
    words = read_dictionary(FOLDER / dictionary)
    assert len(words) == len(set(words)) > 30
    assert all(words)


def test_every_target_says_what_holds_and_what_may_be_raised() -> None:
    for name in NAMES:
        said = load(name).__doc__ or ""
        assert "Invariant:" in said, name
        assert "Allowed exceptions:" in said, name


def test_the_long_run_keeps_what_it_finds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(data: bytes) -> None:
        raise AssertionError(data)

    checks: list[Callable[[bytes], None]] = [lambda data: None, fail]
    (tmp_path / "sip.dict").write_text('word="x"\n')
    monkeypatch.setattr(run, "FOLDER", tmp_path)
    monkeypatch.setattr(twins, "check", checks[0])
    run.fuzz_plainly("twins", 0.01, number=0)
    assert not (tmp_path / "cases").exists()
    monkeypatch.setattr(twins, "check", checks[1])
    with pytest.raises(AssertionError):
        run.fuzz_plainly("twins", 60, number=0)
    (kept,) = (tmp_path / "cases" / "twins").iterdir()
    assert kept.read_bytes() == Mutator(twins.SEEDS, [b"x"], 0).next()


def test_the_long_run_as_a_command() -> None:
    command = [sys.executable, str(FOLDER / "run.py"), "bus", "--seconds", "1", "--engine", "plain"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "nothing found" in ran.stderr
