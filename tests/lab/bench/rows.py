"""Who is measured by `peers.py`, and how: the rows of a closed loop and those of an open one."""

from __future__ import annotations

import importlib.util
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from tests.lab.bench import forwarding, kamailio, opensips, watched
from tests.lab.bench.measure import EXPECTED, OPEN_WINDOW, Case
from tests.lab.bench.processes import SubjectError
from tests.lab.bench.rounds import Row
from tests.lab.bench.subjects import c_echo, python_echo, slbroker, slbroker_kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.bench.base import Base
    from tests.lab.bench.subjects import Subject

CHILDREN: Final = 2  # of Kamailio and OpenSIPS: as many as there are cores
WORKERS: Final = (1, 4, 16)  # in an open loop
AT_ONCE: Final = ("--gather", "0")  # each datagram is read as it comes
METHODS: Final = tuple(EXPECTED)
WINDOWS: Final = (128, 1_024)
RATES: Final = (1_000, 5_000, 20_000)


@dataclass(frozen=True)
class Lineup:
    """What can be measured here; None for what cannot. `notes` has a line for each that was looked for in vain."""

    echo: Path
    kamailio: str | None = None
    kemi: bool = False
    opensips: tuple[str, Path] | None = None
    kind: str | None = None
    monitor: bool = False
    base: Base | None = None
    notes: list[str] = field(default_factory=list)


def look_round(echo: Path, base: Base | None) -> Lineup:
    """Return what this machine has; `echo` is the compiled one, `base` another slbroker."""
    notes, kind, kemi = [], None, False
    program, other = kamailio.find_kamailio(), opensips.find_opensips()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        try:
            kind = slbroker_kind(folder)
        except SubjectError as error:
            notes.append(f"Not measured: {error}")
        if program is None:
            notes.append("Not measured: Kamailio is not installed, so there are no ratios to it.")
        else:
            kemi = kamailio.runs_python(program, folder)
            notes += [] if kemi else [f"Not measured: {kamailio.PYTHON_MISSING}."]
    has_monitor = importlib.util.find_spec("uvicorn") is not None
    if not has_monitor:
        notes.append("Not measured: the monitor, which needs uvicorn.")
    if kind == "pure":
        notes.append("The compiled twins are not built here: slbroker ran in pure Python only.")
    if other is None:
        notes.append(f"Not measured: {opensips.MISSING}.")
    if base is not None:
        notes.append(f"BASE is {base.title} ({base.kind}).")
    return Lineup(echo, program, kemi, other, kind, has_monitor, base, notes)


def peers(found: Lineup) -> list[Subject]:
    """Return the programs of others that are measured in both loops."""
    subjects = []
    if found.kamailio:
        subjects.append(kamailio.native(found.kamailio, CHILDREN))
    if found.kamailio and found.kemi:
        subjects.append(kamailio.kemi(found.kamailio, CHILDREN))
    if found.opensips:
        subjects.append(opensips.opensips(*found.opensips, CHILDREN))
    return subjects


def closed_rows(found: Lineup, methods: Sequence[str] = METHODS, windows: Sequence[int] = WINDOWS) -> list[Row]:
    """Return who is loaded in a closed loop.

    With the first of `windows` all are, with the others those that a crowd of callers may treat otherwise.
    """
    few = [Case(method, windows[0]) for method in methods]
    many = [Case(method, window) for window in windows for method in methods]
    native = kamailio.native_name(CHILDREN)
    rows = [Row(c_echo(found.echo), many), Row(python_echo(), few)]
    rows += [Row(peer, many if peer.name == native else few) for peer in peers(found)]
    if found.kamailio:
        rows.append(Row(kamailio.native(found.kamailio, CHILDREN, kamailio.QUICK), few))
        rows.append(Row(kamailio.checked(found.kamailio, CHILDREN), few))
    if found.kamailio and found.kemi:
        rows.append(Row(kamailio.kemi(found.kamailio, CHILDREN, kamailio.QUICK), few))
    if found.kind:
        rows += [Row(slbroker(found.kind, number), many) for number in (1, 2)]
        rows.append(Row(slbroker(found.kind, 16), few))
        rows.append(Row(slbroker(found.kind, 1, remembered=True), many))
        rows.append(Row(slbroker(found.kind, 1, kemi=kamailio.KEMI_SCRIPT), few))
    if found.kind == "compiled":
        rows.append(Row(slbroker("pure", 1), few))
    if found.base:
        rows += [Row(slbroker(found.base.kind, number, base=found.base), few) for number in (1, 16)]
    return rows


def forward_rows(found: Lineup, windows: Sequence[int] = WINDOWS[:1]) -> list[Row]:
    """Return who forwards an OPTIONS to the C echo, and its reply back, in a closed loop."""
    cases = [Case("OPTIONS", window, forwarded=True) for window in windows]
    subjects = []
    if found.kamailio:
        subjects.append(forwarding.native(found.kamailio, CHILDREN, found.echo))
        subjects.append(forwarding.native(found.kamailio, CHILDREN, found.echo, allocator=""))
        subjects.append(forwarding.native(found.kamailio, CHILDREN, found.echo, checked=True))
    if found.kamailio and found.kemi:
        subjects.append(forwarding.kemi(found.kamailio, CHILDREN, found.echo))
    if found.kind:
        subjects += [forwarding.slbroker(found.kind, workers, found.echo) for workers in (0, 1, 2)]
    if found.kind == "compiled":
        subjects.append(forwarding.slbroker("pure", 0, found.echo))
    return [Row(subject, cases) for subject in subjects]


def watched_rows(found: Lineup) -> list[Row]:
    """Return an edge that is watched in each way, and one that is not."""
    if not found.kind:
        return []
    watches = [watch for watch in watched.WATCHES if found.monitor or not watch.monitor]
    return [Row(watched.slbroker(found.kind, watch), watched.CASES) for watch in watches]


def open_rows(found: Lineup, methods: Sequence[str] = METHODS[:1], rates: Sequence[int] = RATES) -> list[Row]:
    """Return who is offered so many requests a second, whatever it makes of them."""
    cases = [Case(method, OPEN_WINDOW, rate) for method in methods for rate in rates]
    subjects = [c_echo(found.echo), *peers(found)]
    if found.kind:
        subjects += [slbroker(found.kind, number) for number in WORKERS]
        subjects.append(slbroker(found.kind, 1, *AT_ONCE))
        subjects.append(slbroker(found.kind, 1, remembered=True))
        subjects.append(slbroker(found.kind, 1, *AT_ONCE, remembered=True))
    if found.base:
        subjects += [slbroker(found.base.kind, number, base=found.base) for number in (1, 16)]
        subjects.append(slbroker(found.base.kind, 1, *AT_ONCE, base=found.base))
    return [Row(subject, cases) for subject in subjects]


def short_rows(found: Lineup, cases: Sequence[Case], workers: Sequence[int]) -> list[Row]:
    """Return the rows of `bench.py`: the floors, Kamailio's native script, and slbroker with so many workers."""
    subjects = [c_echo(found.echo), python_echo()]
    if found.kamailio:
        subjects.append(kamailio.native(found.kamailio, CHILDREN))
    for kind in ("compiled", "pure"):
        if kind in (found.kind, "pure") and found.kind:
            subjects += [slbroker(kind, number) for number in workers]
            subjects.append(slbroker(kind, 1, remembered=True))
    if found.kind:
        subjects.append(slbroker(found.kind, 1, kemi=kamailio.KEMI_SCRIPT))
    return [Row(subject, cases) for subject in subjects]


def choose(rows: Sequence[Row], wanted: Sequence[str]) -> list[Row]:
    """Return the rows of subjects whose name contains one of `wanted`, all when it is empty."""
    chosen = [row for row in rows if not wanted or any(text.lower() in row.subject.name.lower() for text in wanted)]
    if not chosen:
        names = ", ".join(dict.fromkeys(f'"{row.subject.name}"' for row in rows))
        raise click.UsageError(f"--subject matches none of {names}")
    return chosen
