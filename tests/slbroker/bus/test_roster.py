"""Who is there: an edge and a broker greet workers, hear from them, and give them up, in the same way."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from slbroker.broker.relay import Relay
from slbroker.bus import envelope, roster
from slbroker.bus.dispatcher import Dispatcher
from slbroker.bus.envelope import Kind
from slbroker.bus.keycheck import AGAIN, PATIENCE, Labels, as_words
from slbroker.bus.roster import MAX_STRIKES
from slbroker.keys import KeyRing
from slbroker.settings.broker import RelaySettings
from slbroker.settings.dispatch import DispatchSettings
from tests.slbroker.somekeys import NOW
from tests.support.bus import START, hello, kind_of

if TYPE_CHECKING:
    from slbroker.bus.jobs import Job

Words: TypeAlias = list[tuple[str, Kind]]

LIVENESS = DispatchSettings().liveness
GARBAGE = [envelope.encode(Kind.HEARTBEAT)[0], b"\x91\x01"]
OURS, THEIRS = (Labels.of(KeyRing.generate(), NOW) for _ in range(2))


class Door:
    """An edge's dispatcher or a broker, and the hands of a test."""

    def __init__(self, kind: str) -> None:
        self.now = START
        edge: Dispatcher[Job] = Dispatcher("e", 1, DispatchSettings())
        broker = Relay("b", 1, RelaySettings())
        self.roster = edge if kind == "edge" else broker
        self.hear = edge.receive if kind == "edge" else broker.from_worker
        self._send = edge.send if kind == "edge" else lambda now: broker.send(now).to_workers

    def say(self, name: str, kind: Kind, info: dict[str, Any] | None = None) -> Words:
        """A worker says something on the connection of that name; what is answered, and to whom."""
        self.hear(name.encode(), envelope.encode(kind, info), self.now)
        return self.words()

    def join(self, name: str, **offer: Any) -> None:
        assert self.say(name, Kind.HELLO, hello(name) | offer) == [(name, Kind.WELCOME)]

    def words(self) -> Words:
        return [(identity.decode(), kind_of(frames)) for identity, frames in self._send(self.now)]

    def wait(self, seconds: float) -> Words:
        """Let time go by at once; what is said then."""
        self.now += seconds
        self.roster.expire(self.now)
        return self.words()

    @property
    def names(self) -> list[str]:
        return [account.name for account in self.roster.workers.values()]


@pytest.fixture(params=["edge", "broker"])
def door(request: pytest.FixtureRequest) -> Door:
    made = Door(request.param)
    made.roster.expire(made.now)
    return made


def test_who_says_hello_is_welcome_and_has_an_account(door: Door) -> None:
    door.join("a")
    assert door.roster.figures() == [{"name": "a", "pool": "default", "credit": 4, "open": 0, "answered": 0}]
    door.join("a", credit=9)
    assert [figures["credit"] for figures in door.roster.figures()] == [9]


def test_a_worker_counts_as_one_whatever_it_says(door: Door) -> None:
    door.join("a", workers=99)
    assert [account.workers for account in door.roster.workers.values()] == [1]


@pytest.mark.parametrize("frames", [envelope.HEARTBEAT, envelope.encode_replies([(1, None)], b"r")])
def test_a_stranger_is_asked_who_it_is(door: Door, frames: list[bytes]) -> None:
    door.hear(b"a", frames, door.now)
    assert door.words() == [("a", Kind.WHO)]
    assert door.names == []


def test_goodbye_is_answered_each_time_and_ends_an_account_that_holds_nothing(door: Door) -> None:
    door.join("a")
    for _ in range(2):
        assert door.say("a", Kind.GOODBYE) == [("a", Kind.GOODBYE)]
        assert door.names == []
    door.join("a")


def test_a_name_that_comes_back_on_another_connection_ends_the_first(door: Door) -> None:
    door.join("a")
    door.join("b")
    assert door.say("a's next", Kind.HELLO, hello("a")) == [("a's next", Kind.WELCOME)]
    assert list(door.roster.workers) == [b"b", b"a's next"]


def test_signs_of_life_go_out_and_who_shows_none_is_lost(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    door.join("a")
    door.join("silent")
    assert door.wait(0.25) == [("a", Kind.HEARTBEAT), ("silent", Kind.HEARTBEAT)]
    door.now += LIVENESS - 0.25
    assert door.say("a", Kind.HEARTBEAT) == []
    door.wait(0.1)
    assert (door.names, door.roster.lost) == (["a"], 1)
    assert "worker silent of pool default is lost: silent for 10 s" in caplog.text


def test_a_pause_of_ours_is_nobodys_silence(door: Door) -> None:
    door.join("a")
    door.roster.make_up(60.0, door.now + 60.0)
    door.wait(60.0 + LIVENESS - 0.1)
    assert door.names == ["a"]
    door.wait(0.2)
    assert door.names == []


def test_garbage_ends_the_account_and_is_heard_no_more_on_that_connection(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    door.join("a\n")
    door.hear(b"a\n", GARBAGE, door.now)
    assert door.say("a\n", Kind.HELLO, hello("a")) == []
    assert (door.names, door.roster.garbage) == ([], 2)
    assert [line for line in caplog.messages if "not listened to any more" in line and "\n" not in line]
    assert door.say("next", Kind.HELLO, hello("a")) == [("next", Kind.WELCOME)]


def test_garbage_of_somebody_without_an_account_is_counted_and_he_may_still_come(door: Door) -> None:
    door.hear(b"a", GARBAGE, door.now)
    assert door.roster.garbage == 1
    door.join("a")


def test_who_found_the_house_full_comes_in_when_somebody_has_left(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster, "MAX_WORKERS", 2)
    door.join("a")
    door.join("b")
    assert door.say("c", Kind.HELLO, hello("c")) == []
    assert (door.names, door.roster.garbage) == (["a", "b"], 1)
    door.say("a", Kind.GOODBYE)
    door.join("c")


def test_made_up_answers_are_forgiven_for_a_while(door: Door) -> None:
    door.join("a", credit=4)
    for count in (MAX_STRIKES, 4):
        door.hear(b"a", envelope.encode_replies([(number, None) for number in range(count)], b"r"), door.now)
    assert (door.names, door.roster.late) == (["a"], MAX_STRIKES + 4)
    door.hear(b"a", envelope.encode_replies([(1, None)], b"r"), door.now)
    assert (door.names, door.roster.late, door.roster.garbage) == ([], MAX_STRIKES + 5, 1)


def test_after_the_last_word_whoever_comes_hears_it_at_once(door: Door) -> None:
    door.join("a")
    door.roster.dismiss()
    assert door.words() == [("a", Kind.GOODBYE)]
    assert door.say("b", Kind.HELLO, hello("b")) == [("b", Kind.WELCOME), ("b", Kind.GOODBYE)]


def test_a_worker_with_another_key_is_named_once_a_minute(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    door.roster.use_keys(OURS.keys, door.now, "default")
    door.join("good", **as_words(signs=OURS.signs))
    door.join("w", **as_words(signs=THEIRS.signs))
    for _ in range(round((PATIENCE + AGAIN + 1) / 0.5)):
        door.say("w", Kind.HEARTBEAT)
        door.say("good", Kind.HEARTBEAT)
        door.wait(0.5)
    told = [line for line in caplog.messages if "signs with a key that is not known" in line]
    assert len(told) == 2
    assert all(line.startswith("worker w ") for line in told)
    assert [figures.get("unknown_keys") for figures in door.roster.figures()] == [None, sorted(THEIRS.signs or ())]
    door.roster.use_keys(THEIRS.keys, door.now, "default")
    assert ("w", Kind.WELCOME) in door.words()


@pytest.mark.parametrize("depth", [4, 1_000, 1_022])
def test_figures_nested_without_end_do_not_keep_others_from_being_told(door: Door, depth: int) -> None:
    """msgpack reads 1,022 maps within each other, and does not write what is around them besides."""
    door.join("w")
    told = b"\x81\xa1x" * depth + b"\xc0"
    door.hear(b"w", [envelope.encode(Kind.FIGURES)[0], told], door.now)
    assert door.roster.garbage == (depth > envelope.MAX_NESTED)
    assert envelope.encode(Kind.FIGURES, {"workers": door.roster.figures()})
