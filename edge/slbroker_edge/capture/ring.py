"""A ring of pcap files, as `dumpcap -b` makes them: FILE_00001_20261129145500.pcap, the oldest removed for the newest.

What earlier runs have left counts, too: so what a disk holds is bounded, however often an edge is started.
"""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING, Final

from slbroker_edge.capture.pcap import HEADER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MOST_NUMBER: Final = 99_999  # behind it the ring begins anew
RETRY: Final = 5.0  # seconds between two attempts at a file that cannot be made


class Ring:
    """Files of `size` bytes, or `seconds`, at most, `files` of them; for this user alone, since passwords pass."""

    def __init__(self, path: Path, size: int, seconds: float, files: int, warn: Callable[[str], None]) -> None:
        """`path` is what they are called but for number and time; `warn` is told what goes wrong."""
        self._folder, self._stem, self._suffix = path.parent, path.stem, path.suffix or ".pcap"
        self._size, self._seconds, self._files = size, seconds, files
        self._warn = warn
        form = rf"{re.escape(self._stem)}_([0-9]{{5}})_[0-9]{{14}}{re.escape(self._suffix)}"
        self._match_name = re.compile(form).fullmatch
        self._descriptor = -1
        self._written = 0  # bytes in the file
        self._opened = self._retry = 0.0
        self._is_said = False  # that it cannot be written
        self.current: Path | None = None

    def write(self, data: bytes, now: float) -> bool:
        """Write whole records; return whether they are in the file. `now` is in seconds, monotonic."""
        is_full = self._written + len(data) > self._size and self._written > len(HEADER)
        if self._descriptor >= 0 and (is_full or now - self._opened >= self._seconds or self._is_taken_away()):
            self.close()
        if self._descriptor < 0 and not self._open(now):
            return False
        return self._append(data)

    def _is_taken_away(self) -> bool:
        """Return whether the file was removed, or cut, as by logrotate's copytruncate: what follows would be lost."""
        status = os.fstat(self._descriptor)
        return not status.st_nlink or status.st_size < self._written

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def kept(self) -> list[Path]:
        """Return the files of this ring, the oldest first."""
        found = [path for path in self._folder.iterdir() if self._match_name(path.name)]
        return sorted(found, key=lambda path: (path.name[-14 - len(self._suffix) :], path.name))

    def _open(self, now: float) -> bool:
        if now < self._retry:
            return False
        try:
            kept = self.kept()
            for path in kept[: max(0, len(kept) - self._files + 1)]:
                path.unlink(missing_ok=True)
            found = self._match_name(kept[-1].name) if kept else None
            number = int(found[1]) % MOST_NUMBER + 1 if found else 1
            stamp = time.strftime("%Y%m%d%H%M%S")
            path = self._folder / f"{self._stem}_{number:05}_{stamp}{self._suffix}"
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            self._say(error)
            self._retry = now + RETRY
            return False
        self.current, self._written, self._opened = path, 0, now
        return self._append(HEADER)

    def _append(self, data: bytes) -> bool:
        """Write data whole, or not at all: half a record would be the end for whoever reads the file."""
        try:
            written = os.write(self._descriptor, data)
            if written < len(data):
                written += os.write(self._descriptor, data[written:])
            if written < len(data):
                raise OSError(0, "the disk is full")
        except OSError as error:
            self._say(error)
            os.ftruncate(self._descriptor, self._written)
            os.lseek(self._descriptor, self._written, os.SEEK_SET)
            if not self._written:  # a file without a header is none
                self.close()
            return False
        self._is_said = False
        self._written += len(data)
        return True

    def _say(self, error: OSError) -> None:
        if not self._is_said:
            self._is_said = True
            self._warn(
                f"--pcap {self._folder / self._stem}: {error.strerror}; messages are left out until it can be written"
            )
