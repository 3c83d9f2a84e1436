"""Readers of HEP3 and of pcap files that share no code with slbroker, and a collector to send to."""

from __future__ import annotations

import socket
import struct
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

from tests.support.timing import within

if TYPE_CHECKING:
    from pathlib import Path


class Hep(NamedTuple):
    """A HEP3 packet: its chunks' values by their types, and these in their order."""

    chunks: dict[int, bytes]
    order: list[int]

    @property
    def payload(self) -> bytes:
        return self.chunks[15]

    @property
    def source(self) -> tuple[str, int]:
        return str(ip_address(self.chunks.get(3) or self.chunks[5])), int.from_bytes(self.chunks[7], "big")

    @property
    def target(self) -> tuple[str, int]:
        return str(ip_address(self.chunks.get(4) or self.chunks[6])), int.from_bytes(self.chunks[8], "big")

    @property
    def at(self) -> float:
        return int.from_bytes(self.chunks[9], "big") + int.from_bytes(self.chunks[10], "big") / 1e6

    @property
    def first_line(self) -> str:
        return self.payload.split(b"\r\n")[0].decode()


def read_hep(packet: bytes) -> Hep:
    """Read a packet; every length in it must be right."""
    assert packet[:4] == b"HEP3"
    assert int.from_bytes(packet[4:6], "big") == len(packet)
    chunks: dict[int, bytes] = {}
    order = []
    at = 6
    while at < len(packet):
        vendor, kind, length = struct.unpack_from("!HHH", packet, at)
        assert vendor == 0
        assert length >= 6
        assert at + length <= len(packet)
        assert kind not in chunks
        chunks[kind] = packet[at + 6 : at + length]
        order.append(kind)
        at += length
    return Hep(chunks, order)


class Homer:
    """A collector over UDP."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
        self.sock.bind((host, 0))
        self.sock.settimeout(within(5.0))
        self.word = f"udp:[{host}]:{self.port}" if ":" in host else f"udp:{host}:{self.port}"

    @property
    def port(self) -> int:
        return int(self.sock.getsockname()[1])

    def receive(self, count: int) -> list[Hep]:
        return [read_hep(self.sock.recv(65_535)) for _ in range(count)]

    def hears_nothing(self, seconds: float = 0.5) -> bool:
        self.sock.settimeout(seconds)
        try:
            self.sock.recv(65_535)
        except TimeoutError:
            return True
        return False


class Packet(NamedTuple):
    """An IP packet of a pcap file, taken apart."""

    at: float
    protocol: int
    source: tuple[str, int]
    target: tuple[str, int]
    data: bytes
    number: int  # TCP's sequence number
    acknowledged: int


def read_pcap(path: Path) -> list[Packet]:
    """Read a file of raw IP packets; all checksums must be right."""
    data = path.read_bytes()
    magic, *_, link = struct.unpack_from("=IHHiIII", data)
    assert (magic, link) == (0xA1B2C3D4, 101)
    found, at = [], 24
    while at < len(data):
        seconds, microseconds, length, whole = struct.unpack_from("=IIII", data, at)
        assert length == whole
        assert at + 16 + length <= len(data), "a record is whole"
        found.append(read_packet(data[at + 16 : at + 16 + length], seconds + microseconds / 1e6))
        at += 16 + length
    return found


def read_packet(packet: bytes, at: float = 0.0) -> Packet:
    """Take an IP packet apart."""
    if packet[0] >> 4 == 4:
        assert _sums_up(packet[:20])
        assert int.from_bytes(packet[2:4], "big") == len(packet)
        protocol, source, target, body = packet[9], packet[12:16], packet[16:20], packet[20:]
    else:
        assert packet[0] >> 4 == 6
        assert int.from_bytes(packet[4:6], "big") == len(packet) - 40
        protocol, source, target, body = packet[6], packet[8:24], packet[24:40], packet[40:]
    assert _sums_up(source + target + len(body).to_bytes(4, "big") + protocol.to_bytes(4, "big") + body)
    ports = struct.unpack_from("!HH", body)
    ends = (str(ip_address(source)), ports[0]), (str(ip_address(target)), ports[1])
    if protocol == 17:
        assert int.from_bytes(body[4:6], "big") == len(body)
        assert body[6:8] != b"\0\0", "0 is none, which IPv6 forbids"
        return Packet(at, protocol, *ends, body[8:], 0, 0)
    assert protocol == 6
    number, acknowledged = struct.unpack_from("!II", body, 4)
    return Packet(at, protocol, *ends, body[(body[12] >> 4) * 4 :], number, acknowledged)


def _sums_up(data: bytes) -> bool:
    """Add 16-bit words with end-around carry, as RFC 1071 has it: all ones when the checksum among them is right."""
    total = 0
    for (word,) in struct.iter_unpack("!H", data + b"\0" * (len(data) & 1)):
        total += word
        total = (total & 0xFFFF) + (total >> 16)
    return total == 0xFFFF
