"""Edges that die, or stand still, in the middle of a takeover, at each step: one serves afterwards, and never two."""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import pytest

from slbroker.errors import Exit
from tests.support.mortal import STEPS
from tests.support.sip import read_reply
from tests.support.takeover import Site, message, phones_of
from tests.support.timing import until, within

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Start
    from tests.support.processes import Process

SAID_LEAVE: Final = STEPS[STEPS.index("sent leave") :]  # from here on the new edge has the place
# With several processes, those that differ: a parent's, of which there is one, and children's.
CASES: Final = [(step, 1) for step in STEPS] + [
    (step, 2) for step in ("sent sockets", "bus", "behind workers", "read", "before leave", "behind leave")
]


class Place(Site):
    """A site whose next edge sends a signal at a step of taking over."""

    def __init__(self, start: Start, start_program: Start, folder: Path) -> None:
        super().__init__(start, folder)
        self._start_program = start_program
        self.numbers = iter(range(1, 1_000))

    def first(self, processes: int) -> Process:
        old = self.edge("--processes", str(processes))
        old.wait_for("edge ready", times=processes)
        self.workers(processes)
        return old

    def mortal(self, step: str, processes: int, victim: int = 0, number: str = "SIGKILL") -> Process:
        words = ("edge", "--listen", self.here, "--bus", self.bus, "--keys", str(self.folder / "ring"), "--takeover")
        return self._start_program(
            sys.executable, "-m", "tests.support.mortal", step, str(victim), number, str(self.folder / "struck"),
            *words, "--processes", str(processes),
        )  # fmt: skip

    def is_struck(self) -> bool:
        return (self.folder / "struck").exists()

    def answered(self, phones: list[socket.socket]) -> None:
        """Each phone's request is answered, once, by a handler."""
        for number, phone in zip(self.numbers, phones, strict=False):
            phone.send(message("OPTIONS", number))
        for phone in phones:
            assert read_reply(phone.recv(4096)).status == 200
        for phone in phones:
            phone.settimeout(0.02)
            with suppress(TimeoutError):
                raise AssertionError(f"a second answer: {phone.recv(4096)!r}")
            phone.settimeout(within(5.0))

    def served(self, phone: socket.socket) -> bool:
        phone.send(message("OPTIONS", next(self.numbers)))
        with suppress(TimeoutError):
            return read_reply(phone.recv(4096)).status == 200
        return False


@pytest.fixture
def place(start_slbroker: Start, start_program: Start, tmp_path: Path) -> Place:
    return Place(start_slbroker, start_program, tmp_path)


@pytest.fixture
def phones(place: Place) -> Iterator[list[socket.socket]]:
    with phones_of(place, 20) as made:
        yield made


def taken_over(place: Place, processes: int) -> Process:
    """Whatever has happened, the next edge takes the place in order."""
    last = place.edge("--processes", str(processes), "--takeover")
    last.wait_for("edge ready", times=processes)
    return last


def assert_taken_over(
    place: Place, phones: list[socket.socket], processes: int, old: Process, new: Process, *, workers_left: bool
) -> None:
    """The next edge takes the place of both others; it waits for no workers where these had none any more."""
    last = taken_over(place, processes)
    until(lambda: not old.running and not new.running, what="the end of the others")
    if workers_left:
        until(lambda: place.served(phones[0]), what="the workers have come")
    place.answered(phones)
    assert last.running
    assert old.wait() == Exit.OK, old
    assert "a bug in slbroker" not in old.log + new.log + last.log


@pytest.mark.parametrize(("step", "processes"), CASES)
def test_a_successor_that_is_killed_leaves_one_edge(
    place: Place, phones: list[socket.socket], step: str, processes: int
) -> None:
    old = place.first(processes)
    new = place.mortal(step, processes)
    until(place.is_struck, what=f"the step {step}")
    if processes == 1:
        assert new.wait() == -signal.SIGKILL
    if step in SAID_LEAVE and processes == 1:
        if step != "sent leave":  # there the edge before may see that nobody is behind it
            assert old.wait() == Exit.OK
    elif processes == 1 or not is_a_childs(step):
        until(lambda: not new.running, what="its end")
        if step not in SAID_LEAVE:
            place.answered(phones)  # none waits for the workers: they have not left
            assert old.running
    assert_taken_over(place, phones, processes, old, new, workers_left=step in SAID_LEAVE)


def is_a_childs(step: str) -> bool:
    """Whether a child takes it where there are several: then it is started again, and goes on."""
    return step in ("listening", "bus", "read", "open") or step.endswith("workers")


@pytest.mark.parametrize(("step", "processes"), CASES)
def test_behind_a_successor_that_is_killed_the_next_comes_at_once(
    place: Place, phones: list[socket.socket], step: str, processes: int
) -> None:
    """As `slbroker edge --takeover` does again, at its exit; it waits for what is left of the one that was killed."""
    old = place.first(processes)
    new = place.mortal(step, processes)
    until(place.is_struck, what=f"the step {step}")
    assert_taken_over(place, phones, processes, old, new, workers_left=True)
    assert len(place.figures()) == processes


@pytest.mark.parametrize(("step", "processes"), CASES)
def test_an_edge_that_is_killed_as_it_is_followed_is_followed(
    place: Place, phones: list[socket.socket], step: str, processes: int
) -> None:
    """Its sockets are another's already, who goes on without it; or nobody's, and it starts as usual."""
    old = place.first(processes)
    new = place.mortal(step, processes, old.pid)
    new.wait_for("edge ready", times=processes)
    until(lambda: not old.running, what="its end")
    until(lambda: place.served(phones[0]), what="its workers have come")
    place.answered(phones)
    last = taken_over(place, processes)
    until(lambda: not new.running, what="the end of the one in between")
    place.answered(phones)
    assert "a bug in slbroker" not in new.log + last.log


@pytest.mark.parametrize(
    ("step", "code"), [("before sockets", Exit.TAKEOVER), ("before workers", Exit.TAKEOVER), ("before leave", Exit.OK)]
)
def test_an_edge_that_stands_still_is_followed_or_serves_on(
    place: Place, phones: list[socket.socket], step: str, code: Exit
) -> None:
    """Until the last word it has the place, however long it takes to look; behind it, it goes when it wakes up."""
    old = place.first(1)
    new = place.mortal(step, 1, old.pid, "SIGSTOP")
    if code:
        assert new.wait() == code, new
        old.send(signal.SIGCONT)
    else:
        until(lambda: place.served(phones[0]), what="whoever has the sockets serves, and waits for nobody")
        assert "going on without it" not in new.log
        new.wait_for("going on without it")
        place.answered(phones)
        old.send(signal.SIGCONT)
        assert old.wait() == Exit.OK
    until(lambda: place.served(phones[0]), what="requests are answered")
    place.answered(phones)
    last = taken_over(place, 1)
    until(lambda: not old.running and not new.running, what="the end of the others")
    place.answered(phones)
    assert last.running


def children_of(process: Process) -> list[int]:
    with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:  # noqa: PTH123
        return [int(pid) for pid in file.read().split()]


@pytest.mark.parametrize("step", ["behind sockets", "bus", "behind workers", "open", "before leave"])
@pytest.mark.parametrize("which", [0, 1])
def test_a_process_of_the_edge_before_that_is_killed_does_not_come_back(
    place: Place, phones: list[socket.socket], step: str, which: int
) -> None:
    """Its parent starts it again, where another edge has its place; both end all the same.

    If it is there again before its workers were asked for, it has given nobody anything, and that edge serves on.
    """
    old = place.first(2)
    new = place.mortal(step, 2, children_of(old)[which])
    until(lambda: not (old.running and new.running), what="the end of one of them")
    if old.running:
        assert new.wait() == Exit.TAKEOVER, new
        assert step in ("behind sockets", "bus"), new
    until(lambda: place.served(phones[0]), what="its workers have come")
    place.answered(phones)
    assert old.running is not new.running
    last = taken_over(place, 2)
    until(lambda: not old.running and not new.running, what="the end of the others")
    place.answered(phones)
    assert last.running
