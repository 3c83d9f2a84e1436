"""The timed ACK filter: while it is armed, ACKs to our own stateless replies end here.

Kamailio's sl module does the same with a window of 2 s and tags that anyone can compute. Here the tag is signed, and
the ACK to a reply that had to carry the peer's own To-tag (a re-INVITE), which the sl module lets leak, is known too.
Pure: `now` (seconds, monotonic) is an argument.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from slbroker.inner.pure_jobs import Ack
    from slbroker.sip.reading import Dialog
    from slbroker.totag import Signer

DEFAULT_WINDOW = 32.0  # seconds; 64*T1: for so long a client repeats its INVITE, and ACKs (RFC 3261 17.1.1.2)
MAX_REMEMBERED = 100_000  # replies with the peer's own tag a generation holds: some 10 MB in all, and 3,000 a second


class AckFilter:
    """One shared deadline, as the sl module has it, and a bounded memory of replies that had the peer's own To-tag."""

    __slots__ = ("_deadline", "_old", "_rotate_at", "_young", "signer", "window")

    def __init__(self, signer: Signer, window: float = DEFAULT_WINDOW) -> None:
        self.signer = signer
        self.window = window
        self._deadline = -math.inf
        self._young: set[int] = set()
        self._old: set[int] = set()
        self._rotate_at = -math.inf

    def is_armed(self, now: float) -> bool:
        """Return whether ACKs are looked at; when not, all are let through."""
        return now < self._deadline

    def arm(self, invites: Iterable[Dialog], now: float) -> None:
        """Note that final replies to INVITEs have been sent.

        `invites` may leave out those whose To-tag we signed: that is how their ACKs are known.
        """
        self._deadline = now + self.window
        for invite in invites:
            if invite.to_tag:
                self._rotate(now)
                self._young.add(_fingerprint(invite))

    def absorbs(self, ack: Dialog, now: float) -> bool:
        """Return whether `ack` answers one of our replies; repetitions of it do too."""
        if now >= self._deadline or not ack.to_tag:
            return False
        signed = self.signer.verify(ack.to_tag, ack.call_id, ack.from_tag, ack.cseq)
        return signed or self._remembers(ack, now)

    def absorb(self, acks: list[Ack], now: float) -> list[Ack]:
        """Return those of many ACKs that answer none of our replies."""
        if now >= self._deadline:
            return acks
        return [ack for ack in self.signer.unsigned(acks) if not self._remembers(ack[0], now)]

    def _remembers(self, ack: Dialog, now: float) -> bool:
        if not self._young and not self._old:
            return False
        self._rotate(now)
        fingerprint = _fingerprint(ack)
        return fingerprint in self._young or fingerprint in self._old

    def _rotate(self, now: float) -> None:
        """Forget what is older than the window, a generation at a time; a full generation is closed early."""
        if now >= self._rotate_at or len(self._young) >= MAX_REMEMBERED:
            stale = now >= self._rotate_at + self.window
            self._old = set() if stale else self._young
            self._young = set()
            self._rotate_at = now + self.window


def _fingerprint(request: Dialog) -> int:
    """Return a number for the transaction; its key is this process's own (PYTHONHASHSEED): nobody aims at a clash."""
    return hash((request.call_id, request.cseq, request.from_tag, request.to_tag))
