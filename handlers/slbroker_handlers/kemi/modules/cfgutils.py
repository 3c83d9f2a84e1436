"""KSR.cfgutils: chance, waiting, hashes; and locks, which nothing here needs."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Final

from slbroker_handlers.kemi.exports import Module
from slbroker_handlers.kemi.memory import FIRST_PROBABILITY
from slbroker_handlers.kemi.variables.encodings import core_hash as hash_texts

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call

cfgutils = Module("cfgutils")

MAX_SLEEP: Final = 5.0  # seconds; the edge gives a request up after its handler timeout
_BLOCKS: Final = "blocks this worker, for 5 s at most; other requests wait"


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


@cfgutils.export
def core_hash(_call: Call, first: str, second: str, size: int) -> int:
    """Return a number from 1 to 2 to the power of `size` that is made of one text or two; from 1 to 2 for size 0."""
    hashed = hash_texts(*(text.encode(errors="surrogateescape") for text in (first, second)))
    return (hashed & ((1 << min(size, 31)) - 1 if size > 0 else 1)) + 1


_UNNEEDED: Final = "Return 1: a worker runs one request at a time."
cfgutils.answer(
    1,
    {
        f"{name}{params}": _UNNEEDED
        for name in ("lock", "trylock", "unlock")
        for params in ("(key: str)", "_key2(name: str, key: str)")
    },
    partial="nothing to lock: a worker runs one request at a time, and other workers know nothing of it",
)
