"""The signed To-tag: a format that must not change unnoticed, and a check that takes anything and accepts little."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker.keys import Key, KeyRing
from slbroker.sip.grammar import is_token
from slbroker.totag import TAG_LENGTH, Signer

KEY = Key(b"0a1b", bytes(range(32)))
OTHER = Key(b"ffff", bytes(range(32, 64)))
SIGNER = Signer(KEY, {KEY.id: KEY})

# Call-ID, From tag, CSeq number, and the tag that every version of slbroker must give for them with KEY.
GOLDEN = [
    (b"1-12345@192.168.1.10", b"12345SIPpTag001", 1, b"s10a1b-91cd0e1e3edd8f1254d434de"),
    (b"", b"", 0, b"s10a1b-cbeeae20e00ebc11c98e9a68"),
    (b"a84b4c76e66710@pc33.atlanta.example.com", b"", 2**32 - 1, b"s10a1b-5233f78e5b5d6f5fcc70918a"),
    (b"\x00\xff\r\n", b"x", 2**31, b"s10a1b-d06a39cdf3cb222c6d17450b"),
]
CALL_ID, FROM_TAG, CSEQ, TAG = GOLDEN[0]

cseqs = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize(("call_id", "from_tag", "cseq", "tag"), GOLDEN)
def test_golden_vectors(call_id: bytes, from_tag: bytes, cseq: int, tag: bytes) -> None:
    assert SIGNER.sign(call_id, from_tag, cseq) == tag
    assert SIGNER.verify(tag, call_id, from_tag, cseq)


def test_the_format_spelled_out() -> None:
    fed = b"\x00\x00\x00\x03abc\x00\x00\x00\x02de\x00\x00\x00\x07"
    mac = hashlib.blake2b(fed, key=KEY.secret, digest_size=12, person=b"slbroker-totag").hexdigest()
    assert SIGNER.sign(b"abc", b"de", 7) == b"s1" + KEY.id + b"-" + mac.encode()


@given(st.binary(), st.binary(), cseqs)
def test_a_tag_is_a_token_that_verifies(call_id: bytes, from_tag: bytes, cseq: int) -> None:
    tag = SIGNER.sign(call_id, from_tag, cseq)
    assert len(tag) == TAG_LENGTH
    assert is_token(tag)
    assert SIGNER.verify(tag, call_id, from_tag, cseq)
    assert tag == Signer(KEY, {}).sign(call_id, from_tag, cseq)  # from any worker


@given(st.tuples(st.binary(max_size=9), st.binary(max_size=9), cseqs), st.data())
def test_another_request_needs_another_tag(request: tuple[bytes, bytes, int], data: st.DataObject) -> None:
    other = data.draw(st.tuples(st.binary(max_size=9), st.binary(max_size=9), cseqs).filter(lambda o: o != request))
    assert not SIGNER.verify(SIGNER.sign(*request), *other)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ((b"ab", b"c", 1), (b"a", b"bc", 1)),
        ((b"ab", b"", 1), (b"", b"ab", 1)),
        ((b"a\x00\x00\x00\x01b", b"", 1), (b"a", b"b", 1)),
    ],
)
def test_the_borders_between_the_parts_count(one: tuple[bytes, bytes, int], two: tuple[bytes, bytes, int]) -> None:
    assert SIGNER.sign(*one) != SIGNER.sign(*two)


@pytest.mark.parametrize("position", range(TAG_LENGTH))
def test_every_character_of_a_tag_counts(position: int) -> None:
    for replacement in (b"0", b"x", b"-", b"\x00", b"\xff"):
        changed = TAG[:position] + replacement + TAG[position + 1 :]
        assert SIGNER.verify(changed, CALL_ID, FROM_TAG, CSEQ) == (changed == TAG)


@pytest.mark.parametrize(
    "tag",
    [b"", b"s1", TAG[:-1], TAG + b"0", TAG * 2, TAG.upper(), b" " + TAG, TAG + b" ", b"s1-" + TAG[7:], b"a" * 65_535],
)
def test_tags_of_another_shape(tag: bytes) -> None:
    assert not SIGNER.verify(tag, CALL_ID, FROM_TAG, CSEQ)


@given(st.one_of(st.binary(), st.binary(min_size=TAG_LENGTH, max_size=TAG_LENGTH)), st.binary(), st.binary())
def test_any_bytes_are_no_tag(tag: bytes, call_id: bytes, from_tag: bytes) -> None:
    assert SIGNER.verify(tag, call_id, from_tag, 1) is False


@pytest.mark.parametrize("cseq", [-1, 2**32, -(2**70), 2**70])
def test_a_cseq_beyond_four_bytes(cseq: int) -> None:
    with pytest.raises(ValueError, match="CSeq"):
        SIGNER.sign(CALL_ID, FROM_TAG, cseq)
    assert not SIGNER.verify(TAG, CALL_ID, FROM_TAG, cseq)


def test_only_the_named_key_is_tried() -> None:
    both = Signer(OTHER, {KEY.id: KEY, OTHER.id: OTHER})
    tag = both.sign(CALL_ID, FROM_TAG, CSEQ)
    assert tag.startswith(b"s1ffff-")
    assert both.verify(tag, CALL_ID, FROM_TAG, CSEQ)
    assert both.verify(TAG, CALL_ID, FROM_TAG, CSEQ)
    assert not both.verify(tag.replace(OTHER.id, KEY.id), CALL_ID, FROM_TAG, CSEQ)
    assert not SIGNER.verify(tag, CALL_ID, FROM_TAG, CSEQ)  # a key that this reader does not have


def test_readers_that_load_a_rotation_at_different_times_agree() -> None:
    before = KeyRing.generate()
    after = before.rotate(1_000.0)
    old, new = (Signer(ring.current, ring.accepted(1_001.0)) for ring in (before, after))
    for signs, verifies in ((old, new), (new, old)):
        assert verifies.verify(signs.sign(CALL_ID, FROM_TAG, CSEQ), CALL_ID, FROM_TAG, CSEQ)
