"""What the logs tell of lost requests, read as an operator reads them: which one, by whom, why."""

from __future__ import annotations

import re
from typing import NamedTuple

# The load source's Call-IDs end with the number of the request, in hex.
_request = re.compile(
    r"WARNING +\[\d+\] (\w+), Call-ID (\S+): (?:worker (\S+) )?(.*?)"
    r"; (it goes to another one|given up after \d+ tries|given up)$",
    re.MULTILINE,
)
_loss = re.compile(r"WARNING +\[\d+\] worker (\S+) of pool (\S+) is lost: (.*); it had (\d+) requests$", re.MULTILINE)
_shed = re.compile(
    r"WARNING +\[\d+\] (no \w+) in pool (\S+): (\d+) requests were shed in 10 s at most, (\d+) of them with 503,",
    re.MULTILINE,
)
_call = re.compile(
    r"INFO +\[\d+\] call \S+, Call-ID (\S+), from \S+: (\w+), (?:(\d+) in \S+ ms|unanswered)"
    r"(?:, worker (\S+) of pool [^\s:,]+(?:, handler (\S+?))?)?(?:: (.+))?$",
    re.MULTILINE,
)
_leaves = re.compile(r"INFO +\[\d+\] worker (\S+) leaves pool (\S+), (\d+) requests open$", re.MULTILINE)


class LostRequest(NamedTuple):
    """A line about one request: its worker is "" where none took it in time."""

    call_id: str
    worker: str
    why: str
    outcome: str

    @property
    def number(self) -> int:
        """Which of a load source's requests it is."""
        return int(self.call_id.partition("@")[0].rpartition("-")[2], 16)


class ToldCall(NamedTuple):
    """What an edge's log tells of one request (`--log-calls`)."""

    call_id: str
    fate: str
    status: int
    worker: str
    handler: str
    why: str


class Loss(NamedTuple):
    """A line about a worker that is lost."""

    worker: str
    why: str
    had: int


def lost_requests(log: str) -> list[LostRequest]:
    """The requests that an edge's log tells of."""
    return [LostRequest(call_id, worker, why, end) for _method, call_id, worker, why, end in _request.findall(log)]


def calls(log: str) -> list[ToldCall]:
    """The requests that an edge's log has a line of each, in their order."""
    return [
        ToldCall(call_id, fate, int(status or 0), worker, handler, why)
        for call_id, fate, status, worker, handler, why in _call.findall(log)
    ]


def losses(log: str) -> list[Loss]:
    """The workers, and brokers, that an edge's log tells of as lost."""
    return [Loss(worker, why, int(had)) for worker, _pool, why, had in _loss.findall(log)]


def leavers(log: str) -> list[str]:
    """The workers, and brokers, that an edge's log tells of as having left."""
    return [worker for worker, _pool, _open in _leaves.findall(log)]


def shed(log: str) -> tuple[int, int]:
    """How many requests an edge's log tells of as shed, and how many of these got 503."""
    found = _shed.findall(log)
    return sum(int(count) for _cause, _pool, count, _refused in found), sum(int(each[3]) for each in found)


def by(pid: int, told: list[LostRequest]) -> list[LostRequest]:
    """Those whose worker is that process."""
    return [each for each in told if f":{pid}:" in each.worker]
