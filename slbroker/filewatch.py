"""Whether files have changed since the last look: key rings, certificates, plugins, wherever they come from.

A file may be written in place, or another be given its name; the name may be a link that is turned elsewhere, itself
(releases of a plugin) or above (`..data` in what Kubernetes mounts); a mount of a single file shows the one that was
there, as long as it is not written. One stat says all of that. inotify would be told of each of them elsewhere, and of
files of another host (NFS) never.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

LOOK: Final = 0.5  # seconds between two looks
_GONE: Final = ("",)


class Watch:
    """Remembers what files looked like. A change counts once two looks have found the same: it is whole then."""

    def __init__(self, files: Collection[Path], now: float, others: Iterable[Path] = ()) -> None:
        """Watch `files`, and no change counts while one of them is missing, and `others`, which may come and go.

        `now` is in seconds, monotonic.
        """
        self._files = files
        self._seen = {file: _stamp(file) for file in (*files, *others)}
        self._is_moving = False
        self._due = now + LOOK

    def changed(self, now: float) -> bool:
        """Return whether some file has changed, and is no longer changing; false while no look is due."""
        if now < self._due:
            return False
        self._due = now + LOOK
        stamps = {file: _stamp(file) for file in self._seen}
        is_missing = any(stamps[file] == _GONE for file in self._files)
        moving, self._is_moving = self._is_moving, stamps != self._seen or (self._is_moving and is_missing)
        self._seen = stamps
        return moving and not self._is_moving

    def look(self) -> None:
        """Take the files as they are for known, as whoever is about to read them."""
        self._seen = {file: _stamp(file) for file in self._seen}
        self._is_moving = False

    def turn_to(self, files: Collection[Path], others: Iterable[Path]) -> None:
        """Watch these instead. What has changed since the last look of those that were watched before counts."""
        self._files = files
        self._seen = {file: self._seen.get(file) or _stamp(file) for file in (*files, *others)}


def _stamp(file: Path) -> tuple[str | int, ...]:
    """Return what tells a file from another and from itself when it was written.

    Two releases may share a file that is the same in both (hard links), so the way there counts too, and neither the
    number of links nor ctime, which changes with it.
    """
    try:
        status = file.stat()
        return (
            os.path.realpath(file), status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size,
            status.st_mode, status.st_uid, status.st_gid,  # who may read it
            status.st_nlink == 0,  # a mount of this file alone shows it, and where it comes from another has its name
        )  # fmt: skip
    except OSError:
        return _GONE  # an editor that writes another file and gives it the name
