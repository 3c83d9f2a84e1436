"""Asking for figures: those who answer are heard, those who do not are named."""

from __future__ import annotations

import json
import sys
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
import zmq

from slbroker.bus import envelope
from slbroker.bus.address import BusAddress, parse_bus_address
from slbroker.bus.envelope import Kind
from slbroker.bus.sockets import bind_router
from slbroker.cli import main
from slbroker.errors import NoAnswerError
from slbroker.query import Survey, survey
from tests.support.figures import ask_figures
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHORT = 0.3


class Processes:
    """Edge processes that answer STATS and can do nothing else."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.bus = parse_bus_address(f"ipc://{folder}/bus")
        self._stack = stack
        self._context: zmq.Context[zmq.Socket[bytes]] = stack.enter_context(zmq.Context())

    def serve(self, *numbers: int, of: int, answer: list[bytes] | None = None) -> None:
        for number in numbers:
            frames = answer or envelope.encode(Kind.FIGURES, {"name": f"process {number}", "processes": of})
            router = self._stack.enter_context(bind_router(self._context, self.bus.of_process(number)))
            router.set(zmq.LINGER, 0)
            stopped = threading.Event()
            server = threading.Thread(target=self._answer, args=(router, frames, stopped))
            server.start()
            self._stack.callback(server.join)
            self._stack.callback(stopped.set)

    @staticmethod
    def _answer(router: zmq.Socket[bytes], frames: list[bytes], stopped: threading.Event) -> None:
        while not stopped.is_set():
            if router.poll(20):
                identity, *question = router.recv_multipart()
                assert envelope.decode_head(question).kind is Kind.STATS
                router.send_multipart([identity, *frames])

    def of(self, *numbers: int) -> list[BusAddress]:
        return [self.bus.of_process(number) for number in numbers]


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with ExitStack() as stack:
        yield Processes(stack, tmp_path)


def names(found: Survey) -> list[str]:
    return [str(figures["name"]) for figures in found.answers]


def test_one_process(processes: Processes) -> None:
    processes.serve(0, of=1)
    assert survey(processes.bus, within(5.0)) == ([{"name": "process 0"}], [])
    assert ask_figures(processes.bus, within(5.0)) == [{"name": "process 0"}]


def test_all_processes_in_their_order(processes: Processes) -> None:
    processes.serve(2, 1, 0, of=3)
    assert names(survey(processes.bus, within(5.0))) == ["process 0", "process 1", "process 2"]


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_one_that_is_missing_does_not_silence_the_others(processes: Processes, missing: int) -> None:
    there = [number for number in range(3) if number != missing]
    processes.serve(*there, of=3)
    found = survey(processes.bus, within(SHORT))
    assert names(found) == [f"process {number}" for number in there]
    assert found.silent == processes.of(missing)


def test_another_edge_at_the_next_place_is_not_taken_for_ours(processes: Processes) -> None:
    processes.serve(1, of=1)
    with pytest.raises(NoAnswerError, match=f"no edge answers at {processes.bus}; is it the address of its --bus"):
        survey(processes.bus, within(SHORT))


def test_nobody_at_all(processes: Processes) -> None:
    with pytest.raises(NoAnswerError, match=f"no edge answers at {processes.bus}"):
        survey(processes.bus, within(SHORT))


@pytest.mark.parametrize("where", ["tcp://127.0.0.1:65535", "ipc:///tmp/" + "x" * 96])
def test_the_last_place_has_no_next_one(where: str) -> None:
    with pytest.raises(NoAnswerError, match=f"no edge answers at {where}"):
        survey(parse_bus_address(where), within(0.1))


def test_stats_shows_those_that_answer_and_names_those_that_do_not(
    processes: Processes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    processes.serve(0, of=2)
    words = ["stats", "--bus", str(processes.bus), "--timeout", str(within(SHORT)), "--json"]
    monkeypatch.setattr(sys, "argv", ["slbroker", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    said = capsys.readouterr()
    assert (caught.value.code or 0, said.err) == (0, f"slbroker: no answer from {processes.bus}.1\n")
    assert json.loads(said.out) == {"edges": [{"name": "process 0"}], "silent": [f"{processes.bus}.1"]}


@pytest.mark.parametrize("answer", [envelope.encode(Kind.WHO), [b"", b""], [b"\xc1"], envelope.encode(Kind.WELCOME)])
def test_what_answers_is_no_edge(processes: Processes, answer: list[bytes]) -> None:
    processes.serve(0, of=1, answer=answer)
    with pytest.raises(NoAnswerError, match=r"what answers at .* is no edge of this version"):
        survey(processes.bus, within(5.0))


@pytest.mark.parametrize(("said", "believed"), [("many", 1), (0, 1), (-3, 1)])
def test_a_number_of_processes_that_makes_no_sense(processes: Processes, said: object, believed: int) -> None:
    processes.serve(0, of=1, answer=envelope.encode(Kind.FIGURES, {"name": "odd", "processes": said}))
    found = survey(processes.bus, within(SHORT))
    assert (names(found), len(found.silent)) == (["odd"], believed - 1)
