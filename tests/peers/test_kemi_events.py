"""What the sl module's two events tell a KEMI script, in Kamailio and in slbroker."""

from __future__ import annotations

import pytest

from tests.peers.pair import SCRIPTS, Servers
from tests.peers.phone import Phone
from tests.support.timing import within

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
    """An ACK that is none to their own replies comes to the route. Both have one process, which keeps the order."""
    expected = ["sl:filtered-ack ACK True 1 ACK", "replied -1 ACK", "route ACK"]
    for port in both_with_events:
        with Phone(port) as phone:
            call = phone.call()
            reply = phone.ask(call.request("INVITE"))
            assert read_diary(phone) == DIARIES["INVITE"]
            phone.send(call.ack(reply["To"]))
            phone.send(call.ack("<sip:bob@example.com>;tag=someone-else"))
            assert read_diary(phone) == expected


def read_diary(phone: Phone) -> list[str]:
    """What the script has heard since the last time."""
    return phone.ask(phone.call().request("INFO")).all("X-Diary")
