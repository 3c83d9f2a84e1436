"""The innermost functions of the hot path, compiled where they could be, pure Python everywhere else.

`pure` defines them; `compiled`, `ordinary` and `replying` are its twins, built when slbroker was installed beside a C
compiler: all of them or none. One test suite runs over both. SLBROKER_PURE=1 in the environment forces the pure ones.
`KIND` says which are in use.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from slbroker.inner import pure

if TYPE_CHECKING:
    from types import ModuleType


def _choose() -> tuple[str, ModuleType, ModuleType, ModuleType]:
    """Return what is in use: its name; where datagrams are, where they are read, where they are answered."""
    if os.environ.get("SLBROKER_PURE", "") not in ("", "0"):
        return "pure", pure, pure, pure
    try:
        from slbroker.inner import (  # type: ignore[attr-defined,unused-ignore]  # noqa: PLC0415
            compiled,
            ordinary,
            replying,
        )
    except ImportError:
        return "pure", pure, pure, pure
    return "compiled", compiled, ordinary, replying


KIND, _datagrams, _reading, _replying = _choose()

if TYPE_CHECKING:
    from slbroker.inner.pure import join_reply, read_ordinary, receive_batch, scan, send_batch, unpack_requests
else:
    scan = _datagrams.scan
    receive_batch = _datagrams.receive_batch
    send_batch = _datagrams.send_batch
    read_ordinary = _reading.read_ordinary
    unpack_requests = _replying.unpack_requests
    join_reply = _replying.join_reply

__all__ = ["KIND", "join_reply", "read_ordinary", "receive_batch", "scan", "send_batch", "unpack_requests"]
