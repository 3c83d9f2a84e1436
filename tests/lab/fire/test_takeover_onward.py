"""A forwarding edge is followed: replies to what it had sent on, and who asks whether the next hops are there."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from tests.support.forwarding import reply_to
from tests.support.peers import free_udp_port
from tests.support.sip import read_reply
from tests.support.takeover import Site, message, replaced
from tests.support.timing import within

if TYPE_CHECKING:
    from pathlib import Path


def test_replies_to_what_the_edge_before_sent_on_find_their_way(place: Site, phone: socket.socket) -> None:
    """Over UDP: the Via has all that it takes. A connection that the edge before has made is closed with it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as callee, socket.create_server(("127.0.0.1", 0)) as server:
        callee.bind(("127.0.0.1", 0))
        callee.settimeout(within(5.0))
        server.settimeout(within(5.0))
        hops = f"sip:127.0.0.1:{callee.getsockname()[1]}", f"sip:127.0.0.1:{server.getsockname()[1]};transport=tcp"
        words = ("--route", f"pass={hops[1]} method=MESSAGE", "--route", f"pass={hops[0]}")
        old = place.edge(*words)
        old.wait_for("edge ready")
        phone.send(message("INVITE", 1))
        came = callee.recv(4096)
        phone.send(message("MESSAGE", 2))
        dialled, _ = server.accept()
        with dialled:
            dialled.settimeout(within(5.0))
            dialled.recv(4096)
            new = replaced(place, old, *words)
            callee.sendto(reply_to(came, 180, b"Ringing"), ("127.0.0.1", place.port))
            assert read_reply(phone.recv(4096)).status == 180
            assert dialled.recv(4096) == b"", "closed: its reply needs another way"
        phone.send(message("MESSAGE", 3))
        again, _ = server.accept()
        with again:
            again.settimeout(within(5.0))
            again.sendall(reply_to(again.recv(4096), 200, b"OK"))
            assert read_reply(phone.recv(4096)).status == 200
    assert new.running


def test_groups_are_pinged_by_the_next_and_who_is_down_is_found_out_anew(
    place: Site, phone: socket.socket, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as alive:
        alive.bind(("127.0.0.1", 0))
        alive.settimeout(within(5.0))
        gone = free_udp_port()
        port = alive.getsockname()[1]
        (tmp_path / "list").write_text(f"1 sip:127.0.0.1:{port}\n1 sip:127.0.0.1:{gone}\n")
        words = ("--groups", str(tmp_path / "list"), "--route", "pass=group:1", "--ping-interval", "0.3")
        old = place.edge(*words)
        old.wait_for("edge ready")
        ping = alive.recv(4096)
        assert ping.startswith(b"OPTIONS sip:127.0.0.1")
        new = replaced(place, old, *words)
        while True:  # what is of the edge before is read over
            alive.sendto(reply_to(alive.recv(4096), 200, b"OK"), ("127.0.0.1", place.port))
            with suppress(KeyError):
                states = [row["flags"] for rows in place.figures()[0]["groups"].values() for row in rows]
                if sorted(states)[0].startswith("A") and len(set(states)) == 2:
                    break
    assert new.running
