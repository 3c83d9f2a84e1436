"""What is measured: two echoes that mark the floor, slbroker in its variants, Kamailio's native script."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.processes import Program, SubjectError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

HERE = Path(__file__).resolve().parent

C_ECHO = "C echo"
KAMAILIO = "Kamailio native, 2 children"

KAMAILIO_SCRIPT = """\
#!KAMAILIO
# The same answers as slbroker's bundled plugin. The sl module absorbs the ACKs of its replies on its own.
debug=0
fork=yes
children=2
disable_tcp=yes
auto_aliases=no
listen=udp:127.0.0.1:{port}
loadmodule "sl.so"

request_route {{
    if (method == "OPTIONS") {{
        sl_send_reply("200", "OK");
        exit;
    }}
    if (method == "ACK") {{
        exit;
    }}
    sl_send_reply("404", "Not Found");
}}
"""


@dataclass(frozen=True)
class Subject:
    """A server to measure; `programs(folder, port)` prepares an empty folder and says what to run there."""

    name: str
    programs: Callable[[Path, int], list[Program]]


def c_echo(binary: Path) -> Subject:
    """Return the floor: `binary` is the compiled echo.c."""
    return Subject(C_ECHO, lambda _, port: [Program("server", [str(binary), str(port)])])


def python_echo() -> Subject:
    """Return the floor for a server written in Python."""
    argv = [sys.executable, str(HERE / "echo.py")]
    return Subject("Python echo", lambda _, port: [Program("server", [*argv, str(port)])])


def find_kamailio() -> str | None:
    """Return the path of the kamailio program, which many systems keep off a user's PATH."""
    return shutil.which("kamailio", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def kamailio(program: str) -> Subject:
    """Return Kamailio's own script with two UDP receivers."""

    def programs(folder: Path, port: int) -> list[Program]:
        script = folder / "kamailio.cfg"
        script.write_text(KAMAILIO_SCRIPT.format(port=port), encoding="utf-8")
        argv = [program, "-f", str(script), "-DD", "-E", "-Y", str(folder), "-w", str(folder)]
        return [Program("server", argv)]

    return Subject(KAMAILIO, programs)


def slbroker_environment(*, pure: bool) -> dict[str, str]:
    """Return our environment without the SLBROKER_ variables, which are options of the program under test."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SLBROKER_")}
    return kept | {"SLBROKER_PURE": "1"} if pure else kept


def slbroker_kind(folder: Path) -> str:
    """Return "compiled" or "pure", as the installed slbroker chooses when left alone.

    Raises SubjectError when slbroker cannot be run. `folder` is where to run it: anywhere but a source tree,
    so that what is measured is what is installed.
    """
    code = "import slbroker.cli, slbroker_edge, slbroker_handlers, slbroker.inner as inner; print(inner.KIND)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=slbroker_environment(pure=False),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().split("\n")[-1]
        raise SubjectError(f"slbroker cannot be run by {Path(sys.executable).name}, install it first: {said}")
    return done.stdout.strip()


def slbroker(kind: str, workers: int) -> Subject:
    """Return an edge and `workers` workers with the bundled plugin; `kind` is "compiled" or "pure"."""
    environment = slbroker_environment(pure=kind == "pure")
    command = [sys.executable, "-m", "slbroker"]

    def programs(folder: Path, port: int) -> list[Program]:
        keys, bus = str(folder / "keys.ring"), f"ipc://{folder}/bus"
        make_keys([*command, "keys", "new", keys], environment, folder)
        edge = [*command, "edge", "--listen", f"udp:127.0.0.1:{port}", "--bus", bus, "--keys", keys]
        worker = [*command, "handler", "--bus", bus, "--keys", keys, "--workers", "1"]
        return [
            Program("edge", edge, "edge ready", environment),
            *[Program("workers", worker, "handler ready", environment)] * workers,
        ]

    plural = "s" if workers > 1 else ""
    return Subject(f"slbroker {kind}, edge + {workers} worker{plural}", programs)


def make_keys(argv: list[str], environment: dict[str, str], folder: Path) -> None:
    """Run `slbroker keys new`; SubjectError when it fails."""
    done = subprocess.run(argv, env=environment, cwd=folder, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise SubjectError(f"slbroker keys new: {done.stderr.strip()}")


def all_subjects(echo: Path, folder: Path, workers: Iterable[int]) -> tuple[list[Subject], list[str]]:
    """Return what can be measured on this machine, and a line for each thing that cannot."""
    subjects, notes = [c_echo(echo), python_echo()], []
    try:
        kind = slbroker_kind(folder)
    except SubjectError as error:
        notes.append(f"Not measured: {error}")
    else:
        kinds = ["compiled", "pure"] if kind == "compiled" else ["pure"]
        subjects += [slbroker(each, number) for each in kinds for number in workers]
        if kind != "compiled":
            notes.append("The compiled twin of slbroker.inner is not built here: slbroker ran in pure Python only.")
    program = find_kamailio()
    if program is None:
        notes.append("Not measured: Kamailio is not installed, so there are no ratios to it.")
    else:
        subjects.append(kamailio(program))
    return subjects, notes
