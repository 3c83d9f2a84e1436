"""What the load source notes of each request, and how a test reads it. Times are seconds of CLOCK_MONOTONIC."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class Record(NamedTuple):
    """One request: when it was first sent, when its first final answer came (0.0: never), and what else there was."""

    sent: float
    answered: float
    status: int  # of the first answer, 0 without one
    worker: int  # pid of the worker that made it, 0: the edge did, or there is none
    held: int  # requests whose handlers had begun and not ended there
    sends: int  # 1 and the retransmissions
    answers: int  # final ones on the wire
    target: int  # which of the addresses it was sent to

    @property
    def latency(self) -> float:
        """Seconds from the first sending to the first answer."""
        return self.answered - self.sent


class Notebook:
    """The records while they are being made: a column each."""

    def __init__(self) -> None:
        self.columns: dict[str, list[float]] = {name: [] for name in Record._fields}

    def __len__(self) -> int:
        return len(self.columns["sent"])

    def add(self, now: float, target: int) -> int:
        """Note a request that is sent now for the first time; return its number."""
        for name, value in zip(Record._fields, (now, 0.0, 0, 0, 0, 1, 0, target), strict=True):
            self.columns[name].append(value)
        return len(self) - 1

    def answer(self, number: int, at: float, status: int, worker: int, held: int) -> bool:
        """Note a final answer; return whether it is the first one."""
        columns = self.columns
        columns["answers"][number] += 1
        if columns["answers"][number] > 1:
            return False
        columns["answered"][number] = at
        columns["status"][number] = status
        columns["worker"][number] = worker
        columns["held"][number] = held
        return True

    def write(self, file: Path, **more: Any) -> None:
        """Write it down for `read`."""
        file.write_text(json.dumps({"columns": self.columns, **more}), encoding="ascii")


@dataclass(frozen=True)
class Result:
    """All that a load source saw."""

    records: list[Record]
    stray: int  # datagrams that answer nothing that was sent
    refused: int  # datagrams that the kernel says nobody was listening for
    lag: float  # seconds that the source was behind its clock at most
    cpu: float  # seconds of CPU that it used
    seconds: float  # that it ran
    probes: list[tuple[float, int, int]]  # answers to its probes: when, from which target, status
    name: str = ""  # of the source, in the Call-IDs of its requests

    def call_id(self, number: int) -> str:
        """The Call-ID of request `number`."""
        return f"{self.name}-{number:x}@fire"

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)

    @property
    def unanswered(self) -> list[Record]:
        """Those without a final answer."""
        return [record for record in self.records if not record.answers]

    @property
    def duplicates(self) -> int:
        """Answers beyond one for each time that a request was sent."""
        return sum(max(record.answers - record.sends, 0) for record in self.records)

    @property
    def statuses(self) -> Counter[int]:
        """How many requests got which status, 0: none."""
        return Counter(record.status for record in self.records)

    def latencies(self, status: int = 200) -> list[float]:
        """The latencies of those that got `status`, in ascending order."""
        return sorted(record.latency for record in self.records if record.status == status)

    def between(self, begin: float, end: float) -> list[Record]:
        """Those first sent in that time."""
        return [record for record in self.records if begin <= record.sent < end]

    def rate(self, begin: float, end: float, status: int = 200) -> float:
        """How many answers of that status came a second in that time."""
        return sum(begin <= r.answered < end and r.status == status for r in self.records) / (end - begin)


def read(file: Path) -> Result:
    """What a load source has written."""
    content = json.loads(file.read_text(encoding="ascii"))
    columns = content.pop("columns")
    probes = [(at, target, status) for at, target, status in content.pop("probes")]
    rows = zip(*(columns[name] for name in Record._fields), strict=True)
    return Result([Record(*row) for row in rows], probes=probes, **content)


def percentile(ascending: Sequence[float], share: float) -> float:
    """The value that `share` of them do not exceed; nan without any."""
    return ascending[min(int(len(ascending) * share), len(ascending) - 1)] if ascending else float("nan")
