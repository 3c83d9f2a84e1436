"""The way of jobs through an edge: what both twins do with a turn's requests and answers."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slbroker.bus import envelope
from slbroker.bus.account import JobAccount, Offer
from slbroker.bus.choice import ANY
from slbroker.errors import Drop, EnvelopeError
from slbroker.sip.parser import BadRequest
from slbroker.sip.reading import Reading
from slbroker.sip.validate import USUAL
from slbroker.twins import KIND
from slbroker_edge.reader import is_answerable, read, read_turn, reply_address
from tests.support.bus import encode_packed
from tests.support.sip import TYPICAL, request
from tests.support.twins import KINDS, OPTIONS, FakeListener, growth, load
from tests.torture.corpus import CASES

if TYPE_CHECKING:
    from slbroker.sip.reading import Address

LISTEN = "udp:192.0.2.7:5060"
PEER: Address = ("192.0.2.1", 40_000)
OK = b"SIP/2.0 200 OK\r\n\r\n"
MOST = envelope.MAX_ARRAY


@pytest.fixture(scope="module", params=KINDS)
def jobs(request: pytest.FixtureRequest) -> Any:
    return both(request.param)


def both(kind: str) -> Any:
    """What is in `jobs` and in `outbox`."""
    parts = load("slbroker.bus.jobs", kind), load("slbroker_edge.outbox", kind)
    return SimpleNamespace(**vars(parts[0]), post_replies=parts[1].post_replies)


def reading(method: bytes = b"OPTIONS", to_tag: bytes = b"", packed: bytes = b"packed") -> Reading:
    return Reading(method, b"sip:a", b"c", b"f", to_tag, 1, packed, 5060)


def some(jobs: Any, count: int, listener: object = "listener") -> list[Any]:
    return [jobs.Job(reading(packed=b"p%d" % at), b"", ANY, 10 + at, listener, ("h", at)) for at in range(count)]


# One job --------------------------------------------------------------------------------------------------------


def test_a_new_job(jobs: Any) -> None:
    job = jobs.Job(reading(), b"CANCEL", ANY, 7)
    assert (job.reading, job.asks, job.choice, job.size) == (reading(), b"CANCEL", ANY, 7)
    assert (job.listener, job.reply_to, job.last_worker) == (None, None, None)
    assert (job.number, job.queued, job.given, job.tries, job.batch) == (0, 0.0, 0.0, 0, b"")


def test_a_job_has_what_a_subclass_adds(jobs: Any) -> None:
    class Special(jobs.Job):  # type: ignore[misc]
        __slots__ = ("more",)

        def __init__(self, more: int) -> None:
            super().__init__(reading(), b"", ANY, 1)
            self.more = more

    job = Special(3)
    assert (job.more, job.asks, jobs.pack_jobs([job])[:1]) == (3, b"", b"\x91")


# To the bus -----------------------------------------------------------------------------------------------------


def test_jobs_are_numbered(jobs: Any) -> None:
    few = some(jobs, 3)
    assert jobs.number_jobs(few, 2**63, 4.5) == jobs.size_of(few) == 33
    assert [(job.number, job.queued) for job in few] == [(2**63 + at, 4.5) for at in range(3)]
    assert (jobs.number_jobs([], 1, 0.0), jobs.size_of([])) == (0, 0)


def number(few: list[Any], first: int) -> None:
    for each, job in enumerate(few, first):
        job.number = each


def test_jobs_are_given(jobs: Any) -> None:
    few, account = some(jobs, 2), object()
    held: dict[int, Any] = {}
    number(few, 7)
    jobs.give(few, account, held, 1.5, b"route")
    jobs.give(few[1:], account, held, 2.5, b"")
    assert held == {7: few[0], 8: few[1]}
    assert [(job.given, job.tries, job.batch) for job in few] == [(1.5, 1, b"route"), (2.5, 2, b"")]
    assert all(job.last_worker is account for job in few)


@pytest.mark.parametrize("count", [0, 1, 15, 16, 300])
def test_jobs_are_packed_as_the_codec_does(jobs: Any, count: int) -> None:
    few = some(jobs, count)
    number(few, 2**64 - count - 1)
    packed = [(job.number, job.reading.packed) for job in few]
    assert jobs.pack_jobs(few) == encode_packed(packed)[1]


# From the bus ---------------------------------------------------------------------------------------------------


answers = st.lists(st.tuples(st.integers(0, 20), st.one_of(st.none(), st.binary(max_size=300))), max_size=30)


def account_with(numbers: set[int]) -> JobAccount[Any]:
    account: JobAccount[Any] = JobAccount(b"w", Offer("w", "", 100, frozenset(), 1, 64), 0.0)
    few = some(both("pure"), len(numbers))
    for each, job in zip(sorted(numbers), few, strict=True):
        job.number = each
    account.give(few, 0.0, b"") if KIND == "pure" else account.open.update({job.number: job for job in few})
    return account


@given(answers, st.sets(st.integers(0, 20)), st.sets(st.integers(0, 20)))
@example([(3, None), (3, b"x"), (4, b"y")], {3}, set())
@example([(3, None), (3, b"x"), (3, b"y")], {3}, {3})
def test_answers_are_settled(answers: list[tuple[int, bytes | None]], open_: set[int], overdue: set[int]) -> None:
    account = account_with(open_)
    account.overdue = dict.fromkeys(overdue, "late")
    left, late, ended, strikes = dict(account.open), set(overdue), [], 0
    for number, answer in answers:
        job = left.pop(number, None)
        if job is not None:
            ended.append((job, answer))
        elif number in late:
            late.remove(number)
        else:
            strikes += 1
    assert account.settle(envelope.encode_replies(answers)[1], 7.0, []) == (ended, len(answers) - len(ended))
    assert (account.open, set(account.overdue), account.strikes) == (left, late, strikes)
    assert (account.answered, account.heard) == (len(ended), 7.0)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\x80", b"\xc0", b"\x91", b"\x91\xc0", b"\x92\x92\x01\xc0", b"\xdd\x00\x00\x00\x01", b"\xdc\xff\xff",
        msgpack.packb([(1, OK)]) + b"\x00", msgpack.packb([(1, OK)])[:-1],
        msgpack.packb([(1, OK), (2, "text")]), msgpack.packb([(1, OK), (2,)]), msgpack.packb([(1, OK)] * (MOST + 1)),
    ],
)  # fmt: skip
def test_of_a_body_that_is_none_nothing_is_settled(body: bytes) -> None:
    account = account_with({1, 2})
    with pytest.raises(EnvelopeError):
        account.settle(body, 7.0, [])
    assert (sorted(account.open), account.heard) == ([1, 2], 0.0)


replies = st.one_of(
    st.none(), st.just(()), st.just((OK, OK)), st.binary(max_size=40), st.just(b"SIP/2.0 200 OK\r\n" + b"x" * 65_492),
    st.builds(
        b"".join,
        st.tuples(
            st.sampled_from([b"SIP/2.0 ", b"SIP/3.0 ", b"sip/2.0 "]),
            st.sampled_from([b"100 ", b"200 ", b"699 ", b"700 ", b"099 ", b"20x ", b"200"]),
            st.sampled_from([b"", b"OK", b"O\rK", b"O\nK", b"\x00"]),
            st.sampled_from([b"\r\n", b"\n", b"\r", b"", b"\r\n\r\nbody\n"]),
        ),
    ),
)  # fmt: skip
pairs = st.lists(
    st.tuples(
        st.sampled_from([b"INVITE", b"OPTIONS"]), st.sampled_from([b"", b"theirs"]), st.sampled_from([b"", b"ACK"]),
        st.sampled_from(["one", "other"]), replies,
    ),
    max_size=12,
)  # fmt: skip


@given(pairs)
def test_replies_are_posted_alike(pairs: list[tuple[bytes, bytes, bytes, str, Any]]) -> None:
    results = []
    for module in map(both, KINDS):
        ended = [
            (module.Job(reading(method, to_tag), asks, ANY, 1, listener, (listener, at)), answer)
            for at, (method, to_tag, asks, listener, answer) in enumerate(pairs)
        ]
        outbox: dict[Any, Any] = {}
        arming: dict[Any, Any] = {}
        stops = [-1]
        while stops[-1] < len(ended):
            stops.append(module.post_replies(ended, stops[-1] + 1, outbox, arming))
        results.append((stops, outbox, arming))
    assert results[0] == results[1]


def test_a_provisional_reply_arms_nothing(jobs: Any) -> None:
    invite = jobs.Job(reading(b"INVITE", b"theirs"), b"", ANY, 1, "here", "there")
    outbox: dict[str, Any] = {"here": [(b"before", "there")]}
    arming: dict[str, Any] = {}
    assert jobs.post_replies([(invite, b"SIP/2.0 180 Ringing\r\n\r\n")], 0, outbox, arming) == 1
    assert (len(outbox["here"]), arming) == (2, {})
    assert jobs.post_replies([(invite, OK), (invite, None)], 0, outbox, arming) == 1
    assert (outbox["here"][-1], arming) == ((OK, "there"), {"here": [invite.reading]})


# From SIP -------------------------------------------------------------------------------------------------------

MESSAGES = [*TYPICAL.values(), *(case.data for case in CASES.values()), OPTIONS, request("ACK"), request("CANCEL")]


def one_by_one(data: bytes, address: Address) -> tuple[Reading, Any] | None:
    """What the whole grammar makes of a datagram, and where its reply goes."""
    try:
        found = read(data, address, LISTEN, USUAL)
    except (Drop, BadRequest):
        return None
    return found, reply_address(address, found.reply_port)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("address", [PEER, ("2001:db8::9", 40_000, 0, 0), ("224.0.0.1", 40_000), ("192.0.2.1", 0)])
def test_what_is_taken_in_is_what_the_grammar_reads(address: Address, kind: str) -> None:
    datagrams = [(data, address) for data in MESSAGES]
    here = FakeListener(LISTEN)
    taken, acks, alone = load("slbroker_edge.reader", kind).read_turn(datagrams, here, USUAL)
    assert len(taken) + len(acks) + len(alone) == len(datagrams)
    assert bool(taken) == is_answerable(*address[:2])
    jobs = iter([*taken, *(one for _before, one, _address in alone if not isinstance(one, Exception))])
    jobs_of = {job.reading.packed: job for job in jobs}
    for data, _address in datagrams:
        found = one_by_one(data, address)
        if found is None or data.startswith(b"ACK"):
            continue
        job = jobs_of[found[0].packed]
        assert (job.reading, job.reply_to) == found
        assert type(job.reading) is Reading
        asks = b"CANCEL" if data.startswith(b"CANCEL") else b""  # a worker has to ask for it
        assert (job.listener, job.choice, job.asks, job.size) == (here, ANY, asks, len(data))
        assert job in taken or asks
    for ack, data, from_address in acks:
        assert (ack, from_address) == (read(data, address, LISTEN, USUAL), address)
    faults = [one for _before, one, _address in alone if isinstance(one, Exception)]
    assert len(faults) == sum(one_by_one(data, address) is None for data in MESSAGES)
    assert not any(fault.__traceback__ or fault.__context__ for fault in faults), "which would keep what was read"


@pytest.mark.parametrize("kind", KINDS)
def test_order_can_be_kept(kind: str) -> None:
    odd, good = b"nonsense", request("OPTIONS")
    datagrams = [(data, PEER) for data in (odd, good, good, odd, good, odd)]
    taken, _acks, alone = load("slbroker_edge.reader", kind).read_turn(datagrams, FakeListener(LISTEN), USUAL)
    assert (len(taken), [before for before, _one, _address in alone]) == (3, [0, 2, 3])


def test_nothing_is_left_behind() -> None:
    twin, here = both("compiled"), FakeListener(LISTEN)
    datagrams = [(bytes(bytearray(OPTIONS)), PEER) for _ in range(50)]

    def work() -> None:
        taken, _acks, _alone = read_turn(datagrams, here, USUAL)
        number(taken, 2**40)
        held: dict[int, Any] = {}
        twin.give(taken, None, held, 0.0, b"")
        twin.pack_jobs(taken)
        twin.post_replies([(held.pop(job.number), OK) for job in taken], 0, {}, {})

    blocks, pages, *references = growth(work, 300, datagrams, PEER, OK)
    assert (blocks < 200, pages < 100, references) == (True, True, [0, 0, 0])
    assert sys.getrefcount(datagrams[0]) < 10


# ACKs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_signed_acks_are_known(kind: str) -> None:
    totag = load("slbroker.totag", kind)
    first, second = (totag.Mac(bytes((at,)) * 32, b"test", b"s1%04d-" % at) for at in (1, 2))
    ring = {b"0001": first, b"0002": second}
    tags = {tag: mac.tag(b"c", b"f", 1) for tag, mac in (("first", first), ("second", second))}
    acks = [
        (reading(b"ACK", to_tag), b"data", PEER)
        for to_tag in (
            tags["first"], tags["second"], b"", b"s1", b"s10001-", tags["first"][:-1] + b"0", tags["first"] + b"0",
            tags["first"].replace(b"0001", b"0002"), tags["first"].replace(b"0001", b"0003"), second.tag(b"c", b"f", 2),
        )
    ]  # fmt: skip
    rest = totag.unsigned(acks, ring, 2, 6)
    assert rest == acks[2:]
    assert all(one is other for one, other in zip(rest, acks[2:], strict=True))
    assert totag.unsigned([], ring, 2, 6) == []


def test_nothing_of_unsigned_is_left_behind() -> None:
    mac = load("slbroker.totag").Mac(bytes(32), b"test", b"s10001-")
    acks = [(reading(b"ACK", tag), b"data", PEER) for tag in (mac.tag(b"c", b"f", 1), b"s10001-x", b"")]
    blocks, pages, references = growth(lambda: load("slbroker.totag").unsigned(acks, {b"0001": mac}, 2, 6), 3_000, mac)
    assert (blocks < 100, pages < 100, references) == (True, True, 0)
