"""What an edge does where messages are captured: it hands them over to another process, a turn at a time.

Nothing waits for that one. What it has no room for is counted and left out; when it ends it is started again. An edge
that has no time left gives a small share of it to handing over, and counts the rest, too.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import math
import os
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import msgpack

from slbroker_edge.transports.siblings import Handing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from slbroker.settings.capture import CaptureSettings
    from slbroker.sip.reading import Address
    from slbroker_edge.listener import Listener

logger = logging.getLogger(__name__)

PIPE: Final = 1_048_576  # bytes: what Linux allows to everybody (/proc/sys/fs/pipe-max-size)
MAX_WAITING: Final = 4_194_304  # bytes kept beyond what the pipe has
FIRST_PAUSE: Final = 1.0  # seconds before a process that has ended is started again; doubled each time, up to
LONGEST_PAUSE: Final = 30.0
BUSY: Final = 0.85  # of its time that an edge's thread has worked, from where on handing over gets no more than
SHARE: Final = 0.02  # of it
WINDOW: Final = 0.5  # seconds over which that is judged: a start has busy ticks, and tells of no load
PARTING: Final = 3.0  # seconds that it has to write the rest when the edge ends
_COMMAND: Final = (sys.executable, "-P", "-m", "slbroker_edge.capture")


def words_of(settings: CaptureSettings, process: int = 0) -> dict[str, Any]:
    """Return the settings as the other process reads them; that of process n > 0 has its files at FILE.n."""
    path = settings.pcap
    if path is not None and process:
        path = path.with_name(f"{path.stem}.{process}{path.suffix}")
    return {
        "hep": [tuple(each) for each in settings.hep],
        "hep_id": settings.hep_id,
        "hep_auth": (settings.hep_auth or "").encode(),
        "pcap": str(path) if path is not None else "",
        "pcap_size": settings.pcap_size * 1_000_000,
        "pcap_seconds": settings.pcap_seconds,
        "pcap_files": settings.pcap_files,
        "methods": [method.encode() for method in settings.methods],
        "sources": [str(network) for network in settings.sources],
    }


class Tap:
    """The messages of one edge process on their way to its capture."""

    def __init__(
        self, settings: CaptureSettings, process: int = 0, worked: Callable[[], float] = time.thread_time
    ) -> None:
        """`worked` says for how many seconds this thread has."""
        self._worked = worked
        self._judged = self._work = 0.0  # when it was looked how busy it is, and what it had worked by then
        self._left = math.inf  # seconds that handing over may take until that is looked at next
        self._words = words_of(settings, process)
        self._packer = msgpack.Packer()
        self._records: list[tuple[bool, float, str, Address | None, Sequence[tuple[bytes, Address]]]] = []
        self._count = 0  # messages in there
        self._waiting: deque[tuple[memoryview, int]] = (
            deque()
        )  # what the pipe has no room for, and of how many messages
        self._held = 0  # bytes in there
        self._child: subprocess.Popen[bytes] | None = None
        self._feed = self._ear = -1
        self._pause = FIRST_PAUSE
        self._due = 0.0  # when to start it again
        self._unpacker = msgpack.Unpacker()
        self._is_full = False  # nobody takes what the process has: it wants no more
        self._told: dict[str, Any] = {}  # by the process that runs
        self._before: dict[str, Any] = {}  # by those that have ended, in all
        self.received = self.sent = self.lost = self.starts = 0

    # What passes ------------------------------------------------------------------------------------------------

    def came(self, messages: Sequence[tuple[bytes, Address]], listener: Listener) -> None:
        """Take messages that were received, each with where it came from."""
        self.received += len(messages)
        self._note(False, messages, listener)

    def went(self, messages: Sequence[tuple[bytes, Address]], listener: Listener) -> None:
        """Take messages that were sent, each with where it went; those handed to another process, that one takes."""
        if not isinstance(listener, Handing):
            self.sent += len(messages)
            self._note(True, messages, listener)

    def _note(self, is_sent: bool, messages: Sequence[tuple[bytes, Address]], listener: Listener) -> None:
        if self._is_full:
            self.lost += len(messages)
            return
        peer = getattr(listener, "address", None)  # a connection's; what the Via says of a reply's port is no matter
        self._records.append((is_sent, time.time(), listener.name, peer, messages))
        self._count += len(messages)

    def flush(self) -> None:
        """Hand over what has passed in this turn."""
        if self._records:
            records, self._records = self._records, []
            count, self._count = self._count, 0
            if self._feed < 0 or self._held > MAX_WAITING or self._left <= 0.0 or self._is_full:
                self.lost += count
                return
            begun = time.perf_counter()
            packed = memoryview(b"".join([self._packer.pack(record) for record in records]))
            self._waiting.append((packed, count))
            self._held += len(packed)
            self._write()
            self._left -= time.perf_counter() - begun
        elif self._waiting:
            self._write()

    def _write(self) -> None:
        try:
            while self._waiting:
                data, count = self._waiting[0]
                written = os.write(self._feed, data)
                self._held -= written
                if written < len(data):
                    self._waiting[0] = data[written:], count
                else:
                    self._waiting.popleft()
        except BlockingIOError:
            pass
        except OSError:  # it has ended; `look` finds out
            self._lose()

    def _lose(self) -> None:
        """Give up what waits: half of the first may be in a pipe that nobody reads."""
        self.lost += sum(count for _, count in self._waiting)
        self._waiting.clear()
        self._held = 0

    # The process ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the process that writes. Raises OSError."""
        self.starts += 1
        taken, self._feed = os.pipe()
        with suppress(OSError):
            fcntl.fcntl(self._feed, fcntl.F_SETPIPE_SZ, PIPE)
        os.set_blocking(self._feed, False)
        self._ear, said = os.pipe()
        os.set_blocking(self._ear, False)
        try:
            # In a session of its own: what it is to have of a processor is set for that (`priority`).
            self._child = subprocess.Popen(_COMMAND, stdin=taken, stdout=said, start_new_session=True)  # noqa: S603 - this Python
        except OSError:
            self._hang_up()
            raise
        finally:
            os.close(taken)
            os.close(said)
        self._unpacker = msgpack.Unpacker()
        asyncio.get_running_loop().add_reader(self._ear, self._listen)
        packed = memoryview(self._packer.pack(self._words))
        self._waiting.append((packed, 0))
        self._held += len(packed)
        self._write()

    def look(self, now: float) -> None:
        """See how busy this thread is; start the process again, if it has ended."""
        if (passed := now - self._judged) >= WINDOW:
            work = self._worked()
            self._left = SHARE * passed if work - self._work > BUSY * passed else math.inf
            self._judged, self._work = now, work
        if self._waiting:
            self._write()
        if self._child is not None and (code := self._child.poll()) is not None:
            logger.warning("the capture's process ended with code %d; starting it again in %g s", code, self._pause)
            self._end(now)
        if self._child is None and now >= self._due:
            try:
                self.start()
            except OSError as error:
                logger.warning("the capture's process cannot be started: %s", error.strerror)
                self._end(now)

    def _end(self, now: float) -> None:
        self._child = None
        self._listen()
        self._hang_up()
        self._lose()
        _add(self._before, self._told)
        self._told = {}
        self._is_full = False
        self._due, self._pause = now + self._pause, min(2 * self._pause, LONGEST_PAUSE)

    def _listen(self) -> None:
        """Take what the process tells."""
        with suppress(BlockingIOError):
            while self._ear >= 0:
                data = os.read(self._ear, 65_536)
                if not data:
                    asyncio.get_running_loop().remove_reader(self._ear)
                    return
                self._unpacker.feed(data)
                for words in self._unpacker:
                    if "warning" in words:
                        logger.warning("capture: %s", words["warning"])
                    elif "full" in words:
                        self._is_full = words["full"]
                    else:
                        self._told = words
                        self._pause = FIRST_PAUSE

    def _hang_up(self) -> None:
        if self._ear >= 0:
            with suppress(RuntimeError):
                asyncio.get_running_loop().remove_reader(self._ear)
        for descriptor in (self._feed, self._ear):
            if descriptor >= 0:
                os.close(descriptor)
        self._feed = self._ear = -1

    def figures(self) -> dict[str, Any]:
        """Return what was counted: `lost` is what the process had no room for, as it is too slow or has ended."""
        found: dict[str, Any] = {"received": self.received, "sent": self.sent, "lost": self.lost}
        _add(found, self._before)
        _add(found, self._told)
        return found

    def close(self) -> None:
        """Let the process write what it has, and end."""
        if self._child is None:
            return
        self.flush()
        if self._feed >= 0:
            os.set_blocking(self._feed, False)
            until = time.monotonic() + PARTING
            while self._waiting and time.monotonic() < until:
                time.sleep(0.01)
                self._write()
            self.lost += sum(count for _, count in self._waiting)
            os.close(self._feed)
            self._feed = -1
        try:
            self._child.wait(PARTING)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._listen()
        self._hang_up()
        self._child = None


def _add(total: dict[str, Any], more: dict[str, Any]) -> None:
    """Add counters to others, those in maps, too."""
    for name, value in more.items():
        if isinstance(value, dict):
            _add(total.setdefault(name, {}), value)
        else:
            total[name] = total.get(name, 0) + value
