"""The phones that can be had, one after the other, against slbroker: `make interop` prints docs/interop.md's table.

python tests/interop/table.py [--phone baresip] [--transport udp] [--log FOLDER]
"""

from __future__ import annotations

import argparse
import datetime
import sys
import tempfile
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pytest

from tests.interop.lab import SERVER, own_network, start_lab
from tests.interop.phones.phone import Task, is_registered
from tests.interop.phones.range import PHONES
from tests.interop.verdicts import CALLS, REGISTRATIONS
from tests.support.processes import Process, slbroker

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tests.interop.lab import Lab
    from tests.interop.phones.phone import Phone

HEADS: Final = {
    **{f"REGISTER {user}": user for user in REGISTRATIONS},
    **{f"INVITE {number}": number for number in CALLS},
}


class Started(ExitStack):
    """Programs that are stopped in the end."""

    def slbroker(self, *words: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Process:
        return self.enter_context(slbroker(*words, env=env, cwd=cwd))

    def program(self, *words: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Process:
        return self.enter_context(Process(*words, env=env, cwd=cwd))


def try_out(phone: Phone, lab: Lab, transport: str, folder: Path) -> tuple[str, list[str], str]:
    """Let a phone do everything; its version, a cell for each of HEADS, and what it wrote."""
    mark = lab.mark()
    with Started() as started:
        task = Task(lab.addresses[transport], transport, list(REGISTRATIONS), list(CALLS), folder)
        said = phone.play(started.program, task)
    events = lab.since(mark)
    cells = [judge(events, user) for user, judge in REGISTRATIONS.items()]
    cells += [judge(events, number) for number, judge in CALLS.items()]
    cells[list(HEADS).index("REGISTER bare")] += {None: "", True: ", registered", False: ", not registered"}[
        is_registered(phone, said, "bare")
    ]
    agents = {event["agent"] for event in events if event["agent"]}
    return phone.version() or ", ".join(sorted(agents)) or phone.name, cells, said


def write(tried: Mapping[str, Mapping[str, list[str]]]) -> Iterable[str]:
    """The table in Markdown: a column for each phone, whose transports share a cell where they agree."""
    yield f"| {datetime.datetime.now(tz=datetime.UTC):%Y-%m-%d} | {' | '.join(tried)} |"
    yield "|---" * (len(tried) + 1) + "|"
    for row, head in enumerate(HEADS):
        cells = [merged({transport: cells[row] for transport, cells in column.items()}) for column in tried.values()]
        yield f"| {head} | {' | '.join(cells)} |"


def merged(cells: Mapping[str, str]) -> str:
    by_text: dict[str, list[str]] = {}
    for transport, text in cells.items():
        by_text.setdefault(text, []).append(transport)
    if len(by_text) == 1:
        return next(iter(by_text))
    return "<br>".join(f"{', '.join(transports)}: {text}" for text, transports in by_text.items())


def had(asked: Sequence[str] | None) -> Iterator[Phone]:
    """The phones that are asked for and installed; says what is missing."""
    for phone in PHONES:
        if not asked or phone.name in asked:
            try:
                phone.require()
            except pytest.skip.Exception as missing:
                print(f"without {phone.name}: {missing}", file=sys.stderr)
            else:
                yield phone


def play_all(lab: Lab, phones: Iterable[Phone], only: Sequence[str] | None, folder: Path) -> dict[str, Any]:
    """By phone with its version and by transport, a cell for each of HEADS."""
    tried: dict[str, dict[str, list[str]]] = {}
    for phone in phones:
        for transport in phone.transports:
            if only and transport not in only:
                continue
            own = folder / f"{phone.name}-{transport}"
            own.mkdir()
            version, cells, said = try_out(phone, lab, transport, own)
            (own / "said").write_text(said)
            tried.setdefault(version, {})[transport] = cells
            print(f"{version} {transport}", *(f"    {head}: {cell}" for head, cell in zip(HEADS, cells, strict=True)),
                  sep="\n", file=sys.stderr, flush=True)  # fmt: skip
    return tried


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--phone", action="append", help="one of " + ", ".join(phone.name for phone in PHONES))
    parser.add_argument("--transport", action="append")
    parser.add_argument("--log", type=Path, help="a new folder for what the phones wrote, and what slbroker was sent")
    parser.add_argument("--loopback", action="store_true", help="no namespace; linphone is silent then")
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as temporary,
        nullcontext() if asked.loopback else own_network(),
        Started() as started,
    ):
        folder = asked.log or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        lab = start_lab(started.slbroker, folder, "127.0.0.1" if asked.loopback else SERVER)
        tried = play_all(lab, had(asked.phone), asked.transport, folder)
    print("\n".join(write(tried)))
    cells = [cell for column in tried.values() for cells in column.values() for cell in cells]
    wrong = sum(cell.startswith("no") for cell in cells)
    print(f"{wrong} of {len(cells)} cells are not OK; docs/interop.md has the reasons of those known.", file=sys.stderr)
    return 0 if tried else 1


if __name__ == "__main__":
    sys.exit(main())
