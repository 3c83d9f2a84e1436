"""Send a million mutants through a live edge and a worker: `make mutants`, or this file with --count and --rate.

Both are processes of their own. What has to hold: both live on and end well; memory and open files are flat after the
warm-up; every reply reads as one, and there are no more of them than mutants; the ACKs to them are absorbed; a good
OPTIONS right after each thousand is answered at once; at the end nothing is in flight, and the fates add up to what was
sent.
"""

from __future__ import annotations

import io
import re
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from slbroker.commands.progress import Progress
from tests.lab.fuzz import memory
from tests.lab.fuzz.live import Live, Peer, live
from tests.lab.fuzz.mutator import Mutator, read_dictionary
from tests.lab.fuzz.registry import FOLDER
from tests.lab.fuzz.seeds import MESSAGES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.fuzz.memory import Sample

EVERY: Final = 1_000  # mutants between two good OPTIONS
BURST: Final = 50  # mutants sent at once
MAX_LAG: Final = 1.0  # seconds that the sender makes good when the edge, or the machine, was busy
SAMPLES: Final = 200
FULL: Final = 1_000_000  # mutants
MAX_GROWTH: Final = 1_024  # kB after the warm-up of a full run; a leak of 10 bytes a mutant would be 7 MB
MAX_SHORT_GROWTH: Final = 8_192  # in a shorter one, where caches, allocator and ACK filter are filling till the end


@dataclass(frozen=True)
class Plan:
    """How many mutants, how many a second at most, and the number that they follow from."""

    count: int
    rate: int
    number: int = 1


@dataclass
class Outcome:
    """What came of it."""

    samples: list[Sample] = field(default_factory=list)
    sent: int = 0  # mutants, good OPTIONS, and ACKs to the replies that came
    huge: int = 0  # of these so long that a reply to them may be longer than a datagram
    replies: int = 0  # that came back to the sender; others went where a mutant's Via said
    slowest: float = 0.0  # seconds that a good OPTIONS took
    seconds: float = 0.0
    figures: dict[str, Any] = field(default_factory=dict)


def seeds() -> list[bytes]:
    """The messages, most of them asking for the reply at the port they come from (RFC 3581)."""
    return [re.sub(rb"(?i)\r\n(?:via|v)[ \t]*:[^\r\n;,]*", rb"\g<0>;rport", data, count=1) for data in MESSAGES]


def run(plan: Plan, *, quiet: bool = False) -> Outcome:
    """Do it. Raises AssertionError as soon as something does not hold; `check` looks at the whole."""
    outcome = Outcome()
    stream = None if not quiet else io.StringIO()
    with live() as subject, closing(Peer(subject)) as peer, Progress("mutants", plan.count, stream) as progress:
        begun = time.monotonic()
        for sample in _send_all(plan, subject, peer):
            outcome.samples.append(sample)
            outcome.slowest = max(outcome.slowest, sample.slowest)
            held = ", ".join(f"{name} {usage.rss / 1_024:.1f} MB" for name, usage in sample.usage.items())
            progress.reach(sample.done, f"{sample.replies:,} replies; {held}")
        outcome.seconds = time.monotonic() - begun
        peer.collect(0.2)
        outcome.sent, outcome.huge, outcome.replies = peer.sent, peer.huge, peer.replies
        assert subject.socket().lost == 0
        outcome.figures = subject.edge.wait_for_figures(in_flight=0, received=outcome.sent)
    return outcome


def _send_all(plan: Plan, subject: Live, peer: Peer) -> Iterator[Sample]:
    mutator = Mutator(seeds(), read_dictionary(FOLDER / "sip.dict"), plan.number)
    step = max(plan.count // SAMPLES, EVERY)
    slowest, due = 0.0, time.monotonic()
    for done in range(1, plan.count + 1):
        peer.send(mutator.next())
        if done % BURST == 0:
            due = max(due + BURST / plan.rate, time.monotonic() - MAX_LAG)
            peer.collect(max(due - time.monotonic(), 0.0))
            peer.wait_for_edge()
        if done % EVERY == 0:
            slowest = max(slowest, peer.ping())
            assert peer.replies <= peer.sent
        if done % step == 0:
            yield memory.Sample(done, peer.replies, slowest, subject.usage())
            slowest = 0.0


def check(outcome: Outcome, max_growth: int = MAX_GROWTH) -> None:
    """What has to hold at the end; `max_growth` in kB."""
    figures = outcome.figures
    assert figures["send_failures"] <= outcome.huge, figures
    for name in ("failed", "bad_answers", "garbage", "late_answers"):
        assert figures[name] == 0, figures
    (worker,) = figures["workers"]
    assert worker["open"] == 0
    assert outcome.replies <= figures["replied"] + figures["shed"]
    for name, last in outcome.samples[-1].usage.items():
        assert memory.growth(outcome.samples, name) <= max_growth, f"{name} grows"
        assert last.files <= outcome.samples[0].usage[name].files, f"{name} leaves files open"


def report(outcome: Outcome, file: Path) -> str:
    """The figures as text; with matplotlib, the plot into `file`."""
    dropped = sorted(outcome.figures["dropped"].items(), key=lambda pair: -pair[1])
    fates = {name: outcome.figures[name] for name in ("received", "replied", "absorbed", "passed", "shed", "failed")}
    lines = [
        f"{outcome.sent:,} datagrams in {outcome.seconds:.0f} s",
        ", ".join(f"{name} {value:,}" for name, value in fates.items()),
        "dropped: " + ", ".join(f"{name} {value:,}" for name, value in dropped),
        f"replies back at the sender {outcome.replies:,}; slowest good OPTIONS {outcome.slowest * 1_000:.1f} ms",
        "",
        memory.table(outcome.samples),
        "",
    ]
    drawn = memory.plot(outcome.samples, file)
    for name in outcome.samples[0].usage:
        values = [sample.usage[name].rss for sample in outcome.samples]
        lines.append(f"{name}: {memory.growth(outcome.samples, name):+} kB after the warm-up, {max(values)} kB at most")
        if not drawn:
            lines.append(memory.sparkline(values))
    return "\n".join([*lines, *([f"plot: {file}"] if drawn else [])])


@click.command(help=__doc__)
@click.option("--count", type=click.IntRange(min=EVERY), default=FULL, show_default=True, help="Mutants.")
@click.option("--rate", type=click.IntRange(min=BURST), default=4_000, show_default=True, help="Most a second.")
@click.option("--number", default=1, show_default=True, help="What the mutants follow from.")
@click.option("--plot", type=click.Path(path_type=Path), default=Path("build/mutants.png"), show_default=True)
def main(count: int, rate: int, number: int, plot: Path) -> None:
    click.echo(f"{count:,} mutants at {rate:,} a second: at least {count / rate / 60:.1f} minutes.", err=True)
    outcome = run(Plan(count, rate, number))
    click.echo(report(outcome, plot))
    check(outcome, MAX_GROWTH if count >= FULL else MAX_SHORT_GROWTH)
    click.echo("All that has to hold does.")


if __name__ == "__main__":
    main()
