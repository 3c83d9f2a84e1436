"""HEP3 as it is written, read by code that shares nothing with the writer, and by places as sngrep reads it."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker_edge.capture.hep import MAX_PACKET, encode
from slbroker_edge.capture.messages import End, Seen, pair
from tests.support.capture import read_hep

PORTS = st.integers(0, 65_535)
ENDS = st.builds(End, st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16), PORTS)
TRANSPORTS = {"udp": 17, "tcp": 6, "tls": 22, "ws": 22, "wss": 22}
SEEN = st.builds(
    lambda transport, ends, at, data: Seen(transport, ends[0], ends[1], at, data),
    st.sampled_from(sorted(TRANSPORTS)), st.builds(pair, ENDS, ENDS), st.integers(0, 2**32 * 1_000_000 - 1),
    st.binary(max_size=2_000),
)  # fmt: skip


@given(SEEN, st.binary(max_size=1_024), st.integers(0, 2**32 - 1), st.binary(max_size=64))
def test_every_chunk_says_what_is_so(seen: Seen, call_id: bytes, capture_id: int, auth: bytes) -> None:
    packet = encode(seen, call_id, capture_id, auth)
    assert packet is not None
    found = read_hep(packet)
    six = len(seen.source.address) == 16
    want = {
        1: bytes([10 if six else 2]),
        2: bytes([TRANSPORTS[seen.transport]]),
        5 if six else 3: seen.source.address,
        6 if six else 4: seen.target.address,
        7: seen.source.port.to_bytes(2, "big"),
        8: seen.target.port.to_bytes(2, "big"),
        9: (seen.at // 1_000_000).to_bytes(4, "big"),
        10: (seen.at % 1_000_000).to_bytes(4, "big"),
        11: b"\x01",
        12: capture_id.to_bytes(4, "big"),
        15: seen.data,
    }
    assert found.chunks == want | ({14: auth} if auth else {}) | ({17: call_id} if call_id else {})


@given(SEEN, st.binary(min_size=1, max_size=100), st.binary(max_size=64))
def test_sngrep_finds_everything_at_its_place(seen: Seen, call_id: bytes, auth: bytes) -> None:
    """It goes by places: fixed ones to the capture id, both addresses, the password where it has one, the payload."""
    packet = encode(seen, call_id, 7, auth)
    assert packet is not None
    places = (7, 7, 8, 8, 10, 10, 7, 10)
    kinds, at = [], 6
    for size in places:
        kinds.append(struct.unpack_from("!HHH", packet, at)[1])
        assert struct.unpack_from("!HHH", packet, at)[2] == size
        at += size
    assert kinds == [1, 2, 7, 8, 9, 10, 11, 12]
    rest = read_hep(packet).order[8:]
    assert rest == ([5, 6] if len(seen.source.address) == 16 else [3, 4]) + ([14] if auth else []) + [15, 17]


@pytest.mark.parametrize("six", [False, True])
@pytest.mark.parametrize("auth", [b"", b"secret"])
def test_what_is_too_long_for_a_datagram_is_not_written(six: bool, auth: bytes) -> None:
    end = End(b"\1" * (16 if six else 4), 5060)
    empty = encode(Seen("tcp", end, end, 0, b""), b"", 1, auth)
    assert empty is not None
    room = MAX_PACKET - len(empty)
    for size, fits in ((room - 30, True), (room, True), (room + 1, False), (65_535, False)):
        packet = encode(Seen("tcp", end, end, 0, b"x" * size), b"call", 1, auth)
        assert (packet is not None) is fits
        if packet is not None:
            assert len(packet) <= MAX_PACKET
            found = read_hep(packet)
            assert len(found.payload) == size
            assert (17 in found.chunks) is (size <= room - 10), "the Call-ID is left out where it has no room"


def test_a_call_id_that_is_nobodys_is_left_out() -> None:
    end = End(b"\1\2\3\4", 5060)
    packet = encode(Seen("udp", end, end, 0, b"x"), b"c" * 1_025)
    assert packet is not None
    assert 17 not in read_hep(packet).chunks
