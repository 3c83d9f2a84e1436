"""What the page shows, made of what is known: numbers and words, no markup. Pure.

Rates are over the last seconds (`metrics.trend`); what is counted in all is so since each process was started.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from slbroker.counting import STAGES
from slbroker.metrics.model import Distribution, fit, mapping, maps, number, within
from slbroker.metrics.overview import Moment
from slbroker.monitor.keyrings import keyrings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from slbroker.metrics.gathered import Gathered, Process
    from slbroker.metrics.trend import Trend

FATES: Final = ("received", "replied", "absorbed", "passed", "forwarded", "repeated", "remembered", "shed", "failed")
MAX_ROWS: Final = 200  # of a table; who has more has Prometheus
MAX_LINES: Final = 60  # of the logs


def worker_key(name: str) -> str:
    """Return what a worker's trend is called."""
    return f"worker {name}"


def board(known: Gathered, trend: Trend, now: float) -> dict[str, Any]:
    """Return everything but the recent requests; a rate or a time that nobody has told is None."""
    processes = known.distinct(now)
    up = {each.address for each in known.up(now)}
    edges = [each for each in processes if not each.is_broker]
    moments = [trend.moment(each.address) for each in edges if each.address in up]
    workers = list(known.workers(now).values())
    return {
        "healthz": known.ailments(now),
        "readyz": known.hindrances(now),
        "totals": _totals(each.figures for each in edges),
        "rates": {fate: _rate(moments, fate) for fate in FATES} | {"dropped": _dropped_rate(moments)},
        "stages": [_stage(moments, stage) for stage in STAGES],
        "codes": _codes(edges, moments),
        "causes": _causes(edges, moments),
        "edges": [_edge(each, trend.moment(each.address), now, is_up=each.address in up) for each in edges],
        "brokers": [
            _broker(each, trend.moment(each.address), now, is_up=each.address in up)
            for each in processes if each.is_broker
        ],
        "pools": _pools([each for each in edges if each.address in up], workers),
        "workers": [_worker(each, trend) for each in workers[:MAX_ROWS]],
        "workers_left_out": max(0, len(workers) - MAX_ROWS),
        "keys": keyrings([each for each in edges if each.address in up], workers),
        "log": _log(processes, workers),
    }  # fmt: skip


# Sums over edges ------------------------------------------------------------------------------------------------


def _totals(edges: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    totals = dict.fromkeys((*FATES, "in_flight", "unaccounted", "retried", "lost_workers", "dropped"), 0.0)
    for figures in edges:
        for name in totals:
            totals[name] += number(figures.get(name)) or 0
        totals["dropped"] += sum(number(count) or 0 for count in mapping(figures.get("dropped")).values())
    return totals


def _rate(moments: Iterable[Moment], *path: str) -> float | None:
    """Return by how much a counter goes up in a second, at all edges together."""
    rates = [rate for each in moments if (rate := each.per_second(*path)) is not None]
    return round(sum(rates), 2) if rates else None


def _dropped_rate(moments: Iterable[Moment]) -> float | None:
    rates = [_rate(moments, "dropped", cause) for cause in {cause for each in moments for cause in _names(each)}]
    return round(sum(rate or 0 for rate in rates), 2)


def _names(moment: Moment) -> Iterable[str]:
    return mapping(moment.now.get("dropped"))


def _spread(moments: Iterable[Moment], *path: str) -> Distribution | None:
    """Return how times are spread of what has ended in these seconds, at all edges together."""
    found = [each for moment in moments if (each := moment.spread(*path)) is not None]
    if not found:
        return None
    counts = tuple(sum(column) for column in zip(*(each.counts for each in found), strict=True))
    return Distribution(found[0].bounds, counts, sum(each.sum for each in found))


def _stage(moments: Iterable[Moment], stage: str) -> dict[str, Any]:
    found = _spread(moments, "seconds", stage)
    if found is None or not (count := sum(found.counts)):
        return {"stage": stage, "count": 0}
    return {
        "stage": stage, "count": count, "mean": found.sum / count, "counts": found.counts, "bounds": found.bounds,
        "p50": _within(found, 0.5), "p90": _within(found, 0.9), "p99": _within(found, 0.99),
    }  # fmt: skip


def _within(found: Distribution | None, share: float) -> float | None:
    """Return within how many seconds so many ended; None where none did, -1 above the highest bound."""
    if found is None or not sum(found.counts):
        return None
    bound = within(found, share)
    return -1.0 if bound == math.inf else bound


def _codes(edges: Iterable[Process], moments: list[Moment]) -> list[dict[str, Any]]:
    found: dict[tuple[str, str], float] = {}
    for each in edges:
        for method, codes in mapping(each.figures.get("codes")).items():
            for code, count in mapping(codes).items():
                found[method, code] = found.get((method, code), 0) + (number(count) or 0)
    rows = [
        {"method": fit(method), "code": fit(code), "total": total, "rate": _rate(moments, "codes", method, code)}
        for (method, code), total in sorted(found.items())
    ]
    return rows[:MAX_ROWS]


def _causes(edges: list[Process], moments: list[Moment]) -> list[dict[str, Any]]:
    """Return what was not answered as it should be, and why: by the dispatcher's causes, then what was dropped."""
    rows = []
    for kind in ("causes", "dropped"):
        found: dict[str, float] = {}
        for each in edges:
            for cause, count in mapping(each.figures.get(kind)).items():
                found[cause] = found.get(cause, 0) + (number(count) or 0)
        rows += [
            {"kind": kind, "cause": fit(cause), "total": total, "rate": _rate(moments, kind, cause)}
            for cause, total in sorted(found.items(), key=lambda item: -item[1])
        ]
    return rows[:MAX_ROWS]


# Processes ------------------------------------------------------------------------------------------------------


def _process(process: Process, now: float, *, is_up: bool) -> dict[str, Any]:
    figures = process.figures
    silent = now - max(process.heard, process.known)
    return {
        "address": fit(process.address),
        "name": fit(figures.get("name", "")),
        "up": is_up,
        "silent": None if is_up else round(silent, 1),
        "version": fit(figures.get("version", "")),
        **{key: number(figures.get(key)) for key in ("uptime", "resident", "in_flight")},
    }


def _links(process: Process) -> dict[str, Any]:
    """Return the addresses of the brokers that an edge knows, and how many workers of each pool it has itself."""
    pools: dict[str, int] = {}
    for each in maps(process.figures.get("workers")):
        if each.get("broker") is not True:
            pool = fit(each.get("pool", ""))
            pools[pool] = pools.get(pool, 0) + 1
    brokers = process.figures.get("brokers")
    return {"brokers": [fit(each) for each in brokers] if isinstance(brokers, list | tuple) else [], "pools": pools}


def _edge(process: Process, moment: Moment, now: float, *, is_up: bool) -> dict[str, Any]:
    live = moment if is_up else Moment({}, {}, 0.0)
    return {
        **_process(process, now, is_up=is_up),
        **{fate: live.per_second(fate) for fate in ("received", "replied", "absorbed", "shed", "failed")},
        "p99": _within(live.spread("seconds", "whole"), 0.99),
        **_links(process),
        "connections": number(mapping(process.figures.get("connections")).get("open")),
    }  # fmt: skip


def _broker(process: Process, moment: Moment, now: float, *, is_up: bool) -> dict[str, Any]:
    live = moment if is_up else Moment({}, {}, 0.0)
    return {
        **_process(process, now, is_up=is_up),
        **{name: live.per_second(name) for name in ("taken", "answered", "lost", "returned")},
        "waiting": number(process.figures.get("waiting")), **_links(process),
    }  # fmt: skip


def _pools(edges: list[Process], workers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the pools: what waits for them at all edges, and what their workers have and can take."""
    found: dict[str, dict[str, Any]] = {}
    for each in edges:
        for name, told in mapping(each.figures.get("pools")).items():
            pool = found.setdefault(fit(name), {"open": 0.0, "credit": 0.0, "waiting": 0.0, "oldest": 0.0})
            for key in ("open", "credit", "waiting"):
                pool[key] += number(mapping(told).get(key)) or 0
            pool["oldest"] = max(pool["oldest"], number(mapping(told).get("oldest")) or 0)
    for worker in workers:
        found.setdefault(fit(worker["pool"]), {"open": 0.0, "credit": 0.0, "waiting": 0.0, "oldest": 0.0})
    staff = [fit(worker["pool"]) for worker in workers]
    return [{"name": name, "workers": staff.count(name), **pool} for name, pool in sorted(found.items())][:MAX_ROWS]


def _worker(worker: dict[str, Any], trend: Trend) -> dict[str, Any]:
    moment = trend.moment(worker_key(worker["name"]))
    return {
        "name": worker["name"],
        "pool": fit(worker["pool"]),
        "version": fit(worker.get("version", "")),
        "plugin": fit(str(worker.get("plugin", "")).rpartition("/")[2]),
        **{key: number(worker.get(key)) for key in ("credit", "open", "served", "errors", "resident", "uptime")},
        "rate": moment.per_second("served"),
        "p99": _within(moment.spread("seconds"), 0.99),
    }


# What they say --------------------------------------------------------------------------------------------------


def _log(processes: list[Process], workers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the last warnings and errors of all processes, the newest first."""
    told = [(fit(each.address), each.figures.get("log")) for each in processes]
    told += [(each["name"], each.get("log")) for each in workers]
    lines = [line for who, said in told for line in _lines(who, said)]
    return sorted(lines, key=lambda line: -line["at"])[:MAX_LINES]


def _lines(who: str, said: object) -> Iterator[dict[str, Any]]:
    for line in said if isinstance(said, list | tuple) else ():
        if isinstance(line, list | tuple) and len(line) == 3 and (at := number(line[0])) is not None:
            yield {"at": at, "who": who, "level": fit(line[1]), "text": str(line[2])[:400]}
