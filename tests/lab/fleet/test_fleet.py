"""Three of the fifty edges of `make fleet`; and how that judges what it sees."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab.fleet.fleet import Outcome, Round, check, judge, run
from tests.lab.fuzz.memory import Usage

PIDS = {"ipc:///a": 11, "ipc:///b": 12}


def test_three_edges_come_and_go_three_times() -> None:
    pytest.importorskip("starlette", reason="the extra monitor is not installed")
    outcome = run(3, 3)
    check(outcome)
    assert len(outcome.rounds) == 3


def shown(**pids: int) -> list[dict[str, Any]]:
    return [
        {"address": f"ipc:///{name}", "up": pid > 0, "figures": {"name": f"host:{pid}:abc"}}
        for name, pid in pids.items()
    ]


def test_what_is_shown_wrongly() -> None:
    assert judge(shown(a=11, b=12), PIDS) == []
    assert "of host:11:abc, not of 12" in judge(shown(a=11, b=11), PIDS)[0]
    assert "is shown as gone" in judge(shown(a=11, b=0), PIDS)[0]
    assert "1 are shown" in judge(shown(a=11), PIDS)[0]
    assert "3 are shown, 2 of them once" in judge([*shown(a=11, b=12), *shown(a=11)], PIDS)[0]


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (Round(1.0, 1.0, Usage(1_000, 31), 500), "31 files, 30 before"),
        (Round(1.0, 1.0, Usage(1_000, 30), 501), "501 lines"),
        (Round(1.0, 1.0, Usage(9_000, 30), 500), "grows"),
    ],
)
def test_what_is_not_well(last: Round, said: str) -> None:
    first = Round(1.0, 1.0, Usage(500, 10), 9)
    good = Round(1.0, 1.0, Usage(1_000, 30), 500)
    check(Outcome([first, good, good]))
    with pytest.raises(AssertionError, match=said):
        check(Outcome([first, good, last]))
    with pytest.raises(AssertionError):
        check(Outcome([first, good, good], ["wrong"]))
