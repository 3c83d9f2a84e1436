"""Print the tables of docs/scale.md: `make simulate`, or this file with the names of some questions.

--crowd adds the measurement with real sockets (a minute), --picture FILE draws docs/scale.svg.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

ROOT: Final = Path(__file__).parents[3]
sys.path[:0] = [str(ROOT / part) for part in (".", "edge", "handlers")]

from tests.lab.simulation import questions  # noqa: E402
from tests.lab.simulation.crowd import burden  # noqa: E402
from tests.lab.simulation.picture import Panel, draw  # noqa: E402
from tests.lab.simulation.policies import POLICIES  # noqa: E402
from tests.lab.simulation.questions import Question  # noqa: E402
from tests.lab.simulation.scenario import MS, US, fixed, stalling  # noqa: E402
from tests.peers.brokers import free_bus_address  # noqa: E402 - only now can it be found

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.simulation.questions import Row

CROWDS: Final = (10, 100, 1_000)
MIXTURES: Final = {
    "0.02 ms": fixed(20 * US),
    "1 in 1,000 takes 5 ms": stalling(fixed(20 * US), 1_000, 5 * MS),
}


def crowd() -> Iterator[Row]:
    """Real connections to a real edge, which do nothing."""
    for kind in ("ipc", "tcp"):
        for count in CROWDS:
            with tempfile.TemporaryDirectory() as folder:
                load = burden(free_bus_address(kind, Path(folder)), count, Path(folder))
            yield (
                kind,
                f"{count:,}",
                f"{load.bytes_each / 1024:.0f}",
                f"{load.descriptors_each:.1f}",
                f"{load.loop_percent:.1f} %",
                f"{load.io_percent:.1f} %",
                f"{load.joined:.2f}",
            )


CROWD: Final = Question(
    "What does an idle connection cost a real edge?",
    ("bus", "workers", "KiB each", "descriptors each", "edge's thread", "libzmq's thread", "s until all are welcome"),
    crowd,
)


def show(question: Question) -> None:
    """Print one table as it is found."""
    print(f"\n## {question.asked}\n", flush=True)
    print("| " + " | ".join(question.columns) + " |")
    print("|" + "---|" * len(question.columns))
    for row in question.answer():
        print("| " + " | ".join(row) + " |", flush=True)


def picture() -> str:
    """Return the drawing of docs/scale.md."""
    handlers = list(questions.HANDLERS)[1:]
    return draw(
        Panel(
            "99th percentile by load: 10 workers, handlers of 5 ms",
            "load, share of what the workers can do",
            {policy: list(questions.p99_by_load(policy)) for policy in POLICIES},
        ),
        Panel(
            "99th percentile by credit: blocking workers at load 1.5",
            "credit",
            {f"{handler} handler": list(questions.p99_by_credit(handler)) for handler in handlers},
            is_logarithmic=True,
        ),
        Panel(
            "99th percentile by rate: 8 workers, packed and spread",
            "thousand requests/s",
            {
                f"{handler}, {policy.partition(',')[0].replace(questions.SPREAD, 'spread')}": list(
                    questions.p99_by_rate(policy, service)
                )
                for handler, service in MIXTURES.items()
                for policy in (questions.PACKED, questions.SPREAD)
            },
        ),
    )


def main() -> None:
    """Run what is asked for."""
    known = questions.QUESTIONS
    parser = argparse.ArgumentParser(description="How far does slbroker go? Tables from a simulation.")
    parser.add_argument("names", nargs="*", help=f"of {', '.join(known)}; all without any")
    parser.add_argument("--crowd", action="store_true", help="also measure real connections to a real edge")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the picture of docs/scale.md")
    options = parser.parse_args()
    if unknown := set(options.names) - set(known):
        parser.error(f"no such question: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    begun = time.monotonic()
    for name in options.names or ([] if options.picture else known):
        show(known[name])
    if options.crowd:
        show(CROWD)
    if options.picture:
        options.picture.write_text(picture(), encoding="utf-8")
    print(f"\nDone in {time.monotonic() - begun:.0f} s.")


if __name__ == "__main__":
    main()
