"""Recent requests as edges tell them, a sample, made fit to be shown; and in words what became of each.

Pure. All in them is a stranger's: text of a bounded length, that the page shows as text and nothing else.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from slbroker.metrics.model import fit, mapping, maps, number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEPT: Final = 500
_TEXTS: Final = ("method", "uri", "call_id", "source", "listen", "worker", "pool", "fate", "cause", "by")
LONGEST: Final = 3_200  # characters of a message's head
MOST: Final = 60  # that one answer brings


class RecentRequests:
    """The last ones of all edges, and what each edge has told."""

    def __init__(self) -> None:
        self.last = 0  # the number of the newest
        self._kept: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._told: dict[str, int] = {}  # the number, at the edge, of the last that it has told

    def since(self, address: str) -> int:
        """Return which of an edge's requests are known, to be asked for those behind."""
        return self._told.get(address, 0)

    def hear(self, address: str, told: object, wall: float) -> None:
        """Take in what the edge at an address has told; `wall` is the time now in unix seconds."""
        last = number(mapping(told).get("last"))
        if last is None:
            return
        self._told[address] = int(last)
        for each in maps(mapping(told).get("requests"))[:MOST]:
            self.last += 1
            self._kept.append({"number": self.last, "edge": fit(address), **_read(each, wall)})

    def behind(self, last: int) -> list[dict[str, Any]]:
        """Return those with higher numbers."""
        return [each for each in self._kept if each["number"] > last]

    def forget(self, addresses: set[str]) -> None:
        """Forget what edges have told that are gone."""
        for address in self._told.keys() & addresses:
            del self._told[address]


def _read(told: Mapping[str, Any], wall: float) -> dict[str, Any]:
    reply = _text(told.get("reply"))
    row = {
        "at": round(wall - (number(told.get("ago")) or 0.0), 3),
        **{key: _text(told.get(key), 200) for key in _TEXTS},
        **{key: number(told.get(key)) for key in ("queue", "worker_time", "tries", "body")},
        "answer": reply.partition("\r\n")[0].removeprefix("SIP/2.0 "),
        "request": _text(told.get("request"), LONGEST),
        "reply": reply,
    }
    return row | {"explain": list(_explain(row, told))}


def _text(told: object, longest: int = LONGEST) -> str:
    text = told.decode(errors="backslashreplace") if isinstance(told, bytes) else told if isinstance(told, str) else ""
    return text[:longest]


def _explain(row: Mapping[str, Any], told: Mapping[str, Any]) -> Iterator[str]:
    """Yield in sentences what became of a request."""
    yield f"It came from {row['source']} to {row['listen']}."
    if row["fate"] == "absorbed":
        yield "It is the ACK to a reply of ours: a key of the edge's ring signed its To-tag, in the last 32 s."
    elif row["by"] == "memory":
        yield "A handler has decided for all that are like it before: the edge answered by itself, no worker had it."
    elif row["by"] == "rules":
        yield "The edge's rule file decided; no worker had it."
    elif row["worker"]:
        yield from _explain_worker(row, told)
    elif row["by"] == "edge":
        yield "No worker had it."
    if row["cause"]:
        yield f"The cause: {row['cause']}{_meaning(row['cause'])}."
    yield _ending(row)


def _explain_worker(row: Mapping[str, Any], told: Mapping[str, Any]) -> Iterator[str]:
    queue, took = row["queue"], row["worker_time"]
    waited = f"It waited {_milliseconds(queue)} in the edge. " if queue is not None else ""
    who = f"Broker {row['worker']} had it" if told.get("broker") is True else f"Worker {row['worker']} had it"
    yield f"{waited}{who}, of pool {row['pool']}{f', for {_milliseconds(took)}' if took is not None else ''}."
    tries = int(row["tries"] or 1)
    if tries > 1:
        yield f"That was try {tries}: the one before was lost, or kept it for too long."


def _ending(row: Mapping[str, Any]) -> str:
    answer = f" {row['answer']}" if row["answer"] else ""
    match row["fate"]:
        case "replied":
            return f"Answered{answer}." if row["answer"] else "Answered."
        case "shed":
            return f"Shed, with{answer}." if answer else "Shed."
        case "failed":
            return f"It failed: the edge said{answer}." if answer else "It failed."
        case "forwarded":
            return "It went on to the next hop."
        case "passed":
            return "It was given to a handler; an ACK is never answered."
        case "absorbed":
            return "It ended here, as it should."
        case _:
            return "Nothing was answered."


_MEANINGS: Final = {
    "no worker": "no handler is connected for the pools it may go to",
    "no credit": "all workers had as many requests as they take, for as long as one may wait",
    "no answer": "workers had it and none answered in time",
    "bad answer": "what the worker answered is no SIP reply",
    "no next hop": "it was to go on and nothing says where to",
    "next hop unreachable": "no next hop could be reached",
    "ack": "an ACK to none of our replies: its To-tag is not signed with a key of this edge's ring, or 32 s are over",
    "handler": "the handler said so",
    "overload": "more was shed than is answered in a second (--overload-budget)",
    "cancel": "no handler takes CANCEL, and there is nothing to cancel where nothing is pending",
    "rules": "the rule file said so",
}


def _meaning(cause: str) -> str:
    return f" ({_MEANINGS[cause]})" if cause in _MEANINGS else ""


def _milliseconds(seconds: float | None) -> str:
    return f"{(seconds or 0) * 1e3:.3g} ms"
