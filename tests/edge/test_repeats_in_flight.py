"""The requests in flight: both twins keep each until it ends, whatever the order, and know what repeats it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker.bus.choice import ANY
from slbroker.sip.reading import Reading
from slbroker.sip.validate import USUAL
from slbroker.twins import KIND
from slbroker_edge.reader import read_with_key
from slbroker_edge.repeats import MOST_ALIKE
from tests.support.sip import TYPICAL, request
from tests.support.twins import KINDS, growth, load, take_ordinary

PEER = ("192.0.2.1", 40_000)
LISTEN = "udp:192.0.2.7:5060"


@pytest.fixture(scope="module", params=KINDS)
def twin(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    return load("slbroker_edge.repeats", request.param), load("slbroker.bus.jobs", request.param)


def job(jobs: Any, key: int, name: int = 0) -> Any:
    return jobs.Job(
        Reading(b"OPTIONS", b"sip:a", b"c%d" % name, b"f", b"", 1, b"", 5060), b"", ANY, 10, None, None, key
    )


def same_call(one: Any, two: Any) -> bool:
    return bool(one.reading.call_id == two.reading.call_id)


def test_a_key_depends_on_all_it_is_made_of(twin: tuple[Any, Any]) -> None:
    key = twin[0].request_key
    parts = [
        (), (b"",), (b"", b""), (b"a",), (b"a", b""), (b"", b"a"), (b"ab",), (b"a", b"b"), (b"a" * 7,), (b"a" * 8,),
        (b"a" * 9,), (b"a" * 15,), (b"a" * 16,), (b"a" * 17,), (b"a" * 31,), (b"a" * 32,), (b"a" * 33,),
        (b"a" * 16 + b"b",), (b"b" + b"a" * 16,), (b"a" * 200,), (b"a" * 199 + b"b",),
        (b"c1", b"z9hG4bK1"), (b"c1z9hG4bK", b"1"),
    ]  # fmt: skip
    keys = [key(each, cseq, port) for each in parts for cseq, port in ((0, 0), (1, 0), (0, 1), (2**31 - 1, 65_535))]
    assert len(set(keys)) == len(keys)
    assert all(0 < each < 2**64 for each in keys)
    assert key((b"a" * 40, b"b"), 3, 4) == key((b"a" * 40, b"b"), 3, 4)
    with pytest.raises(ValueError, match="more parts"):
        key((b"",) * 9, 0, 0)


@pytest.mark.parametrize("at", range(70))
def test_each_byte_of_a_part_counts(twin: tuple[Any, Any], at: int) -> None:
    text = bytes(range(70))
    other = text[:at] + b"\xff" + text[at + 1 :]
    for length in range(at + 1, 71):
        assert twin[0].request_key((text[:length],), 0, 0) != twin[0].request_key((other[:length],), 0, 0)


def test_too_many_of_one_key_are_served_and_not_kept(twin: tuple[Any, Any]) -> None:
    repeats, jobs = twin
    held = repeats.Repeats(same_call)
    many = [job(jobs, 5, name) for name in range(MOST_ALIKE + 3)]
    assert held.admit(many) is many
    assert (len(held), [each.key for each in many[MOST_ALIKE:]]) == (MOST_ALIKE, [0, 0, 0])
    assert held.admit([job(jobs, 5, 1)]) == []
    held.end_all([(each, None) for each in many])
    assert len(held) == 0


def test_one_job_is_taken_as_many_are(twin: tuple[Any, Any]) -> None:
    repeats, jobs = twin
    held = repeats.Repeats(same_call)
    first, again, other, uninteresting = job(jobs, 5, 1), job(jobs, 5, 1), job(jobs, 5, 2), job(jobs, 0, 1)
    assert [held.enter(each) for each in (first, again, other, uninteresting)] == [True, False, True, True]
    assert len(held) == 2
    held.end(first)
    assert (held.enter(job(jobs, 5, 2)), held.enter(again), len(held)) == (False, True, 2)
    many = [job(jobs, key) for key in range(6, 306)]
    assert all(held.enter(each) for each in many)
    assert len(held) == 302


keys = st.sampled_from([0, 1, 2, 3, 64, 65, 127, 128, 1 << 40, (1 << 64) - 1])
acts = st.lists(
    st.one_of(
        st.tuples(st.just("admit"), st.lists(st.tuples(keys, st.integers(0, 3)), max_size=90)),
        st.tuples(st.sampled_from(["end", "end all"]), st.lists(st.integers(0, 300), max_size=40)),
    ),
    max_size=30,
)


@given(acts)
def test_what_is_in_flight_is_known_and_nothing_else(twin: tuple[Any, Any], acts: list[tuple[str, list[Any]]]) -> None:
    repeats, jobs = twin
    held = repeats.Repeats(same_call)
    known: dict[tuple[int, bytes], Any] = {}
    all_jobs: list[Any] = []
    for act, given_ in acts:
        if act == "admit":
            new = [job(jobs, key, name) for key, name in given_]
            fresh = [
                each for each in new
                if not each.key or known.setdefault((each.key, each.reading.call_id), each) is each
            ]  # fmt: skip
            assert held.admit(new) == fresh
            all_jobs += new
        elif all_jobs:
            ended = [all_jobs[at % len(all_jobs)] for at in given_]
            if act == "end":
                for each in ended:
                    held.end(each)
            else:
                held.end_all([(each, b"answer") for each in ended])
            known = {name: each for name, each in known.items() if not any(each is other for other in ended)}
        assert len(held) == len(known)


def test_nothing_of_what_has_ended_is_left_behind(twin: tuple[Any, Any]) -> None:
    repeats, jobs = twin
    held = repeats.Repeats(same_call)
    number = iter(range(1, 10**9))

    def work() -> None:
        some = [job(jobs, next(number) * 0x9E3779B97F4A7C15 % 2**64, at) for at in range(1_000)]
        held.admit(some)
        held.admit(some[:500])
        held.end_all([(each, None) for each in some])

    blocks, pages = growth(work, 30)
    assert blocks < 100
    assert pages < 100


@pytest.mark.skipif(KIND != "compiled", reason="the pure keys are others")
@pytest.mark.parametrize(
    "via",
    [
        "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1", "SIP/2.0/TCP a.example:5070;rport;branch=z9hG4bK-1.2;x=y",
        "SIP/2.0/UDP 192.0.2.1", "SIP/2.0/UDP 192.0.2.1;branch=1", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK",
        "SIP/2.0/UDP 192.0.2.1;branch=1;branch=z9hG4bK2", "SIP/2.0/UDP 192.0.2.1;branch;branch=z9hG4bK2",
        "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;branch=z9hG4bK2", "SIP/2.0/UDP 192.0.2.1;xbranch=z9hG4bK1",
        "SIP/2.0/UDP 192.0.2.1;x=branch=z9hG4bK1", "SIP/2.0/UDP [2001:db8::1]:9;branch=z9hG4bK1;received=::1",
        "SIP/2.0/UDP 192.0.2.1;BRANCH=z9hG4bK1", "SIP/2.0/UDP 192.0.2.1;branch=Z9HG4BK1",
    ],
)  # fmt: skip
def test_both_readers_give_a_request_the_same_key(via: str) -> None:
    check_key(request("OPTIONS", via=via))


@pytest.mark.skipif(KIND != "compiled", reason="the pure keys are others")
@pytest.mark.parametrize("name", TYPICAL)
def test_both_readers_give_the_same_key_to_what_sip_programs_send(name: str) -> None:
    check_key(TYPICAL[name])


def check_key(data: bytes) -> None:
    found, _acks = take_ordinary(data, PEER, LISTEN)
    for each in found:
        assert each.key == read_with_key(data, PEER, LISTEN, USUAL)[1] != 0
