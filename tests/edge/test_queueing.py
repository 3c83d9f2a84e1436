"""Waiting to be next: who asks an edge for its place while another takes it, or while it is about to be back."""

from __future__ import annotations

import logging
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from slbroker.bus.address import parse_bus_address
from slbroker.errors import TakeoverError
from slbroker.listen import parse_listen_address
from slbroker.settings.edge import EdgeSettings
from slbroker_edge import queueing
from slbroker_edge.queueing import take_over
from slbroker_edge.takeover import path_of, read, write
from tests.support.timing import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GIVES = {"sockets": 0, "version": "9.9"}


def taken_over(settings: EdgeSettings) -> bool:
    """Whether there is an edge that gives its place; it is not taken."""
    takeover = take_over(settings)
    if takeover is not None:
        takeover.keep_only(99)  # which closes what is others'
    return takeover is not None


def busy(process: int) -> dict[str, Any]:
    return {"refused": f"another edge is taking over already, process {process}", "busy": process}


@pytest.fixture
def settings(tmp_path: Path) -> EdgeSettings:
    bus = parse_bus_address(f"ipc://{tmp_path}/bus")
    return EdgeSettings(listen=(parse_listen_address("udp:127.0.0.1:5060"),), bus=bus, keys=tmp_path / "ring")


@contextmanager
def edge_that_says(settings: EdgeSettings, number: int, *answers: dict[str, Any] | None) -> Iterator[list[str]]:
    """An edge's process that answers who connects, one after the other; with None it hangs up. It notes the asked."""
    asked: list[str] = []
    path = path_of(settings, number)
    assert path is not None
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        for answer in answers:
            talk, _ = listener.accept()
            with talk:
                words = talk.recv(4096)
                if words:
                    asked.append(read(words)["asks"])
                if answer is not None:
                    talk.send(write(answer))
        listener.close()
        path.unlink()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield asked
    finally:
        thread.join(10.0)


def test_who_is_refused_for_another_asks_again_and_says_once_for_whom(
    settings: EdgeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with edge_that_says(settings, 0, busy(41), busy(41), busy(42), GIVES) as asked:
        assert taken_over(settings)
    assert asked == ["sockets"] * 4
    waits = [line for line in caplog.messages if line.startswith("waiting, for ")]
    assert [line.rpartition(" ")[2] for line in waits] == ["41", "42"]


def test_who_has_waited_for_long_enough_is_refused(settings: EdgeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queueing, "OTHERS_TIME", 0.0)
    with edge_that_says(settings, 0, busy(41)), pytest.raises(TakeoverError, match="already, process 41"):
        take_over(settings)


def test_another_refusal_is_not_waited_for(settings: EdgeSettings) -> None:
    with edge_that_says(settings, 0, {"refused": "not to you"}), pytest.raises(TakeoverError, match="not to you"):
        take_over(settings)


@pytest.mark.parametrize("before", [None, busy(41)])
def test_an_edge_that_was_there_may_be_back(settings: EdgeSettings, before: dict[str, Any] | None) -> None:
    """One that was nearly followed listens anew: its socket file is missing for a moment."""
    with edge_that_says(settings, 0, before):
        found: list[bool] = []
        waiting = threading.Thread(target=lambda: found.append(taken_over(settings)))
        waiting.start()
    with edge_that_says(settings, 0, GIVES):
        waiting.join(10.0)
    assert found == [True]


def test_where_nobody_comes_back_one_starts_as_usual(settings: EdgeSettings, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with edge_that_says(settings, 0, None):
        assert not taken_over(settings)
    assert "has ended before it has given its sockets" in caplog.text
    assert "starting as usual" in caplog.text


def test_the_first_process_is_waited_for_where_the_second_is_there(
    settings: EdgeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    """It is being started again: nobody is to be bound beside the others."""
    caplog.set_level(logging.INFO)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as second:
        second.bind(str(path_of(settings, 1)))
        second.listen(100)
        found: list[bool] = []
        waiting = threading.Thread(target=lambda: found.append(taken_over(settings)))
        waiting.start()
        until(lambda: "its first process is not" in caplog.text, what="it waits")
        with edge_that_says(settings, 0, GIVES):
            waiting.join(10.0)
    assert found == [True]


def test_of_several_processes_each_is_waited_for(settings: EdgeSettings) -> None:
    with (
        edge_that_says(settings, 0, busy(41), {**GIVES, "processes": 2}),
        edge_that_says(settings, 1, busy(41), GIVES) as asked,
    ):
        assert taken_over(settings)
    assert asked == ["sockets"] * 2
