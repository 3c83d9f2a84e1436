"""Answers with the names of those who made them: for an edge that logs calls, and asks so by a request's number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slbroker.bus.memo import MAX_MAKER, Kept, Maker, pack_maker

if TYPE_CHECKING:
    from slbroker.bus.envelope import Answer

MOST_PACKED: Final = 512  # names that are kept packed: a plugin has fewer handlers, but for one loaded over and over


class Makers:
    """Signs the answers of one worker with its name and its handlers'."""

    def __init__(self, worker: str) -> None:
        self._worker = worker[:MAX_MAKER]
        self._packed: dict[tuple[str, bool], bytes] = {}

    def sign(self, answer: Answer | Kept, handler: str, *, failed: bool) -> Kept:
        """Return an answer with who has made it."""
        if isinstance(answer, Kept):  # few are, and each has a memo of its own
            return Kept(answer.answer, pack_maker(self._maker(handler, failed), answer.memo))
        packed = self._packed.get((handler, failed))
        if packed is None:
            if len(self._packed) >= MOST_PACKED:
                self._packed.clear()
            packed = self._packed[handler, failed] = pack_maker(self._maker(handler, failed))
        return Kept(answer, packed)

    def _maker(self, handler: str, failed: bool) -> Maker:
        return Maker(self._worker, handler[:MAX_MAKER], failed)
