"""The signed To-tag between real processes: any worker makes it, only the right one is absorbed."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.peers.phone import Call, Phone, Reply
from tests.peers.plugin import WORKER
from tests.support.timing import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.peers.conftest import Deployment

BURST = 64  # repeats of one INVITE at a time, so that one worker is busy when the next is chosen


@pytest.fixture
def phone(deployment: Deployment) -> Iterator[Phone]:
    """A caller of the edge."""
    with Phone(deployment.edge.port) as caller:
        yield caller


def repeat(port: int, request: bytes) -> list[Reply]:
    """Send the same datagram from many sockets, since one that repeats what is in flight gets the one answer."""
    with ExitStack() as stack:
        callers = [stack.enter_context(Phone(port)) for _ in range(BURST)]
        for caller in callers:
            caller.send(request)
        replies = [caller.receive() for caller in callers]
    assert None not in replies
    return [reply for reply in replies if reply]


def test_two_workers_give_one_tag(phone: Phone, deployment: Deployment) -> None:
    """RFC 3261 8.2.7: a stateless server gives repeats of a request the same tag."""
    request = phone.call().request("INVITE")
    replies: list[Reply] = []

    def both_answered() -> bool:
        replies.extend(repeat(deployment.edge.port, request))
        return len({reply[WORKER] for reply in replies}) == 2

    until(both_answered, what="an answer from both workers")
    assert len({reply.to_tag for reply in replies}) == 1


def another_calls(to: str) -> str:
    """A tag of ours, rightly signed, for a call that is not this one."""
    return to


def last_digit_changed(to: str) -> str:
    """One digit of the MAC."""
    return to[:-1] + ("0" if to[-1] != "0" else "1")


def cut_short(to: str) -> str:
    """The MAC less its last two digits."""
    return to[:-2]


def made_up(to: str) -> str:
    """The right shape, and nothing right in it."""
    head, _, mac = to.rpartition("-")
    return f"{head}-{'0' * len(mac)}"


def unknown_key(to: str) -> str:
    """The right MAC under a key that nobody has."""
    head, _, mac = to.rpartition("-")
    return f"{head[:-4]}{'ffff' if not head.endswith('ffff') else '0000'}-{mac}"


@pytest.mark.parametrize("forge", [another_calls, last_digit_changed, cut_short, made_up, unknown_key])
def test_only_the_right_tag_is_absorbed(forge: Callable[[str], str], phone: Phone, deployment: Deployment) -> None:
    """A forged ACK goes on to the handlers that ask for ACKs; the right one, sent after it, stays at the edge."""
    edge = deployment.edge
    call = phone.call()
    reply = phone.ask(call.request("INVITE"))
    signed_for = Call(phone.port) if forge is another_calls else call
    phone.send(signed_for.ack(forge(reply["To"])))
    assert edge.wait_for_figures(passed=1)["absorbed"] == 0
    until(lambda: deployment.acks_seen() == 1, what="the handler's note of the ACK")
    phone.send(call.ack(reply["To"]))
    assert edge.wait_for_figures(absorbed=1)["passed"] == 1
    assert deployment.acks_seen() == 1
