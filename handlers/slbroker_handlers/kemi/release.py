"""Which Kamailio a script is written for. Where releases differ, KSR follows the one that `--kemi-version` names.

What follows it asks `call.state.release >= (5, 8)`; docs/kemi.md has the table of all such places.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

from slbroker.errors import ConfigError

Release: TypeAlias = tuple[int, int]

# Kamailio counts 5.6, 5.7, 5.8, 6.0; the last one here is under development.
RELEASES: Final[tuple[Release, ...]] = ((5, 6), (5, 7), (5, 8), (6, 0), (6, 1), (6, 2))
NEWEST: Final[Release] = (6, 1)  # that is out: what is followed where nobody says
_match_release = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})(?:\.[0-9A-Za-z.~+-]{1,20})?").fullmatch


def read_release(text: str) -> Release:
    """Return the release that a version belongs to, (5, 6) for "5.6" and "5.6.3"; raises ConfigError."""
    found = _match_release(text.strip())
    release = (int(found[1]), int(found[2])) if found else None
    if release not in RELEASES:
        known = ", ".join(map(name_release, RELEASES))
        raise ConfigError(f"--kemi-version {text!r}: one of Kamailio's releases {known}")
    return release


def name_release(release: Release) -> str:
    """Return how a release is written: "5.6"."""
    return f"{release[0]}.{release[1]}"
