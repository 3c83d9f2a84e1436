"""The timed ACK filter: which ACKs it absorbs, for how long, and what it remembers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker.keys import KeyRing
from slbroker.sip.message import Message
from slbroker.sip.reading import Reading
from slbroker.totag import Signer
from slbroker_edge import filtermemory
from slbroker_edge.ackfilter import AckFilter
from slbroker_edge.filtermemory import FilterMemory

if TYPE_CHECKING:
    from slbroker.sip.reading import Ack

NOW = 1_000.0
WINDOW = 32.0
RING = KeyRing.generate()


def signer(ring: KeyRing = RING) -> Signer:
    return Signer(ring.current, ring.accepted(0.0))


def make_filter(window: float = WINDOW) -> AckFilter:
    return AckFilter(signer(), window)


def message(method: bytes, to_tag: bytes, **fields: Any) -> Message:
    plain = Message(method, b"sip:bob@example.com", (), b"", call_id=b"c1", from_tag=b"f1", to_tag=to_tag, cseq=7)
    return plain._replace(**fields)


def invite(to_tag: bytes = b"", **fields: Any) -> Message:
    return message(b"INVITE", to_tag, **fields)


def ack(to_tag: bytes, **fields: Any) -> Message:
    return message(b"ACK", to_tag, **fields)


def signed(ring: KeyRing = RING, call_id: bytes = b"c1", from_tag: bytes = b"f1", cseq: int = 7) -> bytes:
    return signer(ring).sign(call_id, from_tag, cseq)


# The timer ------------------------------------------------------------------------------------------------------


def test_before_the_first_reply_every_ack_is_let_through() -> None:
    assert not make_filter().absorbs(ack(signed()), NOW)


def test_a_final_reply_arms_it() -> None:
    acks = make_filter()
    acks.arm([invite()], NOW)
    assert acks.absorbs(ack(signed()), NOW)


def test_repeated_acks_are_absorbed() -> None:
    acks = make_filter()
    acks.arm([invite()], NOW)
    assert all(acks.absorbs(ack(signed()), NOW + seconds) for seconds in (0.1, 0.1, 4.0, WINDOW - 0.001))


@pytest.mark.parametrize("later", [WINDOW, WINDOW + 0.001, 1e9])
def test_when_the_window_has_passed_all_are_let_through(later: float) -> None:
    acks = make_filter()
    acks.arm([invite(b"theirs")], NOW)
    assert not acks.absorbs(ack(signed()), NOW + later)
    assert not acks.absorbs(ack(b"theirs"), NOW + later)


def test_each_reply_winds_it_up_again() -> None:
    acks = make_filter()
    acks.arm([invite()], NOW)
    acks.arm([invite(call_id=b"another")], NOW + 20)
    assert acks.absorbs(ack(signed()), NOW + 20 + WINDOW - 0.001)
    assert not acks.absorbs(ack(signed()), NOW + 20 + WINDOW)


def test_the_window_may_be_that_of_the_sl_module() -> None:
    acks = make_filter(2.0)
    acks.arm([invite()], NOW)
    assert acks.absorbs(ack(signed()), NOW + 1.999)
    assert not acks.absorbs(ack(signed()), NOW + 2)


def test_a_window_of_nothing_absorbs_nothing() -> None:
    acks = make_filter(0.0)
    acks.arm([invite(b"theirs")], NOW)
    assert not acks.absorbs(ack(signed()), NOW)
    assert not acks.absorbs(ack(b"theirs"), NOW)


# The tag --------------------------------------------------------------------------------------------------------


def test_another_process_s_reply_is_known_by_its_signature() -> None:
    """The reply was another edge's, or this one's before it was restarted: one reply of our own is enough."""
    acks = make_filter()
    acks.arm([invite(call_id=b"another")], NOW)
    assert acks.absorbs(ack(signed()), NOW + 1)


@pytest.mark.parametrize("position", range(31))
def test_an_altered_tag_is_not_ours(position: int) -> None:
    acks = make_filter()
    acks.arm([invite()], NOW)
    tag = bytearray(signed())
    tag[position] ^= 1
    assert not acks.absorbs(ack(bytes(tag)), NOW)


@pytest.mark.parametrize(
    "tag",
    [b"", b"s1", b"s1-", b"theirs", signed()[:-1], signed() + b"0", b"\xff" * 31],
    ids=["none", "s1", "s1-", "theirs", "cut short", "longer", "bytes"],
)
def test_a_made_up_tag_is_not_ours(tag: bytes) -> None:
    acks = make_filter()
    acks.arm([invite()], NOW)
    assert not acks.absorbs(ack(tag), NOW)


@pytest.mark.parametrize("field", [{"call_id": b"c2"}, {"from_tag": b"f2"}, {"from_tag": b""}, {"cseq": 8}])
def test_a_tag_is_good_for_its_own_request_only(field: dict[str, Any]) -> None:
    acks = make_filter()
    acks.arm([invite()], NOW)
    assert not acks.absorbs(ack(signed(), **field), NOW)


def test_a_tag_by_a_key_of_others_is_not_ours() -> None:
    acks = make_filter()
    acks.arm([invite()], NOW)
    assert not acks.absorbs(ack(signed(KeyRing.generate())), NOW)


def test_after_a_rotation_old_and_new_tags_are_absorbed() -> None:
    acks = make_filter()
    acks.arm([invite()], NOW)
    rotated = RING.rotate(0.0)
    acks.signer = signer(rotated)
    assert acks.absorbs(ack(signed(RING)), NOW)
    assert acks.absorbs(ack(signed(rotated)), NOW)


def test_before_it_has_heard_of_a_rotation_too() -> None:
    acks = make_filter()
    acks.arm([invite()], NOW)
    assert acks.absorbs(ack(signed(RING.rotate(0.0))), NOW)


# The peer's own tag ---------------------------------------------------------------------------------------------


def test_the_ack_to_a_refused_re_invite_is_absorbed() -> None:
    acks = make_filter()
    acks.arm([invite(b"theirs")], NOW)
    assert acks.absorbs(ack(b"theirs"), NOW + 1)
    assert acks.absorbs(ack(b"theirs"), NOW + 2)


@pytest.mark.parametrize(
    "field", [{"to_tag": b"other"}, {"call_id": b"c2"}, {"from_tag": b"f2"}, {"cseq": 8}, {"to_tag": b""}]
)
def test_an_ack_that_differs_from_the_re_invite_is_not(field: dict[str, Any]) -> None:
    acks = make_filter()
    acks.arm([invite(b"theirs")], NOW)
    assert not acks.absorbs(ack(b"theirs")._replace(**field), NOW)


def test_our_own_tag_of_an_earlier_request_is_the_peers_own_now() -> None:
    """A re-INVITE inside a dialog that one of our replies began: the tag's signature is for the first CSeq number."""
    acks = make_filter()
    acks.arm([invite(signed(cseq=7), cseq=8)], NOW)
    assert acks.absorbs(ack(signed(cseq=7), cseq=8), NOW)
    assert not acks.absorbs(ack(signed(cseq=7), cseq=9), NOW)


def test_a_remembered_reply_outlasts_one_window_and_no_more_than_two() -> None:
    acks = make_filter()
    acks.arm([invite(b"theirs")], NOW)
    for seconds in range(1, 100):
        acks.arm([invite()], NOW + seconds)  # keeps it armed
        absorbed = acks.absorbs(ack(b"theirs"), NOW + seconds)
        assert absorbed or seconds >= WINDOW
        assert not absorbed or seconds < 2 * WINDOW


def test_a_long_silence_forgets_both_generations() -> None:
    acks = make_filter()
    acks.arm([invite(b"theirs")], NOW)
    acks.arm([invite(b"theirs", call_id=b"c2")], NOW + 1_000)
    assert not acks.absorbs(ack(b"theirs"), NOW + 1_000)
    assert acks.absorbs(ack(b"theirs", call_id=b"c2"), NOW + 1_000)


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filtermemory, "MAX_REMEMBERED", 100)
    acks = make_filter()
    for number in range(1_000):
        acks.arm([invite(b"theirs", cseq=number)], NOW)
    remembered = [number for number in range(1_000) if acks.absorbs(ack(b"theirs", cseq=number), NOW)]
    assert remembered[-1] == 999
    assert 100 <= len(remembered) <= 200
    assert remembered == list(range(1_000 - len(remembered), 1_000))


def test_replies_with_our_own_tag_cost_no_memory() -> None:
    acks = make_filter()
    for number in range(100):
        acks.arm([invite(cseq=number)], NOW)
    assert not acks.absorbs(ack(b"", cseq=5), NOW)
    assert not acks.absorbs(ack(b"theirs", cseq=5), NOW)


def test_what_one_process_answers_the_others_know_and_remember() -> None:
    shared = bytearray(filtermemory.size_for(3))
    filters = [AckFilter(signer(), WINDOW, FilterMemory(shared, number, b"key")) for number in range(3)]
    filters[1].arm([invite(b"theirs")], NOW)
    filters[0].arm([invite(b"theirs", cseq=8)], NOW + 1)
    again = AckFilter(signer(), WINDOW, FilterMemory(shared, 1, b"key"))  # the process was started again
    for acks in (*filters, again):
        assert acks.absorbs(ack(signed()), NOW + 2)
        assert acks.absorbs(ack(b"theirs"), NOW + 2)
        assert acks.absorbs(ack(b"theirs", cseq=8), NOW + 2)
        assert not acks.absorbs(ack(b"theirs", cseq=9), NOW + 2)
    for seconds in range(3, 200):
        filters[0].arm([invite()], NOW + seconds)  # keeps them armed, while process 1 answers nothing more
    assert not filters[0].absorbs(ack(b"theirs"), NOW + 2 * WINDOW)


@given(st.lists(st.tuples(st.integers(0, 30), st.floats(0, 40)), max_size=60))
def test_the_memory_is_that_of_two_sets(steps: list[tuple[int, float]]) -> None:
    """Whatever comes when: what was answered within the window is known, what is older than three is not."""
    acks, now, answered = make_filter(), NOW, dict[int, float]()
    for number, pause in steps:
        now += pause
        acks.arm([invite(b"theirs", cseq=number)], now)
        answered[number] = now
        for other in range(31):
            known = acks.absorbs(ack(b"theirs", cseq=other), now)
            age = now - answered.get(other, -1e9)
            assert known if age < WINDOW else not known or age < 3 * WINDOW


def test_many_acks_at_once() -> None:
    """What `absorb` leaves is what `absorbs` says of each."""
    acks = make_filter()
    tags = [signed(), b"theirs", b"", b"s1", signed(cseq=99), signed()]
    readings = [Reading(b"ACK", b"sip:bob@example.com", b"c1", b"f1", tag, 7, b"", 0) for tag in tags]
    many: list[Ack] = [(reading, b"data", ("192.0.2.1", 5060)) for reading in readings]
    assert acks.absorb(many, NOW) == many, "not armed"
    acks.arm([invite(b"theirs")], NOW)
    assert acks.absorb(many, NOW) == [one for one in many if not acks.absorbs(one[0], NOW)] == many[2:5]
    assert acks.absorb(many, NOW + 1_000) == many
