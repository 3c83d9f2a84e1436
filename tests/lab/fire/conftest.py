"""The pieces of a scenario, and the table that is printed at the end of a run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple, Protocol

import pytest

from tests.lab.fire.site import SCALE, Site
from tests.support.takeover import Site as Place
from tests.support.takeover import phones_of

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Start


class Row(NamedTuple):
    """One line of the table."""

    scenario: str
    what: str
    seen: str
    asked: str


class Report(Protocol):
    """Notes a figure for the table, and shows it at once where pytest captures nothing (-s)."""

    def __call__(self, what: str, seen: object, asked: str = "") -> None: ...


_rows = pytest.StashKey[list[Row]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash.setdefault(_rows, [])


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """The table of this run."""
    scenario = request.node.name.removeprefix("test_").replace("_", " ")

    def note(what: str, seen: object, asked: str = "") -> None:
        row = Row(scenario, what, f"{seen:,}" if isinstance(seen, int) else str(seen), asked)
        request.config.stash.setdefault(_rows, []).append(row)
        sys.stderr.write(f"    {what}: {row.seen}\n")

    return note


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A folder with a key ring and a bus, and nobody there yet."""
    made = Site(tmp_path)
    yield made
    made.end()


@pytest.fixture
def place(start_slbroker: Start, tmp_path: Path) -> Place:
    """Where an edge is followed by another one."""
    return Place(start_slbroker, tmp_path)


@pytest.fixture
def phone(place: Place) -> Iterator[socket.socket]:
    """A caller there."""
    with phones_of(place, 1) as (made,):
        yield made


@pytest.fixture
def phones(place: Place) -> Iterator[list[socket.socket]]:
    """Many of them."""
    with phones_of(place) as made:
        yield made


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash.get(_rows, [])
    if not rows:
        return
    terminalreporter.section(f"under fire, {SCALE:g} of full size")
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    last = ""
    for row in rows:
        if row.scenario != last:
            terminalreporter.write_line(row.scenario)
            last = row.scenario
        asked = f"   ({row.asked})" if row.asked else ""
        terminalreporter.write_line(f"    {row.what.ljust(widths[1])}  {row.seen.rjust(widths[2])}{asked}".rstrip())
