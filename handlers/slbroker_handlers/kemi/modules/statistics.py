"""KSR.statistics: numbers that the log has when the worker stops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slbroker_handlers.kemi.exports import COUNTED_HERE, Module

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call

statistics = Module("statistics")


@statistics.export(partial=COUNTED_HERE)
def update_stat(call: Call, name: str, number: int) -> int:
    """Add to a statistic."""
    call.state.statistics[name] += number
    return 1


@statistics.export(partial=COUNTED_HERE)
def reset_stat(call: Call, name: str) -> int:
    """Set a statistic to 0."""
    call.state.statistics[name] = 0
    return 1
