"""What Kamailio's releases export to scripts, read from catalogue.txt, and why some of it cannot work here.

It tells a call that has no place in a worker without transactions from one that is misspelt, and from one that the
release in question has not yet. What works here is in `modules`.
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
# Why a module has no place here, for those that scripts use.
REASONS: Final = {
    "acc": "accounting needs a transaction",
    "app_python3": "call the script's own functions",
    "auth_db": "it reads a database; use KSR.auth.pv_auth_check, or a Python library",
    "dialog": "there are no dialogs",
    "dispatcher": 'KSR.forward_uri("group:1") sends to a group of the edge\'s --groups',
    "msilo": "it needs a database",
    "nathelper": "it changes the body, or what is registered",
    "path": "the Path that the edge writes is signed, and has a user of its own: KSR.path.add_path()",
    "permissions": "it needs a database",
    "registrar": "there is no location service",
    "rtpengine": "there is no media",
    "rtpproxy": "there is no media",
    "sqlops": "it needs a database; use a Python library",
    "tm": "there are no transactions",
    "tmx": "there are no transactions",
    "uac": "it changes or sends requests",
    "": "the edge has its addresses from its options, and there are no routes of a kamailio.cfg",
}
NO_REASON: Final = "it has no place in a stateless worker"


class Known(NamedTuple):
    """A function of some release of Kamailio."""

    since: Release
    until: Release | None  # the first release without it
    result: str  # a key of FAILURES
    params: tuple[str, ...] | None  # "int" or "str"; None where that is not known

    def is_in(self, release: Release) -> bool:
        """Return whether a release has the function."""
        return self.since <= release and (self.until is None or release < self.until)


@lru_cache(maxsize=1)
def modules() -> dict[str, dict[str, Known]]:
    """Return all that is known, by module and name. The core's module is ""."""
    found: dict[str, dict[str, Known]] = {}
    text = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8")
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


def find_known(module: str, name: str) -> Known | None:
    """Return what is known of KSR.MODULE.NAME; None when no release has it."""
    return modules().get(module, {}).get(name)


def reason_for(module: str) -> str:
    """Return why a module's function cannot work here."""
    return REASONS.get(module, NO_REASON)


def result_of(module: str, name: str) -> str:
    """Return the kind of a function's result; of one that no release has, what its name lets expect."""
    known = find_known(module, name)
    if known is not None:
        return known.result
    if name.startswith("is_") and not module:
        return "bool"
    return "Xval" if name.startswith(("get", "sht_get", "xavp_get", "avp_get", "var_get")) else "int"
