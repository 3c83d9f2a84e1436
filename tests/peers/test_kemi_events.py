"""What the sl module's two events tell a KEMI script, in Kamailio and in slbroker."""

from __future__ import annotations

import pytest

from tests.peers.pair import SCRIPTS, Servers
from tests.peers.phone import Phone
from tests.support.timing import until, within

pytestmark = [pytest.mark.peer, pytest.mark.timeout(within(120))]


@pytest.fixture(scope="module")
def both_with_events(servers: Servers) -> tuple[int, int]:
    """The ports of both, running the script that keeps a diary of events."""
    return servers.both("events", SCRIPTS / "events.py", defines=["WITH_EVENTS"])


DIARIES = {
    "INVITE": ["route INVITE", "sl:local-response INVITE", "route goes on after 1 INVITE"],
    # The callback ends with sys.exit(), with an exception; replies itself, once.
    "MESSAGE": ["route MESSAGE", "sl:local-response MESSAGE", "route goes on after 1 MESSAGE"],
    "PUBLISH": ["route PUBLISH", "sl:local-response PUBLISH", "route goes on after 1 PUBLISH"],
    "REFER": [
        "route REFER", "sl:local-response REFER", "sl:local-response REFER", "replied 1 REFER",
        "route goes on after 1 REFER",
    ],
}  # fmt: skip


@pytest.mark.parametrize("method", DIARIES)
def test_both_tell_a_script_of_its_replies(method: str, both_with_events: tuple[int, int]) -> None:
    for port in both_with_events:
        with Phone(port) as phone:
            assert phone.ask(phone.call().request(method)).status == 404
            if method == "REFER":
                assert phone.receive() is not None
            assert read_diary(phone) == DIARIES[method]


def test_both_tell_a_script_of_absorbed_acks(both_with_events: tuple[int, int]) -> None:
    """An ACK that is none to their own replies comes to the route."""
    for port in both_with_events:
        with Phone(port) as phone:
            call = phone.call()
            reply = phone.ask(call.request("INVITE"))
            assert read_diary(phone) == DIARIES["INVITE"]
            phone.send(call.ack(reply["To"]))
            assert wait_for_diary(phone, 2) == ["sl:filtered-ack ACK True 1 ACK", "replied -1 ACK"]
            phone.send(call.ack("<sip:bob@example.com>;tag=someone-else"))
            assert wait_for_diary(phone, 1) == ["route ACK"]


def wait_for_diary(phone: Phone, count: int) -> list[str]:
    """So many lines of the diary, or more: an edge may hand a request out before an ACK that came with it."""
    seen: list[str] = []

    def is_complete() -> bool:
        seen.extend(read_diary(phone))
        return len(seen) >= count

    until(is_complete, what="the ACK in the diary")
    return seen


def read_diary(phone: Phone) -> list[str]:
    """What the script has heard since the last time."""
    return phone.ask(phone.call().request("INFO")).all("X-Diary")
