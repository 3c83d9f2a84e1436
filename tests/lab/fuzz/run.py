"""Fuzz for long: `python tests/lab/fuzz/run.py [TARGET...] --seconds 600`, one target after the other.

With atheris (the `fuzz` extra) coverage guides it, and what it learns is kept in build/fuzz; without, the plain mutator
goes through the same targets. An input that breaks an invariant is written to tests/lab/fuzz/cases/TARGET, where the
tests replay it from then on: mend what it found, give it a telling name and keep it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.lab.fuzz.mutator import Mutator, read_dictionary
from tests.lab.fuzz.registry import FOLDER, NAMES, load

ROOT: Final = Path(__file__).resolve().parents[3]
INSTRUMENTED: Final = ["slbroker", "slbroker_edge"]
LONGEST: Final = 8_192  # bytes of an input; longer ones reach no other code, and take many times as long
SLOWEST: Final = 10  # seconds that one input may take, on a busy machine and with coverage counted
MOST_MEMORY: Final = 1_024  # MB
PROGRESS: Final = 5.0  # seconds between two lines
ROUND: Final = 1_000  # inputs between two looks at the clock


def fuzz_with_atheris(name: str, seconds: int) -> None:
    """Let libFuzzer go on until the time is over; it ends this process itself."""
    import atheris

    # Branches can be counted in Python alone; the compiled twins are compared with it without this engine.
    os.environ["SLBROKER_PURE"] = "1"
    with atheris.instrument_imports(include=INSTRUMENTED):
        target = load(name)
    corpus = ROOT / "build" / "fuzz" / name
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in target.SEEDS:
        (corpus / f"seed-{hashlib.sha1(seed).hexdigest()}").write_bytes(seed)
    found = FOLDER / "cases" / name
    found.mkdir(parents=True, exist_ok=True)
    arguments = [
        f"-max_total_time={seconds}", f"-dict={FOLDER / target.DICTIONARY}", f"-artifact_prefix={found}/",
        f"-max_len={LONGEST}", f"-timeout={SLOWEST}", f"-rss_limit_mb={MOST_MEMORY}", "-print_final_stats=1",
    ]  # fmt: skip
    ours = Mutator(target.SEEDS, read_dictionary(FOLDER / target.DICTIONARY), 0)

    def mutate(data: bytes, most: int, number: int) -> bytes:
        """Ours knows lines and words, libFuzzer's what the last comparisons were about: by turns."""
        if number % 2:
            return ours.change(data, number)[:most]
        mutated: bytes = atheris.Mutate(data, most)
        return mutated

    atheris.Setup([name, *arguments, str(corpus), str(found)], target.check, custom_mutator=mutate)
    atheris.Fuzz()


def fuzz_plainly(name: str, seconds: float, number: int) -> None:
    """Go through mutants until the time is over; the first that breaks an invariant is kept and ends it."""
    target = load(name)
    mutator = Mutator(target.SEEDS, read_dictionary(FOLDER / target.DICTIONARY), number)
    begun = said = time.monotonic()
    done = 0
    while (now := time.monotonic()) < begun + seconds:
        for _ in range(ROUND):
            data = mutator.next()
            try:
                target.check(data)
            except Exception:
                click.echo(f"{name}: broken by {keep(name, data)}", err=True)
                raise
        done += ROUND
        if now >= said + PROGRESS:
            said = now
            click.echo(f"{name}: {done} inputs in {now - begun:.0f} s", err=True)
    click.echo(f"{name}: {done} inputs, nothing found", err=True)


def keep(name: str, data: bytes) -> Path:
    """Write an input beside the other cases, as atheris does."""
    folder = FOLDER / "cases" / name
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"crash-{hashlib.sha1(data).hexdigest()}"
    file.write_bytes(data)
    return file


@click.command(help=__doc__)
@click.argument("targets", nargs=-1, type=click.Choice(NAMES))
@click.option("--seconds", type=click.IntRange(min=1), default=600, show_default=True, help="For each target.")
@click.option("--engine", type=click.Choice(["auto", "atheris", "plain"]), default="auto", show_default=True)
@click.option("--number", default=0, show_default=True, help="What the plain mutator's inputs follow from.")
def main(targets: tuple[str, ...], seconds: int, engine: str, number: int) -> None:
    logging.disable()  # what an edge says about garbage is not looked at
    if engine == "auto":
        engine = "atheris" if importlib.util.find_spec("atheris") else "plain"
        if engine == "plain":
            click.echo("atheris is not installed (pip install 'slbroker[fuzz]'): mutating blindly", err=True)
    if len(targets) != 1:
        # libFuzzer ends its process: each target has one of its own.
        options = ["--seconds", str(seconds), "--engine", engine, "--number", str(number)]
        broken = [name for name in targets or NAMES if subprocess.call([sys.executable, __file__, name, *options])]
        raise SystemExit(f"broken: {', '.join(broken)}; see tests/lab/fuzz/cases" if broken else 0)
    (name,) = targets
    click.echo(f"Fuzzing {name} for {seconds} s with the {engine} engine.", err=True)
    if engine == "atheris":
        fuzz_with_atheris(name, seconds)
    else:
        fuzz_plainly(name, seconds, number)


if __name__ == "__main__":
    main()
