"""Whether the ends of the bus have the same key ring: each tells the labels of its keys, and warns where they differ.

A label (`Key.label`) is a key's id and a short hash of its secret; the secret itself never travels. What an edge does
not know it cannot verify: ACKs to replies that were signed with it are let through, in silence. An end that tells
nothing is an older version, and nothing is said of it.

Pure: `now` is an argument, in seconds, monotonic.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from slbroker.errors import EnvelopeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from slbroker.bus.losses import Losses
    from slbroker.keys import KeyRing

MAX_LABELS: Final = 64  # in one HELLO or WELCOME; a ring has three or so. An end that has more tells nothing
MAX_LETTERS: Final = 32  # of a label
PATIENCE: Final = 1.0  # seconds that a SIGHUP to both ends may take to reach the second one
AGAIN: Final = 60.0  # seconds between two warnings about one peer


def read_labels(info: Mapping[str, Any], key: str) -> frozenset[str] | None:
    """Return the labels in the map of a HELLO or WELCOME, None where it tells none; raise EnvelopeError otherwise."""
    if key not in info:
        return None
    labels = info[key]
    if not isinstance(labels, list | tuple) or len(labels) > MAX_LABELS:
        raise EnvelopeError(f"{key} is no array of at most {MAX_LABELS} labels")
    if not all(isinstance(label, str) and _is_label(label) for label in labels):
        raise EnvelopeError(f"{key} has what is no label of a key")
    return frozenset(labels)


def _is_label(text: str) -> bool:
    return 0 < len(text) <= MAX_LETTERS and text.isascii() and text.isprintable()


def as_words(**labels: Iterable[str] | None) -> dict[str, list[str]]:
    """Return the part of a HELLO's or WELCOME's map that tells labels, by its keys; what is None is not told."""
    known = {key: sorted(value) for key, value in labels.items() if value is not None}
    return {key: value for key, value in known.items() if len(value) <= MAX_LABELS}


@dataclass(frozen=True, slots=True)
class Labels:
    """What one end tells: what it signs with, and all that it has. None: it does not tell."""

    signs: frozenset[str] | None = None
    keys: frozenset[str] | None = None

    @classmethod
    def of(cls, ring: KeyRing, now: float) -> Labels:
        """Return the labels of a key ring; `now` in unix seconds."""
        return cls(frozenset((ring.current.label,)), frozenset(key.label for key in ring.accepted(now).values()))

    def unknown_to(self, others: frozenset[str] | None) -> frozenset[str]:
        """Return what is signed with here and not known to an end that has the keys `others`."""
        return frozenset() if self.signs is None or others is None else self.signs - others

    def figures(self, others: frozenset[str] | None) -> dict[str, list[str]]:
        """Return what statistics show: `unknown_keys`, where an end that has the keys `others` lacks some."""
        unknown = self.unknown_to(others)
        return {"unknown_keys": sorted(unknown)} if unknown else {}


@dataclass(slots=True)
class _Peer:
    unknown: frozenset[str]
    advice: str
    due: float  # when to warn, again or for the first time


_SAME_FILE: Final = "give both ends the same --keys file"
_ROTATED: Final = "the ring was rotated, and not all have its new file"


class KeyCheck:
    """Warns of peers that have other keys, once they have had time to read theirs again, and then once a minute."""

    def __init__(self, losses: Losses, words: str) -> None:
        """`words` has %(peer)s, %(keys)s and %(advice)s."""
        self._losses = losses
        self._words = words
        self._peers: dict[str, _Peer] = {}

    def note(self, peer: str, signer: Labels, others: frozenset[str] | None, now: float) -> None:
        """Compare what `signer` signs with and what `others`, the other end's keys, has; one of both is `peer`'s."""
        unknown = signer.unknown_to(others)
        known = self._peers.get(peer)
        if known is None:
            if not unknown:
                return
            known = self._peers[peer] = _Peer(frozenset(), "", now)
        if not known.unknown:
            known.due = max(known.due, now + PATIENCE)
        known.unknown = unknown
        known.advice = _ROTATED if signer.keys and others and signer.keys & others else _SAME_FILE

    def forget(self, peer: str) -> None:
        """Say nothing more of a peer that has gone; one that comes back is warned of no sooner for it."""
        if peer in self._peers:
            self._peers[peer].unknown = frozenset()

    def look(self, now: float) -> None:
        """Warn of whom it is time to."""
        if not self._peers:
            return
        for peer, known in list(self._peers.items()):
            if now < known.due:
                continue
            if not known.unknown:
                del self._peers[peer]
                continue
            known.due = now + AGAIN
            keys = ", ".join(map(_in_words, sorted(known.unknown)))
            values = {"peer": peer, "keys": keys, "advice": known.advice}
            self._losses.tell(logging.WARNING, "other keys", now, self._words, values)


def _in_words(label: str) -> str:
    """Return a label as `slbroker keys show` has it."""
    name, _, fingerprint = label.partition("-")
    return f"{name}, fingerprint {fingerprint}"
