"""One broker: batches pass, pools are offered, and it ends."""

from __future__ import annotations

from slbroker.bus import envelope
from slbroker.bus.account import MAX_CREDIT, MAX_NAME, Offer
from slbroker.bus.envelope import Kind
from tests.slbroker.broker.counter import SETTINGS, Counter, holding

# Batches pass through -------------------------------------------------------------------------------------------


def test_a_batch_and_its_answers_pass_unopened_under_other_routes(counter: Counter) -> None:
    counter.join("w1")
    counter.link()
    _head, body = counter.requests("e1", b"edge's", 2)
    ((worker, batch_id, size, passed),) = counter.batches()
    assert (worker, size, passed) == ("w1", 2, body)
    assert batch_id != b"edge's"
    assert len(batch_id) == 8
    _head, body = counter.replies("w1", batch_id, 2)
    assert counter.answers() == [("e1", b"edge's", 2, body)]
    assert counter.fates() == {"answered": 2}


def test_answers_may_come_in_parts(counter: Counter) -> None:
    counter.join("w1")
    counter.link()
    counter.requests("e1", b"r", 3)
    ((_, batch_id, _, _),) = counter.batches()
    counter.replies("w1", batch_id, 1)
    assert counter.fates() == {"answered": 1, "in_flight": 2}
    counter.replies("w1", batch_id, 2)
    assert [size for _edge, _route, size, _body in counter.answers()] == [1, 2]
    assert counter.fates() == {"answered": 3}


def test_the_worker_with_the_fewest_open_requests_gets_the_batch(counter: Counter) -> None:
    counter.join("small", credit=4)
    counter.join("large", credit=9)
    counter.link()
    for number in range(6):
        counter.requests("e1", b"%d" % number, 2)
    assert [worker for worker, _, _, _ in counter.batches()] == ["small", "large"] * 2 + ["large"] * 2


def test_a_batch_waits_for_one_worker_that_can_take_all_of_it(counter: Counter) -> None:
    counter.join("w1", credit=4)
    counter.join("w2", credit=4)
    counter.link()
    for batch_id in (b"1", b"2", b"3"):
        counter.requests("e1", batch_id, 2)
    counter.requests("e1", b"4", 1)
    given = counter.batches()
    assert [size for _, _, size, _ in given] == [2, 2, 2, 1]
    counter.requests("e1", b"5", 1)
    assert [size for _, _, size, _ in counter.batches()] == [1]


def test_those_that_wait_keep_their_order(counter: Counter) -> None:
    counter.join("w1", credit=4)
    counter.link("e1")
    counter.link("e2")
    counter.requests("e1", b"a", 3)
    ((_, batch_id, _, _),) = counter.batches()
    counter.requests("e2", b"b", 2)
    counter.requests("e2", b"c", 1)
    assert counter.batches() == [], "the small one does not overtake"
    counter.replies("w1", batch_id, 1)
    assert [size for _, _, size, _ in counter.batches()] == [2]
    counter.replies("w1", batch_id, 1)
    assert [size for _, _, size, _ in counter.batches()] == [1]


def test_a_pool_is_served_by_its_own_workers(counter: Counter) -> None:
    counter.join("w1", pool="premium", credit=8)
    counter.join("w2", credit=2)
    assert counter.link("e1", "premium").credit == 8
    counter.requests("e1", b"r", 2)
    assert [worker for worker, _, _, _ in counter.batches()] == ["w1"]


# What edges are offered -----------------------------------------------------------------------------------------


def test_an_offer_sums_up_the_workers(counter: Counter) -> None:
    counter.join("w1", credit=10, takes=(b"ACK",))
    counter.join("w2", credit=6, takes=(b"CANCEL",))
    offer = counter.link()
    assert offer == Offer("b1/default", "default", 16, frozenset({b"ACK", b"CANCEL"}), 2, 3)


def test_without_workers_nothing_is_offered_until_one_comes(counter: Counter) -> None:
    assert counter.greet() == []
    assert counter.greet() == []
    counter.join("w1")
    ((kind, info),) = counter.to_edges()["e1"]
    assert (kind, info["credit"]) == (Kind.HELLO, 4)


def test_changes_are_told_but_not_each_on_its_own(counter: Counter) -> None:
    counter.join("w1")
    counter.link()
    counter.advance(0.1)
    counter.to_edges()
    for number in range(20):
        counter.join(f"more {number}")
    first = counter.to_edges()["e1"]
    counter.join("last")
    assert counter.to_edges() == {}
    counter.advance(SETTINGS.offer_interval)
    second = counter.to_edges()["e1"]
    assert [info["workers"] for _kind, info in first + second] == [21, 22]


def test_what_has_not_changed_is_not_told(counter: Counter) -> None:
    counter.join("w1")
    counter.link()
    counter.join("w1")
    counter.advance(0.1)
    assert counter.to_edges() == {}


def test_goodbye_is_said_for_the_last_worker_and_again_until_it_is_heard(counter: Counter) -> None:
    counter.join("w1")
    counter.link()
    counter.advance(0.1)
    counter.worker("w1", Kind.GOODBYE)
    for _ in range(3):
        assert counter.to_edges()["e1"] == [(Kind.GOODBYE, {})]
        counter.advance(SETTINGS.heartbeat)
    counter.to_edges()
    counter.edge("e1", Kind.GOODBYE)
    counter.advance(0.6)
    assert counter.to_edges() == {}
    counter.join("w2")
    assert [kind for kind, _ in counter.to_edges()["e1"]] == [Kind.HELLO]


def test_an_offer_never_says_more_than_an_edge_takes(counter: Counter) -> None:
    for number in range(3):
        takes = [b"%d-%d" % (number, method) * 10 for method in range(5)]
        counter.join(f"w{number}", credit=MAX_CREDIT, takes=takes)
    offer = counter.link()
    assert offer.credit == MAX_CREDIT
    assert 0 < sum(map(len, offer.takes)) <= MAX_NAME
    assert len(offer.name) + len(offer.pool) <= MAX_NAME


def test_a_worker_of_credit_1_is_offered_single_requests(counter: Counter) -> None:
    counter.join("w1", credit=1)
    counter.join("w2", credit=200)
    assert counter.link().batch == 1


def test_a_worker_that_lowers_its_credit_gets_no_more_than_that(counter: Counter) -> None:
    counter.join("w1", credit=8)
    counter.link()
    counter.requests("e1", b"a", 4)
    ((_, batch_id, _, _),) = counter.batches()
    counter.join("w1", credit=4)
    counter.requests("e1", b"b", 1)
    assert counter.batches() == []
    counter.replies("w1", batch_id, 1)
    assert len(counter.batches()) == 1


# Ending, and figures --------------------------------------------------------------------------------------------


def test_a_broker_that_leaves_offers_nothing_and_finishes(counter: Counter) -> None:
    batch_id = holding(counter)
    counter.relay.leave()
    assert [kind for kind, _ in counter.to_edges()["e1"]] == [Kind.GOODBYE]
    counter.requests("e1", b"on its way", 1)
    ((worker, second, _, _),) = counter.batches()
    counter.edge("e1", Kind.GOODBYE)
    assert not counter.relay.is_done()
    counter.replies("w1", batch_id, 2)
    counter.replies(worker, second, 1)
    assert counter.relay.is_done()
    assert counter.greet("e2") == []
    counter.relay.dismiss()
    assert counter.to_workers() == {"w1": [(Kind.GOODBYE, {})], "w2": [(Kind.GOODBYE, {})]}
    counter.join("w3")
    assert [kind for kind, _ in counter.to_workers()["w3"]] == [Kind.WELCOME, Kind.GOODBYE]


def test_figures_are_told_on_both_sides(counter: Counter) -> None:
    holding(counter)
    counter.edge("anybody", Kind.STATS)
    counter.worker("somebody", Kind.STATS)
    ((kind, figures),) = counter.to_edges()["anybody"]
    assert kind is Kind.FIGURES
    assert (figures["name"], figures["kind"], figures["taken"], figures["in_flight"]) == ("b1", "broker", 2, 2)
    assert figures["edges"] == ({"name": "e1", "pool": "default", "credit": 12, "open": 2},)
    assert [(worker["name"], worker["open"]) for worker in figures["workers"]] == [("w1", 2), ("w2", 0)]
    counter.relay.from_worker(b"somebody", envelope.encode(Kind.STATS), counter.now)
    assert counter.to_workers()["somebody"][0][1] == figures
