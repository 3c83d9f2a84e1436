"""What a simulation is told: how many workers, how fast they are, what arrives, what breaks."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from slbroker.bus.choice import DEFAULT_POOL
from slbroker.bus.pool import JobPool
from slbroker.settings.dispatch import DispatchSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

# How long a handler takes for one request, in seconds; math.inf is one that never returns.
Service: TypeAlias = "Callable[[Random], float]"

US: Final = 1e-6
MS: Final = 1e-3
DEFAULTS: Final = DispatchSettings()
LOOPBACK: Final = 50 * US  # from one process to another through libzmq's two I/O threads on ipc; assumed


def fixed(seconds: float) -> Service:
    """Every request takes the same time."""
    return lambda _rng: seconds


def exponential(seconds: float) -> Service:
    """Most requests are quick, some take several times the mean."""
    return lambda rng: rng.expovariate(1 / seconds)


def stalling(service: Service, one_in: int, seconds: float) -> Service:
    """One request in so many takes `seconds`: a name server that does not answer, a lock."""
    return lambda rng: seconds if rng.randrange(one_in) == 0 else service(rng)


def mixed(*parts: tuple[float, float]) -> Service:
    """Requests of several kinds: a share of them, and the seconds that one of these takes."""
    shares, seconds = zip(*parts, strict=True)
    return lambda rng: rng.choices(seconds, shares)[0]


def hung(_rng: Random) -> float:
    """No request is ever done."""
    return math.inf


@dataclass(frozen=True)
class EdgeCost:
    """What the edge process spends, in seconds: while it is busy, what arrives waits and forms the next batch.

    The defaults are assumed. A request that travels alone costs several times what one of a large batch does.
    """

    turn: float = 15 * US
    request: float = 10 * US
    envelope: float = 8 * US  # sent or received


@dataclass(frozen=True)
class Failure:
    """What befalls workers: `share` of them, the first ones, `at` seconds after the first arrival."""

    at: float
    share: float
    kind: str  # "killed": the connection is gone. "stopped": it is there, and nothing comes. "restarted": all at once
    down: float = 1.0  # seconds until the restarted ones are back


@dataclass(frozen=True)
class Scenario:
    """One run. Times in seconds, rates a second."""

    workers: int
    rate: float  # Poisson arrivals
    service: Service
    credit: int = 128
    seconds: float = 10.0  # of arrivals
    is_async: bool = False
    odd: Mapping[int, Service] = field(default_factory=dict)  # workers that have a service time of their own
    link: float = LOOPBACK  # one way
    edge: EdgeCost = EdgeCost()
    settings: DispatchSettings = DEFAULTS
    pool: Callable[[], JobPool[Any]] = lambda: JobPool(DEFAULT_POOL)
    failures: tuple[Failure, ...] = ()
    seed: int = 1
    audit: bool = False  # check the conservation law after every turn of the edge, and not at its ticks alone
