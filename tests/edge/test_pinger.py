"""Pings: when they are sent and sent again, whose answers count, and what becomes of those that none comes to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slbroker.proxy.forward import Hop
from slbroker.proxy.groups import Algorithm, read_groups
from slbroker.settings.groups import GroupSettings
from slbroker_edge.destinations import Destinations
from slbroker_edge.lookups import Lookups
from slbroker_edge.members import Members
from slbroker_edge.pinger import Pinger
from slbroker_edge.ways import Way
from tests.support.edge import FakeListener
from tests.support.servers import answer_to

if TYPE_CHECKING:
    from slbroker_edge.destinations import Candidate

ONE = "1 sip:10.0.0.1"


class Site:
    """A pinger whose pings leave by a fake listener; at `gone` hosts there is no way."""

    def __init__(self, groups: str = ONE, **options: Any) -> None:
        settings = GroupSettings(**options)
        self.listener = FakeListener()
        self.gone: set[str] = set()
        self.members = Members(settings.rules, pings=True)
        self.members.use(read_groups(groups))
        lookups: Lookups = Lookups(lambda query, now: lookups.unanswered(query, now))
        self.there = Destinations(lookups, self.members, Algorithm.CALL_ID, ("udp", "tcp"))
        self._number = 0
        self.pinger = Pinger(settings, self.there, self._way_to, self._token)
        self.there.hurry = self.pinger.hurry

    def _token(self) -> str:
        self._number += 1
        return f"{self._number:016x}"

    def _way_to(self, candidate: Candidate, _now: float) -> Way | None:
        transport, host, port, _ = candidate.place
        if host in self.gone:
            return None
        return Way(self.listener, Hop(f"{transport}:192.0.2.7:5060", host, port), (host, port))

    def pings(self, *times: float) -> list[int]:
        """How many have been sent after each of these looks."""
        counts = []
        for now in times:
            self.pinger.look(now)
            counts.append(len(self.listener.sent))
        return counts

    def answer(self, status: bytes, now: float, *, at: int = -1) -> bool:
        return self.pinger.heard(answer_to(self.listener.sent[at][0], status), now)

    def letters(self) -> list[str]:
        return [str(row["flags"]) for rows in self.members.figures().values() for row in rows]


def test_a_ping_over_udp_is_repeated_and_given_up() -> None:
    site = Site()
    assert site.pings(0.0, 0.4, 0.5, 1.4, 1.5, 3.4, 3.5, 3.9) == [1, 1, 2, 2, 3, 3, 4, 4]
    assert len({data for data, _ in site.listener.sent}) == 1
    assert site.letters() == ["AX"]
    assert (site.pings(4.0), site.letters()) == ([4], ["IP"])
    assert site.pings(9.9, 10.0) == [4, 5]


def test_over_a_connection_nothing_is_repeated() -> None:
    site = Site("1 sip:10.0.0.1;transport=tcp")
    assert site.pings(0.0, 0.6, 3.9) == [1, 1, 1]
    assert b"Via: SIP/2.0/TCP 192.0.2.7:5060;rport;branch=" in site.listener.sent[0][0]
    site.pings(4.0)
    assert site.letters() == ["IP"]


def test_which_answers_count() -> None:
    site = Site(ping_codes="class=2;code=404")
    for at, (status, letters) in enumerate(
        [(b"200 OK", "AP"), (b"503 No", "IP"), (b"404 Who", "AP"), (b"486 Busy", "IP")]
    ):
        site.pings(at * 10.0)
        assert site.answer(b"100 Trying", at * 10.0 + 0.1)
        assert site.answer(status, at * 10.0 + 0.2)
        assert site.letters() == [letters]
        assert site.answer(b"200 OK", at * 10.0 + 0.3)  # a second one
        assert site.letters() == [letters]
        assert site.pings(at * 10.0 + 9.9) == [at + 1]  # nor is it sent again


def test_replies_to_others_are_not_heard() -> None:
    site = Site()
    site.pings(0.0)
    ping = site.listener.sent[0][0]
    for other in (ping.replace(b"@slbroker-ping", b"@slbroker"), ping.replace(b"Call-ID", b"X-Call-ID"), b""):
        assert not site.pinger.heard(answer_to(other, b"200 OK"), 0.1)
    guessed = ping.replace(b"Call-ID: %016x" % 1, b"Call-ID: %016x" % 99)
    assert site.pinger.heard(answer_to(guessed, b"500 No"), 0.1)
    assert site.letters() == ["AX"]


def test_one_that_fails_is_asked_at_once_but_not_more_than_once_a_second() -> None:
    site = Site()
    site.pings(0.0)
    site.answer(b"200 OK", 0.1)
    site.there.unreachable("10.0.0.1", 5060, 0.3)
    assert site.letters() == ["IP"]
    assert site.pings(0.9, 1.0) == [1, 2]
    site.answer(b"200 OK", 1.1)
    assert site.letters() == ["AP"]
    site.there.unreachable("10.0.0.1", 5060, 5.0)
    assert site.pings(5.0) == [3]


def test_where_there_is_no_way_it_has_missed_its_ping() -> None:
    site = Site("1 sip:10.0.0.1\n1 sip:10.0.0.2")
    site.gone.add("10.0.0.2")
    site.pings(0.0)
    site.answer(b"200 OK", 0.1)
    assert site.letters() == ["AP", "IP"]


def test_a_line_in_two_groups_is_pinged_once() -> None:
    site = Site("1 sip:10.0.0.1\n2 sip:10.0.0.1 0 5\n2 sip:10.0.0.2")
    assert site.pings(0.0) == [2]
    site.answer(b"200 OK", 0.1, at=0)
    assert site.letters() == ["AP", "AP", "AX"]


def test_without_pings_nobody_is_asked() -> None:
    assert Site(ping_interval=0.0).pings(0.0, 60.0) == [0, 0]


def test_a_line_that_is_gone_is_asked_no_more() -> None:
    site = Site("1 sip:10.0.0.1\n1 sip:10.0.0.2")
    assert site.pings(0.0) == [2]
    site.there.use(read_groups("1 sip:10.0.0.2"))
    site.answer(b"500 No", 0.1, at=0)
    site.answer(b"200 OK", 0.1, at=1)
    assert (site.letters(), site.pings(10.0)) == (["AP"], [3])
