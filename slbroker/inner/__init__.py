"""The innermost functions of the hot path, compiled where they could be, pure Python everywhere else.

`pure` defines them; `compiled`, `ordinary`, `replying` and `signing` are its twins, built when slbroker was installed
beside a C compiler: all of them or none. One test suite runs over both. SLBROKER_PURE=1 in the environment forces the
pure ones. `KIND` says which are in use.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from slbroker.inner import pure

if TYPE_CHECKING:
    from types import ModuleType


def _choose() -> tuple[str, list[ModuleType]]:
    """Return what is in use: its name; the modules for datagrams, for reading, for replying and for signing."""
    if os.environ.get("SLBROKER_PURE", "") not in ("", "0"):
        return "pure", [pure] * 4
    try:
        from slbroker.inner import (  # type: ignore[attr-defined,unused-ignore]  # noqa: PLC0415
            compiled,
            ordinary,
            replying,
            signing,
        )
    except ImportError:
        return "pure", [pure] * 4
    return "compiled", [compiled, ordinary, replying, signing]


KIND, (_datagrams, _reading, _replying, _signing) = _choose()

if TYPE_CHECKING:
    from slbroker.inner.pure import Mac, join_reply, read_ordinary, receive_batch, scan, send_batch, unpack_requests
else:
    scan = _datagrams.scan
    receive_batch = _datagrams.receive_batch
    send_batch = _datagrams.send_batch
    read_ordinary = _reading.read_ordinary
    unpack_requests = _replying.unpack_requests
    join_reply = _replying.join_reply
    Mac = _signing.Mac

__all__ = ["KIND", "Mac", "join_reply", "read_ordinary", "receive_batch", "scan", "send_batch", "unpack_requests"]
