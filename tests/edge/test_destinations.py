"""Where requests go: names by RFC 3263, groups by hash and health; who fails is left by the next request."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker.proxy.groups import Algorithm, read_groups
from slbroker.proxy.health import ProbingMode, Rules
from slbroker.proxy.nexthop import Group, NextHop, parse_next_hop
from slbroker.sip.message import Source
from slbroker.sip.parser import parse
from slbroker_edge.destinations import Candidate, Destinations
from slbroker_edge.lookups import Lookups
from slbroker_edge.members import REST, Members, Target
from tests.support.sip import request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slbroker.proxy.locate import Query

SOURCE = Source("192.0.2.1", 5060, "udp:192.0.2.7:5060")
THREE = "1 sip:10.0.0.1\n1 sip:10.0.0.2\n1 sip:10.0.0.3"


class Site:
    """Destinations, and a DNS that answers at once."""

    def __init__(
        self,
        groups: str = THREE,
        *,
        names: Mapping[str, list[str]] | None = None,
        rules: Rules = Rules(),  # noqa: B008
        pings: bool = True,
        by: Algorithm = Algorithm.CALL_ID,
    ) -> None:
        self.names = dict(names or {})
        self.asked: list[Query] = []
        self.hurried: list[Target] = []
        self.members = Members(rules, pings=pings)
        self.members.use(read_groups(groups))
        self.lookups = Lookups(self._ask)
        self.there = Destinations(self.lookups, self.members, by, ("udp", "tcp", "tls"))
        self.there.hurry = lambda target, _now: self.hurried.append(target)
        self.now = 0.0

    def _ask(self, query: Query, _now: float) -> None:
        self.asked.append(query)
        if query.kind == "address" and query.name in self.names:
            self.lookups.answered(query, self.names[query.name], 1.0, self.now)
        else:
            self.lookups.answered(query, [], 1.0, self.now)

    def find(self, where: NextHop | Group | str = Group(1), call_id: str = "a") -> list[Candidate]:  # noqa: B008
        found: list[list[Candidate]] = []
        message = parse(request("OPTIONS", call_id=call_id))
        hop = parse_next_hop(where) if isinstance(where, str) else where
        self.there.find(hop, message, SOURCE, self.now, found.append)
        assert len(found) == 1
        return found[0]

    def hosts(self, where: NextHop | Group | str = Group(1), call_id: str = "a") -> list[str]:  # noqa: B008
        return [candidate.place.host for candidate in self.find(where, call_id)]

    def letters(self) -> list[str]:
        return [str(row["flags"]) for rows in self.members.figures().values() for row in rows]


def test_an_address_asks_nobody() -> None:
    site = Site()
    (candidate,) = site.find("sip:192.0.2.5:5070;transport=tcp")
    assert candidate.place[:3] == ("tcp", "192.0.2.5", 5070)
    assert (candidate.member, site.asked) == (None, [])
    assert site.find("sip:192.0.2.5:5070;transport=tcp") == [candidate]


def test_a_name_leads_to_all_its_addresses() -> None:
    site = Site(names={"gw.example.com": ["192.0.2.5", "192.0.2.6"]})
    assert sorted(site.hosts("sip:gw.example.com")) == ["192.0.2.5", "192.0.2.6"]


def test_an_address_of_a_name_that_fails_stands_behind_the_others_for_a_while() -> None:
    site = Site(names={"gw.example.com": ["192.0.2.5", "192.0.2.6", "192.0.2.7"]})
    before = site.hosts("sip:gw.example.com")
    site.there.failed(site.find("sip:gw.example.com")[0], 0.0)
    assert site.hosts("sip:gw.example.com") == [*before[1:], before[0]]
    site.there.unreachable(before[1], 5060, 0.0)
    assert site.hosts("sip:gw.example.com")[0] == before[2]
    site.now = REST + 1
    site.there.look(site.now)
    assert site.hosts("sip:gw.example.com") == before


def test_a_request_its_cancel_and_its_ack_go_the_same_way_and_calls_are_spread() -> None:
    site = Site(names={"gw.example.com": [f"192.0.2.{number}" for number in range(1, 9)]})
    for where in (Group(1), "sip:gw.example.com"):
        first = [site.hosts(where, f"call{number}") for number in range(60)]
        site.now += 5  # asked for again meanwhile
        site.names["gw.example.com"].reverse()
        assert [site.hosts(where, f"call{number}") for number in range(60)] == first
        spread = Counter(hosts[0] for hosts in first)
        assert len(spread) == len(first[0])


@given(st.integers(0, 7), st.text("abc", min_size=1))
def test_who_is_out_gets_nothing_and_the_others_keep_theirs(out: int, call_id: str) -> None:
    site = Site()
    before = site.hosts(call_id=call_id)
    gone = [host for number, host in enumerate(before) if out >> number & 1]
    for host in gone:
        site.there.unreachable(host, 5060, 0.0)
    assert site.hosts(call_id=call_id) == [host for host in before if host not in gone]


def test_a_destination_that_fails_is_left_by_the_next_request_and_comes_back_by_a_ping() -> None:
    site = Site()
    gone, *others = site.find()
    site.there.failed(gone, 1.0)
    assert site.find() == others
    assert gone.member is not None
    assert site.hurried == [Target(gone.member.hop, "")]  # it is asked at once whether that is so
    site.there.answered(gone, 2.0)
    assert site.find() == [gone, *others]


def test_icmp_of_who_is_no_next_hop_is_no_news() -> None:
    site = Site()
    site.find()
    site.there.unreachable("192.0.2.99", 5060, 0.0)
    site.there.unreachable("10.0.0.1", 5061, 0.0)
    assert (site.letters(), site.hurried) == (["AX", "AX", "AX"], [])


def test_it_takes_as_many_failures_as_the_threshold_says() -> None:
    site = Site("1 sip:10.0.0.1", rules=Rules(probing_threshold=3, inactive_threshold=2))
    (only,) = site.find()
    seen = []
    for event in "fffaamaa":
        if event == "f":
            site.there.failed(only, 0.0)
        elif event == "m":
            site.there.missed(only, 0.0, "no answer")
        else:
            site.there.answered(only, 0.0)
        seen.append(site.letters()[0])
    assert seen == ["TP", "TP", "IP", "IP", "AP", "TP", "AP", "AP"]


def test_a_member_with_several_addresses_is_out_when_all_of_them_are() -> None:
    site = Site("1 sip:gw.example.com\n1 sip:10.0.0.9 0 -1", names={"gw.example.com": ["192.0.2.5", "192.0.2.6"]})
    first, second, *rest = site.hosts()
    assert (rest, site.letters()) == (["10.0.0.9"], ["AX", "AX"])
    site.there.unreachable(first, 5060, 0.0)
    assert (site.hosts(), site.letters()) == ([second, first, "10.0.0.9"], ["AX", "AX"])
    site.there.unreachable(second, 5060, 0.0)
    assert (site.hosts(), site.letters()) == (["10.0.0.9"], ["IP", "AX"])


def test_a_name_is_not_asked_for_while_somebody_is_before_it() -> None:
    site = Site(
        "1 sip:10.0.0.1 0 9\n1 sip:gw.example.com:5060 0 8\n1 sip:10.0.0.3 0 7", names={"gw.example.com": ["192.0.2.5"]}
    )
    assert (site.hosts(), site.asked) == (["10.0.0.1", "10.0.0.3"], [])
    site.there.unreachable("10.0.0.1", 5060, 0.0)
    assert (site.hosts(), len(site.asked)) == (["192.0.2.5", "10.0.0.3"], 1)


def test_a_member_whose_name_leads_nowhere_is_passed_over() -> None:
    lines = [f"1 sip:gone{number}.example.com:5060 0 9" for number in range(5)]
    assert Site("\n".join([*lines, "1 sip:10.0.0.3"])).hosts() == ["10.0.0.3"]


def test_no_such_group_and_none_left() -> None:
    site = Site()
    assert site.find(Group(2)) == []
    for host in site.hosts():
        site.there.unreachable(host, 5060, 0.0)
    assert site.find() == []


@pytest.mark.parametrize("mode", ProbingMode)
def test_where_nobody_pings_a_destination_is_tried_again_after_a_while(mode: ProbingMode) -> None:
    site = Site("1 sip:10.0.0.1\n1 sip:10.0.0.2 1", rules=Rules(probing_threshold=2, mode=mode), pings=False)
    (only,) = site.find()
    site.there.failed(only, 0.0)
    site.there.failed(only, 0.0)
    assert site.letters() == ["IP", "IX"]
    site.there.look(REST - 1)
    assert site.find() == []
    site.there.look(REST)
    assert (site.find(), site.letters()) == ([only], ["TP", "IX"])
    site.there.failed(only, REST + 1)  # once is enough now
    assert site.find() == []


def test_a_list_that_is_read_again_keeps_the_states_of_the_lines_that_stay() -> None:
    site = Site("1 sip:10.0.0.1 0 0 weight=1\n1 sip:10.0.0.2\n2 sip:10.0.0.1")
    site.find()
    site.there.unreachable("10.0.0.1", 5060, 0.0)
    site.find(Group(2))
    assert site.letters() == ["IP", "AX", "IP"]
    site.there.use(read_groups("1 sip:10.0.0.1 0 5 weight=9\n1 sip:10.0.0.2 4\n3 sip:10.0.0.3"))
    assert site.letters() == ["IP", "DX", "AX"]
    assert (site.hosts(), site.hosts(Group(2)), site.hosts(Group(3))) == ([], [], ["10.0.0.3"])
    site.there.unreachable("10.0.0.3", 5060, 0.0)
    assert site.letters() == ["IP", "DX", "IP"]


def test_addresses_are_the_same_however_they_are_written() -> None:
    site = Site("1 sip:[2001:DB8:0::5]")
    site.find()
    site.there.unreachable("2001:db8::5", 5060, 0.0)
    assert site.letters() == ["IP"]


def test_what_stats_shows_of_a_destination() -> None:
    site = Site("7 sip:10.0.0.1;transport=tcp 8 3 weight=50;duid=a;socket=tcp:10.0.0.7:5060")
    assert site.members.figures() == {
        "7": [{"name": "sip:10.0.0.1;transport=tcp", "flags": "AP", "state": "active", "priority": 3, "weight": 50,
               "duid": "a", "socket": "tcp:10.0.0.7:5060"}],
    }  # fmt: skip


def test_what_happens_to_a_destination_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    site = Site("1 sip:10.0.0.1\n2 sip:10.0.0.1\n2 sip:10.0.0.2")
    (only,) = site.find()
    site.there.unreachable("10.0.0.1", 5060, 0.0)
    site.there.unreachable("10.0.0.1", 5060, 0.0)
    site.there.answered(only, 0.0)
    assert [record.message for record in caplog.records] == [
        "sip:10.0.0.1 of group 1, 2 gets no requests any more: ICMP says that nobody is there",
        "sip:10.0.0.1 of group 1, 2 gets requests again: it answers pings",
    ]
