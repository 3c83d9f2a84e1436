"""Is everybody measured who is there, and does the report say who is not?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from tests.lab.bench import opensips, rows
from tests.lab.bench.base import Base
from tests.lab.bench.kamailio import native_name
from tests.lab.bench.measure import Case
from tests.lab.bench.rows import Lineup, choose, closed_rows, forward_rows, open_rows, short_rows, watched_rows

if TYPE_CHECKING:
    from tests.lab.bench.rounds import Row

FOLDER = Path("nowhere")
BASE = Base("0123abc, What was before", "compiled", FOLDER)
EVERYTHING = Lineup(
    FOLDER, "kamailio", kemi=True, opensips=("opensips", FOLDER), kind="compiled", monitor=True, base=BASE
)


def names(found: list[Row]) -> list[str]:
    return [row.subject.name for row in found]


def test_every_name_is_there_once() -> None:
    for rows_of in (closed_rows, open_rows, forward_rows, watched_rows):
        found = rows_of(EVERYTHING)
        assert len(names(found)) == len(set(names(found)))


@pytest.mark.parametrize(
    "part", ["1 worker", "4 workers", "16 workers", "remembered", "--gather 0", "BASE", "OpenSIPS", "Kamailio KEMI"]
)
def test_in_an_open_loop_there_is(part: str) -> None:
    assert any(part in name for name in names(open_rows(EVERYTHING)))


def test_how_many_a_second_an_open_loop_offers() -> None:
    said = [f"OPTIONS, {rate} a second" for rate in ("1,000", "5,000", "20,000")]
    assert [str(case) for case in open_rows(EVERYTHING)[0].cases] == said


def test_memory_and_workers_in_a_closed_loop() -> None:
    found = {row.subject.name: row.cases for row in closed_rows(EVERYTHING)}
    for name in ("slbroker compiled, edge + 16 workers", "slbroker remembered, compiled, edge + 1 worker"):
        assert list(found[name])[:2] == [Case("OPTIONS", 128), Case("INVITE", 128)]
    assert Case("INVITE", 1_024) in found[native_name(2)]


def test_what_is_not_there_is_not_measured() -> None:
    assert names(closed_rows(Lineup(FOLDER))) == ["C echo", "Python echo"]
    assert names(open_rows(Lineup(FOLDER))) == ["C echo"]
    assert "slbroker compiled, edge + 1 worker" not in names(closed_rows(Lineup(FOLDER, kind="pure")))


def test_who_forwards() -> None:
    found = forward_rows(EVERYTHING)
    assert names(found) == [
        "Kamailio forward(), 2 children",
        "Kamailio forward() with its usual allocator, 2 children",
        "Kamailio forward() with Max-Forwards, 2 children",
        "Kamailio KSR.forward(), 2 children",
        "slbroker compiled, edge with pass=",
        "slbroker compiled, edge + 1 worker that forwards",
        "slbroker compiled, edge + 2 workers that forward",
        "slbroker pure, edge with pass=",
    ]
    assert {str(case) for row in found for case in row.cases} == {"OPTIONS forwarded, 128 in flight"}
    assert names(forward_rows(Lineup(FOLDER))) == []


def test_the_short_form() -> None:
    assert names(short_rows(EVERYTHING, [Case("OPTIONS", 128)], (2,))) == [
        "C echo",
        "Python echo",
        native_name(2),
        "slbroker compiled, edge + 2 workers",
        "slbroker remembered, compiled, edge + 1 worker",
        "slbroker pure, edge + 2 workers",
        "slbroker remembered, pure, edge + 1 worker",
        "slbroker, the same KEMI script, edge + 1 worker",
    ]


def test_subjects_are_chosen_by_parts_of_their_names() -> None:
    found = closed_rows(EVERYTHING)
    assert choose(found, ()) == found
    assert names(choose(found, ("PYTHON echo", "16"))) == [
        "Python echo",
        "slbroker compiled, edge + 16 workers",
        "slbroker BASE, edge + 16 workers",
    ]
    with pytest.raises(click.UsageError, match='--subject matches none of "C echo", "Python echo"'):
        choose(found, ("nobody",))


def test_no_kamailio_and_no_opensips_are_notes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tests.lab.bench.kamailio.find_kamailio", lambda: None)
    monkeypatch.setattr("tests.lab.bench.opensips.find_opensips", lambda: None)
    found = rows.look_round(tmp_path, BASE)
    assert (found.kamailio, found.kemi, found.opensips) == (None, False, None)
    assert "Not measured: Kamailio is not installed, so there are no ratios to it." in found.notes
    assert "Not measured: OpenSIPS is not installed, or its modules are not found." in found.notes
    assert found.notes[-1] == "BASE is 0123abc, What was before (compiled)."


def test_modules_of_opensips_are_looked_for_beside_the_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program, modules = tmp_path / "sbin" / "opensips", tmp_path / "lib" / "x86_64-linux-gnu" / "opensips" / "modules"
    program.parent.mkdir()
    program.touch(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    assert opensips.find_opensips() is None
    modules.mkdir(parents=True)
    (modules / "sl.so").touch()
    assert opensips.find_opensips() == (str(program), modules)


def test_who_watches() -> None:
    found = names(watched_rows(EVERYTHING))
    assert found[0] == "slbroker, nobody watches"
    for part in ("scraped", "dead", "hung", "flooded", "UDP, never read", "TCP, never read", "pcap", "a line a call"):
        assert any(part in name for name in found), part
    assert not any("monitor" in name for name in names(watched_rows(Lineup(FOLDER, kind="pure"))))
    assert watched_rows(Lineup(FOLDER)) == []
    rates = [case.rate for case in watched_rows(EVERYTHING)[0].cases]
    assert rates == [0, 4_000, 10_000], "at full load, each alone, and where there is room"
