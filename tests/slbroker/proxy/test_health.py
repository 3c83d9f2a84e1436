"""States of destinations as dispatcher has them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker.errors import ConfigError
from slbroker.proxy.health import ALL_FLAGS, Event, Health, ProbingMode, Rules, State, counted_statuses

A, F, M, D, E = Event.ANSWERED, Event.FAILED, Event.MISSED, Event.DISABLE, Event.ENABLE
EVENTS = {"a": A, "f": F, "m": M, "D": D, "E": E}


def states(flags: int, events: str, rules: Rules) -> str:
    """The letter of the state after each event."""
    health = Health.of_flags(flags)
    letters = ""
    for event in events:
        health = health.after(EVENTS[event], rules)
        letters += health.state.value
    return letters


@pytest.mark.parametrize(
    ("flags", "probing", "inactive", "events", "after"),
    [
        (0, 1, 1, "faf", "IAI"),
        (0, 3, 1, "fff", "TTI"),
        (0, 3, 1, "ffafff", "TTATTI"),
        (0, 1, 3, "faaa", "IIIA"),
        (0, 1, 3, "faafaaa", "IIIIIIA"),
        (0, 2, 2, "ffaaff", "TIIATI"),
        (1, 1, 1, "a", "A"),
        (1, 1, 2, "aa", "IA"),
        (2, 2, 1, "f", "T"),
        (4, 1, 1, "aafE", "DDDA"),
        (0, 1, 1, "DafEf", "DDDAI"),
        (0, 2, 1, "fDEf", "TDAT"),
    ],
)
def test_events_and_states(flags: int, probing: int, inactive: int, events: str, after: str) -> None:
    assert states(flags, events, Rules(probing, inactive)) == after


@pytest.mark.parametrize(
    ("flags", "letters", "usable"),
    [(0, "AX", True), (1, "IX", False), (2, "TX", True), (4, "DX", False), (5, "DX", False), (8, "AP", True),
     (9, "IP", False), (16, "AX", True), (32, "AX", True)],
)  # fmt: skip
def test_what_a_destination_begins_with(flags: int, letters: str, usable: bool) -> None:
    assert (Health.of_flags(flags).letters, Health.of_flags(flags).usable) == (letters, usable)


@pytest.mark.parametrize(
    ("flags", "modes"),
    [
        (0, "1"),
        (1, "1"),
        (2, "1"),
        (4, ""),
        (8, "013"),
        (9, "0123"),
        (10, "013"),
        (12, ""),
        (32, ""),
        (40, ""),
        (16, "1"),
    ],
)
def test_which_are_pinged(flags: int, modes: str) -> None:
    pinged = "".join(str(mode.value) for mode in ProbingMode if Health.of_flags(flags).is_pinged(mode))
    assert pinged == modes


@pytest.mark.parametrize(
    ("mode", "events", "letters"),
    [
        (0, "amf", ["AX", "IX", "IP"]), (0, "ff", ["IP", "IP"]),
        (1, "ama", ["AP", "IP", "AP"]),
        (2, "fma", ["IP", "IP", "AX"]),
        (3, "afa", ["AX", "IP", "AP"]),
    ],
)  # fmt: skip
def test_whom_a_request_has_lost_is_pinged_in_every_mode(mode: int, events: str, letters: list[str]) -> None:
    health, seen = Health(), []
    for event in events:
        health = health.after(EVENTS[event], Rules(mode=ProbingMode(mode)))
        seen.append(health.letters)
    assert seen == letters
    assert Health().after(F, Rules(mode=ProbingMode(mode))).is_pinged(ProbingMode(mode))


@given(st.integers(0, ALL_FLAGS), st.text("afmDE"), st.integers(1, 5), st.integers(1, 5))
def test_laws(flags: int, events: str, probing: int, inactive: int) -> None:
    """So many failures on end bring anybody down, so many successes up; only ENABLE ends DISABLE."""
    rules = Rules(probing, inactive)
    after = states(flags, events + "f" * probing, rules)
    assert after[-1] in "ID"
    up = states(flags, events + "a" * inactive, rules)
    assert up[-1] in "AD"
    if events.rfind("D") > events.rfind("E"):
        assert after[-1] == up[-1] == "D"
    assert Health(State.ACTIVE).after(A) == Health(State.ACTIVE, probing=True)


@pytest.mark.parametrize(
    ("text", "counted", "others"),
    [
        ("", (200,), (201, 404, 503)),
        ("class=2", (200, 299), (300, 404)),
        ("class=2;code=403;code=488;class=3", (204, 302, 403, 488), (404, 503)),
        (" code = 404 ;", (200, 404), (403,)),
    ],
)
def test_which_answers_count(text: str, counted: tuple[int, ...], others: tuple[int, ...]) -> None:
    counts = counted_statuses(text)
    assert all(map(counts, counted))
    assert not any(map(counts, others))


@pytest.mark.parametrize("text", ["200", "code=99", "class=7", "code=4040", "class2", "2xx"])
def test_reply_codes_that_say_nothing_are_told(text: str) -> None:
    with pytest.raises(ConfigError, match="class=2;code=403"):
        counted_statuses(text)
