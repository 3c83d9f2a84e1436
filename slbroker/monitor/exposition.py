"""All metrics as Prometheus reads them, written by its own client library."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    UntypedMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from slbroker.metrics.model import Distribution, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from slbroker.metrics.model import Family


class _Once(Collector):
    """Hands over what was made for one scrape."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def describe(self) -> list[Metric]:
        """Return nothing, so that registering does not collect."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Return the metrics."""
        return self._metrics


class Form(NamedTuple):
    """A format of a scrape."""

    encode: Callable[[CollectorRegistry], bytes]
    content_type: str


def form_of(accept: str) -> Form:
    """Return the format that the header `accept` asks for."""
    try:
        return Form(*choose_encoder(accept))
    except (TypeError, ValueError):  # a version that is no number
        return Form(*choose_encoder(""))


def expose(families: Iterable[Family], native: Mapping[str, int], form: Form) -> bytes:
    """Return a scrape's body.

    `native` are Kamailio's statistics of the group `sl`: they come as its module xhttp_prom names them.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once([*map(_metric, families), *_native(native)]))
    return form.encode(registry)


def _metric(family: Family) -> Metric:
    name, text, labels = family.name, family.help, family.labels
    if family.kind is Kind.HISTOGRAM:
        histogram = HistogramMetricFamily(name, text, labels=labels)
        for values, found in family.rows:
            assert isinstance(found, Distribution)
            sums = accumulate(found.counts)
            bounds = [*map(_bound, found.bounds), "+Inf"]
            histogram.add_metric(values, [(bound, count) for bound, count in zip(bounds, sums, strict=True)], found.sum)
        return histogram
    kind = CounterMetricFamily if family.kind is Kind.COUNTER else GaugeMetricFamily
    metric = kind(name, text, labels=labels)
    for values, value in family.rows:
        assert not isinstance(value, Distribution)
        metric.add_metric(values, value)
    return metric


def _bound(seconds: float) -> str:
    return repr(float(seconds))


def _native(counters: Mapping[str, int]) -> Iterator[Metric]:
    for name, value in counters.items():
        yield UntypedMetricFamily(f"kamailio_sl_{name}", f"Kamailio's statistic sl:{name}, of all edges.", value=value)
