"""The key ring's file as a running process sees it: loaded at the start, when it has changed, and on SIGHUP."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from slbroker import keys
from slbroker.filewatch import Watch

if TYPE_CHECKING:
    from pathlib import Path

    from slbroker.keys import KeyRing

logger = logging.getLogger(__name__)


class RingFile:
    """A key ring and where it comes from. `ring` is what was loaded last; raises KeyFileError when there is none.

    `watch` tells when there is another one to load.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.watch = Watch((path,), time.monotonic())
        self.ring: KeyRing = keys.load(path)

    def load_again(self) -> None:
        """Read the file again and say which key signs now; raise KeyFileError, and keep the old ring, for a bad one."""
        self.watch.look()
        before, self.ring = self.ring, keys.load(self._path)
        signs = self.ring.current
        logger.info(
            "key ring %s loaded again%s: %s signs, fingerprint %s",
            self._path, ", unchanged" if self.ring == before else "", signs.id.decode(), signs.fingerprint,
        )  # fmt: skip
        if self.ring == before and self._is_left_behind():
            logger.warning(
                "key ring %s was replaced where it is mounted from, and a mount of a single file goes on showing the"
                " old one; mount its directory instead, or start again",
                self._path,
            )

    def _is_left_behind(self) -> bool:
        """Return whether the file has no name any more, though we have a path to it: a mount keeps it."""
        try:
            return self._path.stat().st_nlink == 0
        except OSError:
            return False
