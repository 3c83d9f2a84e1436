"""The table: every statistic that edges, brokers and workers tell, with its name, kind, labels and meaning.

docs/operations.md has it too, made of this. A metric gets the label `edge`, `broker` or `worker` besides its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from slbroker.counting import BOUNDS, SIZES
from slbroker.metrics.model import (
    Kind,
    Metric,
    by_key,
    by_two,
    each,
    mapping,
    maps,
    number,
    one,
    several,
    spread,
    spreads,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from slbroker.metrics.model import Row

COUNTER, GAUGE, HISTOGRAM = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM


def _links(figures: Mapping[str, Any]) -> Iterator[Row]:
    workers = maps(figures.get("workers"))
    brokers = sum(each.get("broker") is True for each in workers)
    yield ("worker",), len(workers) - brokers
    yield ("broker",), brokers
    if isinstance(edges := figures.get("edges"), list | tuple):
        yield ("edge",), len(edges)


def _strange_keys(figures: Mapping[str, Any]) -> Iterator[Row]:
    workers = maps(figures.get("workers"))
    yield (), sum(bool(each.get("unknown_keys")) for each in workers)


def _unserved(figures: Mapping[str, Any]) -> Iterator[Row]:
    unserved = figures.get("unserved")
    for pools in unserved if isinstance(unserved, list | tuple) else ():
        yield (pools,), 1


def _signs(figures: Mapping[str, Any]) -> Iterator[Row]:
    signs = mapping(figures.get("keys")).get("signs")
    for label in signs if isinstance(signs, list | tuple) else [signs]:
        if isinstance(label, str) and label:
            yield (label,), 1


def _up(figures: Mapping[str, Any]) -> Iterator[Row]:
    for group, members in mapping(figures.get("groups")).items():
        for member in maps(members):
            yield (group, member.get("name", "")), float(member.get("state") in ("active", "trying"))


def _states(figures: Mapping[str, Any]) -> Iterator[Row]:
    for group, members in mapping(figures.get("groups")).items():
        for member in maps(members):
            yield (group, member.get("name", ""), member.get("state", "")), 1


def _info(figures: Mapping[str, Any]) -> Iterator[Row]:
    yield tuple(str(figures.get(key, "")) for key in ("name", "version", "inner")), 1


def _bytes_of(figures: Mapping[str, Any]) -> Iterator[Row]:
    value = number(figures.get("resident"))
    if value is not None:
        yield (), value


# Of every process. Their names begin with slbroker_edge_, slbroker_broker_, slbroker_worker_.
COMMON: Final = (
    Metric("info", GAUGE, "1; which process this is, and of which version.", ("name", "version", "inner"), _info),
    Metric("uptime_seconds", GAUGE, "Seconds since it started.", (), one("uptime")),
    Metric("reloads_total", COUNTER, "Times that it has read its files again.", (), one("reloads")),
    Metric("signing_key_info", GAUGE, "1; id and fingerprint of the key that signs To-tags.", ("key",), _signs),
    Metric("resident_memory_bytes", GAUGE, "Memory that it has in RAM.", (), _bytes_of),
    Metric("log_lines_left_out_total", COUNTER, "Log lines that nobody read, or no disk took.", (), one("unlogged")),
)

EDGE: Final = (
    Metric("received_total", COUNTER, "SIP messages that came in; each has one fate.", (), one("received")),
    Metric(
        "fates_total", COUNTER, "What became of messages; those dropped have their causes in dropped_total.", ("fate",),
        several("replied", "repeated", "absorbed", "passed", "forwarded", "shed", "failed"),
    ),
    Metric("dropped_total", COUNTER, "Messages left unanswered, by cause.", ("cause",), by_key("dropped")),
    Metric(
        "unanswered_total", COUNTER, "Requests that no handler answered as it should, by cause; they are shed, failed"
        " or dropped.", ("cause",), by_key("causes"),
    ),
    Metric("in_flight", GAUGE, "Messages that have not met their fate.", (), one("in_flight")),
    Metric("unaccounted", GAUGE, "Messages of which nobody knows: not 0 is a bug in slbroker.", (), one("unaccounted")),
    Metric("remembered_total", COUNTER, "Answered by a decision that was remembered.", (), one("remembered")),
    Metric(
        "replies_total", COUNTER, "Replies sent, by the request's method and by status.", ("method", "code"),
        by_two("codes"),
    ),
    Metric(
        "request_duration_seconds", HISTOGRAM, "How long requests took that a worker answered: in the edge's queue,"
        " from there to the answer, and as a whole.", ("stage",), spreads("seconds", BOUNDS),
    ),
    Metric(
        "forwarded_total", COUNTER, "Messages sent on, by next hop as options and groups name it, and by group; the"
        " words handler, target, domain and dialog are for those that a handler or rule has named, the request itself"
        " at a handler's word or by --forward-domains, a token of ours.", ("group", "next_hop"), by_two("hops"),
    ),
    Metric(
        "group_destination_up", GAUGE, "1 for a destination of a group that gets requests, else 0.",
        ("group", "next_hop"), _up,
    ),
    Metric(
        "group_destination_state", GAUGE, "1; what a destination is: active, trying, inactive, disabled.",
        ("group", "next_hop", "state"), _states,
    ),
    Metric("forwarded_replies_received_total", COUNTER, "Replies that next hops sent.", (), one("replies", "received")),
    Metric("forwarded_replies_total", COUNTER, "Replies of next hops sent back.", (), one("replies", "forwarded")),
    Metric(
        "forwarded_replies_dropped_total", COUNTER, "Replies of next hops that went nowhere, by cause.", ("cause",),
        by_key("replies", "dropped"),
    ),
    Metric("batch_requests", HISTOGRAM, "Requests that went to a worker together.", (), spread("batches", SIZES)),
    Metric("kernel_drops_total", COUNTER, "Datagrams that found the socket's buffer full.", (), one("kernel_drops")),
    Metric("send_failures_total", COUNTER, "Replies that the kernel did not take.", (), one("send_failures")),
    Metric("bad_answers_total", COUNTER, "Answers of workers that are no SIP reply.", (), one("bad_answers")),
    Metric("late_answers_total", COUNTER, "Answers to what had ended already.", (), one("late_answers")),
    Metric("garbage_total", COUNTER, "Envelopes on the bus that could not be read.", (), one("garbage")),
    Metric("retried_total", COUNTER, "Requests given to a second worker.", (), one("retried")),
    Metric("lost_workers_total", COUNTER, "Workers that vanished, or were shunned.", (), one("lost_workers")),
    Metric("tags_verified_total", COUNTER, "ACKs whose To-tag is ours, by key.", ("key",), each("tags", "verified")),
    Metric(
        "tags_refused_total", COUNTER, "To-tags of ACKs that name one of our keys, and were not signed with it.",
        ("key",), each("tags", "refused"),
    ),
    Metric("pool_workers", GAUGE, "Workers in a pool.", ("pool",), each("pools", "workers")),
    Metric("pool_credit", GAUGE, "Requests that a pool's workers take at once.", ("pool",), each("pools", "credit")),
    Metric("pool_open", GAUGE, "Requests that a pool's workers have.", ("pool",), each("pools", "open")),
    Metric("pool_waiting", GAUGE, "Requests that wait for a worker of a pool.", ("pool",), each("pools", "waiting")),
    Metric("pool_oldest_seconds", GAUGE, "How long the oldest of these waits.", ("pool",), each("pools", "oldest")),
    Metric(
        "unserved", GAUGE, "1; a pool, or several that share, without any worker: requests for them get 503.",
        ("pools",), _unserved,
    ),
    Metric("links", GAUGE, "Connections on the bus, by who is at the other end.", ("peer",), _links),
    Metric("workers_with_unknown_keys", GAUGE, "Workers that sign with a key unknown here.", (), _strange_keys),
    Metric(
        "connections", GAUGE, "SIP connections that are open, by transport.", ("transport",),
        by_key("connections", "transports"),
    ),
    Metric("connections_accepted_total", COUNTER, "SIP connections taken.", (), one("connections", "accepted")),
    Metric("connections_refused_total", COUNTER, "SIP connections turned away.", (), one("connections", "refused")),
    Metric(
        "connections_closed_total", COUNTER, "SIP connections that ended, by reason.", ("reason",),
        by_key("connections", "closed"),
    ),
    Metric("memory_entries", GAUGE, "Decisions that are remembered.", (), one("memory", "entries")),
    Metric("memory_hits_total", COUNTER, "Requests for which one was remembered.", (), one("memory", "hits")),
    Metric("memory_misses_total", COUNTER, "Requests for which none was.", (), one("memory", "misses")),
    Metric("memory_evictions_total", COUNTER, "Decisions forgotten for want of room.", (), one("memory", "evictions")),
    Metric(
        "shadow_total", COUNTER, "Copies of requests, by how the shadow pool's answers compare.", ("result",),
        lambda figures: several("same", "status", "content", "unanswered", "recorded")(mapping(figures.get("shadow"))),
    ),
    Metric(
        "capture_messages_total", COUNTER, "Messages that passed where they are captured.", ("direction",),
        lambda figures: several("received", "sent")(mapping(figures.get("capture"))),
    ),
    Metric(
        "capture_lost_total", COUNTER, "Of these, left out since the capture was too slow, or not there.", (),
        one("capture", "lost"),
    ),
    Metric(
        "capture_hep_sent_total", COUNTER, "HEP packets sent, by collector.", ("collector",),
        by_key("capture", "hep_sent"),
    ),
    Metric(
        "capture_hep_failed_total", COUNTER, "HEP packets that a collector did not take.", ("collector",),
        by_key("capture", "hep_failed"),
    ),
    Metric("capture_pcap_written_total", COUNTER, "Messages in pcap files.", (), one("capture", "pcap_written")),
    Metric("capture_pcap_failed_total", COUNTER, "Messages that no file took.", (), one("capture", "pcap_failed")),
)  # fmt: skip

BROKER: Final = (
    Metric("taken_total", COUNTER, "Requests that came from edges.", (), one("taken")),
    Metric(
        "fates_total", COUNTER, "What became of them.", ("fate",), several("answered", "lost", "returned", "orphaned")
    ),
    Metric("in_flight", GAUGE, "Requests that wait, or are at a worker.", (), one("in_flight")),
    Metric("waiting", GAUGE, "Requests that wait.", (), one("waiting")),
    Metric("unaccounted", GAUGE, "Requests of which nobody knows: not 0 is a bug in slbroker.", (), one("unaccounted")),
    Metric("late_answers_total", COUNTER, "Answers to what had ended already.", (), one("late_answers")),
    Metric("garbage_total", COUNTER, "Envelopes on the bus that could not be read.", (), one("garbage")),
    Metric("links", GAUGE, "Connections on the bus, by who is at the other end.", ("peer",), _links),
)

WORKER: Final = (
    Metric("requests_total", COUNTER, "Requests that the worker was given.", (), one("served")),
    Metric("errors_total", COUNTER, "Handlers that raised, or returned what is no decision.", (), one("errors")),
    Metric(
        "handler_requests_total", COUNTER, "Requests that a handler has decided, or failed at, by its name; none: that"
        " no handler was for.", ("handler",), each("handlers", "requests"),
    ),
    Metric("handler_replies_total", COUNTER, "... that it has answered.", ("handler",), each("handlers", "replies")),
    Metric(
        "handler_failures_total", COUNTER, "... at which it failed: it raised, returned what is no decision, was given"
        " up.", ("handler",), each("handlers", "failures"),
    ),
    Metric("open", GAUGE, "Requests that it has not answered.", (), one("open")),
    Metric("credit", GAUGE, "Requests that it takes at once from an edge.", (), one("credit")),
    Metric("edges", GAUGE, "Edge processes, or brokers, that it serves.", (), one("edges")),
    Metric(
        "handler_duration_seconds", HISTOGRAM, "How long handlers took, what they awaited included; of short ones in"
        " one turn each as long as their mean.", (), spread("seconds", BOUNDS),
    ),
)  # fmt: skip

BY_KIND: Final = {"edge": COMMON + EDGE, "broker": COMMON + BROKER, "worker": COMMON + WORKER}
