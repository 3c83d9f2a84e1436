"""Too many requests: who is blocked, and for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slbroker_handlers.kemi.memory import State
from slbroker_handlers.kemi.modules import pike
from slbroker_handlers.kemi.params import read_params

if TYPE_CHECKING:
    import pytest


def state(*params: str) -> State:
    """A worker's memory; its clock stands still at 0."""
    return State(read_params(params), now=lambda: 0.0)


def at(memory: State, seconds: float) -> State:
    """Set the clock."""
    memory.now = lambda: seconds
    return memory


def test_pike_blocks_above_the_density_and_lets_go_when_time_has_passed() -> None:
    memory = state("pike.reqs_density_per_unit=3", "pike.remove_latency=10")
    assert [pike.check(memory, "192.0.2.1") for _ in range(6)] == [1, 1, 1, -2, -1, -1]
    assert pike.check(memory, "192.0.2.2") == 1
    assert pike.check(at(memory, 9.9), "192.0.2.1") == -1
    assert pike.check(at(memory, 10.0), "192.0.2.1") == 1


def test_pike_counts_anew_in_each_unit_of_time() -> None:
    memory = state("pike.reqs_density_per_unit=2", "pike.sampling_time_unit=5")
    assert [pike.check(at(memory, second), "192.0.2.1") for second in (0, 1, 5, 6, 10)] == [1, 1, 1, 1, 1]
    assert pike.check(at(memory, 10), "192.0.2.1") == 1
    assert pike.check(at(memory, 11), "192.0.2.1") == -2


def test_pike_forgets_whom_it_saw_longest_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pike, "MAX_ADDRESSES", 2)
    memory = state("pike.reqs_density_per_unit=1")
    assert [pike.check(memory, host) for host in ("a", "b", "a", "c", "a", "b")] == [1, 1, -2, 1, -1, 1]
