"""KSR.counters: the same numbers as those of KSR.statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slbroker_handlers.kemi.exports import COUNTED_HERE, Module

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call

counters = Module("counters")


@counters.export(partial=COUNTED_HERE)
def inc(call: Call, name: str) -> int:
    """Add 1 to a counter."""
    call.state.statistics[name] += 1
    return 1


@counters.export(partial=COUNTED_HERE)
def add(call: Call, name: str, number: int) -> int:
    """Add to a counter."""
    call.state.statistics[name] += number
    return 1


@counters.export(partial=COUNTED_HERE)
def reset(call: Call, name: str) -> int:
    """Set a counter to 0."""
    call.state.statistics[name] = 0
    return 1
