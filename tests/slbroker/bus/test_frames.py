"""Messages through real sockets, by both kinds of twin: what goes in comes out, and nothing ever waits."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
import zmq

from slbroker.bus.frames import Frames
from slbroker.twins import KIND, definition

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KINDS = [definition(Frames)] + ([Frames] if KIND == "compiled" else [])


class Rig:
    """A ROUTER that is mandatory, as an edge's, and a DEALER."""

    def __init__(self, kind: type[Frames], folder: Path) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        router, dealer = self.context.socket(zmq.ROUTER), self.context.socket(zmq.DEALER)
        router.set(zmq.ROUTER_MANDATORY, 1)
        dealer.set(zmq.IDENTITY, b"me")
        for zsocket in (router, dealer):
            zsocket.set(zmq.LINGER, 0)
        router.bind(f"ipc://{folder}/bus")
        dealer.connect(f"ipc://{folder}/bus")
        self.router, self.dealer = kind(router), kind(dealer)

    def close(self) -> None:
        self.router.close()
        self.dealer.close()
        self.context.term()


@pytest.fixture(params=KINDS, ids=["pure", "compiled"][: len(KINDS)])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(request.param, tmp_path)
    yield rig
    rig.close()


def wait(frames: Frames) -> list[bytes]:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        message = frames.receive()
        if message is not None:
            return message
        time.sleep(0.001)
    raise AssertionError("nothing came")


@pytest.mark.parametrize("frames", [[b"one"], [b"a", b""], [b"", b"b", b"c" * 300], [b"x" * 4_000_000], [b"y"] * 100])
def test_a_message_comes_as_it_went(rig: Rig, frames: list[bytes]) -> None:
    assert rig.dealer.send(frames)
    assert wait(rig.router) == [b"me", *frames]
    assert rig.router.send([b"me", *frames])
    assert wait(rig.dealer) == frames


def test_many_come_in_order(rig: Rig) -> None:
    for number in range(500):
        assert rig.dealer.send([b"%d" % number, b"body"])
    assert [wait(rig.router)[1] for _ in range(500)] == [b"%d" % number for number in range(500)]
    assert rig.router.receive() is None


def test_nothing_is_none(rig: Rig) -> None:
    assert rig.router.receive() is None
    assert not rig.router.has_message()


def test_it_tells_of_a_message_and_of_room(rig: Rig) -> None:
    assert rig.dealer.send([b"x"])
    deadline = time.monotonic() + 5
    while not rig.router.has_message() and time.monotonic() < deadline:
        time.sleep(0.001)
    assert rig.router.has_message()
    assert rig.dealer.has_room()
    wait(rig.router)
    assert not rig.router.has_message()


def test_nobody_there_is_refused(rig: Rig) -> None:
    assert not rig.router.send([b"nobody", b"x"])


def test_a_full_queue_refuses(rig: Rig) -> None:
    count = 0
    while rig.dealer.send([b"x" * 1_000]):
        count += 1
        assert count < 1_000_000
    assert count >= 1_000


def test_what_is_no_bytes_raises(rig: Rig) -> None:
    for wrong in ("text", None, 5):
        with pytest.raises(TypeError):
            rig.dealer.send([wrong])  # type: ignore[list-item]


def test_a_closed_one_takes_and_gives_nothing(rig: Rig) -> None:
    rig.dealer.close()
    rig.dealer.close()
    assert rig.dealer.receive() is None
    assert not rig.dealer.send([b"x"])
    assert not rig.dealer.has_message()
    assert not rig.dealer.has_room()


def test_the_end_of_the_context_is_an_error(rig: Rig) -> None:
    ending = threading.Thread(target=rig.context.term)
    ending.start()
    with pytest.raises(zmq.ZMQError):
        wait(rig.router)
    rig.router.close()
    rig.dealer.close()
    ending.join(5)
    assert not ending.is_alive()
