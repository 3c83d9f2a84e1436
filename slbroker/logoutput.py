"""Where log lines go: a file, a pipe, a terminal, the journal. Nobody waits for it.

What it does not take at once is kept, up to a bound, and written when it does; beyond that it is counted. So neither
who reads slowly or not at all, nor a disk that is full, holds up calls or breaks a line in two.
"""

from __future__ import annotations

import os
import select
import stat
import time
from collections import deque
from typing import Any, Final

PIECE: Final = 4_096  # bytes that a pipe which takes anything takes at once, and does not mix with others' (PIPE_BUF)
LARGE_PIECE: Final = 65_536  # ... and a file
MOST_KEPT: Final = 1_048_576  # bytes that wait: a tenth of a second of lines at full load takes a fifth of it
PATIENCE: Final = 0.2  # seconds that the end of a process waits for what is kept


class Output:
    """Writes texts to a stream, in their order."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._waiting: deque[memoryview] = deque()
        self._kept = 0  # bytes in there
        self.fault = ""  # why the last text could not be written, in words; "" while nobody reads
        try:
            self._descriptor = stream.fileno()
            mode = os.fstat(self._descriptor).st_mode
        except (OSError, ValueError, AttributeError):  # a stream of Python's own, or none
            self._descriptor, mode = -1, 0
        self.piece = LARGE_PIECE if stat.S_ISREG(mode) else PIECE
        self._poller = None if self._descriptor < 0 or stat.S_ISREG(mode) else select.poll()
        if self._poller is not None:
            self._poller.register(self._descriptor, select.POLLOUT)

    @property
    def has_room(self) -> bool:
        """Return whether a further text would be kept."""
        return self._kept < MOST_KEPT

    def put(self, text: str) -> None:
        """Write a text of whole lines, now or later; one that is no longer than `piece` stays together."""
        if self._descriptor < 0:
            if self._stream is not None:
                self._stream.write(text)
                self._stream.flush()
            return
        data = text.encode(errors="backslashreplace")
        self._waiting.append(memoryview(data))
        self._kept += len(data)
        self.drain()

    def drain(self, patience: float = 0.0) -> bool:
        """Write what is taken now, or within so many seconds; return whether nothing waits."""
        while self._waiting:
            if self._poller is not None and not self._poller.poll(patience * 1e3):
                self.fault = ""
                return False
            data = self._waiting[0]
            try:
                written = os.write(self._descriptor, data[: self.piece])
            except BlockingIOError:
                return False
            except OSError as error:
                self.fault = error.strerror or type(error).__name__
                return False
            self._kept -= written
            if written < len(data):
                self._waiting[0] = data[written:]
            else:
                self._waiting.popleft()
        return True

    def forget(self) -> None:
        """Leave what waits to another process, which has forked this one."""
        self._waiting.clear()
        self._kept = 0

    def finish(self) -> None:
        """Give who reads some time for what waits."""
        until = time.monotonic() + PATIENCE
        while not self.drain(PATIENCE) and time.monotonic() < until:
            time.sleep(PATIENCE / 20)
