"""Which pool of workers gets a request, where a route leaves a choice; or to which next hop it goes on."""

from __future__ import annotations

import zlib
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection

    from slbroker.proxy.nexthop import Group, NextHop

DEFAULT_POOL: Final = "default"
ONWARD: Final = "pass"  # what a policy says where requests without an answer go on to the next hop


class Choice(NamedTuple):
    """Pools and their weights: `default` has 95 parts, `canary` 5. Without any pool, the next hop."""

    pools: tuple[str, ...]
    weights: tuple[int, ...]
    hop: NextHop | Group | None = None

    def pick(self, call_id: bytes, staffed: Collection[str]) -> str:
        """Return the pool for a call: always the same while the same pools are `staffed`, which have workers.

        So a repeated request, and the next one of a call, meet the same version of a plugin. Pools without workers
        get no share; when none has workers, the first pool is it.
        """
        if len(self.pools) == 1:
            return self.pools[0]
        parts = [(pool, weight) for pool, weight in zip(self.pools, self.weights, strict=True) if pool in staffed]
        total = sum(weight for _pool, weight in parts)
        if not total:
            return parts[0][0] if parts else self.pools[0]
        point = zlib.crc32(call_id) % total
        ends = accumulate(weight for _pool, weight in parts)
        return next(pool for (pool, _weight), end in zip(parts, ends, strict=True) if point < end)


ANY: Final = Choice((DEFAULT_POOL,), (1,))
