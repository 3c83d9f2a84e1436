"""The figures of a process as lines: nothing that a machine says stands there as it came."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slbroker.commands.describe import describe
from slbroker.counting import BOUNDS, SIZES, Spread

TIMES = Spread(BOUNDS)
TIMES.note(0.0004, 98)
TIMES.note(0.2, 2)
BATCHES = Spread(SIZES)
BATCHES.note(4, 3)
WORKER = {"name": "w1", "pool": "default", "credit": 4, "open": 1, "answered": 2}
FIGURES = {
    "name": "e1", "version": "1.2", "received": 100, "dropped": {"stun": 1}, "brokers": [],
    "codes": {"INVITE": {"404": 7, "486": 1}}, "seconds": {"whole": TIMES.figures()}, "batches": BATCHES.figures(),
    "tags": {"0a1b": {"verified": 3, "refused": 0}, "0a1c": {"verified": 0, "refused": 0}},
    "keys": {"signs": "0a1b-89abcdef", "known": ["0a1b-89abcdef"]},
    "workers": [{**WORKER, "told": {"served": 9, "errors": 0, "version": "1.2", "seconds": TIMES.figures()}}],
}  # fmt: skip


def lines(**before: object) -> list[str]:
    return [" ".join(line.split()) for line in describe(FIGURES, before or None)]


def test_counts_are_said_in_words() -> None:
    assert lines() == [
        "edge e1", "version 1.2", "received 100", "dropped: stun 1", "sent: INVITE 404 7", "sent: INVITE 486 1",
        "time: whole mean 0.00439 s, 50% within 0.0005 s, 99% within 0.25 s", "requests in a batch 4",
        "tags: key 0a1b verified 3, refused 0", "signs with key 0a1b-89abcdef",
        "worker w1: pool default, credit 4, open 1, answered 2, served 9, errors 0, version 1.2,"
        " handlers mean 0.00439 s, 50% within 0.0005 s, 99% within 0.25 s",
    ]  # fmt: skip


def test_what_has_changed_is_said_behind_it() -> None:
    changed = lines(received=90, dropped={"stun": 1}, codes={"INVITE": {"404": 5}})
    assert {"received 100 +10", "dropped: stun 1", "sent: INVITE 404 7 +2", "sent: INVITE 486 1"} <= {*changed}


def test_no_time_at_all_has_no_line() -> None:
    empty = {"name": "e", "seconds": {"whole": Spread(BOUNDS).figures()}, "batches": Spread(SIZES).figures()}
    assert list(describe(empty)) == ["edge e"]


def test_each_handler_and_next_hop_has_a_line() -> None:
    told = {"handlers": {"look_up": {"requests": 5, "replies": 3, "failures": 1}}}
    figures = {
        "name": "e",
        "hops": {"": {"sip:10.0.0.5": 7}, "1": {"sip:10.0.0.6": 2}},
        "workers": [WORKER | {"told": told}],
    }
    assert [" ".join(line.split()) for line in describe(figures, {"hops": {"": {"sip:10.0.0.5": 4}}})] == [
        "edge e", "forwarded: sip:10.0.0.5 7 +3", "forwarded: group 1 sip:10.0.0.6 2",
        "worker w1: pool default, credit 4, open 1, answered 2",
        "handler look_up: requests 5, replies 3, failures 1",
    ]  # fmt: skip


KEYS = st.sampled_from(
    [*FIGURES, "pools", "groups", "edges", "hops", "told", "handlers", "replies", "counts", "sum", "x"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(TIMES.figures()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
)


@given(st.dictionaries(KEYS, VALUES), st.dictionaries(KEYS, VALUES))
def test_whatever_a_process_of_another_version_tells_is_shown(
    told: dict[str, object], before: dict[str, object]
) -> None:
    assert list(describe(told, before))
