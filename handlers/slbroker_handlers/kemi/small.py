"""The modules of KSR of which a handful of functions makes sense here: counters, random numbers, expressions."""

from __future__ import annotations

import secrets
import time
import uuid as uuids
from typing import TYPE_CHECKING, Final

from slbroker_handlers.kemi.exports import Module, Xval
from slbroker_handlers.kemi.morestrings import core_hash as hash_texts
from slbroker_handlers.kemi.state import FIRST_PROBABILITY
from slbroker_handlers.kemi.textops import search_in

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call

statistics = Module("statistics")
counters = Module("counters")
uuid = Module("uuid")
regex = Module("regex")
cfgutils = Module("cfgutils")

MAX_SLEEP: Final = 5.0  # seconds; the edge gives a request up after its handler timeout
_LOCAL: Final = "local to a worker, which logs them when it stops; names need no declaration"
_ALONE: Final = "nothing to lock: a worker runs one request at a time, and other workers know nothing of it"
_BLOCKS: Final = "blocks this worker, for 5 s at most; other requests wait"


@statistics.export(partial=_LOCAL)
def update_stat(call: Call, name: str, number: int) -> int:
    """Add to a statistic."""
    call.state.statistics[name] += number
    return 1


@statistics.export(partial=_LOCAL)
def reset_stat(call: Call, name: str) -> int:
    """Set a statistic to 0."""
    call.state.statistics[name] = 0
    return 1


@counters.export(partial=_LOCAL)
def inc(call: Call, name: str) -> int:
    """Add 1 to a counter."""
    call.state.statistics[name] += 1
    return 1


@counters.export(partial=_LOCAL)
def add(call: Call, name: str, number: int) -> int:
    """Add to a counter."""
    call.state.statistics[name] += number
    return 1


@counters.export(partial=_LOCAL)
def reset(call: Call, name: str) -> int:
    """Set a counter to 0."""
    call.state.statistics[name] = 0
    return 1


def _random_uuid(_call: Call) -> Xval:
    return str(uuids.uuid4())


def _time_uuid(_call: Call) -> Xval:
    return str(uuids.uuid1())


_random_uuid.__doc__ = "Return a random UUID."
_time_uuid.__doc__ = "Return a UUID made from the time."
uuid.add("get", _random_uuid)
uuid.add("rget", _random_uuid)
uuid.add("tget", _time_uuid)


@regex.export(partial="a Python regular expression; Kamailio's are PCRE")
def pcre_match(_call: Call, subject: str, expression: str) -> int:
    """Return 1 when the expression matches in a text, in any case."""
    return search_in(subject, expression)


@cfgutils.export
def rand_event(call: Call) -> int:
    """Return 1 with the probability that rand_set_prob has set, else -1."""
    return 1 if secrets.randbelow(100) < call.state.probability else -1


@cfgutils.export
def rand_set_prob(call: Call, percent: int) -> int:
    """Set the probability in percent."""
    call.state.probability = min(max(0, percent), 100)
    return 1


@cfgutils.export
def rand_reset_prob(call: Call) -> int:
    """Set the probability to what it was at first, 10 percent."""
    return rand_set_prob(call, FIRST_PROBABILITY)


@cfgutils.export
def rand_get_prob(call: Call) -> int:
    """Return the probability."""
    return call.state.probability


@cfgutils.export(partial=_BLOCKS)
def sleep(_call: Call, seconds: int) -> int:
    """Wait."""
    time.sleep(min(max(0.0, float(seconds)), MAX_SLEEP))
    return 1


@cfgutils.export(partial=_BLOCKS)
def usleep(_call: Call, microseconds: int) -> int:
    """Wait."""
    time.sleep(min(max(0.0, microseconds / 1_000_000), MAX_SLEEP))
    return 1


def _lock(_call: Call, key: str) -> int:
    """Return 1: a worker runs one request at a time."""
    del key
    return 1


def _lock_second(_call: Call, name: str, key: str) -> int:
    """Return 1: a worker runs one request at a time."""
    del name, key
    return 1


for _name in ("lock", "trylock", "unlock"):
    cfgutils.add(_name, _lock, _ALONE)
    cfgutils.add(f"{_name}_key2", _lock_second, _ALONE)


@cfgutils.export
def core_hash(_call: Call, first: str, second: str, size: int) -> int:
    """Return a number from 1 to 2 to the power of `size` that is made of one text or two; from 1 to 2 for size 0."""
    hashed = hash_texts(*(text.encode(errors="surrogateescape") for text in (first, second)))
    return (hashed & ((1 << min(size, 31)) - 1 if size > 0 else 1)) + 1
