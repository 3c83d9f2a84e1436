"""Packets made of messages: read by code that shares nothing with the writer, checksums and TCP's numbers included."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker_edge.capture.messages import End, Seen
from slbroker_edge.capture.packets import Packets, checksum
from tests.support.capture import read_packet

FOUR = [End(bytes([192, 0, 2, last]), 5_060 + last) for last in range(3)]
SIX = [End(bytes(15) + bytes([last]), 5_060 + last) for last in range(1, 4)]
PAIRS = [(one, other) for ends in (FOUR, SIX) for one in ends for other in ends if one != other]


@given(
    st.lists(
        st.builds(
            lambda transport, ends, data: Seen(transport, ends[0], ends[1], 0, data),
            st.sampled_from(["udp", "tcp", "tls", "ws", "wss"]), st.sampled_from(PAIRS), st.binary(max_size=300),
        ),
        max_size=20,
    )
)  # fmt: skip
def test_messages_come_back_out_of_their_packets(messages: list[Seen]) -> None:
    packets = Packets()
    sent: dict[tuple[End, End], int] = defaultdict(lambda: 1)
    for seen in messages:
        (packet,) = packets.make(seen)
        found = read_packet(packet)
        assert found.data == seen.data
        assert (found.source[1], found.target[1]) == (seen.source.port, seen.target.port)
        assert found.protocol == (6 if seen.transport == "tcp" else 17)
        if found.protocol == 6:
            assert found.number == sent[seen.source, seen.target]
            assert found.acknowledged == sent[seen.target, seen.source]
            sent[seen.source, seen.target] += len(seen.data)


@pytest.mark.parametrize("ends", [FOUR[:2], SIX[:2]])
def test_what_tcp_has_too_much_of_for_a_packet_becomes_two(ends: list[End]) -> None:
    data = bytes(range(256)) * 256
    for size in (65_494, 65_495, 65_496, 65_515, 65_516, 65_535):
        packets = Packets()
        found = [read_packet(packet) for packet in packets.make(Seen("tcp", ends[0], ends[1], 0, data[:size]))]
        assert b"".join(each.data for each in found) == data[:size]
        assert [each.number for each in found] == [1, 1 + len(found[0].data)][: len(found)]


@pytest.mark.parametrize(("ends", "room"), [(FOUR[:2], 65_507), (SIX[:2], 65_527)])
def test_a_datagram_is_cut_where_it_ends(ends: list[End], room: int) -> None:
    (packet,) = Packets().make(Seen("wss", ends[0], ends[1], 0, b"x" * 65_535))
    assert len(read_packet(packet).data) == room


@given(st.binary(max_size=99))
def test_a_checksum_makes_the_words_all_ones(data: bytes) -> None:
    words = data + b"\0" * (len(data) & 1) + checksum(data).to_bytes(2, "big")
    total = sum(int.from_bytes(words[at : at + 2], "big") for at in range(0, len(words), 2))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    assert total == 0xFFFF
