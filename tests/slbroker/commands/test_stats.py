"""What `slbroker stats` shows, and what it fails for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from slbroker.bus.address import parse_bus_address
from slbroker.commands.describe import describe
from slbroker.commands.stats import stats
from slbroker.errors import Exit, NoAnswerError
from slbroker.query import Survey
from slbroker.stats import Fates

if TYPE_CHECKING:
    from collections.abc import Callable

ADDRESS = parse_bus_address("ipc:///tmp/x/bus.1")


def figures(**more: Any) -> dict[str, Any]:
    fates = Fates()
    fates.received, fates.replied = 3, 2
    fates.drop("stun")
    workers = [{"name": "w1", "pool": "default", "credit": 4, "open": 1, "answered": 2}]
    pools = {"default": {"workers": 1, "waiting": 0, "open": 1}}
    return {"name": "e1", **fates.figures(0), "pools": pools, "workers": workers, **more}


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    def run(*processes: dict[str, Any], silent: bool = False, words: tuple[str, ...] = ()) -> Any:
        survey = Survey(list(processes), [ADDRESS] if silent else [])
        monkeypatch.setattr("slbroker.query.survey", lambda *_: survey)
        result = CliRunner().invoke(stats, words, standalone_mode=False)
        assert result.exception is None
        return result

    return run


def test_each_counter_has_a_line_and_each_worker_and_pool_one() -> None:
    lines = list(describe(figures(shadow={"pool": "next", "same": 1}, connections={"open": 2, "closed": {"peer": 5}})))
    assert lines[0] == "edge e1"
    assert {" ".join(line.split()) for line in lines} > {
        "received 3", "replied 2", "dropped: stun 1", "unaccounted 0", "shadow same 1", "connections open 2",
        "closed: peer 5", "pool default: 1 workers, 1 open, 0 waiting",
        "worker w1: pool default, credit 4, open 1, answered 2",
    }  # fmt: skip


def test_a_broker_shows_both_its_sides() -> None:
    broker = {"name": "b1", "kind": "broker", "taken": 4, "edges": [{"name": "e1", "open": 0}], "workers": []}
    assert [" ".join(line.split()) for line in describe(broker)] == ["broker b1", "taken 4", "edge e1: open 0"]


def test_all_is_well(shown: Callable[..., Any]) -> None:
    result = shown(figures())
    assert (result.return_value, result.stderr) == (Exit.OK, "")


def test_counters_that_do_not_add_up_are_a_failure(shown: Callable[..., Any]) -> None:
    result = shown(figures(), figures(name="e2", unaccounted=1))
    assert result.return_value == Exit.FAILURE
    assert result.stderr == "slbroker: e2 does not add up; please report it as a bug\n"


def test_who_is_silent_is_named_and_the_others_are_shown(shown: Callable[..., Any]) -> None:
    result = shown(figures(), silent=True, words=("--json",))
    assert result.stderr == f"slbroker: no answer from {ADDRESS}\n"
    assert json.loads(result.stdout) == {"edges": [figures()], "silent": [str(ADDRESS)]}


def test_what_a_worker_calls_itself_moves_no_cursor_and_forges_no_line(shown: Callable[..., Any]) -> None:
    evil = {"name": "w\n  received 0\x1b[2J", "pool": "gr\u00fcn", "credit": 1, "open": 0, "answered": 0}
    lines = shown(figures(workers=[evil])).stdout.splitlines()
    assert [line.split(":")[0] for line in lines if "worker" in line][-1] == r"  worker w\n  received 0\x1b[2J"
    assert "pool gr\u00fcn" in lines[-1], "letters are no harm"


def test_watching_goes_on_while_an_edge_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Any] = [figures(), NoAnswerError("no edge answers"), figures(name="e2"), KeyboardInterrupt()]

    def survey(*_: object) -> Survey:
        found = looks.pop(0)
        if isinstance(found, BaseException):
            raise found
        return Survey([found], [])

    monkeypatch.setattr("slbroker.query.survey", survey)
    result = CliRunner().invoke(stats, ["--watch", "--json", "--interval", "0.1"], standalone_mode=False)
    assert (result.exception, result.return_value) == (None, Exit.OK)
    assert [json.loads(line)["edges"][0]["name"] for line in result.stdout.splitlines()] == ["e1", "e2"]
    assert result.stderr == "slbroker: no edge answers\n"


def test_watching_nobody_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slbroker.query.survey", lambda *_: (_ for _ in ()).throw(NoAnswerError("no edge answers")))
    result = CliRunner().invoke(stats, ["--watch"], standalone_mode=False)
    assert isinstance(result.exception, NoAnswerError)
