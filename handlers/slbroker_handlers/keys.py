"""A worker's key ring: what it signs with, what edges are told of that, and whether they know it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from slbroker.authnonce import NonceKeys
from slbroker.bus.keycheck import KeyCheck, Labels, as_words
from slbroker.ringfile import RingFile
from slbroker.totag import Signer

if TYPE_CHECKING:
    from pathlib import Path

    from slbroker.bus.losses import Losses
    from slbroker.filewatch import Watch
    from slbroker_handlers.link import Link

OTHER_KEYS: Final = (
    "%(peer)s does not know the key that signs here (%(keys)s): ACKs to replies of this handler are let through there,"
    " not absorbed; %(advice)s"
)


class Keys:
    """The ring as it was read last."""

    def __init__(self, path: Path, losses: Losses) -> None:
        """Raise KeyFileError when it cannot be read. What edges do not know is told in lines of `losses`."""
        self._file = RingFile(path)
        self._check = KeyCheck(losses, OTHER_KEYS)
        self._labels = self._now()

    def _now(self) -> Labels:
        return Labels.of(self._file.ring, time.time())

    def make(self) -> tuple[Signer, NonceKeys]:
        """Return what signs replies, and what challenges are made with."""
        ring = self._file.ring
        accepted = ring.accepted(time.time())
        return Signer(ring.current, accepted), NonceKeys(ring.current, accepted)

    @property
    def words(self) -> dict[str, list[str]]:
        """Return what HELLO says of them; a worker without such leaves the words out."""
        return as_words(signs=self._labels.signs, keys=self._labels.keys)

    @property
    def watch(self) -> Watch:
        """Return what tells when the file is to be read again."""
        return self._file.watch

    def load_again(self) -> None:
        """Read the file again; raise KeyFileError, and keep the old ring, when it cannot be read."""
        self._file.load_again()

    def changed(self) -> bool:
        """Return whether `words` are others than before: keys were added, promoted, or have become too old."""
        before, self._labels = self._labels, self._now()
        return self._labels != before

    def compare(self, link: Link) -> None:
        """Look whether an edge knows them."""
        self._check.note(link.name, self._labels, link.membership.edge_keys, time.monotonic())

    def forget(self, link: Link) -> None:
        """Compare no more with an edge that has gone."""
        self._check.forget(link.name)

    def look(self, now: float) -> None:
        """Say which edges have not known them for too long."""
        self._check.look(now)
