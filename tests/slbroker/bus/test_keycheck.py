"""Ends of the bus with other key rings: what each tells, and whom it warns of, how often."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker.bus import envelope
from slbroker.bus.envelope import Kind
from slbroker.bus.keycheck import AGAIN, MAX_LABELS, MAX_LETTERS, PATIENCE, KeyCheck, Labels, as_words, read_labels
from slbroker.bus.losses import Losses
from slbroker.bus.membership import Membership
from slbroker.bus.roster import OTHER_KEYS
from slbroker.errors import EnvelopeError
from slbroker.keys import KeyRing
from tests.slbroker.somekeys import NOW
from tests.support.bus import START, Desk, hello

if TYPE_CHECKING:
    from collections.abc import Callable

RING = KeyRing.generate()
OTHER = KeyRing.generate()
OURS = Labels.of(RING, NOW)
THEIRS = Labels.of(OTHER, NOW)
WRONG: list[object] = [
    None, "0a1b-89abcdef", b"0a1b", 7, {}, {"a": 1}, [b"0a1b-89abcdef"], ["a", 1], [None], [""],
    ["a" * (MAX_LETTERS + 1)], ["a\nb"], ["\x1b[31m"], ["\u00e9"], [str(number) for number in range(MAX_LABELS + 1)],
    [["a"]], True, 1.5,
]  # fmt: skip


def info_of(labels: Labels) -> dict[str, Any]:
    """What a worker with these keys puts into its HELLO."""
    return as_words(signs=labels.signs, keys=labels.keys)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    caplog.clear()
    return found


# What is told ---------------------------------------------------------------------------------------------------


def test_what_is_told_of_a_ring_is_no_secret() -> None:
    told = repr(info_of(OURS))
    for key in RING.all_keys():
        assert key.label in told
        assert key.secret.hex() not in told
        assert len(key.label) == 13


def test_two_rings_with_the_same_ids_are_told_apart() -> None:
    from dataclasses import replace

    twin = KeyRing(replace(OTHER.current, id=RING.current.id), replace(OTHER.next, id=RING.next.id))
    assert Labels.of(twin, NOW).unknown_to(OURS.keys) == {twin.current.label}


def test_after_one_rotation_both_ends_know_what_the_other_signs_with_whoever_was_told_first() -> None:
    rotated = Labels.of(RING.rotate(NOW), NOW)
    assert not rotated.unknown_to(OURS.keys)
    assert not OURS.unknown_to(rotated.keys)
    twice = Labels.of(RING.rotate(NOW).rotate(NOW), NOW)
    assert twice.unknown_to(OURS.keys)
    assert not OURS.unknown_to(twice.keys)


def test_a_ring_with_more_keys_than_can_be_told_tells_nothing() -> None:
    ring = RING
    for _ in range(MAX_LABELS):
        ring = ring.rotate(NOW)
    assert info_of(Labels.of(ring, NOW)) == {"signs": [ring.current.label]}


@pytest.mark.parametrize("value", WRONG)
@pytest.mark.parametrize("key", ["signs", "keys"])
def test_a_hello_with_ill_formed_labels_is_garbage_and_harms_nobody(key: str, value: object) -> None:
    desk = Desk()
    desk.join("good")
    desk.say("bad", Kind.HELLO, hello("bad") | {key: value})
    assert desk.dispatcher.garbage == 1
    assert list(desk.dispatcher.workers) == [b"good"]
    assert desk.kinds() == {}


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda some: st.lists(some) | st.dictionaries(st.text() | st.binary() | st.integers(0, 9), some),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["signs", "keys", "edge", "later"]), anything))
def test_whatever_a_peer_tells_of_its_keys_nobody_falls(told: dict[str, Any]) -> None:
    desk = Desk()
    desk.dispatcher.use_keys(OURS.keys, desk.now)
    desk.receive("w", envelope.encode(Kind.HELLO, hello("w") | {k: v for k, v in told.items() if k != "edge"}))
    desk.expire(PATIENCE + 0.1)
    desk.dispatcher.figures()
    member = Membership(hello())
    member.receive(envelope.encode(Kind.WELCOME, {"edge": "e"} | told), START)
    keys = member.edge_keys
    assert keys is None or keys == frozenset(told["keys"])


def test_labels_are_read_as_they_were_told() -> None:
    for labels in (OURS, Labels(frozenset(), frozenset()), Labels()):
        info = info_of(labels)
        assert Labels(read_labels(info, "signs"), read_labels(info, "keys")) == labels
    with pytest.raises(EnvelopeError):
        read_labels({"keys": "abc"}, "keys")


# Who is warned of, and when -------------------------------------------------------------------------------------


@pytest.fixture
def desk() -> Desk:
    made = Desk()
    made.dispatcher.use_keys(OURS.keys, made.now)
    return made


def greet(desk: Desk, labels: Labels, name: str = "w") -> None:
    desk.say(name, Kind.HELLO, hello(name) | info_of(labels))


def expire_slowly(desk: Desk, seconds: float) -> None:
    end = desk.now + seconds
    while desk.now < end:
        for name in list(desk.dispatcher.workers):
            desk.say(name.decode(), Kind.HEARTBEAT)
        desk.expire(min(0.25, end - desk.now))


def test_a_worker_with_another_ring_is_warned_of_once_a_minute(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    greet(desk, THEIRS)
    expire_slowly(desk, PATIENCE + 0.5)
    key = OTHER.current
    assert warnings(caplog) == [
        f"worker w signs with a key that is not known here ({key.id.decode()}, fingerprint {key.fingerprint}): ACKs to"
        " its replies are let through, not absorbed; give both ends the same --keys file"
    ]
    for _ in range(20):  # a HELLO again, as for another credit, is no news
        greet(desk, THEIRS)
    expire_slowly(desk, AGAIN - 1)
    assert not warnings(caplog)
    expire_slowly(desk, 2)
    assert len(warnings(caplog)) == 1
    (figures,) = desk.dispatcher.figures()
    assert figures["unknown_keys"] == [key.label]


@pytest.mark.parametrize("labels", [OURS, Labels.of(RING.rotate(NOW), NOW), Labels(), Labels(None, THEIRS.keys)])
def test_the_same_ring_one_rotation_and_an_older_version_are_not_warned_of(
    desk: Desk, caplog: pytest.LogCaptureFixture, labels: Labels
) -> None:
    greet(desk, labels)
    expire_slowly(desk, AGAIN + 5)
    assert not warnings(caplog)
    assert "unknown_keys" not in desk.dispatcher.figures()[0]


def test_an_edge_two_rotations_behind_says_that_the_ring_was_rotated(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    greet(desk, Labels.of(RING.rotate(NOW).rotate(NOW), NOW))
    expire_slowly(desk, PATIENCE + 0.5)
    (line,) = warnings(caplog)
    assert line.endswith("the ring was rotated, and not all have its new file")


def test_words_that_change_nothing_do_not_put_the_warning_off(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(8):
        greet(desk, THEIRS)
        desk.expire(0.25)
    assert len(warnings(caplog)) == 1


@pytest.mark.parametrize("mend", [
    lambda desk: greet(desk, OURS),
    lambda desk: desk.dispatcher.use_keys(THEIRS.keys, desk.now),
    lambda desk: desk.dispatcher.lose(b"w", desk.now, "gone"),
])  # fmt: skip
@pytest.mark.parametrize("after", [PATIENCE / 2, PATIENCE + 0.5])
def test_when_it_is_mended_there_is_silence(
    desk: Desk, caplog: pytest.LogCaptureFixture, mend: Callable[[Desk], None], after: float
) -> None:
    greet(desk, THEIRS)
    expire_slowly(desk, after)
    warnings(caplog)
    mend(desk)
    warnings(caplog)  # that a worker is lost
    expire_slowly(desk, 2 * AGAIN)
    assert not warnings(caplog)
    assert not desk.dispatcher._key_check._peers


def test_a_worker_that_comes_and_goes_is_warned_of_no_more_often(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    said = 0
    for _ in range(40):
        greet(desk, THEIRS)
        expire_slowly(desk, PATIENCE + 0.5)
        desk.dispatcher.lose(b"w", desk.now, "gone")
        said += sum("signs with a key" in line for line in warnings(caplog))
    assert said in (1, 2)


def test_a_change_of_the_edges_ring_is_told_to_its_workers(desk: Desk) -> None:
    greet(desk, OURS)
    assert desk.kinds() == {"w": [Kind.WELCOME]}
    desk.dispatcher.use_keys(OURS.keys, desk.now)
    assert desk.kinds() == {}, "that is no change"
    desk.dispatcher.use_keys(THEIRS.keys, desk.now)
    ((_identity, frames),) = desk.dispatcher.send(desk.now)
    assert frozenset(envelope.decode_info(frames[1])["keys"]) == THEIRS.keys


def test_a_thousand_workers_with_another_ring_are_no_flood(caplog: pytest.LogCaptureFixture) -> None:
    check = KeyCheck(Losses(logging.getLogger("slbroker.test")), OTHER_KEYS)
    for number in range(1_000):
        check.note(f"w{number}", THEIRS, OURS.keys, START)
    check.look(START + PATIENCE)
    assert len(warnings(caplog)) == 100
