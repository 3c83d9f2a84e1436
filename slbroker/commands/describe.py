"""The figures of one process as lines that people read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from slbroker.counting import BOUNDS, SIZES
from slbroker.metrics.model import distribution, mapping, maps, number, within

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_WIDTH: Final = 24  # of a counter's name
# Tables among the figures, and what their rows are called: "dropped: keepalive".
_TABLES: Final = {
    "dropped": "dropped:", "causes": "not answered:", "connections": "connections", "closed": "closed:",
    "transports": "open:", "shadow": "shadow", "memory": "memory", "replies": "replies",
    "replies dropped": "replies dropped:",
    "capture": "capture:", "capture hep_sent": "capture: sent to", "capture hep_failed": "capture: not sent to",
}  # fmt: skip
_APART: Final = (
    "name", "id", "kind", "pools", "edges", "workers", "groups", "codes", "seconds", "batches", "tags", "keys",
    "hops", "log",
)  # fmt: skip


def describe(figures: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> Iterator[str]:
    """Yield the lines that show the figures of one process; behind counters by how much they are above `before`."""
    yield f"{figures.get('kind', 'edge')} {figures.get('name', '')}"
    for name, value in figures.items():
        if name in _TABLES:
            yield from _describe_table(name, mapping(value), mapping((before or {}).get(name)))
        elif name not in _APART and value != []:
            yield _line(name, _joined(value), (before or {}).get(name))
    yield from _describe_counts(figures, before or {})
    for name, pool in mapping(figures.get("pools")).items():
        told = mapping(pool)
        yield f"  pool {name}: " + ", ".join(f"{told.get(what)} {what}" for what in ("workers", "open", "waiting"))
    for group, members in mapping(figures.get("groups")).items():
        for member in maps(members):
            yield f"  group {group} {_words(member)}"
    for edge in maps(figures.get("edges")):
        yield f"  edge {_words(edge)}"
    for worker in maps(figures.get("workers")):
        yield f"  worker {_words(worker)}{_told(mapping(worker.get('told')))}"
        for name, counts in mapping(mapping(worker.get("told")).get("handlers")).items():
            yield f"    handler {name}: " + ", ".join(f"{what} {count}" for what, count in mapping(counts).items())


def _joined(value: object) -> object:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else value


def _line(name: str, value: object, before: object = None) -> str:
    more, less = number(value), number(before)
    change = f"  {more - less:+g}" if more is not None and less is not None and more != less else ""
    return f"  {name:<{_WIDTH}} {value}{change}"


def _describe_table(name: str, table: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[str]:
    for what, value in table.items():
        if isinstance(value, dict):
            inner = f"{name} {what}" if f"{name} {what}" in _TABLES else what
            yield from _describe_table(inner, value, mapping(before.get(what)))
        else:
            yield _line(f"{_TABLES.get(name, name)} {what}", value, before.get(what))


def _describe_counts(figures: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[str]:
    """Yield what was counted of replies, times, batches and To-tags."""
    for method, codes in mapping(figures.get("codes")).items():
        for code, count in mapping(codes).items():
            yield _line(f"sent: {method} {code}", count, mapping(mapping(before.get("codes")).get(method)).get(code))
    yield from _describe_hops(mapping(figures.get("hops")), mapping(before.get("hops")))
    for stage, told in mapping(figures.get("seconds")).items():
        if words := _spread(told):
            yield _line(f"time: {stage}", words)
    batches = distribution(figures.get("batches"), SIZES)
    if batches is not None and any(batches.counts):
        yield _line("requests in a batch", f"{batches.sum / sum(batches.counts):.3g}")
    for key, counts in mapping(figures.get("tags")).items():
        if any(mapping(counts).values()):
            yield _line(f"tags: key {key}", ", ".join(f"{what} {count}" for what, count in counts.items()))
    if signs := mapping(figures.get("keys")).get("signs"):
        yield _line("signs with key", _joined(signs))


def _describe_hops(groups: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[str]:
    """Yield how many messages went on to whom."""
    for group, hops in groups.items():
        for hop, count in mapping(hops).items():
            whom = f"group {group} {hop}" if group else hop
            yield _line(f"forwarded: {whom}", count, mapping(before.get(group)).get(hop))


def _spread(told: object) -> str:
    """Return how long something takes in words, "" when nothing has."""
    found = distribution(told, BOUNDS)
    if found is None or not any(found.counts):
        return ""
    count = sum(found.counts)
    shares = [(share, within(found, share)) for share in (0.5, 0.99)]
    words = [f"{share:.0%} within {bound:g} s" if bound < math.inf else f"{share:.0%} above" for share, bound in shares]
    return f"mean {found.sum / count:.3g} s, " + ", ".join(words)


def _told(told: Mapping[str, Any]) -> str:
    """Return what a worker tells of itself, in words."""
    words = [f"{name} {told[name]}" for name in ("served", "errors", "version") if name in told]
    spread = _spread(told.get("seconds"))
    return "".join(f", {each}" for each in (*words, *([f"handlers {spread}"] if spread else [])))


def _words(row: Mapping[str, Any]) -> str:
    """Return one row as words: its name, then the rest."""
    shown = {name: _joined(value) for name, value in row.items() if name not in ("name", "told", "broker")}
    return f"{row.get('name', '')}: " + ", ".join(f"{name} {value}" for name, value in shown.items())
