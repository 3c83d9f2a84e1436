"""Recent requests as the page gets them: numbered, bounded, text, and explained."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker.monitor.requests import KEPT, MOST, RecentRequests

WORKED = {
    "method": b"INVITE", "fate": "replied", "reply": b"SIP/2.0 404 Nobody\r\nVia: x", "source": "192.0.2.1 port 5060",
    "listen": "udp:192.0.2.7:5060", "worker": "w1", "pool": "premium", "queue": 0.0004, "worker_time": 0.0021,
    "tries": 2,
}  # fmt: skip


def told(*requests: dict[str, Any], last: int = 1) -> dict[str, Any]:
    return {"last": last, "requests": list(requests)}


def explained(request: dict[str, Any]) -> list[str]:
    recent = RecentRequests()
    recent.hear("tcp://h:1", told(request), 1_000.0)
    found: list[str] = recent.behind(0)[0]["explain"]
    return found


def test_what_a_worker_answered_is_explained() -> None:
    assert explained(WORKED) == [
        "It came from 192.0.2.1 port 5060 to udp:192.0.2.7:5060.",
        "It waited 0.4 ms in the edge. Worker w1 had it, of pool premium, for 2.1 ms.",
        "That was try 2: the one before was lost, or kept it for too long.",
        "Answered 404 Nobody.",
    ]


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (
            {"fate": "shed", "cause": "no worker", "by": "edge", "reply": b"SIP/2.0 503 Busy\r\n"},
            "Shed, with 503 Busy.",
        ),
        ({"fate": "dropped", "cause": "ack", "by": "edge"}, "not signed with a key of this edge's ring"),
        ({"fate": "absorbed", "by": "edge"}, "the ACK to a reply of ours"),
        ({"fate": "replied", "by": "memory"}, "A handler has decided for all that are like it"),
        ({"fate": "replied", "by": "rules"}, "rule file decided"),
        ({"fate": "forwarded", "by": "edge"}, "It went on to the next hop."),
        ({"fate": "failed", "cause": "no answer", "by": "edge"}, "none answered in time"),
    ],
)
def test_every_end_is_explained(request_: dict[str, Any], words: str) -> None:
    assert words in " ".join(explained(request_))


def test_edges_are_asked_for_what_is_not_known_yet() -> None:
    recent = RecentRequests()
    recent.hear("tcp://h:1", told(WORKED, WORKED, last=9), 1_000.0)
    recent.hear("tcp://h:2", told(WORKED, last=3), 1_000.0)
    recent.hear("tcp://h:3", None, 1_000.0)
    assert [recent.since(f"tcp://h:{at}") for at in (1, 2, 3)] == [9, 3, 0]
    assert [each["number"] for each in recent.behind(1)] == [2, 3]
    recent.forget({"tcp://h:1"})
    assert recent.since("tcp://h:1") == 0


def test_only_so_many_are_kept_however_many_are_told() -> None:
    recent = RecentRequests()
    for _ in range(50):
        recent.hear("tcp://h:1", told(*[{**WORKED, "request": b"x" * 100_000}] * 1_000), 1_000.0)
    assert (recent.last, len(recent.behind(0))) == (50 * MOST, KEPT)
    assert len(json.dumps(recent.behind(0))) < 4_000_000


anything = (
    st.none() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=20) | st.lists(st.integers())
)


@given(st.dictionaries(st.sampled_from([*WORKED, "cause", "by", "ago", "request"]), anything))
def test_whatever_an_edge_tells_is_text_and_numbers(request_: dict[str, Any]) -> None:
    recent = RecentRequests()
    recent.hear("tcp://h:1", told(request_), 1_000.0)
    json.dumps(recent.behind(0), allow_nan=False)
