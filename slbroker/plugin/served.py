"""How many requests each handler has decided, and how: counted by the name that it has in the plugin, never a peer's.

What is answered on the short way is counted many at a time; all else is rare, or takes longer anyway.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.plugin.kinds import Handler

MAX_NAMES: Final = 64  # of handlers that are counted by themselves; further ones are OTHER
OTHER: Final = "other"
MANY: Final = 1_024


class _Counts:
    __slots__ = ("failures", "quiet", "requests")

    def __init__(self) -> None:
        self.requests = self.quiet = self.failures = 0


class Served:
    """The counters of one worker. `taken` are the handlers of what was answered on the short way, until `fold` counts.

    One append is all that those cost; who serves calls `fold` now and then, when there are `MANY`.
    """

    __slots__ = ("_by_name", "last", "taken")

    def __init__(self) -> None:
        self.taken: list[Handler] = []
        self.last: tuple[str, bool] | None = None  # what was noted last: whose request, and whether it failed
        self._by_name: dict[str, _Counts] = {}

    def fold(self, name_of: Callable[[Handler], str]) -> None:
        """Count under their names the handlers of what was answered."""
        for handler, count in Counter(self.taken).items():
            self._of(name_of(handler)).requests += count
        self.taken.clear()

    def note(self, name: str, answer: Any, *, failed: bool) -> None:
        """Count a request that has ended: `failed`, or with an answer, which None and a map are not."""
        self.last = name, failed
        counts = self._of(name)
        counts.requests += 1
        if failed:
            counts.failures += 1
        elif answer is None or type(answer) is dict:
            counts.quiet += 1

    def _of(self, name: str) -> _Counts:
        if name not in self._by_name and len(self._by_name) >= MAX_NAMES:
            name = OTHER
        return self._by_name.setdefault(name, _Counts())

    def figures(self) -> dict[str, dict[str, int]]:
        """Return the counters by name; what was neither answered nor failed was dropped, or sent on."""
        return {
            name: {
                "requests": one.requests,
                "replies": one.requests - one.quiet - one.failures,
                "failures": one.failures,
            }
            for name, one in self._by_name.items()
        }
