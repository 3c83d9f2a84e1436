"""Does the dispatcher's work grow with the number of workers? Counted in function calls, whatever else runs here."""

from __future__ import annotations

from functools import partial

import pytest

from slbroker.bus import envelope
from slbroker.bus.envelope import Kind
from tests.lab.simulation.cost import (
    HEARTBEAT,
    Calls,
    Traffic,
    account_bytes,
    herd,
    idle_us,
    picky_ms,
    request_us,
    staffed,
    stuck,
)
from tests.support.bus import kind_of


def calls_per_request(workers: int, turn: int) -> float:
    traffic = Traffic(workers, turn)
    traffic.pass_by(20)  # so that there are answers in every turn
    before = traffic.answered
    counted = Calls().of(lambda: traffic.pass_by(100))
    assert traffic.answered - before == 100 * turn
    return counted / (100 * turn)


def test_a_request_costs_the_same_among_thousands() -> None:
    few, many = calls_per_request(10, 1), calls_per_request(2_000, 1)
    assert many == pytest.approx(few, rel=0.05)


def test_what_makes_it_cheap_is_company_in_its_envelope() -> None:
    traffic = Traffic(10, 250)
    traffic.pass_by(10)
    assert traffic.envelopes == 10 * 10
    assert calls_per_request(10, 250) < calls_per_request(10, 1) / 3


def test_an_idle_worker_costs_the_same_among_thousands() -> None:
    def each(workers: int) -> float:
        dispatcher = staffed(workers)

        def look_and_beat() -> None:
            dispatcher.expire(0.05)
            dispatcher.expire(0.3)
            assert len(dispatcher.send(0.3)) == workers

        return Calls().of(look_and_beat) / workers

    assert each(2_000) < 1.1 * each(100)
    assert each(2_000) < 3, "the heartbeat is encoded once, not for each of them"


def test_a_heartbeat_is_heard_without_being_decoded() -> None:
    dispatcher = staffed(1)
    (identity,) = dispatcher.workers
    assert Calls().of(lambda: dispatcher.receive(identity, list(HEARTBEAT), 1.0)) < 6
    assert dispatcher.workers[identity].heard == 1.0
    assert Calls().of(lambda: dispatcher.receive(identity, envelope.encode(Kind.HEARTBEAT, {"x": 1}), 2.0)) > 6
    assert dispatcher.workers[identity].heard == 2.0, "one with something in it is one too"


def test_a_hello_costs_the_same_among_thousands() -> None:
    few, many = (Calls().of(partial(herd, staffed(0), workers)) / workers for workers in (100, 2_000))
    assert many < 1.2 * few


def test_a_herd_is_welcome() -> None:
    dispatcher = staffed(1)
    herd(dispatcher, 300)  # the first of them is there already
    assert len(dispatcher.workers) == 300
    assert [kind_of(frames) for _identity, frames in dispatcher.send(0.0)] == [Kind.WELCOME] * 300


def test_what_waits_for_another_worker_than_the_hung_one_finds_it() -> None:
    dispatcher = stuck(workers=50, jobs=20, free=30)
    pool = dispatcher.pools["default"]
    assert len(pool.picky) == 20
    given = [identity for identity, _frames in dispatcher.send(6.0)]
    assert len(set(given)) == 20
    assert not pool.picky
    assert b"hung" not in given


def test_what_nobody_has_credit_for_stays_at_no_cost() -> None:
    for workers, jobs in ((50, 20), (200, 400)):
        dispatcher = stuck(workers, jobs)
        assert Calls().of(partial(dispatcher.send, 6.0)) < 20
        assert dispatcher.send(6.0) == []
        assert len(dispatcher.pools["default"].picky) == jobs


def test_what_came_back_costs_no_more_than_by_its_number_and_the_workers() -> None:
    def calls(scale: int) -> int:
        dispatcher = stuck(workers=50 * scale, jobs=25 * scale, free=25 * scale)
        return Calls().of(lambda: dispatcher.send(6.0))

    assert calls(8) < 1.2 * 8 * calls(1)


def test_the_clocks_run() -> None:
    """What they measure is the machine's; that they measure something is ours."""
    idle = idle_us(10, seconds=0.5)
    assert min(idle.looks, idle.beats, idle.heard, request_us(10, turn=4, requests=64), picky_ms(20, 10)) > 0.0


def test_an_account_takes_a_kilobyte() -> None:
    assert 300 < account_bytes(200) < 2_048
    assert account_bytes(50, open_each=10) > account_bytes(50)
