"""Run what tests the compiled twins against an AddressSanitizer build of it: its own suite, then the fuzzer.

The build is made in a copy of the tree, which is thrown away; the one in use stays as it is. Python's own allocator is
switched off, so that each object has memory of its own with guards around it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import click

ROOT: Final = Path(__file__).resolve().parents[3]
PARTS: Final = ("slbroker", "edge", "handlers", "tests", "setup.py", "pyproject.toml", "README.md", "LICENSE")
TARGETS: Final = ("twins", "recall", "forwarding", "datagram", "exchange", "reply", "bus")  # they lead through twins
SUITES: Final = (
    "tests/slbroker/sip",
    "tests/slbroker/proxy",
    "tests/slbroker/bus/test_frames.py",
    "tests/slbroker/bus/test_jobs.py",
    "tests/slbroker/bus/test_items.py",
    "tests/slbroker/test_totag_mac.py",
    "tests/edge/test_onward.py",
    "tests/edge/test_onward_dialogs.py",
    "tests/edge/test_onward_laws.py",
    "tests/edge/test_onward_replies.py",
    "tests/edge/test_reader_ordinary.py",
    "tests/edge/test_remembered_alike.py",
    "tests/edge/test_remembered_fields.py",
    "tests/edge/test_remembered_onward.py",
    "tests/edge/test_repeats_in_flight.py",
    "tests/edge/transports/test_datagrams.py",
    "tests/edge/transports/test_datagrams_asked.py",
)
FLAGS: Final = "-fsanitize=address -fno-omit-frame-pointer -g -O1"
# Python frees little at its end, which is no fault of ours; everything else is one.
OPTIONS: Final = "detect_leaks=0:abort_on_error=0:exitcode=97:allocator_may_return_null=1"
# These measure the process's memory, which the sanitizer keeps from being used again for a while, and its time.
LEFT_OUT: Final = "not leak and not left_behind and not memory_of and not time_is_linear and not the_work"
# Reads one byte behind a buffer that has others around it: what does not report that would report nothing else either.
CONTROL: Final = (
    "import ctypes; rooms = [ctypes.create_string_buffer(64) for _ in range(999)]; ctypes.string_at(rooms[500], 65)"
)


def copy_tree(to: Path) -> None:
    """Copy what is built and tested, without what has been built from it."""
    leave = shutil.ignore_patterns("*.so", "*.egg-info", "__pycache__", "node_modules")
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, to / part, ignore=leave)
        else:
            shutil.copy2(source, to / part)
    for source in sources(to):
        source.with_suffix(".c").unlink(missing_ok=True)


def sources(tree: Path) -> list[Path]:
    """Return the sources of the compiled twins."""
    return sorted(path for part in ("slbroker", "edge") for path in (tree / part).rglob("_*.pyx"))


def build(tree: Path) -> list[Path]:
    """Build the extension modules of `tree` in place with the sanitizer; return their files."""
    tools = tree / "tools"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(tools)]
    run([*install, "setuptools>=77", "Cython>=3.1,<4"], tree, {})
    flags = {"CFLAGS": FLAGS, "LDFLAGS": "-fsanitize=address", "PYTHONPATH": str(tools)}
    run([sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"], tree, flags)
    return sorted(path for source in sources(tree) for path in source.parent.glob(f"{source.stem}.*.so"))


def run(argv: list[str], tree: Path, more: dict[str, str]) -> None:
    """Run a command in `tree`; raise ClickException when it fails."""
    done = subprocess.run(argv, cwd=tree, env={**os.environ, **more}, check=False)
    if done.returncode:
        raise click.ClickException(f"exit code {done.returncode} from {' '.join(argv)}")


def sanitized() -> dict[str, str]:
    """Return the environment in which Python runs with the sanitizer; ClickException where there is none."""
    compiler = shutil.which("gcc")
    if compiler is None:
        raise click.ClickException("gcc is not installed (Debian: apt-get install gcc libc6-dev python3-dev)")
    argv = [compiler, "-print-file-name=libasan.so"]
    library = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()
    if not Path(library).is_absolute():
        raise click.ClickException("this gcc has no AddressSanitizer (Debian: apt-get install libgcc-12-dev)")
    slow = {"PYTHONMALLOC": "malloc", "PYTHONDONTWRITEBYTECODE": "1", "SLBROKER_TEST_TIME": "5"}
    return {"LD_PRELOAD": library, "ASAN_OPTIONS": OPTIONS, **slow}


def check_control(environment: dict[str, str]) -> None:
    """Raise ClickException unless the sanitizer reports a read beyond a buffer."""
    argv = [sys.executable, "-c", CONTROL]
    done = subprocess.run(argv, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    if "AddressSanitizer: heap-buffer-overflow" not in done.stderr:
        raise click.ClickException(
            "AddressSanitizer does not work with this Python: a read beyond a buffer went unseen"
        )


def check_modules(tree: Path, modules: list[Path]) -> str:
    """Return the names of the modules; ClickException unless all were built, and with the sanitizer."""
    built = {module.name.partition(".")[0]: module for module in modules}
    for source in sources(tree):
        if source.stem not in built or b"__asan_report" not in built[source.stem].read_bytes():
            raise click.ClickException(f"{source.name} was not built with AddressSanitizer")
    return ", ".join(built)


@click.command(help=__doc__)
@click.option("--seconds", default=30, show_default=True, type=click.IntRange(1), help="Of each fuzz target.")
def main(seconds: int) -> None:
    environment = sanitized()
    check_control(environment)
    with tempfile.TemporaryDirectory(prefix="asan-") as name:
        tree = Path(name)
        click.echo("Building the compiled twins with AddressSanitizer.", err=True)
        copy_tree(tree)
        modules = build(tree)
        click.echo(
            f"Testing {check_modules(tree, modules)}: the suite, then {seconds} s of each fuzz target.", err=True
        )
        pytest = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-k",
            LEFT_OUT,
            *SUITES,
        ]
        run(pytest, tree, environment)
        fuzz = [sys.executable, "tests/lab/fuzz/run.py", *TARGETS, "--engine", "plain", "--seconds", str(seconds)]
        run(fuzz, tree, environment)
    click.echo("AddressSanitizer found nothing.")


if __name__ == "__main__":
    main()
