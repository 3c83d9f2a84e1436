"""The innermost functions of the hot path, compiled where they could be, pure Python everywhere else.

`pure`, `pure_jobs` and `pure_repeats` define them; `compiled`, `jobs`, `ordinary`, `repeats`, `replying` and `signing`
are their twins, built when slbroker was installed beside a C compiler: all of them or none. One test suite runs over
both. SLBROKER_PURE=1 in the environment forces the pure ones. `KIND` says which are in use.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from slbroker.inner import pure, pure_jobs, pure_repeats

if TYPE_CHECKING:
    from types import ModuleType


def _choose() -> tuple[str, list[ModuleType]]:
    """Return what is in use: its name, and the modules that have the functions."""
    pure_ones = [pure, pure_jobs, pure_repeats]
    if os.environ.get("SLBROKER_PURE", "") not in ("", "0"):
        return "pure", pure_ones
    try:
        from slbroker.inner import (  # type: ignore[attr-defined,unused-ignore]  # noqa: PLC0415
            compiled,
            jobs,
            ordinary,
            repeats,
            replying,
            signing,
        )
    except ImportError:
        return "pure", pure_ones
    return "compiled", [compiled, jobs, ordinary, repeats, replying, signing]


KIND, _modules = _choose()


def _find(name: str) -> Any:
    # A checkout that was brought up to date may still have twins of older sources: what they lack, the pure ones do.
    return next(getattr(module, name) for module in (*_modules, pure, pure_jobs) if hasattr(module, name))


if TYPE_CHECKING:
    from slbroker.inner.pure import (
        Item,
        Mac,
        join_reply,
        read_ordinary,
        receive_asked,
        receive_batch,
        scan,
        send_asked,
        send_batch,
        unpack_requests,
    )  # fmt: skip
    from slbroker.inner.pure_jobs import (
        Job,
        JobT,
        give,
        number_jobs,
        pack_jobs,
        post_replies,
        settle,
        size_of,
        take_in,
        unsigned,
    )  # fmt: skip
    from slbroker.inner.pure_repeats import Repeats, request_key
else:
    # Datagrams
    receive_batch, send_batch = _find("receive_batch"), _find("send_batch")
    receive_asked, send_asked = _find("receive_asked"), _find("send_asked")
    scan, read_ordinary = _find("scan"), _find("read_ordinary")
    # Jobs, in the order of what happens to them
    Job, JobT = _find("Job"), pure_jobs.JobT
    take_in, unsigned, number_jobs = _find("take_in"), _find("unsigned"), _find("number_jobs")
    size_of, give, pack_jobs = _find("size_of"), _find("give"), _find("pack_jobs")
    settle, post_replies = _find("settle"), _find("post_replies")
    Repeats, request_key = _find("Repeats"), _find("request_key")
    # Replies
    Item = pure.Item  # of what is made here; a batch unpacks into the twin's
    unpack_requests, join_reply, Mac = _find("unpack_requests"), _find("join_reply"), _find("Mac")

__all__ = [
    "KIND", "Item", "Job", "JobT", "Mac", "Repeats", "give", "join_reply", "number_jobs", "pack_jobs",
    "post_replies", "read_ordinary", "receive_asked", "receive_batch", "request_key", "scan", "send_asked",
    "send_batch", "settle", "size_of", "take_in", "unpack_requests", "unsigned",
]  # fmt: skip
