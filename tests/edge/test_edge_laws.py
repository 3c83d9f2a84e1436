"""Laws of the edge: the fates add up at any instant, everything ends, and two servers do not talk for ever."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker import Handlers
from slbroker.settings.dispatch import DispatchSettings
from tests.edge.test_edge import STUN, app
from tests.support.edge import SIGNER, FakeListener, Rig
from tests.support.examples import examples
from tests.support.sip import TYPICAL, request

if TYPE_CHECKING:
    from slbroker.sip.reading import Address

OURS = SIGNER.sign(b"a84b4c76e66710@192.0.2.1", b"1928301774", 1).decode()
DATAGRAMS = (
    *TYPICAL.values(),
    *(request(method) for method in ("OPTIONS", "INVITE", "SUBSCRIBE", "MESSAGE", "CANCEL", "ACK", "BYE")),
    request("INVITE", "sip:ringing@example.com"),
    request("INVITE", to="<sip:bob@example.com>;tag=theirs"),
    request("ACK", to="<sip:bob@example.com>;tag=theirs"),
    request("ACK", to=f"<sip:bob@example.com>;tag={OURS}"),
    request("INVITE", cseq="1 ACK"),
    request("OPTIONS", from_=None),
    request("OPTIONS", via=None),
    request("OPTIONS", version="SIP/9.0"),
    b"SIP/2.0 200 OK\r\n\r\n",
    b"\r\n\r\n",
    b"\xff" * 40,
    STUN,
)
SOURCES: tuple[Address, ...] = (
    ("192.0.2.1", 5060), ("198.51.100.1", 40_000), ("192.0.2.1", 0), ("224.0.0.1", 5060), ("2001:db8::1", 5060, 0, 0),
)  # fmt: skip

everything = Handlers()
everything.on("ACK", "CANCEL")(lambda request: request.reply(481))
everything.otherwise(lambda request: request.reply(486))

steps = st.one_of(
    st.tuples(st.just("receive"), st.lists(st.sampled_from(DATAGRAMS), max_size=6), st.sampled_from(SOURCES)),
    st.tuples(st.just("join"), st.sampled_from([app, everything]), st.integers(1, 4)),
    st.tuples(st.sampled_from(["freeze", "thaw", "kill", "lie", "leave"]), st.integers(0, 3), st.none()),
    st.tuples(st.just("advance"), st.sampled_from([0.05, 0.6, 6.0]), st.none()),
)


def apply(rig: Rig, step: tuple[str, object, object]) -> None:
    match step:
        case "receive", list() as datagrams, tuple() as source:
            rig.receive(*datagrams, source=source)
        case "join", Handlers() as handlers, int() as credit:
            rig.join(handlers, credit)
        case "advance", float() as seconds, _:
            rig.advance(seconds)
        case action, int() as number, _ if rig.workers:
            worker = list(rig.workers.values())[number % len(rig.workers)]
            if action == "kill":
                rig.kill(worker)
            elif action == "lie":
                worker.respond = lambda *_: b"garbage"
            elif action == "leave":
                worker.membership.leave()
            else:
                worker.frozen = action == "freeze"
            rig.turn()


@examples(150)
@given(st.lists(steps, max_size=25))
def test_the_fates_add_up_after_every_step_and_everything_ends(script: list[tuple[str, object, object]]) -> None:
    """`Rig` checks the sum after each envelope; after 11 s two workers have had their time."""
    rig = Rig(DispatchSettings(max_waiting=8))
    for step in script:
        apply(rig, step)
    rig.advance(11.0)
    assert rig.edge.in_flight == 0
    fates = rig.fates
    assert len(rig.replies) + rig.edge.send_failures >= fates.replied + fates.shed + fates.failed
    assert all(reply.startswith(b"SIP/2.0 ") for reply in rig.replies)


@examples(300)
@given(
    st.binary(max_size=200)
    | st.builds(lambda data, seed: mutate(data, seed), st.sampled_from(DATAGRAMS), st.integers())
)
def test_any_bytes_have_a_fate(datagram: bytes) -> None:
    rig = Rig()
    rig.join(everything)
    rig.receive(datagram)
    assert rig.fates.ended() == rig.fates.received == 1
    assert len(rig.replies) <= 1


def mutate(datagram: bytes, seed: int) -> bytes:
    """Change, remove or repeat a few bytes."""
    dice = random.Random(seed)
    data = bytearray(datagram)
    for _ in range(dice.randint(1, 8)):
        at = dice.randrange(len(data) or 1)
        match dice.randrange(3):
            case 0:
                data[at : at + 1] = bytes([dice.randrange(256)])
            case 1:
                del data[at : at + dice.randint(1, 20)]
            case 2:
                data[at:at] = data[at : at + dice.randint(1, 40)]
    return bytes(data)


# Two edges pointed at each other --------------------------------------------------------------------------------


def bounce(first: Rig, second: Rig, datagram: bytes) -> int:
    """Let two edges have a datagram, and then each other's replies; return how many replies there were."""
    here, there = (first, ("192.0.2.7", 5060)), (second, ("192.0.2.8", 5060))
    waiting = [(datagram, here, there)]
    replies = 0
    while waiting:
        data, (rig, address), (other, source) = waiting.pop()
        listener = FakeListener()
        rig.receive(data, source=source, listener=listener)
        replies += len(listener.sent)
        assert replies < 10
        waiting += [(reply, (other, source), (rig, address)) for reply, _address in listener.sent]
    return replies


@pytest.mark.parametrize("handlers", [None, app, everything])
@pytest.mark.parametrize("datagram", [d for d in DATAGRAMS if b"ringing" not in d])
def test_two_edges_exchange_one_reply_at_most(datagram: bytes, handlers: Handlers | None) -> None:
    """RFC 3261 16.11 and common sense: no reply, and no error, is ever replied to."""
    rigs = (Rig(), Rig())
    if handlers is not None:
        for rig in rigs:
            rig.join(handlers)
    assert bounce(*rigs, datagram) <= 1


@examples(200)
@given(st.sampled_from(DATAGRAMS), st.integers())
def test_nor_for_a_broken_datagram(datagram: bytes, seed: int) -> None:
    rigs = (Rig(), Rig())
    for rig in rigs:
        rig.join(everything)
    assert bounce(*rigs, mutate(datagram, seed)) <= 1
