"""How far does this go? Each question is answered by a table; docs/scale.md quotes them and says what they mean."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from slbroker.bus.dispatcher import Cause
from slbroker.bus.envelope import Kind
from tests.lab.simulation import cost
from tests.lab.simulation.policies import POLICIES
from tests.lab.simulation.scenario import MS, US, EdgeCost, Failure, Scenario, exponential, fixed, hung, mixed, stalling
from tests.lab.simulation.world import percentile, simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.lab.simulation.scenario import Service
    from tests.lab.simulation.world import Outcome

    Row = tuple[str, ...]

CREDITS: Final = (1, 2, 4, 16, 64, 128, 512)
LOADS: Final = (0.3, 0.5, 0.7, 0.8, 0.9)
RATES: Final = (2, 5, 10, 20, 30, 40)


@dataclass(frozen=True)
class Question:
    """What is asked, the columns of the answer, and what finds its rows one by one."""

    asked: str
    columns: Row
    answer: Callable[[], Iterator[Row]]


def ms(seconds: float) -> str:
    """Write a time in milliseconds."""
    return f"{seconds * 1e3:,.1f}" if seconds < 0.1 else f"{seconds * 1e3:,.0f}"


# What does the dispatcher's code cost? --------------------------------------------------------------------------


def costs() -> Iterator[Row]:
    """CPU of the real code, with no sockets."""
    for workers in (10, 100, 1_000, 4_000):
        idle = cost.idle_us(workers)
        yield (
            f"{workers:,}",
            *(f"{cost.request_us(workers, turn):.1f}" for turn in (1, 16, 256)),
            f"{idle.looks:.1f} + {idle.beats:.1f} + {idle.heard:.1f}",
            f"{workers * idle.total / 1e4:.2f} %",
            f"{cost.herd_ms(workers):.1f}",
            f"{cost.account_bytes(workers):,.0f}",
        )


def picky() -> Iterator[Row]:
    """CPU of one `send` while requests wait that their last worker may not have again."""
    for workers in (10, 100, 1_000):
        full, free = ([cost.picky_ms(workers, jobs, share * workers // 2) for jobs in (64, 1_024)] for share in (0, 1))
        yield f"{workers:,}", *(f"{value:.2f}" for value in (*full, *free))


# How do envelopes fill? -----------------------------------------------------------------------------------------


def batches() -> Iterator[Row]:
    """Requests in an envelope, envelopes and heartbeats a second, by rate and number of workers; handlers take 5 ms."""
    for workers, rate in ((10, 1_000), (100, 1_000), (100, 10_000), (1_000, 10_000), (1_000, 20_000)):
        outcome = simulate(Scenario(workers, rate, fixed(5 * MS), seconds=2.0))
        spread = outcome.shares
        per_second = 1.0 / (outcome.seconds + 1.0)
        yield (
            f"{workers:,}",
            f"{rate:,}",
            f"{outcome.items_per_envelope:.2f}",
            f"{outcome.sent[Kind.REQUESTS] / outcome.seconds:,.0f}",
            f"{outcome.heard[Kind.REPLIES] / outcome.seconds:,.0f}",
            f"{outcome.sent[Kind.HEARTBEAT] * per_second:,.0f}",
            f"{outcome.heard[Kind.HEARTBEAT] * per_second:,.0f}",
            f"{min(spread)}-{max(spread)}",
            f"{100 * outcome.edge_busy:.0f} %",
            ms(percentile(outcome.totals, 99)),
        )


# Which credit? --------------------------------------------------------------------------------------------------

# Name, time of the handler, blocking workers that share the load, seconds of arrivals.
HANDLERS: Final[Mapping[str, tuple[Service, float, int, float]]] = {
    "0.05 ms": (fixed(50 * US), 50 * US, 1, 2.0),
    "5 ms": (exponential(5 * MS), 5 * MS, 4, 20.0),
    "50 ms": (exponential(50 * MS), 50 * MS, 4, 60.0),
}


def blocking(handler: str, credit: int, load: float) -> Outcome:
    """Run blocking workers at a share of what they can do."""
    service, mean, workers, seconds = HANDLERS[handler]
    return simulate(Scenario(workers, load * workers / mean, service, credit=credit, seconds=seconds))


def blocking_credit() -> Iterator[Row]:
    """Throughput and latency of blocking workers, by credit."""
    for handler, (_service, mean, workers, _seconds) in HANDLERS.items():
        for credit in CREDITS:
            calm, over = blocking(handler, credit, 0.8), blocking(handler, credit, 1.5)
            yield (
                handler,
                str(credit),
                f"{credit * mean:.2g} s",
                f"{100 * over.in_time * mean / workers:.0f} %",
                ms(percentile(calm.totals, 99)),
                ms(percentile(over.totals, 50)),
                ms(percentile(over.totals, 99)),
                f"{over.items_per_envelope:.1f}",
                f"{100 * (over.runs - over.answered) / over.runs:.0f} %",
            )


def async_credit() -> Iterator[Row]:
    """Throughput of one async worker, by credit: credit / (handler + way there and back)."""
    for mean in (5 * MS, 50 * MS):
        for credit in (1, 16, 128, 512):
            limit = credit / mean
            outcome = simulate(
                Scenario(1, min(1.5 * limit, 30_000), fixed(mean), credit=credit, seconds=2.0, is_async=True)
            )
            yield (
                f"{mean * 1e3:g} ms",
                str(credit),
                f"{limit:,.0f}",
                f"{outcome.in_time:,.0f}",
                ms(percentile(outcome.totals, 99)),
            )


# What if workers die? -------------------------------------------------------------------------------------------

FLEET: Final = Scenario(1_000, 6_000, exponential(50 * MS), seconds=8.0)
FAILURES: Final[Mapping[str, tuple[Failure, ...]]] = {
    "nothing": (),
    "100 killed at once": (Failure(2.0, 0.1, "killed"),),
    "100 stopped at once (SIGSTOP, host lost)": (Failure(2.0, 0.1, "stopped"),),
    "all killed, back together after 1 s": (Failure(2.0, 1.0, "restarted"),),
}


def failures() -> Iterator[Row]:
    """What the callers notice of it, with 1,000 workers at 30 % load."""
    for name, planned in FAILURES.items():
        outcome = simulate(replace(FLEET, failures=planned))
        yield (
            name,
            f"{outcome.arrived:,}",
            f"{outcome.answered:,}",
            f"{outcome.retried:,}",
            f"{outcome.ended[Cause.NO_WORKER] + outcome.ended[Cause.NO_CREDIT]:,}",
            f"{outcome.ended[Cause.NO_ANSWER]:,}",
            f"{outcome.slower_than(1.0):,}",
            ms(percentile(outcome.totals, 99)),
            ms(percentile(outcome.totals, 100)),
        )


# Why fewest open requests? --------------------------------------------------------------------------------------

TEN: Final = Scenario(10, 1_400, exponential(5 * MS), credit=64, seconds=20.0)
DAYS: Final[Mapping[str, Scenario]] = {
    "all well": TEN,
    "one hangs": replace(TEN, odd={0: hung}),
    "one is 10 times slower": replace(TEN, odd={0: exponential(50 * MS)}),
    "1 in 2,000 takes 1 s": replace(TEN, service=stalling(exponential(5 * MS), 2_000, 1.0)),
}


def policies() -> Iterator[Row]:
    """The pool's way, and two others, on the same arrivals: 10 blocking workers at 70 % load."""
    for day, scenario in DAYS.items():
        for policy, pool in POLICIES.items():
            outcome = simulate(replace(scenario, pool=pool))
            totals = [ms(percentile(outcome.totals, percent)) for percent in (50, 99, 99.9)]
            shares = f"{min(outcome.shares):,}-{max(outcome.shares):,}"
            yield day, policy, *totals, f"{outcome.slower_than(1.0):,}", f"{outcome.retried:,}", shares


def p99_by_load(policy: str) -> Iterator[tuple[float, float]]:
    """Load and the 99th percentile in seconds, for the picture."""
    for load in LOADS:
        outcome = simulate(replace(TEN, rate=load * 2_000, pool=POLICIES[policy]))
        yield load, percentile(outcome.totals, 99)


def p99_by_credit(handler: str) -> Iterator[tuple[float, float]]:
    """Credit and the 99th percentile in seconds under 1.5 times the load they can bear, for the picture."""
    for credit in CREDITS:
        yield credit, percentile(blocking(handler, credit, 1.5).totals, 99)


# What does packing cost others? ---------------------------------------------------------------------------------

PACKED: Final = "packed, or fewest open requests"
SPREAD: Final = "fewest open requests"
GATHERING: Final = EdgeCost(turn=500 * US)  # `--gather`, roughly: what comes in the meantime is a turn
SHIFTS: Final[Mapping[str, Scenario]] = {
    "0.02 ms": Scenario(16, 20_000, fixed(20 * US), seconds=4.0),
    "0.02 ms; the edge gathers": Scenario(16, 20_000, fixed(20 * US), seconds=4.0, edge=GATHERING),
    "0.1 ms; the edge gathers": Scenario(8, 10_000, fixed(0.1 * MS), seconds=4.0, edge=GATHERING),
    "0.02 ms; 1 in 10,000 takes 50 ms": Scenario(16, 20_000, stalling(fixed(20 * US), 10_000, 50 * MS), seconds=5.0),
    "0.02 ms; 1 in 3,000 takes 5 ms; the edge gathers": Scenario(
        8, 10_000, stalling(fixed(20 * US), 3_000, 5 * MS), edge=GATHERING
    ),
    "0.02 ms; 1 in 1,000 takes 5 ms; the edge gathers": Scenario(
        8, 10_000, stalling(fixed(20 * US), 1_000, 5 * MS), seconds=5.0, edge=GATHERING
    ),
    "0.02 ms; 1 in 1,000 takes 5 ms": Scenario(8, 10_000, stalling(fixed(20 * US), 1_000, 5 * MS), seconds=5.0),
    "0.05 ms; 1 in 1,000 takes 50 ms": Scenario(8, 10_000, stalling(fixed(50 * US), 1_000, 50 * MS), seconds=5.0),
    "0.05 ms; 1 in 100 takes 50 ms": Scenario(8, 5_000, stalling(fixed(50 * US), 100, 50 * MS), seconds=5.0),
    "90 % 0.02, 9 % 1, 1 % 50 ms": Scenario(8, 5_000, mixed((0.9, 20 * US), (0.09, MS), (0.01, 50 * MS)), seconds=5.0),
    "95 % 0.02, 5 % 1 ms": Scenario(8, 10_000, mixed((0.95, 20 * US), (0.05, MS)), seconds=5.0),
    "half 0.02, half 5 ms": Scenario(8, 2_000, mixed((0.5, 20 * US), (0.5, 5 * MS))),
    "1 ms": Scenario(8, 4_000, fixed(MS), seconds=5.0),
    "1 ms, exponential": Scenario(8, 5_600, exponential(MS), seconds=5.0),
    "5 ms, exponential": Scenario(8, 1_120, exponential(5 * MS), seconds=20.0),
    "50 ms, exponential": Scenario(8, 112, exponential(50 * MS), seconds=60.0),
}


def packing() -> Iterator[Row]:
    """Requests an envelope, and how long callers wait, with packing and without it, on the same arrivals."""
    for shift, scenario in SHIFTS.items():
        packed, spread = (simulate(replace(scenario, pool=POLICIES[policy])) for policy in (PACKED, SPREAD))
        times = [percentile(outcome.totals, percent) for percent in (99, 99.9) for outcome in (spread, packed)]
        yield (
            shift,
            str(scenario.workers),
            f"{scenario.rate:,}",
            *(f"{outcome.items_per_envelope:.2f}" for outcome in (spread, packed)),
            *(f"{seconds * 1e3:,.2f}" for seconds in times),
            f"{times[1] / times[0]:.2f}",
        )


def p99_by_rate(policy: str, service: Service) -> Iterator[tuple[float, float]]:
    """Thousand requests a second to 8 workers and the 99th percentile in seconds, for the picture."""
    for rate in RATES:
        scenario = Scenario(8, rate * 1_000, service, seconds=30 / rate, pool=POLICIES[policy])
        yield rate, percentile(simulate(scenario).totals, 99)


# Is a broker worth it? ------------------------------------------------------------------------------------------


def brokers() -> Iterator[Row]:
    """Connections without a broker and with two: in all, at an edge, at a worker, at a broker."""
    for edges, workers in ((1, 100), (4, 100), (4, 1_000), (16, 1_000), (64, 1_000)):
        yield (
            str(edges),
            f"{workers:,}",
            *(f"{count:,}" for count in (edges * workers, workers, edges)),
            *(f"{count:,}" for count in (2 * (edges + workers), 2, 2, edges + workers)),
        )


QUESTIONS: Final[Mapping[str, Question]] = {
    "cost": Question(
        "What does the dispatcher's code cost? (CPU us; a request with its answer, codec included)",
        ("workers", "request, alone", "16 in a turn", "256 in a turn",
         "idle, each and second: looking + saying + hearing",
         "all idle workers, of a processor", "all HELLOs at once, ms", "bytes an account"),
        costs,
    ),
    "picky": Question(
        "What does one send cost while requests wait that came back from a hung worker? (ms)",
        ("workers", "64 wait, nobody has credit", "1,024 wait", "64 wait, half have credit", "1,024 wait"),
        picky,
    ),
    "batches": Question(
        "How do envelopes fill? (handlers of 5 ms, credit 128)",
        ("workers", "requests/s", "requests an envelope", "REQUESTS/s", "REPLIES/s", "HEARTBEAT/s out", "in",
         "requests a worker", "edge busy", "p99 ms"),
        batches,
    ),
    "blocking": Question(
        "Which credit for blocking handlers?",
        ("handler", "credit", "credit x handler", "of capacity, at load 1.5", "p99 ms at load 0.8", "p50 ms at 1.5",
         "p99 ms at 1.5", "requests an envelope", "handler runs for nothing"),
        blocking_credit,
    ),
    "async": Question(
        "Which credit for async handlers? (one worker, offered more than it can take)",
        ("handler", "credit", "credit / handler time, 1/s", "answered/s", "p99 ms"),
        async_credit,
    ),
    "failures": Question(
        "What if workers die? (1,000 blocking workers, handlers of 50 ms, 6,000 requests/s)",
        ("2 s into the run", "requests", "answered", "given again", "503", "500", "slower than 1 s", "p99 ms",
         "slowest ms"),
        failures,
    ),
    "policies": Question(
        "Why fewest open requests? (10 blocking workers, handlers of 5 ms, 1,400 requests/s, credit 64)",
        ("day", "policy", "p50 ms", "p99 ms", "p99.9 ms", "slower than 1 s", "given again", "requests a worker"),
        policies,
    ),
    "packing": Question(
        "What does packing cost others? (blocking workers; ms)",
        ("handler", "workers", "requests/s", "requests an envelope, spread", "packed", "p99, spread", "packed",
         "p99.9, spread", "packed", "p99, packed to spread"),
        packing,
    ),
    "brokers": Question(
        "Is a broker worth it? (connections; two brokers)",
        ("edges", "workers", "without: in all", "at an edge", "at a worker", "with: in all", "at an edge",
         "at a worker", "at a broker"),
        brokers,
    ),
}  # fmt: skip
