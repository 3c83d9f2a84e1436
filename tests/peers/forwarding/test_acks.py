"""ACKs at an edge with a next hop: those of its own refusals end there, all others go on as they came."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.peers.brokers import start_handler
from tests.peers.forwarding.sockets import QUIET, Between, hear
from tests.peers.phone import Call, Reply
from tests.support.forwarding import unwrap
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Start

pytestmark = pytest.mark.peer

WINDOW = within(1.0)  # seconds


@pytest.fixture
def between(start_slbroker: Start, tmp_path: Path) -> Iterator[Between]:
    """A handler refuses every INVITE; without one asked, ACKs go to the server."""
    with Between(start_slbroker, tmp_path, ("--ack-window", str(WINDOW)), asks=True) as made:
        start_handler(start_slbroker, tmp_path / "keys.ring", made.edge.bus).wait_for("handler ready")
        yield made


def refuse(between: Between, call: Call) -> Reply:
    """Have a call refused by the handler."""
    between.send(call.request("INVITE"))
    return Reply.read(hear(between.client))


def check_silence(between: Between) -> None:
    between.server.settimeout(QUIET)
    with pytest.raises(TimeoutError):
        between.server.recv(65_535)


@pytest.mark.parametrize("inside", [False, True], ids=["INVITE", "re-INVITE"])
def test_the_ack_of_a_refusal_ends_at_the_edge_until_the_window_is_over(between: Between, inside: bool) -> None:
    """For re-INVITEs, too, whose To-tag is the other end's: the sl module says "useless ACK", and lets these by."""
    call = Call(between.port)
    call = call.inside_a_dialog() if inside else call
    reply = refuse(between, call)
    assert reply.status == (488 if inside else 404)
    ack = call.ack(reply["To"])
    for _ in range(2):
        between.send(ack)
    check_silence(between)
    between.edge.wait_for_figures(absorbed=2, forwarded=0)
    time.sleep(WINDOW + QUIET)
    between.send(ack)
    assert unwrap(hear(between.server), ack) == ack
    between.edge.wait_for_figures(absorbed=2, forwarded=1)


def test_the_ack_of_a_strangers_call_goes_on_at_once(between: Between) -> None:
    refuse(between, Call(between.port))
    ack = Call(between.port).ack("<sip:bob@example.com>;tag=theirs")
    between.send(ack)
    assert unwrap(hear(between.server), ack) == ack
    figures = between.edge.wait_for_figures(forwarded=1, received=2)
    assert (figures["passed"], figures["dropped"]) == (0, {})
