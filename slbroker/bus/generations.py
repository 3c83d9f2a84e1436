"""Which versions of a plugin the workers of a pool have, as one word: a broker tells edges that, in their name."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def together(generations: Iterable[str]) -> str:
    """Return what several generations are as one: another one whenever one is added, or the last of it goes."""
    several = sorted(set(generations))
    if len(several) == 1:
        return several[0]
    return hashlib.blake2b("\0".join(several).encode(errors="surrogateescape"), digest_size=8).hexdigest()
