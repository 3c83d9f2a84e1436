"""Edges of one, two and three processes take over from each other; and with a bus over TCP."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING, Any

import pytest

from slbroker.errors import Exit
from tests.support.peers import free_tcp_port, free_udp_port
from tests.support.sip import read_reply
from tests.support.takeover import (
    Site,
    message,
    phones_of,
    replace_before_acks,
    replace_by_signal,
    replace_under_load,
)
from tests.support.timing import until

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("before", "after"), [(1, 1), (2, 2), (3, 1), (1, 2), (2, 3)])
@pytest.mark.parametrize("host", ["127.0.0.1", "*"])
def test_an_edge_is_replaced_under_load(place: Site, before: int, after: int, host: str) -> None:
    listen = (f"udp:{host}:{place.port}",)
    old = place.edge("--processes", str(before), listen=listen)
    old.wait_for("edge ready", times=before)
    place.workers(before)
    replace_under_load(place, old, after, listen=listen)


@pytest.mark.parametrize(("before", "after"), [(2, 2), (2, 1), (1, 2)])
def test_acks_to_replies_of_the_edge_before_are_absorbed(place: Site, before: int, after: int) -> None:
    with phones_of(place) as phones:
        replace_before_acks(place, phones, before, after)


@pytest.mark.parametrize("processes", [1, 2])
def test_with_a_tcp_bus_the_workers_find_the_new_edge(place: Site, tmp_path: Path, processes: int) -> None:
    place.bus = f"tcp://127.0.0.1:{free_tcp_port()}"
    words = ("--takeover-path", str(tmp_path / "edge.takeover"))
    old = place.edge("--processes", str(processes), *words)
    old.wait_for("edge ready", times=processes)
    place.workers(processes)
    new = replace_under_load(place, old, processes, *words)
    newest = place.edge("--processes", str(processes), "--takeover", *words)
    newest.wait_for("2 of the 2 workers of the edge before are here", times=processes)
    newest.wait_for("edge ready", times=processes)
    assert new.wait() == Exit.OK


def test_what_is_in_flight_is_answered_by_the_edge_that_took_it(place: Site, phones: list[socket.socket]) -> None:
    old = place.edge("--handler-timeout", "60")
    old.wait_for("edge ready")
    place.workers()
    for number, phone in enumerate(phones):
        phone.send(message("MESSAGE", number))
    until(lambda: place.figures()[0]["in_flight"] == len(phones), what="the requests are with the workers")
    new = place.edge("--takeover")
    new.wait_for("edge ready")
    phones[0].send(message("OPTIONS", 1_000))
    assert read_reply(phones[0].recv(4096)).status == 200  # by the new one, while the old one waits
    old.wait_for(f"waiting for the answers to {len(phones)} requests")  # so it reads no more
    for number, phone in enumerate(phones):
        phone.send(message("MESSAGE", number))  # again, for want of an answer: nobody is asked twice
    until(lambda: newest_of(place)["received"] == 1 + len(phones), what="the repeats have been read")
    assert newest_of(place)["repeated"] == len(phones), place.figures()
    (place.folder / "go").touch()
    for phone in phones:
        assert read_reply(phone.recv(4096)).status == 202
    assert old.wait() == Exit.OK
    assert f"replied {len(phones)}" in old.log
    until(lambda: newest_of(place)["in_flight"] == 0, what="it has nothing left")
    phones[0].send(message("MESSAGE", 0))  # behind the answer the same request is a new one
    assert read_reply(phones[0].recv(4096)).status == 202


def test_a_successor_that_cannot_start_leaves_the_edge_as_it_is(place: Site, phones: list[socket.socket]) -> None:
    config = place.folder / "slbroker.toml"
    config.write_text("[edge]\nack-window = 30\n")
    old = place.edge("--config", str(config))
    old.wait_for("edge ready")
    place.workers(count=1)
    config.write_text("[edge]\nack-windy = 30\n")
    old.send(signal.SIGUSR2)
    old.wait_for("ended with code 3; serving on")
    phones[0].send(message("OPTIONS", 1))
    assert read_reply(phones[0].recv(4096)).status == 200


def test_addresses_that_differ_are_bound_and_closed(place: Site, phones: list[socket.socket]) -> None:
    other, third = free_udp_port(), free_tcp_port()
    old = place.edge(listen=(place.here, f"udp:127.0.0.1:{other}", f"tcp:127.0.0.1:{third}"))
    old.wait_for("edge ready")
    place.workers(count=1)
    added = free_udp_port()
    new = place.edge("--takeover", listen=(place.here, f"udp:127.0.0.1:{added}"))
    new.wait_for(f"no longer listening on 127.0.0.1 port {other}")
    new.wait_for(f"no longer listening on 127.0.0.1 port {third}")
    new.wait_for("edge ready")
    assert old.wait() == Exit.OK
    for port in (place.port, added):
        phones[0].connect(("127.0.0.1", port))
        phones[0].send(message("OPTIONS", port))
        assert read_reply(phones[0].recv(4096)).status == 200
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free, socket.socket() as listener:
        free.bind(("127.0.0.1", other))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", third))


@pytest.mark.parametrize("processes", [1, 2])
def test_sigusr2_replaces_an_edge_by_the_same_command(place: Site, tmp_path: Path, processes: int) -> None:
    with phones_of(place) as phones:
        replace_by_signal(place, phones, tmp_path, processes)


def newest_of(place: Site) -> dict[str, Any]:
    (figures,) = place.figures()
    return figures
