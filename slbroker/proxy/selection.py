"""Which of several next hops: the same for a request, its repetition, its CANCEL and its ACK, anywhere, with no memory.

Rendezvous hashing: each destination has a score for a key (a Call-ID, say), and the highest score wins. When one goes,
its keys alone move, evenly to the others; when it comes back, they alone come back. A hash modulo the number of
destinations, as dispatcher has it, moves nearly all calls whenever one goes. With weights a score is that of
Efraimidis and Spirakis, -ln(u)/w: the first of the order is each with a probability of its share of the weights, and so
is the second among those that are left, as RFC 2782 draws from SRV records.
"""

from __future__ import annotations

import hashlib
import math
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")

_SCALE: Final = 2.0**64


def ranked(key: bytes, choices: Iterable[T], name: Callable[[T], bytes], weight: Callable[[T], int]) -> list[T]:
    """Return the choices, that for `key` first, then those that take its place in turn.

    `name` tells a choice from the others, and has to be the same everywhere. One of weight 0 comes behind all that have
    some (RFC 2782).
    """
    return sorted(choices, key=lambda choice: _score(key, name(choice), weight(choice)))


def _score(key: bytes, name: bytes, weight: int) -> tuple[bool, float, bytes]:
    """Return what is lowest for the choice of `key`."""
    state = _keyed(name).copy()
    state.update(key)
    drawn = (int.from_bytes(state.digest(), "big") + 1) / (_SCALE + 1)  # in (0, 1]
    return weight <= 0, -math.log(drawn) / max(weight, 1), name


@lru_cache(maxsize=1_024)
def _keyed(name: bytes) -> hashlib.blake2b:
    """Return the hash with a name already in it; a copy costs half of keying anew."""
    mine = name if len(name) <= hashlib.blake2b.MAX_KEY_SIZE else hashlib.blake2b(name).digest()
    return hashlib.blake2b(digest_size=8, key=mine, person=b"slbroker-choice")
