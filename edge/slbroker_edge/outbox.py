"""Replies on their way out: what waits for each listener, and which of them arm the ACK filter."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from slbroker.counting import place_of
from slbroker.twins import compiled_or_pure

if TYPE_CHECKING:
    from array import array
    from collections.abc import Sequence

    from slbroker.bus.envelope import Answer
    from slbroker.bus.jobs import Job
    from slbroker.sip.reading import Dialog

MAX_REPLY: Final = 65_507  # bytes an IPv4 datagram carries
# RFC 3261 7.2: as much of a worker's reply as is looked at; the rest is the worker's affair.
match_status_line: Final = re.compile(rb"SIP/2\.0 [1-6][0-9]{2} [^\r\n]*\r\n").match


@compiled_or_pure("slbroker_edge._outbox")
def post_replies(
    ended: Sequence[tuple[Job, Answer]],
    start: int,
    outbox: dict[Any, list[tuple[bytes, Any]]],
    arming: dict[Any, list[Dialog]],
    tally: array[int] | None = None,
) -> int:
    """Put replies into the outboxes of their listeners, from `ended[start]` to the first answer that is anything else.

    Return where that is, or the end. For final replies to INVITE the listener gets an entry in `arming`, in which are
    those with the peer's own To-tag. Each is counted in `tally` (`slbroker.counting`).
    """
    for at in range(start, len(ended)):
        job, answer = ended[at]
        if job.asks or type(answer) is not bytes or len(answer) > MAX_REPLY or not match_status_line(answer):
            return at
        post(job.reading, job.listener, job.reply_to, answer, outbox, arming, tally)
    return len(ended)


def post(
    request: Any, listener: Any, reply_to: Any, reply: bytes,
    outbox: dict[Any, list[tuple[bytes, Any]]], arming: dict[Any, list[Dialog]], tally: array[int] | None = None,
) -> None:  # fmt: skip
    """Put one reply into the outbox of its listener; `request` is what it answers."""
    outbox.setdefault(listener, []).append((reply, reply_to))
    if tally is not None:
        tally[place_of(request.method, reply)] += 1
    if request.method == b"INVITE" and reply[8:9] != b"1":
        with_own_tag = arming.setdefault(listener, [])
        if request.to_tag:
            with_own_tag.append(request)
