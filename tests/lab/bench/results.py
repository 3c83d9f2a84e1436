"""What a run of `peers.py` found, as a file: for the tables and plots of docs/speed.md, and to look at later."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from tests.lab.bench.measure import Case, Load, Sample

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.lab.bench.report import Results

SHAPE: Final = 1  # of the file; another one is not read


class ResultsError(Exception):
    """A file is not what a run has written; the message is one line."""


@dataclass(frozen=True)
class Run:
    """The results of a run; when it was, "2026-11-29", and lines on the machine, the versions and how it went."""

    date: str
    notes: list[str]
    results: Results


def write(run: Run, file: Path) -> None:
    """Write a run to a file."""
    cases = [
        {
            **case._asdict(),
            "subjects": {
                name: {str(number): asdict(sample) for number, sample in rounds.items()}
                for name, rounds in by_subject.items()
            },
        }
        for case, by_subject in run.results.items()
    ]
    content = {"shape": SHAPE, "date": run.date, "notes": run.notes, "cases": cases}
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read(file: Path) -> Run:
    """Return what `write` has written; raises ResultsError."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["shape"] != SHAPE:
            raise ResultsError(f"{file} is of shape {content['shape']}, this reads {SHAPE}: measure again")
        results = {
            Case(case["method"], case["window"], case["rate"], *_kind_of(case)): {
                name: {int(number): sample_of(sample) for number, sample in rounds.items()}
                for name, rounds in case["subjects"].items()
            }
            for case in content["cases"]
        }
        return Run(content["date"], content["notes"], results)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ResultsError(f"{file} has no results of make bench-peers: {error}") from error


def _kind_of(case: Mapping[str, Any]) -> tuple[bool, bool]:
    """Return whether what was asked was forwarded, and whether who served it was watched; old files say neither."""
    return case.get("forwarded", False), case.get("watched", False)


def sample_of(fields: dict[str, dict[str, float]]) -> Sample:
    """Return a sample from its fields."""
    rest = {name: value for name, value in fields.items() if name != "load"}
    return Sample(load=Load(**fields["load"]), **rest)  # type: ignore[arg-type]
