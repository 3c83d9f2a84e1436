"""In which order tests run with `pytest -n`, and which of them one of its processes runs after each other.

Tests that start programs wait for the most part, the others compute. They take turns, so that the processors have
something to do from the first minute to the last; those that wait end first, so that none is what all wait for. Tests
of one file go out several at a time, so that what its fixtures have for the whole module (Kamailio, a certificate
authority) is not started for each of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pytest

T = TypeVar("T")

RUN: Final = 8  # how many tests of one file go out together
WAITING_ENDS: Final = 0.85  # when the last of those that wait is handed out, as a share of all


class Runs(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out runs of consecutive tests of one file, in the order in which they were collected."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False
        self._name = run_names(RUN)

    def _split_scope(self, nodeid: str) -> str:
        return self._name(nodeid)


def run_names(length: int) -> Callable[[str], str]:
    """Return a function that names the run of each node id, `length` of one file in the order in which it is asked."""
    names: dict[str, str] = {}
    counts: dict[str, int] = {}

    def name(nodeid: str) -> str:
        if nodeid not in names:
            path = nodeid.partition("::")[0]
            counts[path] = counts.get(path, 0) + 1
            names[nodeid] = f"{path} {(counts[path] - 1) // length}"
        return names[nodeid]

    return name


def mix(items: Iterable[T], nodeid: Callable[[T], str], waits: Callable[[T], bool]) -> list[T]:
    """Return tests with runs of those that wait spread among runs of the others."""
    name = run_names(RUN)
    runs: dict[str, list[T]] = {}
    for item in items:
        runs.setdefault(name(nodeid(item)), []).append(item)
    waiting = [run for run in runs.values() if waits(run[0])]
    others = [run for run in runs.values() if not waits(run[0])]
    places = [(WAITING_ENDS * number / len(waiting), run) for number, run in enumerate(waiting)]
    places += [(number / len(others), run) for number, run in enumerate(others)]
    return [item for _, run in sorted(places, key=lambda place: place[0]) for item in run]
