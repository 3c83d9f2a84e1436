"""Which requests are in flight, so that their repeats are known: the definition that `repeats` has to match."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic

from slbroker.inner.pure_jobs import JobT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Requests with one key that are compared with a further one. Honest ones have one each; who makes many gains nothing by
# it: what is beyond is not kept here, and served like any other.
MOST_ALIKE: Final = 8


def request_key(parts: tuple[bytes, ...], cseq: int, port: int) -> int:
    """Return a number of 64 bits, never 0, that a request has in common with its repeats, and with few others.

    Raises ValueError for more than 8 parts.
    """
    if len(parts) > 8:
        raise ValueError("more parts than a key is made of")
    return hash((parts, cseq, port)) & 0xFFFF_FFFF_FFFF_FFFF or 1


class Repeats(Generic[JobT]):
    """The jobs that are in flight, each until it is ended here; those whose `key` is 0 are of no interest."""

    def __init__(self, is_repeat: Callable[[JobT, JobT], bool]) -> None:
        """`is_repeat` tells whether a job repeats another one with the same key."""
        self._is_repeat = is_repeat
        self._held: dict[int, list[JobT]] = {}
        self._count = 0

    def __len__(self) -> int:
        """Return how many jobs are in flight."""
        return self._count

    def admit(self, jobs: list[JobT]) -> list[JobT]:
        """Take jobs in; return those that repeat none in flight: `jobs` itself, where all are such.

        A job that is not kept, because there are too many with its key, has the key 0 afterwards.
        """
        fresh = [job for job in jobs if not job.key or self._enter(job)]
        return jobs if len(fresh) == len(jobs) else fresh

    def _enter(self, job: JobT) -> bool:
        alike = self._held.setdefault(job.key, [])
        if alike and any(self._is_repeat(job, other) for other in alike):
            return False
        if len(alike) < MOST_ALIKE:
            alike.append(job)
            self._count += 1
        else:
            job.key = 0
        return True

    def end(self, job: JobT) -> None:
        """Let go of a job that is no longer in flight; nothing happens when it was not."""
        alike = self._held.get(job.key, ())
        for at, other in enumerate(alike):
            if other is job:
                self._count -= 1
                if len(alike) == 1:
                    del self._held[job.key]
                else:
                    del self._held[job.key][at]
                return

    def end_all(self, ended: Sequence[tuple[JobT, object]]) -> None:
        """Do as `end` for jobs that come with their answers."""
        for job, _answer in ended:
            self.end(job)
