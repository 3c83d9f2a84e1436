"""What an operator looks at first, as tables: what goes on at this moment, of figures that were told twice.

Pure. A rate is what has changed between two times that a process told its figures, by the seconds between them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from slbroker.counting import BOUNDS
from slbroker.metrics.model import Distribution, distribution, fit, mapping, maps, number, within

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Table(NamedTuple):
    """A title, the names of the columns, and the cells, row by row."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


class Moment(NamedTuple):
    """What one process told now, and what it had told `seconds` before; nothing when it was not there then."""

    now: Mapping[str, Any]
    before: Mapping[str, Any]
    seconds: float

    def per_second(self, *path: str) -> float | None:
        """Return by how much a counter goes up in a second, None when it was not told before."""
        if not self.before or self.seconds <= 0:
            return None
        now, before = (_find(figures, path) for figures in (self.now, self.before))
        return max(0.0, now - before) / self.seconds

    def rate(self, *path: str) -> str:
        """Return that as people read it."""
        found = self.per_second(*path)
        return "-" if found is None else f"{found:,.0f}"

    def value(self, *path: str) -> str:
        """Return a number as it is."""
        return f"{_find(self.now, path):,.0f}"

    def spread(self, *path: str) -> Distribution | None:
        """Return how times are spread of what has ended since it told before; None where it tells none."""
        now, before = (_spread(figures, path) for figures in (self.now, self.before))
        if now is None or before is None or sum(before.counts) > sum(now.counts):
            return now
        counts = tuple(max(0, a - b) for a, b in zip(now.counts, before.counts, strict=True))
        return Distribution(now.bounds, counts, max(0.0, now.sum - before.sum))

    def p99(self, *path: str) -> str:
        """Return within which time 99 of 100 ended, of those."""
        now = self.spread(*path)
        if now is None or not sum(now.counts):
            return "-"
        bound = within(now, 0.99)
        return f"> {BOUNDS[-1]:g} s" if bound == math.inf else f"{bound * 1e3:g} ms"


def _find(figures: Mapping[str, Any], path: Sequence[str]) -> float:
    for key in path[:-1]:
        figures = mapping(figures.get(key))
    return number(figures.get(path[-1])) or 0


def _spread(figures: Mapping[str, Any], path: Sequence[str]) -> Distribution | None:
    for key in path[:-1]:
        figures = mapping(figures.get(key))
    return distribution(figures.get(path[-1]), BOUNDS)


def overview(now: list[dict[str, Any]], before: list[dict[str, Any]], seconds: float) -> list[Table]:
    """Return the tables; `seconds` lie between the two times that processes told their figures."""
    known = {str(each.get("name")): each for each in before}
    moments = [Moment(each, known.get(str(each.get("name")), {}), seconds) for each in now]
    edges = [each for each in moments if each.now.get("kind") != "broker"]
    tables = [_edges(edges), _brokers([each for each in moments if each not in edges]), _pools(edges)]
    tables += [_codes(edges), _workers(moments)]
    return [table for table in tables if table.rows]


def _edges(edges: list[Moment]) -> Table:
    fates = ("received", "replied", "absorbed", "shed", "failed")
    rows = [
        (
            fit(each.now.get("name", "")), *(each.rate(fate) for fate in fates), each.value("in_flight"),
            each.p99("seconds", "whole"), _megabytes(each.now),
        )
        for each in edges
    ]  # fmt: skip
    columns = ("edge", "in/s", "replied/s", "ACKs absorbed/s", "503/s", "500/s", "in flight", "p99", "MB")
    return Table("Edges", columns, rows)


def _brokers(brokers: list[Moment]) -> Table:
    rows = [
        (
            fit(each.now.get("name", "")), each.rate("taken"), each.rate("answered"), each.value("in_flight"),
            each.value("waiting"), str(len(maps(each.now.get("workers")))), _megabytes(each.now),
        )
        for each in brokers
    ]  # fmt: skip
    return Table("Brokers", ("broker", "in/s", "answered/s", "in flight", "waiting", "workers", "MB"), rows)


def _pools(edges: list[Moment]) -> Table:
    rows = []
    for each in edges:
        for name in mapping(each.now.get("pools")):
            cells = [each.value("pools", name, what) for what in ("workers", "open", "credit", "waiting")]
            oldest = _find(each.now, ("pools", name, "oldest"))
            rows.append((fit(name), fit(each.now.get("name", "")), *cells, f"{oldest * 1e3:.0f} ms"))
    return Table("Pools", ("pool", "edge", "workers", "open", "credit", "waiting", "oldest"), rows)


def _codes(edges: list[Moment]) -> Table:
    found: dict[tuple[str, str], list[Moment]] = {}
    for each in edges:
        for method, codes in mapping(each.now.get("codes")).items():
            for code in mapping(codes):
                found.setdefault((method, code), []).append(each)
    rows: list[tuple[str, ...]] = []
    for (method, code), moments in sorted(found.items()):
        total = sum(_find(each.now, ("codes", method, code)) for each in moments)
        before = sum(_find(each.before, ("codes", method, code)) for each in moments if each.before)
        known = [each for each in moments if each.before]
        rate = sum(_find(each.now, ("codes", method, code)) for each in known) - before
        seconds = known[0].seconds if known else 0.0
        rows.append((fit(method), fit(code), f"{rate / seconds:,.0f}" if seconds else "-", f"{total:,.0f}"))
    return Table("Replies", ("method", "status", "a second", "in all"), rows)


def _workers(moments: list[Moment]) -> Table:
    rows: dict[str, tuple[str, ...]] = {}
    for moment in moments:
        former = {str(each.get("name")): mapping(each.get("told")) for each in maps(moment.before.get("workers"))}
        for each in maps(moment.now.get("workers")):
            name, told = fit(each.get("name", "")), mapping(each.get("told"))
            if each.get("broker") is True or (name in rows and not told):
                continue
            one = Moment(told, former.get(str(each.get("name")), {}), moment.seconds)
            fill = f"{number(each.get('open')) or 0:,.0f} of {number(each.get('credit')) or 0:,.0f}"
            rows[name] = (
                name, fit(each.get("pool", "")), one.rate("served"), fill, one.p99("seconds"), one.value("errors"),
                _megabytes(told), fit(told.get("version", "")),
            )  # fmt: skip
    columns = ("worker", "pool", "served/s", "has", "p99", "errors", "MB", "version")
    return Table("Workers", columns, list(rows.values()))


def _megabytes(figures: Mapping[str, Any]) -> str:
    return f"{(number(figures.get('resident')) or 0) / 1e6:.0f}"
