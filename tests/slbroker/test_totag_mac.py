"""The MAC of a To-tag, by both twins, is the one that hashlib computes."""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.twins import KINDS, growth, load, outcome

if TYPE_CHECKING:
    from slbroker.totag import Mac

SECRET = bytes(range(32))
PERSON = b"slbroker-totag"


@pytest.fixture(scope="module", params=KINDS)
def mac_type(request: pytest.FixtureRequest) -> Any:
    return load("slbroker.totag", request.param).Mac


def reference(secret: bytes, person: bytes, call_id: bytes, from_tag: bytes, cseq: int) -> bytes:
    """Straight from the description."""
    text = struct.pack(">I", len(call_id)) + call_id + struct.pack(">I", len(from_tag)) + from_tag
    text += struct.pack(">I", cseq)
    return hashlib.blake2b(text, key=secret, digest_size=12, person=person).hexdigest().encode()


def test_the_vector_on_the_page_of_the_bus(mac_type: type[Mac]) -> None:
    assert mac_type(SECRET, PERSON).tag(b"c1", b"1", 7) == b"42890962d3bc51b51a0ac51f"


@given(
    secret=st.binary(min_size=32, max_size=32),
    person=st.binary(max_size=16),
    call_id=st.binary(max_size=300),
    from_tag=st.binary(max_size=300),
    cseq=st.integers(0, 2**32 - 1),
)
def test_any_texts(
    mac_type: type[Mac], secret: bytes, person: bytes, call_id: bytes, from_tag: bytes, cseq: int
) -> None:
    expected = reference(secret, person, call_id, from_tag, cseq)
    assert mac_type(secret, person).tag(call_id, from_tag, cseq) == expected


def test_every_length_round_the_blocks(mac_type: type[Mac]) -> None:
    mac = mac_type(SECRET, PERSON)
    for size in (*range(400), 65_000):
        text = bytes(at % 251 for at in range(size))
        assert mac.tag(text, b"", 1) == reference(SECRET, PERSON, text, b"", 1), size
        assert mac.tag(b"c", text, 1) == reference(SECRET, PERSON, b"c", text, 1), size


def test_one_mac_serves_many_times(mac_type: type[Mac]) -> None:
    mac = mac_type(SECRET, PERSON)
    assert [mac.tag(b"a", b"b", 1) for _ in range(3)] == [reference(SECRET, PERSON, b"a", b"b", 1)] * 3


@pytest.mark.parametrize(
    ("secret", "person"), [(b"", PERSON), (b"x" * 31, PERSON), (b"x" * 64, PERSON), (SECRET, b"x" * 17)]
)
def test_a_secret_has_its_size(mac_type: type[Mac], secret: bytes, person: bytes) -> None:
    with pytest.raises(ValueError, match=r"32 bytes|person"):
        mac_type(secret, person)


@pytest.mark.parametrize("cseq", [-1, 2**32, 2**64])
def test_a_number_that_four_bytes_do_not_hold(mac_type: type[Mac], cseq: int) -> None:
    with pytest.raises(ValueError, match=f"CSeq number {cseq} is not within"):
        mac_type(SECRET, PERSON).tag(b"c", b"f", cseq)


@pytest.mark.parametrize(
    "arguments", [(None, b"", 1), (b"", None, 1), (b"", b"", None), ("c", b"", 1), (b"", b"", "1")]
)
def test_strangers_among_the_arguments(mac_type: type[Mac], arguments: tuple[Any, ...]) -> None:
    assert outcome(mac_type(SECRET, PERSON).tag, *arguments)[0] in ("TypeError", "ValueError")


def test_nothing_is_left_behind(mac_type: type[Mac]) -> None:
    mac = mac_type(SECRET, PERSON)
    text = b"x" * 500
    blocks, pages, references = growth(lambda: (mac.tag(text, b"f", 1), mac_type(SECRET, PERSON)), 3_000, text)
    assert (blocks < 100, pages < 100, references) == (True, True, 0)
