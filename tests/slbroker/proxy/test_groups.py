"""Groups in dispatcher's format, and which destination a request goes to."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from slbroker.errors import ConfigError
from slbroker.proxy.groups import Algorithm, Destination, choose, key_of, read_algorithm, read_groups, usable_tiers
from slbroker.proxy.health import Event, Health
from slbroker.sip.parser import parse
from tests.support.sip import request

LIST = """
# setid(int) destination(sip uri) flags(int,opt) priority(int,opt) attributes(str,opt)
1 sip:10.0.0.5:5060 0 0 weight=50;duid=a
1 sip:10.0.0.6:5060;transport=tcp 8 10 'weight=50;duid=b;socket=tcp:10.0.0.1:5060;my=x y'
  # indented
2 sip:gw.example.com

2\tsips:gw2.example.com 16 -5 "duid=c"  # by TLS
"""


def test_a_list() -> None:
    groups = read_groups(LIST)
    assert {number: [one.name for one in members] for number, members in groups.items()} == {
        1: [b"a", b"b"], 2: [b"sip:gw.example.com", b"c"],
    }  # fmt: skip
    first, second = groups[1]
    assert (first.hop.host, first.flags, first.priority, first.weight, first.socket) == ("10.0.0.5", 0, 0, 50, "")
    assert (second.hop.transport, second.flags, second.priority) == ("tcp", 8, 10)
    assert (second.socket, second.attrs["my"]) == ("tcp:10.0.0.1:5060", "x y")
    assert (groups[2][1].hop.secure, groups[2][1].flags, groups[2][1].priority) == (True, 16, -5)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("1", "setid destination"),
        ("1 sip:a 0 0 x y", "setid destination"),
        ("x sip:a", "setid 'x'"),
        ("-1 sip:a", "setid"),
        ("1 a", "next hop"),
        ("1 sip:a;transport=sctp", "next hop"),
        ("1 sip:a 64", "flags"),
        ("1 sip:a 0 1.5", "priority"),
        ("1 sip:a 0 0 weight=1001", "weight"),
        ("1 sip:a 0 0 weight=x", "weight"),
        ("1 sip:a 0 0 socket=10.0.0.1", "listen address"),
        ("1 sip:a 0 0 'x", "quotation"),
        ("1 sip:a\n1 sip:a", "is in group 1 already"),
        ("1 sip:a ²", "flags"),
    ],
)
def test_a_line_that_cannot_be_read_is_told_with_its_number(line: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        read_groups(line, "my.list")
    assert str(caught.value).startswith(f"my.list:{line.count(chr(10)) + 1}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "algorithm"),
    [("call-id", Algorithm.CALL_ID), ("0", Algorithm.CALL_ID), ("1", Algorithm.FROM), ("2", Algorithm.TO),
     ("3", Algorithm.RURI), ("source", Algorithm.SOURCE), ("8", Algorithm.PRIORITY), ("9", Algorithm.CALL_ID)],
)  # fmt: skip
def test_an_algorithm(text: str, algorithm: Algorithm) -> None:
    assert read_algorithm(text) is algorithm


@pytest.mark.parametrize("number", ["4", "5", "6", "7", "10", "12", "13", "64"])
def test_an_algorithm_that_would_tear_transactions_apart_is_refused(number: str) -> None:
    with pytest.raises(ConfigError, match="elsewhere"):
        read_algorithm(number)
    with pytest.raises(ConfigError, match="no algorithm"):
        read_algorithm("round-robin")


def healths(**states: Health) -> Any:
    return lambda member: states.get(member.name.decode(), Health())


def chosen(members: list[Destination], health: Any, algorithm: Algorithm, key: bytes) -> list[Destination]:
    return choose(usable_tiers(members, health), algorithm, key)


def group(text: str) -> list[Destination]:
    return read_groups(text)[1]


THREE = group("1 sip:a 0 0 duid=a\n1 sip:b 0 0 duid=b\n1 sip:c 0 0 duid=c")
DOWN = Health().after(Event.FAILED)


def names(members: list[Destination]) -> str:
    return "".join(member.name.decode() for member in members)


def test_all_of_a_transaction_goes_to_one_and_calls_go_to_all() -> None:
    counts: Counter[str] = Counter()
    for number in range(600):
        found = set()
        for method in ("INVITE", "INVITE", "CANCEL", "ACK", "BYE"):
            tag = ";tag=1" if method in ("ACK", "BYE") else ""
            message = parse(request(method, call_id=f"call-{number}", to=f"<sip:bob@example.com>{tag}"))
            key = key_of(Algorithm.CALL_ID, message, "192.0.2.1")
            found.add(names(chosen(THREE, healths(), Algorithm.CALL_ID, key)))
        assert len(found) == 1
        counts[found.pop()[0]] += 1
    assert min(counts.values()) > 140


def test_the_dead_get_nothing_and_the_others_keep_what_they_had() -> None:
    for number in range(100):
        key = b"%d" % number
        before = chosen(THREE, healths(), Algorithm.CALL_ID, key)
        after = chosen(THREE, healths(b=DOWN), Algorithm.CALL_ID, key)
        assert names(after) == names(before).replace("b", "")
    assert chosen(THREE, healths(a=DOWN, b=DOWN, c=DOWN), Algorithm.CALL_ID, b"1") == []


@pytest.mark.parametrize("algorithm", Algorithm)
def test_those_of_lower_priority_wait_until_the_higher_are_gone(algorithm: Algorithm) -> None:
    members = group("1 sip:a 0 0 duid=a\n1 sip:b 0 9 duid=b\n1 sip:c 0 9 duid=c\n1 sip:d 0 -1 duid=d")
    for number in range(30):
        order = names(chosen(members, healths(), algorithm, b"%d" % number))
        assert (set(order[:2]), order[2:]) == ({"b", "c"}, "ad")
        assert names(chosen(members, healths(b=DOWN, c=DOWN), algorithm, b"%d" % number)) == "ad"


def test_by_priority_the_first_in_the_list_gets_all() -> None:
    assert {names(chosen(THREE, healths(), Algorithm.PRIORITY, b"%d" % number)) for number in range(20)} == {"abc"}


def test_weights() -> None:
    members = group("1 sip:a 0 0 duid=a;weight=75\n1 sip:b 0 0 duid=b;weight=25")
    counts = Counter(names(chosen(members, healths(), Algorithm.CALL_ID, b"%d" % n))[0] for n in range(4_000))
    assert counts["a"] / 4_000 == pytest.approx(0.75, abs=0.03)


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        (Algorithm.CALL_ID, b"a84b4c76e66710@192.0.2.1"),
        (Algorithm.FROM, b"alice@example.org"),
        (Algorithm.TO, b"bob@example.com"),
        (Algorithm.RURI, b"carol@example.net"),
        (Algorithm.SOURCE, b"192.0.2.1"),
        (Algorithm.PRIORITY, b"a84b4c76e66710@192.0.2.1"),
    ],
)
def test_what_is_hashed(algorithm: Algorithm, key: bytes) -> None:
    message = parse(request("INVITE", "sip:carol@Example.NET:5080;x=y"))
    assert key_of(algorithm, message, "192.0.2.1") == key


def test_what_is_hashed_of_what_is_no_sip_uri() -> None:
    message = parse(request("INVITE", "tel:+4930", from_="<sip:a@b@c>;tag=1"))
    assert key_of(Algorithm.RURI, message, "") == b"tel:+4930"
    assert key_of(Algorithm.FROM, message, "") == b"sip:a@b@c"
