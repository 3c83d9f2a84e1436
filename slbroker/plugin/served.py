"""How many requests each handler has decided, and how: counted by the name that it has in the plugin, never a peer's.

The first count of a request is one of a dict, for there is one for each; all else is rare, or takes longer anyway.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.plugin.kinds import Handler

MAX_NAMES: Final = 64  # of handlers that are counted by themselves; further ones are OTHER
OTHER: Final = "other"


class _Counts:
    __slots__ = ("failures", "quiet", "requests")

    def __init__(self) -> None:
        self.requests = self.quiet = self.failures = 0


class Served:
    """The counters of one worker; `calls` are those of the handlers as they were found, until `fold` names them."""

    __slots__ = ("_by_name", "calls")

    def __init__(self) -> None:
        self.calls: defaultdict[Handler, int] = defaultdict(int)
        self._by_name: dict[str, _Counts] = {}

    def fold(self, name_of: Callable[[Handler], str]) -> None:
        """Count under their names what was counted of handlers."""
        for handler, count in self.calls.items():
            self._of(name_of(handler)).requests += count
        self.calls.clear()

    def note(self, name: str, answer: Any, *, failed: bool, again: bool) -> None:
        """Count how a request ended: `failed`, or with an answer, which None and a map are not.

        It is counted as a request, too, where `calls` no longer have it: `again`.
        """
        counts = self._of(name)
        counts.requests += again
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
