"""Whether files have changed since the last look, for `--reload`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

LOOK: Final = 0.5  # seconds between two looks
_GONE: Final = (0, 0, 0)


class Watch:
    """Remembers what files looked like. A change counts once two looks have found the same: it is whole then."""

    def __init__(self, files: Iterable[Path], now: float) -> None:
        """`now` is in seconds, monotonic."""
        self._seen = {file: _stamp(file) for file in files}
        self._is_moving = False
        self._due = now + LOOK

    def changed(self, now: float) -> bool:
        """Return whether some file has changed, and is no longer changing; false while no look is due."""
        if now < self._due:
            return False
        self._due = now + LOOK
        stamps = {file: _stamp(file) for file in self._seen}
        moving, self._is_moving = self._is_moving, stamps != self._seen or _GONE in stamps.values()
        self._seen = stamps
        return moving and not self._is_moving


def _stamp(file: Path) -> tuple[int, int, int]:
    try:
        status = file.stat()
    except OSError:
        return _GONE  # an editor that writes another file and gives it the name
    return status.st_mtime_ns, status.st_size, status.st_ino
