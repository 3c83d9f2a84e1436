"""Some of the ten million strings that `make strangers` says; and how that judges what it sees."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from slbroker.sip.parser import parse
from tests.lab.fuzz.memory import Sample, Usage
from tests.lab.fuzz.strangers import EACH, MARK, MAX_SHORT_GROWTH, Outcome, check, message, report, run


def test_twenty_thousand_strange_strings() -> None:
    pytest.importorskip("starlette", reason="the extra monitor is not installed")
    outcome = run(20_000, 4_000, samples=20, quiet=True)
    check(outcome, MAX_SHORT_GROWTH)
    assert outcome.sent >= 20_000 / EACH
    assert "monitor" in report(outcome)


def test_a_message_has_that_many_strings_of_its_own() -> None:
    for number in (1, 2, 3, 4, 64):
        data = message(number)
        if number != 64:  # which is refused
            assert parse(data).call_id == f"c{MARK}{number}".encode()
        strings = set(re.findall(rf"(?i)\w*{MARK}{number}\b", data.decode()))
        assert len(strings) >= EACH, strings
        assert not strings & set(re.findall(rf"(?i)\w*{MARK}\d+\b", message(number + 1).decode()))


def samples(*sizes: int) -> list[Sample]:
    return [Sample(at, at, 0.001, {"monitor": Usage(size, 3)}) for at, size in enumerate(sizes, 1)]


def test_what_is_not_well() -> None:
    good = Outcome(samples(*[1_000] * 20), [100] * 5 + [120] * 15)
    check(good, 8)
    with pytest.raises(AssertionError, match="words are in metrics"):
        check(replace(good, told=["x"]), 8)
    with pytest.raises(AssertionError, match="series come and go"):
        check(replace(good, series=[120] * 19 + [121]), 8)
    with pytest.raises(AssertionError, match="monitor grows"):
        check(replace(good, samples=samples(*range(1_000, 1_200, 10))), 8)
