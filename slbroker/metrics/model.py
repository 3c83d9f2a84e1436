"""What a statistic is: a metric with a name, a kind and labels, and its values at one moment.

Whatever process told them, values are looked at as a stranger's: a number is a number or is left out, a label is short
and printable, and there are only so many of them. So no peer and no worker can make a scrape grow.
"""

from __future__ import annotations

import hashlib
import math
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

MAX_LABEL: Final = 80  # characters of a label's value
_DIGEST: Final = 4  # bytes of a hash that stands for what is left out of a longer one
MAX_VALUES: Final = 200  # of one label in one process; further ones are counted together, as OTHER
OTHER: Final = "other"
MAX_DEPTH: Final = 12  # maps and lists within each other


class Kind(Enum):
    """How a metric behaves, in Prometheus' words."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Distribution(NamedTuple):
    """How many values were up to each of `bounds` and above the one before, and, at the end, above all; their sum."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float


Value: TypeAlias = float | Distribution
Row: TypeAlias = tuple[tuple[str, ...], Value]  # the values of the labels, and the metric's


class Metric(NamedTuple):
    """One row of the table. `read` takes what a process told, and yields the values of `labels` with a value each.

    A counter's name ends in `_total`; times are in seconds and sizes in bytes.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...]
    read: Callable[[Mapping[str, Any]], Iterable[Row]]

    def rows(self, figures: Mapping[str, Any]) -> list[Row]:
        """Return what a process told of this, labels made fit to be shown."""
        rows: dict[tuple[str, ...], Value] = {}
        for labels, value in self.read(figures):
            shown = tuple(map(fit, labels))
            if shown not in rows and len(rows) >= MAX_VALUES:
                shown = (OTHER,) * len(labels)
            before = rows.get(shown)
            rows[shown] = value if before is None else _add(before, value)
        return list(rows.items())


class Family(NamedTuple):
    """A metric and its values, labels of the process included, at one moment."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...]
    rows: list[Row]


def within(found: Distribution, share: float) -> float:
    """Return the bound below which at least that share of the values lie; math.inf where there is none, 0 for none."""
    wanted, seen = share * sum(found.counts), 0
    for bound, count in zip((*found.bounds, math.inf), found.counts, strict=True):
        seen += count
        if seen >= wanted:
            return bound if seen else 0.0
    return math.inf


def fit(text: object) -> str:
    """Return a label's value as it may be shown: printable ASCII, not long; those of two names differ."""
    whole = str(text)
    shown = whole if whole.isascii() and whole.isprintable() else ascii(whole)[1:-1]
    if len(shown) <= MAX_LABEL:
        return shown
    # Two edges whose bus addresses begin alike would else be one to whoever reads the metrics.
    rest = hashlib.blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=_DIGEST).hexdigest()
    return f"{shown[: MAX_LABEL - len(rest) - 1]}~{rest}"


def number(value: object) -> float | None:
    """Return a value if it is a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if isinstance(value, int) or math.isfinite(value) else None


def plain(value: object, depth: int = MAX_DEPTH) -> Any:
    """Return what a process told as JSON can have it: with names as keys, finite numbers, text, and not nested deeply.

    What has no such form is null. A worker says of itself what it likes, and its edge passes that on.
    """
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    if isinstance(value, dict) and depth:
        return {str(key): plain(each, depth - 1) for key, each in value.items()}
    if isinstance(value, list | tuple) and depth:
        return [plain(each, depth - 1) for each in value]
    return None


def mapping(value: object) -> Mapping[str, Any]:
    """Return a value if it is a map, else an empty one."""
    return value if isinstance(value, dict) else {}


def maps(value: object) -> list[Mapping[str, Any]]:
    """Return the maps in a list, none where it is no list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list | tuple) else []


def _add(one: Value, other: Value) -> Value:
    if isinstance(one, Distribution) and isinstance(other, Distribution):
        counts = tuple(a + b for a, b in zip(one.counts, other.counts, strict=True))
        return Distribution(one.bounds, counts, one.sum + other.sum)
    assert not isinstance(one, Distribution)
    assert not isinstance(other, Distribution)
    return one + other


# How values are read from what a process told -------------------------------------------------------------------


def one(*path: str) -> Callable[[Mapping[str, Any]], Iterator[Row]]:
    """Return what reads one number, at the end of a path of keys."""

    def read(figures: Mapping[str, Any]) -> Iterator[Row]:
        for key in path[:-1]:
            figures = mapping(figures.get(key))
        value = number(figures.get(path[-1]))
        if value is not None:
            yield (), value

    return read


def several(*keys: str) -> Callable[[Mapping[str, Any]], Iterator[Row]]:
    """Return what reads several numbers, whose keys are the values of a label."""

    def read(figures: Mapping[str, Any]) -> Iterator[Row]:
        for key in keys:
            value = number(figures.get(key))
            if value is not None:
                yield (key,), value

    return read


def by_key(*path: str) -> Callable[[Mapping[str, Any]], Iterator[Row]]:
    """Return what reads a map of numbers at the end of a path."""

    def read(figures: Mapping[str, Any]) -> Iterator[Row]:
        for key in path:
            figures = mapping(figures.get(key))
        for name, told in figures.items():
            value = number(told)
            if value is not None:
                yield (name,), value

    return read


def by_two(key: str) -> Callable[[Mapping[str, Any]], Iterator[Row]]:
    """Return what reads a map of maps of numbers."""

    def read(figures: Mapping[str, Any]) -> Iterator[Row]:
        for first, told in mapping(figures.get(key)).items():
            for second, value in mapping(told).items():
                if (known := number(value)) is not None:
                    yield (first, second), known

    return read


def each(key: str, field: str) -> Callable[[Mapping[str, Any]], Iterator[Row]]:
    """Return what reads one number of each map in a map."""

    def read(figures: Mapping[str, Any]) -> Iterator[Row]:
        for name, told in mapping(figures.get(key)).items():
            value = number(mapping(told).get(field))
            if value is not None:
                yield (name,), value

    return read


def spread(key: str, bounds: tuple[float, ...]) -> Callable[[Mapping[str, Any]], Iterator[Row]]:
    """Return what reads how something is spread (`slbroker.counting.Spread`)."""

    def read(figures: Mapping[str, Any]) -> Iterator[Row]:
        found = distribution(figures.get(key), bounds)
        if found is not None:
            yield (), found

    return read


def spreads(key: str, bounds: tuple[float, ...]) -> Callable[[Mapping[str, Any]], Iterator[Row]]:
    """Return what reads a map of such."""

    def read(figures: Mapping[str, Any]) -> Iterator[Row]:
        for name, told in mapping(figures.get(key)).items():
            found = distribution(told, bounds)
            if found is not None:
                yield (name,), found

    return read


def distribution(told: object, bounds: tuple[float, ...]) -> Distribution | None:
    """Return what a process told of how something is spread, None for what is none."""
    counts, total = mapping(told).get("counts"), number(mapping(told).get("sum"))
    if not isinstance(counts, list | tuple) or len(counts) != len(bounds) + 1 or total is None:
        return None
    if not all(isinstance(count, int) and count >= 0 for count in counts):
        return None
    return Distribution(bounds, tuple(counts), total)
