"""The timed ACK filter: while it is armed, ACKs to our own stateless replies end here.

Kamailio's sl module does the same with a window of 2 s and tags that anyone can compute. Here the tag is signed, and
the ACK to a reply that had to carry the peer's own To-tag (a re-INVITE), which the sl module lets leak, is known too.
Pure: `now` (seconds, monotonic) is an argument.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slbroker_edge.filtermemory import FilterMemory

if TYPE_CHECKING:
    from collections.abc import Iterable

    from slbroker.sip.reading import Ack, Dialog
    from slbroker.totag import Signer

DEFAULT_WINDOW = 32.0  # seconds; 64*T1: for so long a client repeats its INVITE, and ACKs (RFC 3261 17.1.1.2)


class AckFilter:
    """One shared deadline, as the sl module has it, and a bounded memory of replies that had the peer's own To-tag."""

    __slots__ = ("_memory", "signer", "window")

    def __init__(self, signer: Signer, window: float = DEFAULT_WINDOW, memory: FilterMemory | None = None) -> None:
        """`memory` is what the processes of an edge share; without it this filter has one of its own."""
        self.signer = signer
        self.window = window
        self._memory = memory or FilterMemory.of_one()

    def arm(self, invites: Iterable[Dialog], now: float) -> None:
        """Note that final replies to INVITEs are about to be sent.

        `invites` may leave out those whose To-tag we signed: that is how their ACKs are known.
        """
        self._memory.deadline = now + self.window
        for invite in invites:
            if invite.to_tag:
                self._memory.add(invite, now, self.window)

    def absorbs(self, ack: Dialog, now: float) -> bool:
        """Return whether `ack` answers one of our replies; repetitions of it do too."""
        if now >= self._memory.deadline or not ack.to_tag:
            return False
        signed = self.signer.verify(ack.to_tag, ack.call_id, ack.from_tag, ack.cseq)
        return signed or self._memory.has(ack, now, self.window)

    def absorb(self, acks: list[Ack], now: float) -> list[Ack]:
        """Return those of many ACKs that answer none of our replies."""
        if now >= self._memory.deadline:
            return acks
        return [ack for ack in self.signer.unsigned(acks) if not self._memory.has(ack[0], now, self.window)]
