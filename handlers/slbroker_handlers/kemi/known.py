"""What Kamailio's releases export to KEMI scripts, read from exports.txt: names, arguments, results, and since when.

It tells a call that has no place in a worker without transactions from one that is misspelt, and from one that the
release in question has not yet.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from slbroker_handlers.kemi.exports import FAILURES
from slbroker_handlers.kemi.release import RELEASES, read_release

if TYPE_CHECKING:
    from slbroker_handlers.kemi.release import Release

OLDEST: Final = RELEASES[0]
_TYPES: Final = {"i": "int", "s": "str"}


class Known(NamedTuple):
    """A function of some release of Kamailio."""

    since: Release
    until: Release | None  # the first release without it
    result: str  # a key of FAILURES
    params: tuple[str, ...] | None  # "int" or "str"; None where that is not known

    def is_in(self, release: Release) -> bool:
        """Return whether a release has the function."""
        return self.since <= release and (self.until is None or release < self.until)


def find_known(module: str, name: str) -> Known | None:
    """Return what is known of KSR.MODULE.NAME; None when no release has it. The core's module is ""."""
    return _read().get(module, {}).get(name)


def is_known_module(name: str) -> bool:
    """Return whether some release of Kamailio has a module with functions for scripts that is called so."""
    return name in _read()


def modules() -> dict[str, dict[str, Known]]:
    """Return all that is known, by module and name."""
    return _read()


@lru_cache(maxsize=1)
def _read() -> dict[str, dict[str, Known]]:
    found: dict[str, dict[str, Known]] = {}
    text = Path(__file__).with_name("exports.txt").read_text(encoding="utf-8")
    for line in text.replace("\n    ", " ").splitlines():
        if line.startswith("#"):
            continue
        head, _, names = line.partition(": ")
        span, module, result, params = head.split(" ")
        since, _, until = span.partition("-")
        assert result in FAILURES, line
        known = Known(
            read_release(since),
            read_release(until) if until else None,
            result,
            None if params == "?" else tuple(_TYPES[letter] for letter in params.replace("-", "")),
        )
        found.setdefault(module.replace("-", ""), {}).update(dict.fromkeys(names.split(), known))
    return found
