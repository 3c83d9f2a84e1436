"""Resident memory and open files of processes while mutants come in: sampled, shown, judged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WARM_UP: Final = 0.3  # of the run: caches fill, and the ACK filter's memory reaches the size that its window gives it
BARS: Final = "▁▂▃▄▅▆▇█"
BAR_COUNT: Final = 60


@dataclass(frozen=True)
class Usage:
    """What one process holds: resident memory in kB, open files."""

    rss: int
    files: int


@dataclass(frozen=True)
class Sample:
    """The state after `done` mutants: replies so far, the slowest good OPTIONS since the last sample, what is used."""

    done: int
    replies: int
    slowest: float  # seconds
    usage: Mapping[str, Usage]


def read_usage(pid: int) -> Usage:
    """The usage of a living process, from /proc."""
    status = Path(f"/proc/{pid}/status").read_text()
    rss = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
    return Usage(int(rss), len(list(Path(f"/proc/{pid}/fd").iterdir())))


def growth(samples: Sequence[Sample], name: str) -> int:
    """By how many kB the process grew after the warm-up: the median of the last tenth against that of the first one.

    Medians, because what a batch needs for a moment is no growth.
    """
    values = [sample.usage[name].rss for sample in samples]
    steady = values[int(len(values) * WARM_UP) :]
    tenth = max(len(steady) // 10, 1)
    return round(median(steady[-tenth:]) - median(steady[:tenth]))


def table(samples: Sequence[Sample], rows: int = 10) -> str:
    """The samples as a table of about so many rows, the first and the last among them."""
    names = list(samples[0].usage)
    head = [
        "mutants",
        "replies",
        "slowest OPTIONS",
        *(f"{name} RSS" for name in names),
        *(f"{name} files" for name in names),
    ]
    chosen = dict.fromkeys(round(at * (len(samples) - 1) / rows) for at in range(rows + 1))
    lines = [
        [
            f"{sample.done:,}", f"{sample.replies:,}", f"{sample.slowest * 1_000:.1f} ms",
            *(f"{sample.usage[name].rss / 1_024:.1f} MB" for name in names),
            *(str(sample.usage[name].files) for name in names),
        ]
        for sample in map(samples.__getitem__, chosen)
    ]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in [head, *lines]
    )


def sparkline(values: Sequence[int]) -> str:
    """The values as a row of bars from 0 to their maximum."""
    count = min(BAR_COUNT, len(values))
    chosen = [values[at * len(values) // count] for at in range(count)]
    most = max(*chosen, 1)
    return "".join(BARS[min(value * len(BARS) // (most + 1), len(BARS) - 1)] for value in chosen)


def plot(samples: Sequence[Sample], file: Path) -> bool:
    """Draw the memory into a PNG file; return False where matplotlib is not installed."""
    try:
        import matplotlib as mpl
    except ModuleNotFoundError:
        return False
    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 4))
    done = [sample.done for sample in samples]
    for name in samples[0].usage:
        axes.plot(done, [sample.usage[name].rss / 1_024 for sample in samples], label=name)
    axes.set(xlabel="mutants", ylabel="resident memory, MB", ylim=(0, None))
    axes.axvline(done[-1] * WARM_UP, color="grey", linestyle=":", label="end of warm-up")
    axes.legend()
    axes.grid(visible=True, alpha=0.3)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=100, bbox_inches="tight")
    return True
