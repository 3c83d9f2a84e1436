"""The cables between hosts, and the switch they end in: Ethernet frames, forwarded late, lossy or not at all.

This stands in for `tc netem`, which kernels for virtual machines are often built without. Like netem it works on
frames, so the TCP above it is the kernel's own, with its retransmissions and back-off. Unlike netem it keeps the order
of what it delays, as one queue in a network does.
"""

from __future__ import annotations

import heapq
import os
import random
import select
import time
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import Final

_MAX_FRAME: Final = 65_536
_MAC_BYTES: Final = 6
_BURST: Final = 64  # frames read from one host before the others are looked at
_LONGEST_NAP: Final = 0.05  # seconds; the thread looks so often whether it shall end


@dataclass(slots=True)
class Way:
    """One direction of a cable. All of it may be changed at any time."""

    delay: float = 0.0  # seconds
    jitter: float = 0.0  # seconds, up to which the delay varies either way
    loss: float = 0.0  # of all frames, 0 to 1
    cut: bool = False
    carried: int = 0
    lost: int = 0
    _last: float = 0.0

    def arrival(self, now: float, dice: random.Random) -> float | None:
        """When a frame sent at `now` comes out at the other end; None if it never does."""
        if self.cut or (self.loss and dice.random() < self.loss):
            self.lost += 1
            return None
        self.carried += 1
        self._last = max(self._last, now + self.delay + self.jitter * dice.uniform(-1, 1))
        return self._last


@dataclass(slots=True)
class Cable:
    """What connects a host with the switch: `up` is the way from the host, `down` to it."""

    up: Way = field(default_factory=Way)
    down: Way = field(default_factory=Way)

    def cut(self) -> None:
        """Let nothing through. Nobody is told: the interfaces stay up, as with a fault beyond the next switch."""
        self.up.cut = self.down.cut = True

    def mend(self) -> None:
        """Undo a cut, and whatever else the ways were made to do."""
        for way in (self.up, self.down):
            way.delay = way.jitter = way.loss = 0.0
            way.cut = False

    def worsen(self, delay: float = 0.0, jitter: float = 0.0, loss: float = 0.0) -> None:
        """Make both ways slow and lossy; the round trip takes twice the delay."""
        for way in (self.up, self.down):
            way.delay, way.jitter, way.loss = delay, jitter, loss


class Switch:
    """Carries frames from host to host by their destination, on a thread of its own."""

    def __init__(self, seed: int = 1) -> None:
        """`seed` is the dice's that loss and jitter are thrown with."""
        self._dice = random.Random(seed)
        self._cables: dict[int, Cable] = {}
        self._taps: dict[bytes, int] = {}
        self._on_the_way: list[tuple[float, int, int, bytes, bool]] = []
        self._count = 0
        self._poll = select.epoll()
        self._lock = Lock()
        self._ending = False
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def plug(self, tap: int, mac: bytes, cable: Cable) -> None:
        """Connect a host by the descriptor of its interface, which is the switch's from now on."""
        with self._lock:
            self._cables[tap] = cable
            self._taps[mac] = tap
            self._poll.register(tap, select.EPOLLIN)

    def unplug(self, mac: bytes) -> None:
        """Take a host off, and its interface away."""
        with self._lock:
            tap = self._taps.pop(mac, None)
            if tap is not None:
                self._poll.unregister(tap)
                del self._cables[tap]
                self._on_the_way = [frame for frame in self._on_the_way if frame[2] != tap]
                heapq.heapify(self._on_the_way)
                os.close(tap)

    def close(self) -> None:
        """End, and take all interfaces away."""
        self._ending = True
        self._thread.join()
        for mac in list(self._taps):
            self.unplug(mac)
        self._poll.close()

    def _run(self) -> None:
        while not self._ending:
            due = self._on_the_way[0][0] - time.monotonic() if self._on_the_way else _LONGEST_NAP
            ready = self._poll.poll(min(max(due, 0.0), _LONGEST_NAP))
            with self._lock:
                for tap, _events in ready:
                    if tap in self._cables:
                        self._take(tap)
                self._deliver(time.monotonic())

    def _take(self, tap: int) -> None:
        """Put what a host sends on the way to the switch; broadcasts are for nobody here."""
        with suppress(BlockingIOError):
            for _ in range(_BURST):
                frame = os.read(tap, _MAX_FRAME)
                to = self._taps.get(frame[:_MAC_BYTES])
                if to is not None:
                    self._send(self._cables[tap].up, time.monotonic(), to, frame, is_inside=False)

    def _send(self, way: Way, now: float, to: int, frame: bytes, *, is_inside: bool) -> None:
        due = way.arrival(now, self._dice)
        if due is not None:
            self._count += 1  # of two frames that are due together, the first one goes first
            heapq.heappush(self._on_the_way, (due, self._count, to, frame, is_inside))

    def _deliver(self, now: float) -> None:
        """Let frames out where they have come to: of the first cable into the second, of the second to the host."""
        while self._on_the_way and self._on_the_way[0][0] <= now:
            due, _count, to, frame, was_inside = heapq.heappop(self._on_the_way)
            if not was_inside:
                self._send(self._cables[to].down, due, to, frame, is_inside=True)
                continue
            with suppress(OSError):  # the host is going
                os.write(to, frame)
