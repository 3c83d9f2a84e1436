"""What is known of all processes: metrics with bounded labels, totals that go on, and whether all is well."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker.counting import Clock
from slbroker.metrics.gathered import FORGET_AFTER, MAX_WORKERS, Gathered
from slbroker.metrics.model import MAX_LABEL, MAX_VALUES, Kind, fit, plain
from slbroker.metrics.table import BY_KIND

WORKER = {"name": "w1", "pool": "default", "credit": 4, "open": 0, "answered": 2}


def edge(name: str = "e1", **more: Any) -> dict[str, Any]:
    replies = {"INVITE": {"404": 10}}
    return {"name": name, "received": 10, "replied": 10, "codes": replies, "workers": [WORKER], **more}


def known(*figures: dict[str, Any]) -> Gathered:
    gathered = Gathered(3.0)
    for at, told in enumerate(figures):
        gathered.expect(f"tcp://127.0.0.1:{at}", 0.0, is_named=True)
        gathered.hear(f"tcp://127.0.0.1:{at}", told, 0.0)
    return gathered


def values(gathered: Gathered, name: str, now: float = 0.0) -> dict[tuple[str, ...], Any]:
    (family,) = [family for family in gathered.families(now) if family.name == name]
    return dict(family.rows)


def test_two_edges_whose_addresses_begin_alike_are_two() -> None:
    gathered = Gathered(3.0)
    for name in ("one", "two"):
        address = f"ipc:///run/{'long/' * 20}{name}"
        gathered.expect(address, 0.0, is_named=True)
        gathered.hear(address, edge(name), 0.0)
    assert len(values(gathered, "slbroker_up")) == len(values(gathered, "slbroker_edge_received_total")) == 2


printable = st.text(st.characters(min_codepoint=32, max_codepoint=126))


@given(printable, printable, st.sampled_from(["", "a" * MAX_LABEL]))
def test_the_labels_of_two_names_differ(one: str, other: str, before: str) -> None:
    assert (fit(before + one) == fit(before + other)) is (one == other)


@given(st.text(), st.sampled_from([0, MAX_LABEL]))
def test_a_label_is_short_and_printable(text: str, more: int) -> None:
    label = fit(text + "\u00e9" * more)
    assert len(label) <= MAX_LABEL
    assert label.isascii()
    assert label.isprintable()


# The table ------------------------------------------------------------------------------------------------------


def test_names_are_what_prometheus_wants() -> None:
    for kind, metrics in BY_KIND.items():
        assert len({metric.name for metric in metrics}) == len(metrics)
        for metric in metrics:
            assert re.fullmatch("[a-z][a-z0-9_]*", metric.name), "no colon, no capital"
            assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER), metric.name
            assert not re.search("_(ms|kb|milliseconds)$", metric.name), "base units"
            assert re.fullmatch(r".+\.", metric.help)
            assert kind not in metric.labels
            assert all(re.fullmatch("[a-z_]+", label) for label in metric.labels)


def test_each_process_has_its_counters_under_its_address() -> None:
    gathered = known(edge(), edge("e2", codes={"OPTIONS": {"200": 7}}))
    assert values(gathered, "slbroker_edge_replies_total") == {
        ("tcp://127.0.0.1:0", "INVITE", "404"): 10, ("tcp://127.0.0.1:1", "OPTIONS", "200"): 7,
    }  # fmt: skip


def test_a_histogram_comes_through() -> None:
    clock = Clock()
    clock.places[2], clock.sums[0] = 5, 0.25
    found = values(known(edge(seconds=clock.figures())), "slbroker_edge_request_duration_seconds")
    queue = found["tcp://127.0.0.1:0", "queue"]
    assert (queue.counts[2], sum(queue.counts), queue.sum) == (5, 5, 0.25)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=200) | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)
keys = st.sampled_from(
    ["name", "received", "dropped", "codes", "replies", "seconds", "batches", "tags", "pools", "workers", "edges",
     "connections", "shadow", "keys", "memory", "kind", "processes", "brokers"]
)  # fmt: skip


@given(st.lists(st.dictionaries(keys, anything, max_size=8), min_size=1, max_size=3))
def test_whatever_processes_tell_gives_metrics(told: list[dict[str, Any]]) -> None:
    gathered = known(*told)
    for family in gathered.families(0.0):
        for labels, _value in family.rows:
            assert len(labels) == len(family.labels)
            assert all(len(label) <= MAX_LABEL and label.isascii() and label.isprintable() for label in labels)
    gathered.counters().kamailio()
    gathered.hindrances(0.0)
    gathered.workers(0.0)


def test_label_sets_are_bounded_whatever_is_told() -> None:
    dropped = {f"cause {at}": 1 for at in range(100_000)}
    found = values(known(edge(dropped=dropped)), "slbroker_edge_dropped_total")
    assert len(found) == MAX_VALUES + 1
    assert sum(found.values()) == 100_000, "nothing is lost by it"


def test_workers_are_bounded_and_those_left_out_are_counted() -> None:
    workers = [{**WORKER, "name": f"w{at}", "told": {"served": 1}} for at in range(MAX_WORKERS + 5)]
    gathered = known(edge(workers=workers))
    assert len(values(gathered, "slbroker_worker_requests_total")) == MAX_WORKERS
    assert values(gathered, "slbroker_workers_left_out") == {(): 5.0}


def test_a_worker_of_two_edges_is_one_and_the_freshest_word_counts() -> None:
    old, new = ({**WORKER, "told": {"served": count, "uptime": count}} for count in (5, 9))
    for told in ((old, new), (new, old)):
        gathered = known(*(edge(f"e{at}", workers=[each]) for at, each in enumerate(told)))
        assert values(gathered, "slbroker_worker_requests_total") == {("w1", "default"): 9}


# In time --------------------------------------------------------------------------------------------------------


def test_one_that_is_silent_is_down_and_its_figures_are_not_shown() -> None:
    gathered = known(edge())
    assert values(gathered, "slbroker_up", 3.0) == {("edge", "tcp://127.0.0.1:0"): 1.0}
    assert values(gathered, "slbroker_up", 3.1) == {("edge", "tcp://127.0.0.1:0"): 0.0}
    assert values(gathered, "slbroker_edge_received_total", 3.1) == {}


def test_totals_go_on_when_an_edge_is_started_again() -> None:
    gathered = known(edge())
    gathered.hear("tcp://127.0.0.1:0", edge("e1 again", codes={"INVITE": {"404": 2}}), 1.0)
    assert gathered.counters().kamailio()["404_replies"] == 12
    gathered.hear("tcp://127.0.0.1:0", edge("e1 again", codes={"INVITE": {"404": 3}}), 2.0)
    assert gathered.counters().kamailio()["404_replies"] == 13


def test_one_that_was_found_is_forgotten_when_it_is_gone_and_one_that_was_named_is_not() -> None:
    gathered = known(edge())
    gathered.expect("tcp://127.0.0.1:9", 0.0, is_named=False)
    gathered.hear("tcp://127.0.0.1:9", edge("e9"), 1.0)
    assert gathered.forget(FORGET_AFTER) == []
    assert gathered.forget(FORGET_AFTER + 2) == ["tcp://127.0.0.1:9"]
    assert gathered.counters().kamailio()["404_replies"] == 20, "what it has counted stays"


# Whether all is well --------------------------------------------------------------------------------------------


def test_an_edge_that_is_up_is_healthy_and_without_handlers_not_ready() -> None:
    gathered = known(edge(workers=[]))
    assert gathered.ailments(0.0) == []
    assert gathered.hindrances(0.0) == ["edge tcp://127.0.0.1:0: it has no handlers"]


@pytest.mark.parametrize(
    ("workers", "unserved", "why"),
    [
        ([], ["default"], "it has no handlers"),
        ([], [], ""),
        ([{"name": "w"}], ["premium", "a/b"], "it has no handlers in pool premium, a/b"),
        ([{"name": "w"}], [], ""),
        ([{"name": "w"}], 7, ""),
    ],
)
def test_an_edge_is_ready_when_every_pool_that_requests_are_led_to_has_handlers(
    workers: list[dict[str, object]], unserved: object, why: str
) -> None:
    """An edge that only forwards needs none."""
    gathered = known(edge(workers=workers, unserved=unserved))
    assert gathered.hindrances(0.0) == ([f"edge tcp://127.0.0.1:0: {why}"] if why else [])


@pytest.mark.parametrize(("behind", "ready"), [(0, False), (2, True)])
def test_handlers_behind_a_broker_count(behind: int, ready: bool) -> None:
    gathered = known(edge(workers=[{"name": "b", "broker": True, "workers": behind}]))
    assert (gathered.hindrances(0.0) == []) is ready


def test_an_edge_that_is_silent_is_named() -> None:
    gathered = known(edge())
    assert gathered.ailments(9.0) == ["edge tcp://127.0.0.1:0 does not answer on the bus"]
    assert gathered.hindrances(9.0) == ["no edge answers on the bus"]


def test_handlers_that_answer_nothing_make_an_edge_unready_until_they_do() -> None:
    gathered = known(edge(shed=0))
    gathered.hear("tcp://127.0.0.1:0", edge(shed=5), 1.0)
    assert "refused or lost" in gathered.hindrances(1.0)[0]
    assert gathered.ailments(1.0) == [], "it is up"
    gathered.hear("tcp://127.0.0.1:0", edge(shed=5, replied=11), 2.0)
    assert gathered.hindrances(2.0) == []


@given(st.dictionaries(st.text(max_size=9) | st.integers() | st.binary(max_size=3), anything, max_size=8))
def test_whatever_a_process_tells_is_json_that_browsers_read(told: dict[Any, Any]) -> None:
    assert json.loads(json.dumps(plain(told), allow_nan=False)) == plain(told)


def test_what_is_nested_without_end_is_cut() -> None:
    deep: Any = 1
    for _ in range(500):
        deep = {"x": [deep]}
    assert len(json.dumps(plain(deep))) < 200


# Who is who -----------------------------------------------------------------------------------------------------


def test_a_process_that_is_asked_at_two_addresses_counts_once() -> None:
    """As localhost and 127.0.0.1; or as a broker's two sockets, of which people name one and edges tell the other."""
    gathered = known(
        edge(id="a1"), edge(id="a1"), {"kind": "broker", "name": "b", "id": "b1", "taken": 3}, edge(id="a2")
    )
    assert len(values(gathered, "slbroker_up")) == 4
    assert {who: count for (who,), count in values(gathered, "slbroker_edge_received_total").items()} == {
        "tcp://127.0.0.1:0": 10, "tcp://127.0.0.1:3": 10,
    }  # fmt: skip
    assert gathered.counters().kamailio()["404_replies"] == 20
    assert [each.address[-1] for each in gathered.distinct(0.0)] == ["0", "2", "3"]


@given(
    st.lists(
        st.tuples(st.sampled_from(["work", "hear", "move", "anew"]), st.integers(0, 2), st.integers(0, 2)), max_size=40
    )
)
def test_what_is_counted_all_in_all_is_what_each_process_has_told_last(does: list[tuple[str, int, int]]) -> None:
    """Whatever addresses lead to whom: edges in containers, started again with the same name and process number."""
    gathered = Gathered(3.0)
    counts, uptime, where = {0: 0}, {0: 0}, [0, 0, 0]
    told: dict[int, int] = {}
    for address in range(3):
        gathered.expect(str(address), 0.0, is_named=True)
    for what, address, other in does:
        if what == "work":
            counts[where[address]] += 1
        elif what == "anew":
            where[address] = new = len(counts)
            counts[new] = uptime[new] = 0
        elif what == "move":
            where[address] = where[other]
        else:
            process = where[address]
            uptime[process] += 1
            told[process] = counts[process]
            figures = {"name": "host:1", "id": f"p{process}", "uptime": uptime[process]}
            gathered.hear(str(address), {**figures, "codes": {"INVITE": {"200": counts[process]}}}, 0.0)
        assert gathered.counters().kamailio()["200_replies"] == sum(told.values())


def test_one_of_another_version_is_told_of_once_and_by_its_cause() -> None:
    gathered = known(edge(id="a1"))
    address, why = "tcp://127.0.0.1:0", "protocol version 2, this end speaks 1"
    assert [gathered.misread(address, why) for _ in range(3)] == [True, False, False]
    assert gathered.ailments(0.0) == [], "what it has told counts for a while"
    assert gathered.ailments(10.0) == [f"edge {address} cannot be read: {why}"]
    gathered.hear(address, edge(id="a1"), 10.0)
    assert gathered.ailments(10.0) == []
    assert gathered.misread(address, why)
