"""Whether key rings agree, in the four ways that they can."""

from __future__ import annotations

from typing import Any

import pytest

from slbroker.metrics.gathered import Process
from slbroker.monitor.keyrings import keyrings


def edge(signs: str, *known: str) -> Process:
    return Process("tcp://h:1", figures={"keys": {"signs": signs, "known": known}})


def worker(signs: str, *known: str) -> dict[str, Any]:
    return {"name": "w", "keys": {"signs": [signs], "known": known}}


@pytest.mark.parametrize(
    ("edges", "workers", "state"),
    [
        ([], [], "none"),
        ([Process("tcp://h:1", figures={})], [{"name": "w"}], "none"),
        ([edge("1:a", "1:a", "2:b")], [worker("1:a", "1:a")], "agree"),
        ([edge("2:b", "1:a", "2:b")], [worker("1:a", "1:a", "2:b")], "rotating"),
        ([edge("1:a", "1:a")], [worker("2:b", "2:b")], "differ"),
        ([edge("1:a", "1:a"), edge("2:b", "1:a", "2:b")], [], "differ"),
    ],
)
def test_state(edges: list[Process], workers: list[dict[str, Any]], state: str) -> None:
    found = keyrings(edges, workers)
    assert found["state"] == state
    assert bool(found["lost"]) == (state == "differ")


def test_each_key_has_who_signs_and_who_lacks_it() -> None:
    rows = keyrings([edge("1:a", "1:a")], [worker("2:b", "2:b")])["rows"]
    assert rows == [
        {"key": "1:a", "signs": ["tcp://h:1"], "known": 1, "lacking": ["w"]},
        {"key": "2:b", "signs": ["w"], "known": 1, "lacking": ["tcp://h:1"]},
    ]
