"""KSR.maxfwd: Max-Forwards (RFC 3261 16.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slbroker.sip.grammar import is_digits
from slbroker_handlers.kemi.exports import Module

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call

maxfwd = Module("maxfwd")

MAX_HOPS: Final = 255
_NAME: Final = b"max-forwards"


def _read(call: Call) -> int | None:
    """Return the header's number, -1 for one that is none, None where there is no header."""
    value = call.first(_NAME)
    if value is None:
        return None
    return int(value) if is_digits(value) and int(value) <= MAX_HOPS else -1


@maxfwd.export
def process_maxfwd(call: Call, limit: int) -> int:
    """Count Max-Forwards down: 1 when that was possible, 2 when there was none and it is `limit` now, -1 at zero."""
    if not 0 <= limit <= MAX_HOPS:
        return -1
    hops = _read(call)
    if hops is None:
        _set(call, limit)
        return 2
    if hops < 0:
        return -2
    if not hops:
        return -1
    most = call.state.params.numbers["maxfwd.max_limit"]
    _set(call, min(hops - 1, most))
    return 1


def _set(call: Call, hops: int) -> None:
    call.set_header(_NAME, b"%d" % hops)
    call.hops = hops


@maxfwd.export
def is_maxfwd_lt(call: Call, limit: int) -> int:
    """Return 1 when Max-Forwards is below `limit`, -1 when not, -2 without the header, -3 when it is no number."""
    if not 0 <= limit <= MAX_HOPS:
        return -1
    hops = _read(call)
    if hops is None:
        return -2
    if hops < 0:
        return -3
    return 1 if hops < limit else -1
