"""Say ten million different strings to a live edge, worker and monitor: `make strangers`, or this file with --count.

Methods, users, domains, tags, Call-IDs, branches, header names and values, each never said before. What has to hold:
the memory of all three processes is flat after the warm-up, the monitor tells as many series at the end as after it,
and none of these strings is in one.
"""

from __future__ import annotations

import io
import sys
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from slbroker.commands.progress import Progress
from tests.lab.fuzz import memory
from tests.lab.fuzz.live import COMPLAINT, Live, Peer, live
from tests.lab.fuzz.memory import Sample
from tests.peers.monitor import Monitor, start_monitor
from tests.support.processes import slbroker

if TYPE_CHECKING:
    from collections.abc import Iterator

MARK: Final = "strange"  # in every string of theirs, in some case
EACH: Final = 10  # strings in a message, at least
FULL: Final = 10_000_000  # strings
BURST: Final = 50  # messages sent at once
SAMPLES: Final = 100
MAX_GROWTH: Final = (
    4_096  # kB after the warm-up of a full run: an edge's batches come and go by 1.3 MB; a byte a string is 7
)
MAX_SHORT_GROWTH: Final = 8_192  # in a shorter one, where caches and allocators are filling till the end


@dataclass
class Outcome:
    """What came of it."""

    samples: list[Sample] = field(default_factory=list)
    series: list[int] = field(default_factory=list)  # that the monitor told at each sample
    told: list[str] = field(default_factory=list)  # lines of the monitor that have a peer's words
    sent: int = 0


def message(number: int) -> bytes:
    """A request of strings that no other number has; every fourth has a method that nobody knows."""
    word = f"{MARK}{number}"
    method = ("INVITE", "OPTIONS", "REGISTER", f"{MARK.upper()}{number}")[number % 4]
    lines = (
        f"{method} sip:u{word}@h{word}.example SIP/2.0",
        f"Via: SIP/2.0/UDP v{word}.example;rport;branch=z9hG4bK{word}",
        "Max-Forwards: 70",
        f"From: <sip:f{word}@example.com>;tag=g{word}",
        f"To: <sip:t{word}@example.com>",
        f"Call-ID: c{word}",
        f"CSeq: 1 {method}",
        f"Contact: <sip:k{word}@192.0.2.1>",
        f"User-Agent: a{word}",
        f"X-{word}: x",
        *([f"Require: r{word}"] if number % 64 == 0 else []),  # 420, which a log line tells of
        "Content-Length: 0",
    )
    return "\r\n".join((*lines, "", "")).encode()


def run(count: int, rate: int, *, samples: int = SAMPLES, quiet: bool = False) -> Outcome:
    """Say `count` strings, in at most `rate` messages a second. Raises AssertionError for a reply that is missing."""
    outcome = Outcome()
    with ExitStack() as stack:
        subject = stack.enter_context(live())
        monitor = start_monitor(
            lambda *words, env=None, cwd=None: stack.enter_context(slbroker(*words)), subject.edge.bus
        )
        peer = stack.enter_context(closing(Peer(subject)))
        progress = stack.enter_context(Progress("strings", count, io.StringIO() if quiet else None))
        for sample in _send_all(count // EACH, rate, samples, subject, monitor, peer, outcome):
            outcome.samples.append(sample)
            held = ", ".join(f"{name} {usage.rss / 1_024:.1f} MB" for name, usage in sample.usage.items())
            progress.reach(sample.done * EACH, f"{outcome.series[-1]} series; {held}")
        outcome.sent = peer.sent
        subject.edge.wait_for_figures(in_flight=0, received=peer.sent, unaccounted=0)
        assert monitor.process.stop() == 0, monitor.process
        assert not COMPLAINT.search(monitor.process.log), monitor.process
    return outcome


def _send_all(
    count: int, rate: int, samples: int, subject: Live, monitor: Monitor, peer: Peer, outcome: Outcome
) -> Iterator[Sample]:
    step, due, slowest = max(count // samples, BURST), time.monotonic(), 0.0
    for done in range(1, count + 1):
        peer.send(message(done))
        if done % BURST == 0:
            due = max(due + BURST / rate, time.monotonic() - 1.0)
            peer.collect(max(due - time.monotonic(), 0.0))
            peer.wait_for_edge()
        if done % step == 0:
            peer.collect(0.7)  # what a busy machine is behind with is answered or shed, and the monitor has asked again
            slowest = peer.ping()
            scrape = monitor.get("/metrics").text
            outcome.series.append(sum(not line.startswith("#") for line in scrape.splitlines()))
            outcome.told += [line for line in scrape.splitlines() if MARK in line.lower()]
            usage = subject.usage() | {"monitor": memory.read_usage(monitor.process.pid)}
            yield Sample(done, peer.replies, slowest, usage)


def check(outcome: Outcome, max_growth: int) -> None:
    """What has to hold at the end; `max_growth` in kB."""
    assert outcome.told == [], "a peer's words are in metrics"
    steady = outcome.series[int(len(outcome.series) * memory.WARM_UP) :]
    assert len(set(steady)) == 1, f"series come and go: {steady}"
    for name in outcome.samples[0].usage:
        assert memory.growth(outcome.samples, name) <= max_growth, f"{name} grows"


def report(outcome: Outcome) -> str:
    """The figures as text."""
    lines = [memory.table(outcome.samples), "", f"{outcome.sent:,} messages; {outcome.series[-1]} series at the end"]
    for name in outcome.samples[0].usage:
        values = [sample.usage[name].rss for sample in outcome.samples]
        lines.append(f"{name}: {memory.growth(outcome.samples, name):+} kB after the warm-up, {max(values)} kB at most")
        lines.append(memory.sparkline(values))
    return "\n".join(lines)


@click.command(help=__doc__)
@click.option("--count", type=click.IntRange(min=EACH * BURST), default=FULL, show_default=True, help="Strings.")
@click.option("--rate", type=click.IntRange(min=BURST), default=6_000, show_default=True, help="Messages a second.")
def main(count: int, rate: int) -> None:
    outcome = run(count, rate)
    click.echo(report(outcome))
    check(outcome, MAX_GROWTH if count >= FULL else MAX_SHORT_GROWTH)
    click.echo("All that has to hold does.")


if __name__ == "__main__":
    main()
