"""Giving sockets away: whatever those who ask say, and wherever they die, one edge has them."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from slbroker.errors import TakeoverError
from slbroker.loop import Loop
from slbroker_edge.handover import Handover
from slbroker_edge.takeover import PROTOCOL, Gone, Predecessor, count_in, read, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SOCKETS = {"asks": "sockets", "protocol": PROTOCOL, "processes": 1}
# What a msgpack map can hold; some of it close to what is meant.
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
WORDS = st.fixed_dictionaries(
    {},
    optional={
        "asks": st.sampled_from(["sockets", "workers", "leave", "Leave", ""]) | VALUES,
        "protocol": st.just(PROTOCOL) | VALUES,
        "processes": st.integers(-1, 70) | VALUES,
        "taken": st.lists(st.integers(-2, 3), max_size=3) | VALUES,
        "of later": VALUES,
    },
)


class FakeGiver:
    """An edge process that notes what it is asked for."""

    memory, processes, workers = -1, 1, 2
    is_interim = False

    def __init__(self, count: int = 2) -> None:
        self.listening = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
        self.left: list[int] | None = None
        self.is_held = self.is_announced = False

    def sockets(self) -> Sequence[socket.socket]:
        return self.listening

    def bus_sockets(self) -> Sequence[socket.socket]:
        return ()

    def hold(self) -> None:
        assert not self.is_held, "to two at once"
        self.is_held = True

    def introduce(self) -> None:
        assert self.is_held
        self.is_announced = True

    def go_on(self, process: int) -> None:
        assert process > 0
        assert self.is_held
        assert self.left is None, "it has left, and cannot serve"
        self.is_held = self.is_announced = False

    def leave_to(self, process: int, taken: Sequence[socket.socket]) -> None:
        assert process > 0
        assert self.is_held
        assert self.left is None, "twice"
        self.left = [self.listening.index(sock) for sock in taken]


class Scene:
    """A `Handover` on a loop that turns when it is told to, and those who talk to it."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name, "takeover")
        self.loop = Loop()
        self.faults: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _loop, about: self.faults.append(about))
        self.giver = FakeGiver()
        self.handover = Handover(self.loop, self.path, self.giver)
        self.handover.open()
        self.takers: list[socket.socket] = []

    def turn(self) -> None:
        for _ in range(3):
            self.loop.run_until_complete(asyncio.sleep(0))
        assert not self.faults, self.faults

    def connect(self) -> socket.socket:
        taker = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        taker.connect(str(self.path))
        taker.settimeout(1.0)
        self.takers.append(taker)
        self.turn()
        return taker

    def say(self, taker: socket.socket, words: object) -> None:
        taker.send(write(words))  # type: ignore[arg-type]
        self.turn()

    def answer(self, taker: socket.socket) -> dict[str, Any] | None:
        packet, descriptors, _flags, _ = socket.recv_fds(taker, 65_536, 10)
        for descriptor in descriptors:
            socket.close(descriptor)
        return {**read(packet), "passed": len(descriptors)} if packet else None

    def ask(self, taker: socket.socket, words: object) -> dict[str, Any] | None:
        self.say(taker, words)
        return self.answer(taker)

    def end(self, taker: socket.socket) -> None:
        self.takers.remove(taker)
        taker.close()
        self.turn()

    def close(self) -> None:
        self.handover.close()
        for sock in (*self.takers, *self.giver.listening):
            sock.close()
        self.loop.close()
        self.folder.cleanup()


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.close()


class Conversations(RuleBasedStateMachine):
    """Several ask, in any order, die, and say what nobody understands."""

    def __init__(self) -> None:
        super().__init__()
        self.scene = Scene()
        self.heir: socket.socket | None = None
        self.has_left = False

    def teardown(self) -> None:
        for taker in list(self.scene.takers):
            self.scene.end(taker)
        assert self.has_left or not self.scene.giver.is_held, "nobody is there any more: it serves"
        self.scene.close()

    @precondition(lambda self: len(self.scene.takers) < 4)
    @rule()
    def come(self) -> None:
        self.scene.connect()

    @precondition(lambda self: self.scene.takers)
    @rule(
        data=st.data(), words=WORDS | st.sampled_from([SOCKETS, {"asks": "workers"}, {"asks": "leave", "taken": [1]}])
    )
    def ask(self, data: st.DataObject, words: dict[str, Any]) -> None:
        taker = data.draw(st.sampled_from(self.scene.takers))
        said = self.scene.ask(taker, words)
        assert said is not None
        if "refused" in said:
            assert said["passed"] == 0
            return
        match words["asks"]:
            case "sockets":
                assert self.heir is None, "two have the sockets"
                assert said["passed"] == 2
                self.heir = taker
            case "workers":
                assert self.heir is not None
                assert said["workers"] == 2
            case "leave":
                assert taker is self.heir
                self.has_left = True
                assert self.scene.giver.left == words["taken"]

    @precondition(lambda self: self.scene.takers)
    @rule(data=st.data(), garbage=st.binary(min_size=1, max_size=30))
    def rave(self, data: st.DataObject, garbage: bytes) -> None:
        taker = data.draw(st.sampled_from(self.scene.takers))
        taker.send(garbage)
        self.scene.turn()
        said = self.scene.answer(taker)
        assert said is not None
        assert "refused" in said

    @precondition(lambda self: self.scene.takers)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        taker = data.draw(st.sampled_from(self.scene.takers))
        if taker is self.heir and not self.has_left:
            self.heir = None
        self.scene.end(taker)

    @invariant()
    def one_has_them(self) -> None:
        giver = self.scene.giver
        assert (giver.left is not None) is self.has_left
        assert giver.is_held is (self.heir is not None)
        assert giver.is_held or not giver.is_announced


TestConversations = Conversations.TestCase
TestConversations.settings = settings(max_examples=30, stateful_step_count=12, deadline=None)


def test_who_has_died_behind_its_last_word_is_not_followed(scene: Scene) -> None:
    """As when it was killed while the edge was busy with something else for a while."""
    taker = scene.connect()
    assert scene.ask(taker, SOCKETS) is not None
    taker.send(write({"asks": "leave", "taken": [0, 1]}))
    scene.end(taker)
    assert scene.giver.left is None
    assert not scene.giver.is_held
    another = scene.connect()
    said = scene.ask(another, SOCKETS)
    assert said is not None
    assert said["passed"] == 2
    assert "leaves" in (scene.ask(another, {"asks": "leave", "taken": [0]}) or {})
    assert scene.giver.left == [0]


def test_who_dies_while_the_workers_are_told_is_replaced_by_the_next(scene: Scene) -> None:
    taker, teller = scene.connect(), scene.connect()
    scene.ask(taker, SOCKETS)
    assert (scene.ask(teller, {"asks": "workers"}) or {})["workers"] == 2
    scene.end(taker)
    assert not scene.giver.is_announced
    assert "refused" in (scene.ask(teller, {"asks": "workers"}) or {}), "it is nobody's any more"
    assert (scene.ask(scene.connect(), SOCKETS) or {})["passed"] == 2


def test_who_asks_while_another_has_the_sockets_hears_who_that_is(scene: Scene) -> None:
    scene.ask(scene.connect(), SOCKETS)
    said = scene.ask(scene.connect(), SOCKETS) or {}
    assert said["busy"] == os.getpid()
    assert "another edge is taking over already" in said["refused"]


def test_an_edge_that_never_had_the_place_gives_it_to_nobody(scene: Scene) -> None:
    """Its parent was killed in the middle: it ends, and the edge before it serves on."""
    scene.giver.is_interim = True
    said = scene.ask(scene.connect(), SOCKETS) or {}
    assert said["busy"] == os.getpid()
    assert not scene.giver.is_held


@pytest.mark.parametrize("how", ["removed", "left by one that was killed"])
def test_the_socket_file_is_made_again(scene: Scene, how: str) -> None:
    scene.path.unlink()
    if how != "removed":
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as theirs:
            theirs.bind(str(scene.path))
    scene.handover.look(100.0)
    assert (scene.ask(scene.connect(), SOCKETS) or {})["passed"] == 2


def test_the_socket_file_of_another_edge_is_left_alone(scene: Scene) -> None:
    scene.path.unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as theirs:
        theirs.bind(str(scene.path))
        theirs.listen()
        inode = scene.path.stat().st_ino
        scene.handover.look(100.0)
        assert scene.path.stat().st_ino == inode


@given(words=st.dictionaries(st.sampled_from(["sockets", "bus", "workers", "processes"]), VALUES))
def test_numbers_of_the_other_edge_are_numbers_or_refused(words: dict[str, Any]) -> None:
    for name in ("sockets", "bus", "workers", "processes"):
        given = words.get(name, 0)
        is_number = isinstance(given, int) and 0 <= given <= 64
        with nullcontext() if is_number else pytest.raises(TakeoverError, match=name):
            assert count_in(words, name, 64) == given


# Who asks, and an edge that answers otherwise than ours ---------------------------------------------------------


def fetch_from(tmp_path: Path, answer: Callable[[socket.socket], object]) -> Predecessor:
    """Have an edge asked for its sockets that answers so."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(tmp_path / "edge"))
        listener.listen()
        before = Predecessor.find(tmp_path / "edge")
        assert before is not None
        talk, _ = listener.accept()
        with talk:
            answer(talk)
            talk.shutdown(socket.SHUT_WR)
            before.fetch(1)
    return before


def passing(talk: socket.socket, said: dict[str, Any], passed: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        socket.send_fds(talk, [write(said)], [sock.fileno()] * passed)


@pytest.mark.parametrize(
    ("said", "passed", "told"),
    [
        ({"sockets": 2}, 1, "2 sockets told, 1 passed"),
        ({"sockets": 0}, 2, "0 sockets told, 2 passed"),
        ({"sockets": -1}, 1, "sockets -1"),
        ({"sockets": "many"}, 1, "sockets 'many'"),
        ({"sockets": 1, "processes": 10**6}, 1, "processes 1000000"),
        ({"sockets": 1, "workers": None}, 1, "workers None"),
        ({"refused": "not to you"}, 0, "not to you"),
    ],
)
def test_an_edge_that_says_what_we_do_not_understand_is_left_alone(
    tmp_path: Path, said: dict[str, Any], passed: int, told: str
) -> None:
    with pytest.raises(TakeoverError, match=told):
        fetch_from(tmp_path, lambda talk: passing(talk, said, passed))


@pytest.mark.parametrize("packet", [b"\xc1", b"\x93\x01\x02\x03", b"sockets", b"\x81\xa7sockets"])
def test_garbage_is_no_answer(tmp_path: Path, packet: bytes) -> None:
    with pytest.raises(TakeoverError, match="do not understand"):
        fetch_from(tmp_path, lambda talk: talk.send(packet))


def test_one_that_ends_before_it_has_answered_has_gone(tmp_path: Path) -> None:
    with pytest.raises(Gone, match="has ended"):
        fetch_from(tmp_path, lambda _talk: None)


def test_one_of_another_version_that_says_more_is_understood(tmp_path: Path) -> None:
    before = fetch_from(tmp_path, lambda talk: passing(talk, {"sockets": 1, "version": "9.9", "of later": [1]}, 1))
    assert len(before.sockets) == 1
    assert before.version == "9.9"
    before.sockets[0].close()
    before.hang_up()
