"""What is measured: two echoes that mark the floor, and slbroker in its variants; `kamailio` has the others."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.bench.processes import Program, SubjectError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.bench.base import Base

HERE = Path(__file__).resolve().parent

C_ECHO = "C echo"
# What the bundled plugin answers, remembered: the worker is asked once in five seconds.
REMEMBERING = """
from slbroker import Handlers
app = Handlers()
app.on("OPTIONS", remember=5)(lambda request: request.reply(200, "OK", headers={"Accept": "application/sdp"}))
app.otherwise(remember=5)(lambda request: request.reply(404, "Not Found"))
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


def slbroker_environment(*, pure: bool) -> dict[str, str]:
    """Return our environment without the SLBROKER_ variables, which are options of the program under test."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SLBROKER_")}
    return kept | {"SLBROKER_PURE": "1"} if pure else kept


def slbroker_kind(folder: Path) -> str:
    """Return "compiled" or "pure", as the installed slbroker chooses when left alone.

    Raises SubjectError when slbroker cannot be run. `folder` is where to run it: anywhere but a source tree,
    so that what is measured is what is installed.
    """
    return ask_slbroker("print(twins.KIND)", folder, {})


def ask_slbroker(code: str, folder: Path, more: dict[str, str]) -> str:
    """Run `code` where slbroker's parts are imported, with `more` in the environment; return what it prints."""
    imports = "import slbroker.cli, slbroker_edge, slbroker_handlers, slbroker.twins as twins; "
    done = subprocess.run(
        [sys.executable, "-c", imports + code],
        env=slbroker_environment(pure=False) | more,
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


def slbroker_name(variant: str, workers: int, *more: str, kemi: bool = False) -> str:
    """Return what slbroker is called in the tables; `variant`: "compiled", "pure", "remembered, compiled", "BASE"."""
    script = ", the same KEMI script" if kemi else f" {variant}"
    return f"slbroker{script}, edge + {several(workers, 'worker', 'workers')}{', ' if more else ''}{' '.join(more)}"


def slbroker(
    kind: str, workers: int, *more: str, kemi: str = "", remembered: bool = False, base: Base | None = None
) -> Subject:
    """Return an edge and `workers` workers with the bundled plugin; `kind` is "compiled" or "pure".

    `more` are further options of the edge; "{port}" in them is the port that it listens on. `kemi` is the text of a
    KEMI script to run instead of the plugin. With `remembered` the edge says again what workers have decided. `base` is
    another slbroker to run instead of this one.
    """
    environment = slbroker_environment(pure=kind == "pure") | (base.environment if base else {})
    command = [sys.executable, "-m", "slbroker"]

    def programs(folder: Path, port: int) -> list[Program]:
        keys, bus = str(folder / "keys.ring"), f"ipc://{folder}/bus"
        make_keys([*command, "keys", "new", keys], environment, folder)
        edge = [*command, "edge", "--listen", f"udp:127.0.0.1:{port}", "--bus", bus, "--keys", keys]
        edge += [option.format(port=port) for option in more]
        worker = [*command, "handler", "--bus", bus, "--keys", keys, "--workers", "1"]
        if kemi:
            script = folder / "answers.py"
            script.write_text(kemi, encoding="utf-8")
            worker += ["--kemi", str(script)]
        if remembered:
            plugin = folder / "remembering.py"
            plugin.write_text(REMEMBERING, encoding="utf-8")
            worker += ["--plugin", str(plugin)]
        return [
            Program("edge", edge, "edge ready", environment),
            *[Program("workers", worker, "handler ready", environment)] * workers,
        ]

    variant = "BASE" if base else f"{'remembered, ' if remembered else ''}{kind}"
    return Subject(slbroker_name(variant, workers, *more, kemi=bool(kemi)), programs)


def make_keys(argv: list[str], environment: dict[str, str], folder: Path) -> None:
    """Run `slbroker keys new`; SubjectError when it fails."""
    done = subprocess.run(argv, env=environment, cwd=folder, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise SubjectError(f"slbroker keys new: {done.stderr.strip()}")


def several(number: int, one: str, more: str) -> str:
    """Return "1 child" or "2 children"."""
    return f"{number} {one if number == 1 else more}"
