"""What has to hold at the end of a scenario, and how its figures are written."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.lab.fire.lines import ToldCall, calls
from tests.lab.fire.records import percentile
from tests.support.timing import until

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.lab.fire.records import Record, Result
    from tests.peers.brokers import Edge
    from tests.support.processes import Process


def assert_all_answered_once(result: Result, edge: Edge, before: int = 0) -> dict[str, Any]:
    """Each request got one 200 and nothing else, and the edge's figures say the same; return these.

    `before` is how many the edge had received when the load began. That the fates add up, `Edge.figures` checks.
    """
    assert not result.unanswered, f"{summary(result)}; the kernel dropped {lost_by_kernel(edge.port)} before the edge"
    assert result.duplicates == result.stray == 0, summary(result)
    assert result.statuses == {200: len(result)}, summary(result)
    figures = edge.wait_for_figures(in_flight=0)
    assert figures["received"] - before == len(result), figures
    assert not any(figures[name] for name in ("shed", "failed")), figures
    return figures


LOST = ("shed", "failed", "dropped")  # fates, as statistics call them


def assert_the_log_tells_each(result: Result, edges: Iterable[Process]) -> int:
    """Of each request that got no answer, or a 5xx, the edges' logs alone name fate, cause, and worker if it had one.

    Return how many these were. What was sent to an edge that had been killed nobody can tell of.
    """
    running = list(edges)
    lost = {result.call_id(number): record for number, record in enumerate(result) if not 0 < record.status < 500}
    told: dict[str, ToldCall] = {}

    def all_told() -> bool:
        every = (call for edge in running for call in calls(edge.log))
        told.update((call.call_id, call) for call in every if call.call_id in lost and call.fate in LOST)
        return len(told) == len(lost)

    was_killed = any(not edge.running and edge.wait() < 0 for edge in running)
    if not was_killed:
        with suppress(AssertionError):  # said below, with what is missing
            until(all_told, 5.0)
    all_told()
    missing = [call_id for call_id, record in lost.items() if call_id not in told and (record.status or not was_killed)]
    assert not missing, f"{len(missing)} of {len(lost)} are told of nowhere, such as {missing[:3]}"
    for call in told.values():
        assert call.why, call
        assert call.handler or not call.why.startswith("handler"), call
        assert call.worker or call.fate == "shed" or call.why in ("no credit", "no worker"), call
    return len(lost)


def summary(result: Result) -> str:
    """What became of the requests, in a line."""
    missing = result.unanswered
    when = f", sent between {missing[0].sent:.3f} and {missing[-1].sent:.3f}" if missing else ""
    return (
        f"{len(result)} requests, {len(missing)} unanswered{when}, {result.duplicates} answers too many, "
        f"{result.stray} stray, by status {dict(result.statuses)}, source behind by {result.lag:.3f} s at most"
    )


def lost_by_kernel(port: int) -> int:
    """How many datagrams the kernel has dropped because the buffer of the socket on that port was full."""
    for line in Path("/proc/net/udp").read_text(encoding="ascii").splitlines()[1:]:
        columns = line.split()
        if columns[1] == f"0100007F:{port:04X}":
            return int(columns[-1])
    return 0


def spread(records: Iterable[Record], status: int = 200) -> str:
    """Median, 99th percentile and slowest of those that got `status`, in milliseconds."""
    latencies = sorted(record.latency * 1e3 for record in records if record.status == status)
    p50, p99 = percentile(latencies, 0.5), percentile(latencies, 0.99)
    return f"{p50:.1f} / {p99:.1f} / {latencies[-1]:.1f} ms" if latencies else "none"


def source_figures(result: Result) -> str:
    """What the load source cost, and by how much it was behind its clock."""
    return f"{result.cpu / result.seconds:.0%} of a core, {result.lag * 1e3:.0f} ms"
