"""Answers of DNS are kept to their TTL, asked for once, and outlive a server that is away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from slbroker.proxy.locate import Place, Query, Srv, locate
from slbroker.proxy.nexthop import parse_next_hop
from slbroker_edge import lookups
from slbroker_edge.lookups import Lookups

if TYPE_CHECKING:
    import pytest

    from slbroker.proxy.locate import Answer, Search

TRANSPORTS = ("udp", "tcp", "tls")
A = Query("address", "gw.example.com")


class Site:
    """Lookups, what they have asked, and what came of the searches."""

    def __init__(self) -> None:
        self.asked: list[Query] = []
        self.found: list[list[Place]] = []
        self.lookups = Lookups(lambda query, _now: self.asked.append(query))

    def run(self, uri: str, now: float, key: bytes = b"call") -> None:
        self.lookups.run(search(uri, key), now, self.found.append)


def search(uri: str, key: bytes = b"call") -> Search:
    return locate(parse_next_hop(uri), TRANSPORTS, key)


def hosts(places: list[Place]) -> list[str]:
    return [place.host for place in places]


def test_a_numeric_hop_asks_nobody() -> None:
    site = Site()
    site.run("sip:192.0.2.5:5070", 0.0)
    assert (site.asked, site.found) == ([], [[Place("udp", "192.0.2.5", 5070, "192.0.2.5")]])


def test_an_answer_counts_to_its_ttl_and_is_asked_for_once() -> None:
    site = Site()
    site.run("sip:gw.example.com:5060", 0.0)
    site.run("sip:gw.example.com:5060", 0.1)
    assert (site.asked, site.found, site.lookups.waiting) == ([A], [], 2)
    site.lookups.answered(A, ["192.0.2.5"], 30.0, 0.2)
    assert [hosts(each) for each in site.found] == [["192.0.2.5"]] * 2
    site.run("sip:gw.example.com:5060", 30.1)
    assert (len(site.found), site.asked) == (3, [A])
    site.run("sip:gw.example.com:5060", 30.3)
    assert (len(site.found), site.asked) == (3, [A, A])


def test_that_there_is_nothing_is_kept_too() -> None:
    site = Site()
    site.run("sip:gw.example.com:5060", 0.0)
    site.lookups.answered(A, [], 10.0, 0.0)
    site.run("sip:gw.example.com:5060", 9.0)
    assert (site.found, site.asked) == ([[], []], [A])


def test_naptr_then_srv_then_addresses() -> None:
    site = Site()
    site.run("sip:example.com", 0.0)
    answers: dict[Query, Answer] = {
        Query("naptr", "example.com"): [],
        Query("srv", "_sip._udp.example.com"): [Srv(1, 0, 5070, "a.example.com.")],
        Query("srv", "_sip._tcp.example.com"): [],
        Query("srv", "_sips._tcp.example.com"): [],
        Query("address", "a.example.com"): ["192.0.2.7", "2001:db8::7"],
    }
    while not site.found:
        site.lookups.answered(site.asked[-1], answers[site.asked[-1]], 60.0, 0.5)
    assert [(p.transport, p.host, p.port, p.name) for p in site.found[0]] == [
        ("udp", "192.0.2.7", 5070, "example.com"), ("udp", "2001:db8::7", 5070, "example.com"),
    ]  # fmt: skip
    assert set(site.asked) == set(answers)


def test_the_last_answer_counts_while_no_server_answers() -> None:
    site = Site()
    site.run("sip:gw.example.com:5060", 0.0)
    site.lookups.answered(A, ["192.0.2.5"], 5.0, 0.0)
    site.run("sip:gw.example.com:5060", 6.0)
    site.lookups.unanswered(A, 8.0)
    site.run("sip:gw.example.com:5060", 8.0 + lookups.NO_SERVER - 0.1)
    assert [hosts(each) for each in site.found] == [["192.0.2.5"]] * 3
    assert len(site.asked) == 2
    site.run("sip:gw.example.com:5060", 8.0 + lookups.NO_SERVER)
    site.lookups.answered(A, ["192.0.2.6"], 5.0, 14.0)
    assert hosts(site.found[-1]) == ["192.0.2.6"]


def test_an_answer_does_not_count_for_ever() -> None:
    site = Site()
    site.run("sip:gw.example.com:5060", 0.0)
    site.lookups.answered(A, ["192.0.2.5"], 5.0, 0.0)
    late = 5.0 + lookups.STALE + 1
    site.run("sip:gw.example.com:5060", late)
    site.lookups.unanswered(A, late + 1)
    assert site.found[-1] == []


def test_who_has_never_been_found_is_not_waited_for_by_each_request() -> None:
    site = Site()
    site.run("sip:gw.example.com:5060", 0.0)
    site.lookups.unanswered(A, 2.0)
    site.run("sip:gw.example.com:5060", 2.1)
    assert (site.found, len(site.asked)) == ([[], []], 1)
    site.run("sip:gw.example.com:5060", 2.0 + lookups.NO_SERVER)
    assert len(site.asked) == 2


def test_a_search_ends_though_no_answer_ever_comes() -> None:
    site = Site()
    site.run("sip:gw.example.com:5060", 0.0)
    site.lookups.expire(lookups.PATIENCE - 0.1)
    assert site.found == []
    site.lookups.expire(lookups.PATIENCE)
    assert (site.found, site.lookups.waiting) == ([[]], 0)
    site.lookups.answered(A, ["192.0.2.5"], 30.0, 9.0)  # late, and kept
    site.run("sip:gw.example.com:5060", 9.0)
    assert hosts(site.found[-1]) == ["192.0.2.5"]


def test_strangers_names_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "MAX_QUESTIONS", 3)
    monkeypatch.setattr(lookups, "MAX_ANSWERS", 3)
    monkeypatch.setattr(lookups, "MAX_WAITING", 4)
    site = Site()
    for number in range(5):
        site.run(f"sip:n{number}.example.com:5060", 0.0)
    assert (len(site.asked), site.found) == (3, [[], []])
    site.run("sip:n0.example.com:5060", 0.0)  # a question that is on its way
    site.run("sip:n0.example.com:5060", 0.0)
    assert (site.lookups.waiting, len(site.found)) == (4, 3)
    for query in site.asked:
        site.lookups.answered(query, [], 60.0, 0.0)
    site.run("sip:n9.example.com:5060", 1.0)
    site.lookups.answered(site.asked[-1], [], 60.0, 1.0)
    site.run("sip:n0.example.com:5060", 2.0)
    assert site.asked[-1] == Query("address", "n0.example.com")  # it has made room for n9


def test_an_answer_at_once_is_as_good() -> None:
    found: list[list[Place]] = []
    known = Lookups(lambda query, now: known.answered(query, ["192.0.2.5"], 0.0, now))
    known.run(search("sip:gw.example.com:5060"), 0.0, found.append)
    assert (hosts(found[0]), known.waiting) == (["192.0.2.5"], 0)


@given(st.binary(min_size=1), st.lists(st.integers(1, 250), min_size=1, max_size=8, unique=True))
def test_a_request_and_its_ack_find_the_same(key: bytes, ends: list[int]) -> None:
    """However the server turns its answer round."""
    first, second = ([f"192.0.2.{end}" for end in each] for each in (ends, ends[::-1]))
    site = Site()
    site.run("sip:gw.example.com:5060", 0.0, key)
    site.lookups.answered(A, first, 5.0, 0.0)
    site.run("sip:gw.example.com:5060", 6.0, key)
    site.lookups.answered(A, second, 5.0, 6.0)
    assert site.found[0] == site.found[1]


def test_a_flood_of_names_that_strangers_choose_leaves_room_for_next_hops_that_are_configured() -> None:
    site = Site()
    for number in range(2 * lookups.MAX_QUESTIONS):
        made_up = search(f"sip:n{number}.example.org:5060")
        site.lookups.run(made_up, 0.0, site.found.append, strange=True)
    assert len(site.asked) == lookups.MAX_QUESTIONS // lookups.SHARE
    site.run("sip:gw.example.com:5060", 0.0)
    assert site.asked[-1] == A
    site.lookups.answered(A, ["192.0.2.5"], 600.0, 0.1)
    for number in range(2 * lookups.MAX_ANSWERS):  # and what is answered pushes out none of theirs
        query = Query("address", f"m{number}.example.org")
        site.lookups.run(search(f"sip:m{number}.example.org:5060"), 1.0, site.found.append, strange=True)
        site.lookups.answered(query, ["192.0.2.66"], 600.0, 1.0)
    asked = len(site.asked)
    site.run("sip:gw.example.com:5060", 2.0)
    assert (hosts(site.found[-1]), len(site.asked)) == (["192.0.2.5"], asked)
