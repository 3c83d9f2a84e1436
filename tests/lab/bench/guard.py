"""Count the instructions of parse, reply building and the like on fixed input; compare with the counts that are kept.

A slow-down is seen without a clock, on a busy machine too. Counts are valgrind's (callgrind); they depend on the Python
build, so they are compared only where that is the one in the file. Exit code 1: something takes more than it may.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgpack

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from slbroker import twins
from tests.lab.bench.report import as_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.lab.bench.report import Table

    Counts = Mapping[str, int]

HERE: Final = Path(__file__).resolve().parent
KEPT: Final = HERE / "guard.json"
# Per cent. Two runs are the same to the last digit, but a change elsewhere moves objects about.
TOLERANCE: Final = 2.0
MARK: Final = "Py_SetRecursionLimit"  # what `guarded.mark` calls
FEW_AND_MANY: Final = (128, 640)  # calls between the marks
LONGEST_RUN: Final = 600.0  # seconds; on an idle machine a run takes twenty


class GuardError(Exception):
    """Instructions cannot be counted here; the message is one line."""


# Counting -------------------------------------------------------------------------------------------------------


def count(script: Sequence[str], environment: Mapping[str, str]) -> dict[str, int]:
    """Run a script like guarded.py under callgrind; return the instructions of one call by task.

    Raises GuardError when there is no valgrind, the script fails, or its marks are not seen.
    """
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise GuardError("valgrind is not installed (Debian: apt-get install valgrind)")
    # Nothing but this in the environment: its size moves the stack, and with it some counts.
    fixed = {"PATH": os.defpath, "PYTHONHASHSEED": "0", **environment}
    # Without valgrind first: whatever is compiled to byte code now leaves the heap as it will be found from then on.
    run([sys.executable, *script], fixed)
    with tempfile.TemporaryDirectory(prefix="guard-") as name:
        tool = ["--tool=callgrind", f"--dump-before={MARK}", f"--callgrind-out-file={name}/counts"]
        said = run([valgrind, *tool, sys.executable, *script], fixed)
        dumps = sorted(Path(name).glob("counts.*"), key=lambda file: int(file.suffix[1:]))
        return per_call(said.splitlines(), [read_total(file.read_text("utf-8")) for file in dumps])


def run(argv: Sequence[str], environment: Mapping[str, str]) -> str:
    """Run a command and return what it prints; GuardError when it fails."""
    try:
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=LONGEST_RUN, check=False)
    except subprocess.TimeoutExpired as error:
        raise GuardError(f"{Path(argv[0]).name} did not end within {LONGEST_RUN:.0f} s") from error
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise GuardError(f"{' '.join(argv)}: {said[-1] if said else f'exit code {done.returncode}'}")
    return done.stdout


def read_total(dump: str) -> int:
    """Return how many instructions a dump of callgrind counts."""
    found = re.search(r"^(?:summary|totals): (\d+)$", dump, re.MULTILINE)
    if found is None:
        raise GuardError("callgrind wrote a file without a total")
    return int(found[1])


def per_call(names: Sequence[str], totals: Sequence[int]) -> dict[str, int]:
    """Return instructions for each call, from three totals for each task: before, few calls, many calls."""
    if not names or len(totals) != 3 * len(names):
        raise GuardError(f"{MARK} was entered {len(totals)} times for {len(names)} tasks: this Python hides it")
    few, many = FEW_AND_MANY
    counts = zip(names, totals[1::3], totals[2::3], strict=True)
    return {name: round((at_many - at_few) / (many - few)) for name, at_few, at_many in counts}


def count_all(kinds: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return the counts of each kind of twins; they are counted side by side."""
    script = [str(HERE / "guarded.py")]
    environments = [{"SLBROKER_PURE": "1"} if kind == "pure" else {} for kind in kinds]
    with ThreadPoolExecutor() as pool:
        return dict(zip(kinds, pool.map(lambda environment: count(script, environment), environments), strict=True))


def kinds_here() -> list[str]:
    """Return the kinds of twins that are installed."""
    return ["compiled", "pure"] if twins.KIND == "compiled" else ["pure"]


# Comparing ------------------------------------------------------------------------------------------------------


def this_build() -> dict[str, str]:
    """Return what the counts depend on beside our own code."""
    return {
        "interpreter": f"{platform.python_implementation()} {platform.python_version()}",
        "compiler": platform.python_compiler(),
        "machine": platform.machine(),
        "msgpack": ".".join(map(str, msgpack.version)),
    }


def change(kept: int, now: int) -> float:
    """Return by how many per cent a count has changed."""
    return 100 * (now - kept) / kept


def compare(kind: str, kept: Counts, now: Counts) -> Table:
    """Return a table of what was and what is, a row for each task that either knows."""
    rows = [[f"instructions a call, {kind}", "kept", "now", "change"]]
    for name in dict.fromkeys([*now, *kept]):
        if name in kept and name in now:
            rows.append([name, f"{kept[name]:,}", f"{now[name]:,}", f"{change(kept[name], now[name]):+.1f} %"])
        elif name in now:
            rows.append([name, "-", f"{now[name]:,}", "new"])
        else:
            rows.append([name, f"{kept[name]:,}", "-", "gone"])
    return rows


def grown(kept: Counts, now: Counts, tolerance: float) -> list[str]:
    """Return the tasks that take more instructions than they may."""
    return [name for name in now if name in kept and change(kept[name], now[name]) > tolerance]


def shrunk(kept: Counts, now: Counts, tolerance: float) -> list[str]:
    """Return the tasks that take so many fewer that the new counts are worth keeping."""
    return [name for name in now if name in kept and change(kept[name], now[name]) < -tolerance]


def read_kept(file: Path) -> dict[str, Any]:
    """Return what is kept in `file`; an empty frame when there is none."""
    if not file.exists():
        return {"tolerance": TOLERANCE, "build": {}, "instructions": {}}
    kept: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return kept


def differences(kept: Mapping[str, str], here: Mapping[str, str]) -> str:
    """Return in words how two builds differ, nothing when they do not."""
    return ", ".join(
        f"{name} {kept.get(name, 'unknown')} there, {here[name]} here" for name in here if kept.get(name) != here[name]
    )


@click.command(help=__doc__)
@click.option("--update", is_flag=True, help="Keep the counts of this run.")
@click.option("--file", default=KEPT, type=click.Path(dir_okay=False, path_type=Path), help="Where they are kept.")
def main(update: bool, file: Path) -> None:
    kept = read_kept(file)
    click.echo("Counting instructions; half a minute on an idle machine.", err=True)
    try:
        now = count_all(kinds_here())
    except GuardError as error:
        raise click.ClickException(str(error)) from error
    other = differences(kept["build"], this_build())
    before = {} if other else kept["instructions"]
    click.echo("\n\n".join(as_text(compare(kind, before.get(kind, {}), counts)) for kind, counts in now.items()))
    if update:
        keep = {"tolerance": kept["tolerance"], "build": this_build(), "instructions": {**before, **now}}
        file.write_text(json.dumps(keep, indent=2) + "\n", "utf-8")
        click.echo(f"\nKept in {file}.")
    elif other:
        click.echo(
            f"\nOther interpreter or libraries, not comparable: {other}. Keep this run's: make guard ARGS=--update"
        )
    else:
        sys.exit(judge(before, now, kept["tolerance"]))


def judge(kept: Mapping[str, Counts], now: Mapping[str, Counts], tolerance: float) -> int:
    """Say what has changed by more than the tolerance; return the exit code."""
    more = [f"{name} ({kind})" for kind in now for name in grown(kept.get(kind, {}), now[kind], tolerance)]
    less = [f"{name} ({kind})" for kind in now for name in shrunk(kept.get(kind, {}), now[kind], tolerance)]
    if less:
        click.echo(f"\nFewer than before, to be kept with make guard ARGS=--update: {', '.join(less)}.")
    if more:
        click.echo(f"\nMore than {tolerance:g} % above what was kept: {', '.join(more)}.")
        return 1
    click.echo(f"\nNothing is more than {tolerance:g} % above what was kept.")
    return 0


if __name__ == "__main__":
    main()
