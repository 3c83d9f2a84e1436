"""Which requests are in flight, so that their repeats are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic

from slbroker.bus.jobs import JobT
from slbroker.twins import compiled_or_pure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Requests with one key that are compared with a further one. Honest ones have one each; who makes many gains nothing by
# it: what is beyond is not kept here, and served like any other.
MOST_ALIKE: Final = 8
MAX_PARTS: Final = 8  # of a key


@compiled_or_pure("slbroker_edge._repeats")
def request_key(parts: tuple[bytes, ...], cseq: int, port: int) -> int:
    """Return a number of 64 bits, never 0, that a request has in common with its repeats, and with few others.

    Raises ValueError for more than `MAX_PARTS`.
    """
    if len(parts) > MAX_PARTS:
        raise ValueError("more parts than a key is made of")
    return hash((parts, cseq, port)) & 0xFFFF_FFFF_FFFF_FFFF or 1


@compiled_or_pure("slbroker_edge._repeats")
class Repeats(Generic[JobT]):
    """The jobs that are in flight, each until it is ended here; those whose `key` is 0 are of no interest."""

    def __init__(self, is_repeat: Callable[[JobT, JobT], bool]) -> None:
        """`is_repeat` tells whether a job repeats another one with the same key."""
        self._is_repeat = is_repeat
        self._first: dict[int, JobT] = {}  # by key: this runs for each request, and few have a key in common
        self._others: dict[int, list[JobT]] = {}  # that came while their key's first one was in flight

    def __len__(self) -> int:
        """Return how many jobs are in flight."""
        return len(self._first) + sum(map(len, self._others.values()))

    def admit(self, jobs: list[JobT]) -> list[JobT]:
        """Take jobs in; return those that repeat none in flight: `jobs` itself, where all are such.

        A job that is not kept, because there are too many with its key, has the key 0 afterwards.
        """
        fresh = [job for job in jobs if self.enter(job)]
        return jobs if len(fresh) == len(jobs) else fresh

    def enter(self, job: JobT) -> bool:
        """Take in one job, as `admit` does; return whether it repeats none in flight."""
        key = job.key
        if not key:
            return True
        first = self._first.setdefault(key, job)
        return first is job or self._enter_beside(first, job)

    def _enter_beside(self, first: JobT, job: JobT) -> bool:
        others = self._others.get(job.key, [])
        if self._is_repeat(job, first) or any(self._is_repeat(job, other) for other in others):
            return False
        if len(others) + 1 < MOST_ALIKE:
            self._others[job.key] = [*others, job]
        else:
            job.key = 0
        return True

    def has(self, job: JobT) -> bool:
        """Return whether a job, which was not taken in, repeats one in flight."""
        first = self._first.get(job.key) if job.key else None
        if first is None:
            return False
        return self._is_repeat(job, first) or any(self._is_repeat(job, one) for one in self._others.get(job.key, ()))

    def end(self, job: JobT) -> None:
        """Let go of a job that is no longer in flight; nothing happens when it was not."""
        key = job.key
        others = self._others.pop(key, [])
        if self._first.get(key) is job:
            if others:
                self._first[key] = others.pop(0)
            else:
                del self._first[key]
        left = [other for other in others if other is not job]
        if left:
            self._others[key] = left

    def end_all(self, ended: Sequence[tuple[JobT, object]]) -> None:
        """Do as `end` for jobs that come with their answers."""
        first, others = self._first, self._others
        for job, _answer in ended:
            if not others and first.get(job.key) is job:  # nearly always
                del first[job.key]
            else:
                self.end(job)
