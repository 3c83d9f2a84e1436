"""How much of what public scripts call runs here: the places are counted in calls.txt."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from slbroker_handlers.kemi.catalogue import find_known
from slbroker_handlers.kemi.check.mentions import find_uses
from slbroker_handlers.kemi.check.report import make_report

CALLS = Path(__file__).with_name("calls.txt")
ENOUGH = 0.9  # of the places that make sense without state


class Places(NamedTuple):
    """Functions and at how many places they are called; which make sense, which need state, which nobody has."""

    sensible: dict[str, int]
    stateful: dict[str, int]
    unknown: dict[str, int]


def read() -> Places:
    """What calls.txt says."""
    groups: list[dict[str, int]] = []
    for line in CALLS.read_text(encoding="utf-8").splitlines()[1:]:
        if line.startswith("#"):
            groups.append({})
        else:
            count, _, names = line.partition(": ")
            groups[-1].update(dict.fromkeys(names.split(), int(count)))
    return Places(*groups)


def sort(names: dict[str, int]) -> dict[str, str]:
    """What `check` says of each."""
    found = make_report(find_uses("\n".join(("import KSR", *(f"KSR.{name}" for name in names))), "script.py"))
    verdicts = {entry.title: "runs" for entry in (*found.whole, *found.partial)}
    verdicts |= {entry.title: "cannot" for entry in found.missing} | {entry.title: "unknown" for entry in found.unknown}
    return {name: verdicts[f"KSR.{name}"] for name in names}


def test_nine_of_ten_places_that_make_sense_without_state_run() -> None:
    """That a function which `check` says runs does run, test_report_runs.py shows for all of them."""
    sensible = read().sensible
    verdicts = sort(sensible)
    running = sum(count for name, count in sensible.items() if verdicts[name] == "runs")
    share = running / sum(sensible.values())
    assert share >= ENOUGH, f"{share:.1%} run; not {[name for name in sensible if verdicts[name] != 'runs']}"


def test_what_is_counted_is_what_kamailio_has() -> None:
    places = read()
    assert sum(map(len, places)) >= 120
    assert all(find_known(*split(name)) for name in {**places.sensible, **places.stateful})
    assert set(sort(places.unknown).values()) == {"unknown"}
    assert set(sort(places.stateful).values()) == {"cannot"}


def split(name: str) -> tuple[str, str]:
    """A function's module, "" for the core, and its own name."""
    module, _, own = name.rpartition(".")
    return module, own
