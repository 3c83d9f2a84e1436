"""What the page shows: sums and rates over edges, who is down, bounded whatever is told."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from slbroker.counting import Clock
from slbroker.metrics.gathered import Gathered
from slbroker.metrics.trend import Trend
from slbroker.monitor.board import MAX_LINES, MAX_ROWS, board, worker_key


def figures(at: int = 0, name: str = "e1", **more: Any) -> dict[str, Any]:
    clock = Clock()
    clock.places[3] = clock.places[2 * 17 + 3] = 10 * at
    keys = {"signs": ["1:aa"], "known": ["1:aa"]}
    told = {"name": f"w of {name}", "uptime": 5.0 + at, "served": 10 * at, "open": 2, "keys": keys}
    worker = {"name": f"w of {name}", "pool": "default", "credit": 8, "open": 2, "told": told}
    return {
        "name": name, "uptime": 5.0 + at, "received": 12 * at, "replied": 10 * at, "absorbed": 2 * at, "in_flight": 1,
        "codes": {"INVITE": {"404": 10 * at}}, "causes": {"no worker": at}, "dropped": {"ack": 2 * at},
        "seconds": clock.figures(), "keys": {"signs": "1:aa", "known": ["1:aa"]}, "workers": [worker],
        "pools": {"default": {"workers": 1, "open": 2, "credit": 8, "waiting": 3, "oldest": 0.1}}, **more,
    }  # fmt: skip


class Watch:
    """What a monitor would know."""

    def __init__(self) -> None:
        self.known, self.trend = Gathered(3.0), Trend()

    def hear(self, address: str, told: dict[str, Any], now: float = 0.0) -> None:
        self.known.expect(address, now, is_named=True)
        self.known.hear(address, told, now)
        self.trend.hear(address, told)
        for name, worker in self.known.workers(now).items():
            self.trend.hear(worker_key(name), worker)

    def show(self, now: float = 0.0) -> dict[str, Any]:
        return board(self.known, self.trend, now)


def both() -> Watch:
    watch = Watch()
    for at in (0, 1, 2):
        watch.hear("tcp://h:1", figures(at), at)
        watch.hear("tcp://h:2", figures(at, "e2"), at)
    return watch


def test_two_edges_are_summed_up() -> None:
    shown = both().show(2.0)
    assert (shown["totals"]["received"], shown["rates"]["received"]) == (48, 24)
    assert shown["codes"] == [{"method": "INVITE", "code": "404", "total": 40, "rate": 20.0}]
    assert shown["causes"][0] == {"kind": "causes", "cause": "no worker", "total": 4, "rate": 2.0}
    whole = next(each for each in shown["stages"] if each["stage"] == "whole")
    assert (whole["count"], whole["p50"], whole["p99"]) == (40, 0.001, 0.001)
    assert [(each["name"], each["rate"], each["open"], each["credit"]) for each in shown["workers"]] == [
        ("w of e1", 10.0, 2, 8), ("w of e2", 10.0, 2, 8),
    ]  # fmt: skip
    assert shown["pools"] == [
        {"name": "default", "workers": 2, "open": 4.0, "credit": 16.0, "waiting": 6.0, "oldest": 0.1}
    ]
    assert shown["keys"]["state"] == "agree"


def test_an_edge_that_is_silent_is_down_and_adds_nothing() -> None:
    watch = both()
    watch.hear("tcp://h:2", figures(8, "e2"), 8.0)
    shown = watch.show(8.0)
    assert [(each["address"], each["up"], each["received"]) for each in shown["edges"]] == [
        ("tcp://h:1", False, None), ("tcp://h:2", True, 12.0),
    ]  # fmt: skip
    assert shown["edges"][0]["silent"] == 6.0
    assert shown["rates"]["received"] == 12.0
    assert shown["healthz"] == ["edge tcp://h:1 does not answer on the bus"]
    assert [each["name"] for each in shown["workers"]] == ["w of e2"]


def test_lines_of_all_logs_the_newest_first() -> None:
    watch = Watch()
    watch.hear("tcp://h:1", figures(log=[(5.0, "WARNING", "old"), (7.0, "ERROR", "<script>")]))
    watch.hear("tcp://h:2", figures(log=[(6.0, "WARNING", "between")] * MAX_LINES))
    shown = watch.show()["log"]
    assert shown[0] == {"at": 7.0, "who": "tcp://h:1", "level": "ERROR", "text": "<script>"}
    assert len(shown) == MAX_LINES


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40) | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=10,
)
keys = st.sampled_from([*figures(), "log", "kind", "connections", "brokers"])


@given(st.lists(st.dictionaries(keys, anything, max_size=8), min_size=1, max_size=3))
def test_whatever_is_told_there_is_a_board(told: list[dict[str, Any]]) -> None:
    watch = Watch()
    for each in told:
        watch.hear("tcp://h:1", each)
    json.dumps(watch.show(), allow_nan=False)


def test_a_crowd_is_bounded() -> None:
    watch = Watch()
    workers = [{"name": f"w{at}", "pool": f"p{at}", "credit": 1, "told": {"served": 1}} for at in range(2_000)]
    watch.hear("tcp://h:1", figures(workers=workers, codes={f"M{at}": {"200": 1} for at in range(2_000)}))
    shown = watch.show()
    assert [len(shown[name]) for name in ("workers", "pools", "codes")] == [MAX_ROWS] * 3
    assert shown["workers_left_out"] == 2_000 - MAX_ROWS
