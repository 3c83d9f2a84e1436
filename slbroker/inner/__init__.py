"""The innermost functions of the hot path, compiled where they could be, pure Python everywhere else.

`pure` and `pure_jobs` define them; `compiled`, `jobs`, `ordinary`, `replying` and `signing` are their twins, built when
slbroker was installed beside a C compiler: all of them or none. One test suite runs over both. SLBROKER_PURE=1 in the
environment forces the pure ones. `KIND` says which are in use.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from slbroker.inner import pure, pure_jobs

if TYPE_CHECKING:
    from types import ModuleType


def _choose() -> tuple[str, list[ModuleType]]:
    """Return what is in use: its name; the modules for datagrams, jobs, reading, taking in, replying and signing."""
    pure_ones = [pure, pure_jobs, pure, pure_jobs, pure, pure]
    if os.environ.get("SLBROKER_PURE", "") not in ("", "0"):
        return "pure", pure_ones
    try:
        from slbroker.inner import (  # type: ignore[attr-defined,unused-ignore]  # noqa: PLC0415
            compiled,
            jobs,
            ordinary,
            replying,
            signing,
        )
    except ImportError:
        return "pure", pure_ones
    return "compiled", [compiled, jobs, ordinary, ordinary, replying, signing]


KIND, (_datagrams, _jobs, _reading, _taking, _replying, _signing) = _choose()

if TYPE_CHECKING:
    from slbroker.inner.pure import (
        Item,
        Mac,
        join_reply,
        read_ordinary,
        receive_batch,
        scan,
        send_batch,
        unpack_requests,
    )  # fmt: skip
    from slbroker.inner.pure_jobs import Job, JobT, give, number_jobs, pack_jobs, post_replies, settle, size_of, take_in
else:
    JobT = pure_jobs.JobT
    scan = _datagrams.scan
    receive_batch = _datagrams.receive_batch
    send_batch = _datagrams.send_batch
    Job = _jobs.Job
    number_jobs = _jobs.number_jobs
    size_of = _jobs.size_of
    give = _jobs.give
    pack_jobs = _jobs.pack_jobs
    settle = _jobs.settle
    post_replies = _jobs.post_replies
    read_ordinary = _reading.read_ordinary
    take_in = _taking.take_in
    Item = pure.Item  # of what is made here; a batch unpacks into the twin's
    unpack_requests = _replying.unpack_requests
    join_reply = _replying.join_reply
    Mac = _signing.Mac

__all__ = [
    "KIND",
    "Item",
    "Job",
    "JobT",
    "Mac",
    "give",
    "join_reply",
    "number_jobs",
    "pack_jobs",
    "post_replies",
    "read_ordinary",
    "receive_batch",
    "scan",
    "send_batch",
    "settle",
    "size_of",
    "take_in",
    "unpack_requests",
]  # fmt: skip
