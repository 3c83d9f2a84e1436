"""KSR.pike: too many requests from one address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slbroker_handlers.kemi.addresses import read_ip
from slbroker_handlers.kemi.exports import Module

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call
    from slbroker_handlers.kemi.memory import State

pike = Module("pike")

MAX_ADDRESSES: Final = 65_536  # that are watched; a flood from more forgets those that were watched longest
BLOCKED: Final = -1
NEWLY_BLOCKED: Final = -2
_LOCAL: Final = (
    "counted in each worker for itself, so divide pike.reqs_density_per_unit by their number;"
    " single addresses, no address tree; blocked for pike.remove_latency after the last excess"
)


@pike.export(partial=_LOCAL)
def pike_check_req(call: Call) -> int:
    """Return 1, or below 0 when the request's source sends too much: -2 the first time, then -1."""
    return check(call.state, call.source.host)


@pike.export(partial=_LOCAL)
def pike_check_ip(call: Call, address: str) -> int:
    """Return 1, or below 0 when an address sends too much, and when it is no address."""
    return BLOCKED if read_ip(address.strip("[]")) is None else check(call.state, address)


def check(state: State, host: str) -> int:
    """Count one request of `host`."""
    numbers, now = state.params.numbers, state.now()
    began, count, blocked = state.pike.pop(host, (now, 0, 0.0))
    if now - began >= numbers["pike.sampling_time_unit"]:
        began, count = now, 0
    count += 1
    is_excess = count > numbers["pike.reqs_density_per_unit"]
    was_blocked = now < blocked
    if is_excess:
        blocked = now + numbers["pike.remove_latency"]
    state.pike[host] = began, count, blocked  # at the end: the first one is the one seen longest ago
    if len(state.pike) > MAX_ADDRESSES:
        del state.pike[next(iter(state.pike))]
    if was_blocked:
        return BLOCKED
    return NEWLY_BLOCKED if is_excess else 1
