"""What is known of all processes at one moment: who they are, what each told last, and whether requests are answered.

Pure: figures, as FIGURES of the bus brings them, come in with `now` (seconds, monotonic).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from slbroker.metrics.model import Family, Kind, fit, mapping, maps, number
from slbroker.metrics.sl import COUNTED, Counters
from slbroker.metrics.table import BY_KIND

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from slbroker.metrics.model import Row

MAX_WORKERS: Final = 1_000  # of which each has its own metrics; the others are counted as left out
MAX_PAST: Final = 64  # edges that have ended, of which one may be heard again: at another address, or back in its place
FORGET_AFTER: Final = 600.0  # seconds of silence after which one that was found, and not named, is forgotten
UP: Final = Family("slbroker_up", Kind.GAUGE, "Whether a process tells its figures.", ("kind", "address"), [])
LEFT_OUT: Final = Family(
    "slbroker_workers_left_out",
    Kind.GAUGE,
    f"Workers beyond {MAX_WORKERS}, which have no metrics of their own.",
    (),
    [],
)


@dataclass(slots=True)
class Process:
    """An edge process or a broker, at an address of the bus. `is_named`: people said that it should be there."""

    address: str
    is_named: bool = False
    is_broker: bool = False
    figures: Mapping[str, Any] = field(default_factory=dict)  # what it told last, none before
    heard: float = float("-inf")
    known: float = 0.0  # since when
    fault: str = ""  # why what it says cannot be read, if that is so
    unanswered: int = 0  # looks in a row in which requests were refused or lost, and none was answered

    @property
    def identity(self) -> str:
        """Which process it is: its `id`, whatever its address; that of one that has none, as older versions."""
        return str(self.figures.get("id") or self.address)

    def is_up(self, now: float, patience: float) -> bool:
        """Return whether it has told its figures within so many seconds."""
        return now - self.heard <= patience


class Gathered:
    """All that is known. `patience` is for how many seconds what was told counts."""

    def __init__(self, patience: float) -> None:
        self.patience = patience
        self.processes: dict[str, Process] = {}
        self.totals = Counters(())  # of edges that have ended, but for those in `_past`
        self._past: dict[str, Mapping[str, Any]] = {}  # what the last of these told, the oldest first

    # What comes in ----------------------------------------------------------------------------------------------

    def expect(self, address: str, now: float, *, is_named: bool, is_broker: bool = False) -> None:
        """Know of a process, heard or not."""
        process = self.processes.setdefault(address, Process(address, is_named, is_broker, known=now))
        process.is_named |= is_named

    def hear(self, address: str, figures: Mapping[str, Any], now: float) -> None:
        """Take in what the process at an address has told."""
        process = self.processes[address]
        before = process.figures
        process.heard, process.fault = now, ""
        process.is_broker = figures.get("kind") == "broker"
        process.figures = figures
        self._past.pop(process.identity, None)
        if before and _is_another(before, figures):
            self._remember(before)  # what is counted all in all goes on
            process.unanswered = 0
        elif before:
            process.unanswered = process.unanswered + 1 if _answers_nobody(before, figures) else 0

    def misread(self, address: str, why: str) -> bool:
        """Take note that what a process says cannot be read, such as that of another version; return if that is new."""
        process = self.processes[address]
        before, process.fault = process.fault, why
        return why != before

    def forget(self, now: float) -> list[str]:
        """Forget those that were found once and are gone for long; return their addresses."""
        gone = [
            each.address for each in self.processes.values()
            if not each.is_named and now - max(each.heard, each.known) > FORGET_AFTER
        ]  # fmt: skip
        for address in gone:
            self._remember(self.processes.pop(address).figures)
        return gone

    def _remember(self, figures: Mapping[str, Any]) -> None:
        """Keep what a process has told last, which is not there any more; or is at another address, or comes back."""
        which = str(figures.get("id") or "")
        if figures.get("kind") == "broker":
            return
        if not which:
            self.totals.add(figures)
        elif _uptime(figures) >= _uptime(self._past.get(which, {})):
            self._past[which] = {key: figures.get(key) for key in ("id", "uptime", *COUNTED)}
        if len(self._past) > MAX_PAST:
            self.totals.add(self._past.pop(next(iter(self._past))))

    # Views ------------------------------------------------------------------------------------------------------

    def up(self, now: float) -> list[Process]:
        """Return those whose figures count: each once, though it may be asked at several addresses."""
        return _distinct(each for each in self.processes.values() if each.is_up(now, self.patience))

    def distinct(self, now: float) -> list[Process]:
        """Return all processes, those that are up once each; and of the others each address."""
        up = {id(each) for each in self.up(now)}
        return [each for each in self.processes.values() if id(each) in up or not each.is_up(now, self.patience)]

    def workers(self, now: float) -> dict[str, dict[str, Any]]:
        """Return what the workers told, by name, with what their edge or broker knows of them.

        One that serves several has told each; the freshest counts.
        """
        found: dict[str, dict[str, Any]] = {}
        for process in self.up(now):
            for seen in maps(process.figures.get("workers")):
                if seen.get("broker") is True:
                    continue
                name, told = fit(seen.get("name", "")), mapping(seen.get("told"))
                worker = {"name": name, "pool": seen.get("pool", ""), "credit": seen.get("credit"), **told}
                if name not in found or (number(told.get("uptime")) or 0) > (number(found[name].get("uptime")) or 0):
                    found[name] = worker
        return found

    def counters(self) -> Counters:
        """Return what the `sl` modules count: of all edges, all their lives and those that are silent included."""
        counters = Counters(())
        counters.merge(self.totals)
        told = [(each.identity, each.figures) for each in self.processes.values() if not each.is_broker]
        freshest = dict(sorted([*self._past.items(), *told], key=lambda each: _uptime(each[1])))
        for figures in freshest.values():
            counters.add(figures)
        return counters

    def families(self, now: float) -> list[Family]:
        """Return every metric with its values."""
        up = self.up(now)
        alive = {each.address for each in self.processes.values() if each.is_up(now, self.patience)}
        rows: list[Row] = [
            (("broker" if each.is_broker else "edge", fit(each.address)), float(each.address in alive))
            for each in self.processes.values()
        ]
        families = [UP._replace(rows=rows)]
        edges = [((fit(each.address),), each.figures) for each in up if not each.is_broker]
        brokers = [((fit(each.address),), each.figures) for each in up if each.is_broker]
        workers = [((name, fit(each["pool"])), each) for name, each in self.workers(now).items()]
        families += _families("edge", ("edge",), edges)
        families += _families("broker", ("broker",), brokers)
        families += _families("worker", ("worker", "pool"), workers[:MAX_WORKERS])
        families.append(LEFT_OUT._replace(rows=[((), float(max(0, len(workers) - MAX_WORKERS)))]))
        return families

    # Whether all is well ----------------------------------------------------------------------------------------

    def ailments(self, now: float) -> list[str]:
        """Return in words which processes that should be there do not answer."""
        silent = [each for each in self.processes.values() if not each.is_up(now, self.patience)]
        return [
            f"{'broker' if each.is_broker else 'edge'} {each.address} "
            + (f"cannot be read: {each.fault}" if each.fault else "does not answer on the bus")
            for each in silent
        ]

    def hindrances(self, now: float) -> list[str]:
        """Return in words why requests are not answered, or not at every edge that is up."""
        edges = [each for each in self.up(now) if not each.is_broker]
        found = [f"edge {each.address}: {why}" for each in edges if (why := _hindrance(each))]
        return found if edges else ["no edge answers on the bus"]


def _uptime(figures: Mapping[str, Any]) -> float:
    return number(figures.get("uptime")) or 0.0


def _is_another(before: Mapping[str, Any], figures: Mapping[str, Any]) -> bool:
    """Return whether another process tells this than before: one in a container may have the same name."""
    return any(before.get(key) != figures.get(key) for key in ("id", "name")) or _uptime(figures) < _uptime(before)


def _distinct(processes: Iterable[Process]) -> list[Process]:
    """Return one of those that are the same process, the first."""
    found: dict[str, Process] = {}
    for each in processes:
        found.setdefault(each.identity, each)
    return list(found.values())


def _families(
    kind: str, labels: tuple[str, ...], processes: Sequence[tuple[tuple[str, ...], Mapping[str, Any]]]
) -> Iterator[Family]:
    for metric in BY_KIND[kind]:
        rows = [
            ((*who, *what), value) for who, figures in processes for what, value in metric.rows(figures)
        ]  # fmt: skip
        name = f"slbroker_{kind}_{metric.name}"
        yield Family(name, metric.kind, metric.help, (*labels, *metric.labels), rows)


def _hindrance(edge: Process) -> str:
    rows = maps(edge.figures.get("workers"))
    behind = [number(each.get("workers")) if each.get("broker") is True else 1 for each in rows]
    unserved = edge.figures.get("unserved")
    lacks = [fit(each) for each in unserved] if isinstance(unserved, list | tuple) else ["default"]
    if lacks and not sum(each or 0 for each in behind):
        return "it has no handlers"
    if lacks and isinstance(unserved, list | tuple):
        return f"it has no handlers in pool {', '.join(lacks)}"
    return "what came in since the last look was refused or lost, and nothing answered" if edge.unanswered else ""


def _answers_nobody(before: Mapping[str, Any], figures: Mapping[str, Any]) -> bool:
    """Return whether requests came between two looks of which none was answered as it should be."""

    def more(*keys: str) -> float:
        return sum((number(figures.get(key)) or 0) - (number(before.get(key)) or 0) for key in keys)

    return more("shed", "failed") > 0 and more("replied") == 0
