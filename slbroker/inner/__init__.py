"""The innermost functions of the hot path, compiled where they could be, pure Python everywhere else.

`pure` defines them; `compiled` is its twin, built when slbroker was installed beside a C compiler. One test suite runs
over both. SLBROKER_PURE=1 in the environment forces the pure ones. `KIND` says which are in use.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from slbroker.inner import pure

if TYPE_CHECKING:
    from types import ModuleType


def _choose() -> tuple[str, ModuleType]:
    if os.environ.get("SLBROKER_PURE", "") not in ("", "0"):
        return "pure", pure
    try:
        from slbroker.inner import compiled  # type: ignore[attr-defined,unused-ignore]  # noqa: PLC0415
    except ImportError:
        return "pure", pure
    return "compiled", compiled


KIND, _chosen = _choose()

if TYPE_CHECKING:
    from slbroker.inner.pure import receive_batch, scan, send_batch
else:
    scan = _chosen.scan
    receive_batch = _chosen.receive_batch
    send_batch = _chosen.send_batch

__all__ = ["KIND", "receive_batch", "scan", "send_batch"]
