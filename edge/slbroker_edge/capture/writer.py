"""The process beside an edge: reads the messages that have passed from its standard input, sends and writes them.

It ends when its edge does, and when it has written what came before. It runs at the lowest priority: what a busy
machine has no time for is left out and counted, and SIP is served. What it counts, and what goes wrong, it tells on its
standard output, as maps of msgpack.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgpack

from slbroker.priority import LOWEST, stand_back
from slbroker.settings.capture import Collector
from slbroker.sip.networks import read_networks
from slbroker.sip.tracing import call_id_of
from slbroker_edge.capture.collectors import TcpCollector, UdpCollector
from slbroker_edge.capture.hep import encode
from slbroker_edge.capture.messages import LONGEST_KEEPALIVE, Filter, Seen, is_keepalive, way_of
from slbroker_edge.capture.packets import Packets
from slbroker_edge.capture.pcap import records
from slbroker_edge.capture.ring import Ring

if TYPE_CHECKING:
    from collections.abc import Iterator

READ: Final = 65_536  # bytes taken from the edge at once: while they are copied the edge's own writing would wait
GULP: Final = 0.01  # seconds between two looks for more: an edge that wakes nobody is quicker, and so are many at once
MAX_RECORD: Final = 67_108_864  # bytes; a turn of an edge brings 128 messages of 64 KiB at most
MOST_READS: Final = 64  # before collectors are looked at again
TOLD: Final = 0.5  # seconds between two times that the figures are told
SOON: Final = 0.02  # seconds between two looks at a collector that is to be sent more
LAST_WORDS: Final = 1.0  # seconds that such a one has to take the rest, when the edge has ended
MAX_WARNING: Final = 500  # characters
SET_BACK: Final = 1_000_000  # microseconds by which a clock that has been put back is behind the last message


class Writer:
    """What becomes of the messages."""

    def __init__(self, words: dict[str, Any]) -> None:
        """`words` are the settings as `tap.words_of` has them."""
        where = [Collector(*each) for each in words["hep"]]
        self._collectors = [
            (TcpCollector if each.transport == "tcp" else UdpCollector)(each, self.warn) for each in where
        ]
        self._capture_id: int = words["hep_id"]
        self._auth: bytes = words["hep_auth"]
        self._ring: Ring | None = None
        if words["pcap"]:
            shape = words["pcap_size"], words["pcap_seconds"], words["pcap_files"]
            self._ring = Ring(Path(words["pcap"]), *shape, self.warn)
        self._packets = Packets()
        self._filter = Filter(frozenset(words["methods"]), read_networks(words["sources"]))
        self._is_filtered = bool(words["methods"] or words["sources"])
        self.is_full = False  # each collector has as much as is kept for it, and there is no file
        self._latest = 0  # when the last message passed, in microseconds
        self.keepalives = self.filtered = self.unreadable = self.too_long = self.written = self.unwritten = 0

    def take(self, record: list[Any], now: float) -> None:
        """Take what an edge has read from, or sent by, one socket in one turn: `tap.Tap` says of what shape."""
        is_sent, at, name, peer, messages = record
        told = int(at * 1_000_000)
        found = []
        for data, address in messages:
            host, port = (peer or address)[:2]
            if len(data) <= LONGEST_KEEPALIVE and is_keepalive(data):
                self.keepalives += 1
            elif self._is_filtered and not self._filter.wants(data, host):
                self.filtered += 1
            else:
                try:
                    transport, source, target = way_of(name, host, port, is_sent)
                except ValueError:
                    self.unreadable += 1
                    continue
                self._latest = self._moment(told)
                found.append(Seen(transport, source, target, self._latest, data))
        if found:
            self._put(found, now)

    def _moment(self, told: int) -> int:
        """Return when a message passed: those of a turn a microsecond apart, so that who sorts by time keeps order.

        Where the clock has been put back, time goes on from there.
        """
        return told if told < self._latest - SET_BACK else max(self._latest + 1, told)

    def _put(self, found: list[Seen], now: float) -> None:
        collectors = self._collectors
        if collectors and all(collector.is_full for collector in collectors):  # what nobody takes is not encoded
            for collector in collectors:
                collector.leave_out(len(found))
        elif collectors:
            packets = [encode(seen, call_id_of(seen.data), self._capture_id, self._auth) for seen in found]
            fitting = [packet for packet in packets if packet is not None]
            self.too_long += len(packets) - len(fitting)
            for collector in collectors:
                collector.send_all(fitting, now)
        if self._ring is not None:
            data = b"".join([records(self._packets.make(seen), seen.at) for seen in found])
            if self._ring.write(data, now):
                self.written += len(found)
            else:
                self.unwritten += len(found)

    @property
    def is_busy(self) -> bool:
        """Return whether a collector is to be sent more."""
        return any(collector.is_busy for collector in self._collectors)

    def look(self, now: float) -> None:
        """Do what time brings."""
        for collector in self._collectors:
            collector.look(now)
        if self._collectors and self._ring is None:
            if self.is_full:
                self.is_full = not any(collector.has_room for collector in self._collectors)
            else:
                self.is_full = all(collector.is_full for collector in self._collectors)

    def figures(self) -> dict[str, Any]:
        """Return what was counted."""
        found: dict[str, Any] = {"keepalives": self.keepalives}
        if self._is_filtered:
            found["filtered"] = self.filtered
        if self._collectors:
            found["too_long"] = self.too_long
            found["hep_sent"] = {each.name: each.sent for each in self._collectors}
            found["hep_failed"] = {each.name: each.failed for each in self._collectors}
        if self._ring is not None:
            found |= {"pcap_written": self.written, "pcap_failed": self.unwritten}
        if self.unreadable:
            found["unreadable"] = self.unreadable
        return found

    def warn(self, words: str) -> None:
        """Have the edge log a line."""
        _tell({"warning": words[:MAX_WARNING]})

    def close(self) -> None:
        """Close everything."""
        for collector in self._collectors:
            collector.close()
        if self._ring is not None:
            self._ring.close()


def _tell(words: dict[str, Any]) -> bool:
    """Tell the edge; what there is no room for, or nobody, is left out: it is told again."""
    with contextlib.suppress(OSError):
        os.write(sys.stdout.fileno(), msgpack.packb(words))
        return True
    return False


class _Feed:
    """What the edge hands over, on standard input."""

    def __init__(self) -> None:
        self._descriptor = sys.stdin.fileno()
        os.set_blocking(self._descriptor, False)
        self._unpacker = msgpack.Unpacker(max_buffer_size=MAX_RECORD)
        self._poller = select.poll()
        self._poller.register(self._descriptor, select.POLLIN)

    def read(self, seconds: float) -> Iterator[Any]:
        """Wait for so long for something, and yield the records of all that is there. Raises EOFError at its end."""
        yield from self._unpacker  # what was not asked for the last time
        if not self._poller.poll(seconds * 1_000):
            return
        with contextlib.suppress(BlockingIOError):
            for _ in range(MOST_READS):
                data = os.read(self._descriptor, READ)
                if not data:
                    raise EOFError
                self._unpacker.feed(data)
                yield from self._unpacker


def main() -> None:
    """Run until the edge ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # they are for the edge, which ends this one
        signal.signal(number, signal.SIG_IGN)
    stand_back(LOWEST)
    os.set_blocking(sys.stdout.fileno(), False)
    feed = _Feed()
    writer: Writer | None = None
    with contextlib.suppress(EOFError):
        while writer is None:
            for words in feed.read(TOLD):
                writer = Writer(words)
                break
        _serve(writer, feed)
    if writer is not None:
        _end(writer)


def _serve(writer: Writer, feed: _Feed) -> None:
    """Take what the edge hands over, and tell it what becomes of that. Raises EOFError when the edge has ended."""
    told, told_full = 0.0, False
    shown: dict[str, Any] = {}
    while True:
        now = time.monotonic()
        for record in feed.read(SOON if writer.is_busy else TOLD):
            writer.take(record, now)
        now = time.monotonic()
        writer.look(now)
        if writer.is_full is not told_full and _tell({"full": writer.is_full}):
            told_full = writer.is_full
        if now - told >= TOLD and (figures := writer.figures()) != shown:
            told, shown = now, figures
            _tell(figures)
        time.sleep(GULP)


def _end(writer: Writer) -> None:
    """Send the rest, and tell the last figures."""
    until = time.monotonic() + LAST_WORDS
    while writer.is_busy and (now := time.monotonic()) < until:
        writer.look(now)
        time.sleep(SOON)
    _tell(writer.figures())
    writer.close()
