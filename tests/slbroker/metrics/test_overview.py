"""What goes on at this moment: rates between two times that processes told their figures."""

from __future__ import annotations

from typing import Any

from slbroker.counting import BOUNDS, Spread
from slbroker.metrics.overview import Table, overview


def edge(count: int, *times: float, **more: Any) -> dict[str, Any]:
    spread = Spread(BOUNDS)
    for each in times:
        spread.note(each)
    told = {"served": count, "uptime": 1, "errors": 2, "resident": 30_000_000, "version": "1.2"}
    worker = {"name": "w1", "pool": "default", "credit": 8, "open": 1, "told": told}
    return {
        "name": "e1", "received": 2 * count, "replied": count, "absorbed": count, "codes": {"INVITE": {"404": count}},
        "seconds": {"whole": spread.figures()}, "workers": [worker],
        "pools": {"default": {"workers": 1, "open": 1, "credit": 8, "waiting": 3, "oldest": 0.02}}, **more,
    }  # fmt: skip


def tables(now: list[dict[str, Any]], before: list[dict[str, Any]]) -> dict[str, Table]:
    return {table.title: table for table in overview(now, before, 2.0)}


def row(table: Table) -> dict[str, str]:
    (cells,) = table.rows
    return dict(zip(table.columns, cells, strict=True))


def test_counters_become_rates() -> None:
    found = tables([edge(300)], [edge(100)])
    assert row(found["Edges"])["in/s"] == "200"
    assert row(found["Replies"]) == {"method": "INVITE", "status": "404", "a second": "100", "in all": "300"}
    assert row(found["Workers"]) == {
        "worker": "w1", "pool": "default", "served/s": "100", "has": "1 of 8", "p99": "-", "errors": "2", "MB": "30",
        "version": "1.2",
    }  # fmt: skip
    assert row(found["Pools"])["oldest"] == "20 ms"


def test_what_was_not_there_before_has_no_rate() -> None:
    found = tables([edge(300)], [])
    assert row(found["Edges"])["in/s"] == "-"
    assert row(found["Replies"])["a second"] == "-"


def test_the_99th_percentile_is_of_what_ended_since() -> None:
    slow = [2.0] * 50
    assert row(tables([edge(9, *slow, 0.0004)], [edge(5, *slow)])["Edges"])["p99"] == "0.5 ms"
    assert row(tables([edge(9, *slow)], [edge(5, *slow)])["Edges"])["p99"] == "-"
    assert row(tables([edge(9, 60.0)], [edge(5)])["Edges"])["p99"] == "> 10 s"


def test_a_broker_has_a_table_of_its_own() -> None:
    broker = {"name": "b1", "kind": "broker", "taken": 30, "answered": 20, "workers": [], "edges": []}
    found = tables([edge(3), broker], [edge(3), {**broker, "taken": 10}])
    assert row(found["Brokers"])["in/s"] == "10"
    assert len(found["Edges"].rows) == 1
