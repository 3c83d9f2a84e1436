"""Routes as an operator writes them, and the pool that a request goes to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker.bus.choice import ANY, Choice
from slbroker.bus.routes import Route, Routes, read_choice, read_pool
from slbroker.errors import ConfigError
from slbroker.sip.parser import parse
from tests.support.sip import request

LISTEN = "udp:192.0.2.7:5060"


def chosen(*routes: str, method: str = "INVITE", uri: str = "sip:900123@b.example.com", listen: str = LISTEN) -> str:
    choice = Routes([Route.read(route) for route in routes]).choose(parse(request(method, uri)), listen)
    (pool,) = choice.pools
    return pool


@pytest.mark.parametrize(
    ("words", "matches"),
    [
        ("", True), ("method=INVITE", True), ("method=BYE,INVITE", True), ("method=BYE", False),
        ("user=900*", True), ("user=900", False), ("user=900123", True), ("user=901*", False), ("user=*", True),
        ("domain=*.example.com", True), ("domain=*.EXAMPLE.com", True), ("domain=example.com", False),
        (f"listen={LISTEN}", True), ("listen=tcp:192.0.2.7:5060", False),
        ("method=INVITE user=900* domain=b.example.com", True), ("method=INVITE user=900* domain=c.example.com", False),
        ("method=INVITE;user=900*", True), ("method=BYE;user=900*", False),
    ],
)  # fmt: skip
def test_a_request_is_for_a_route_when_all_its_words_fit(words: str, matches: bool) -> None:
    assert chosen(f"pool=premium {words}") == ("premium" if matches else "default")


@pytest.mark.parametrize(
    ("uri", "pool"),
    [
        ("sip:B.Example.COM", "host"),
        ("sip:9001:secret@10.0.0.1", "user"),
        ("sip:%39001@10.0.0.1", "user"),
        ("sip:9001;phone-context=x@10.0.0.1", "user"),
        ("tel:9001;phone-context=x", "user"),
        ("sip:[2001:db8::1]", "six"),
        ("urn:service:sos", "default"),
        ("sip:900@other.example", "user"),
    ],
)
def test_user_and_host_are_read_as_a_handler_reads_them(uri: str, pool: str) -> None:
    routes = ("pool=user user=900*", "pool=host domain=b.example.com", "pool=six domain=2001:db8::1")
    assert chosen(*routes, uri=uri) == pool


@pytest.mark.parametrize(
    ("listen", "pool"),
    [
        ("udp:192.0.2.7:5060", "one"), ("udp:192.0.2.8:5060", "all"), ("udp:0.0.0.0:5060", "all"),
        ("udp:192.0.2.7:5070", "default"), ("tcp:192.0.2.7:5060", "default"), ("udp:[2001:db8::1]:5060", "six"),
        ("udp:[::]:5060", "six"), ("tcp:[2001:db8::1]:5060", "default"), ("", "default"), ("udp", "default"),
    ],
)  # fmt: skip
def test_a_route_is_for_one_address_or_for_all_of_its_family(listen: str, pool: str) -> None:
    routes = ("pool=one listen=udp:192.0.2.7:5060", "pool=all listen=udp:0.0.0.0:5060", "pool=six listen=udp:[::]:5060")
    assert chosen(*routes, listen=listen) == pool


def test_the_first_that_fits_counts() -> None:
    routes = ("pool=a method=BYE", "pool=b user=9*", "pool=c")
    assert chosen(*routes) == "b"
    assert chosen(*routes, method="BYE") == "a"
    assert chosen(*routes, uri="sip:c.example") == "c"


def test_without_routes_nothing_is_looked_at() -> None:
    assert Routes().choose(parse(request()), "") is ANY
    assert Routes().pools == {"default"}
    assert Routes([Route.read("pool=a:1,b:2")]).pools == {"default", "a", "b"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "say where to"), ("method=INVITE", "say where to"), ("pool=a colour=red", "'colour=red' is none of"),
        ("pool=a method", "'method' is none of"), ("pool=a user=", "'user=' is none of"),
        ("pool=a pool=b", "'pool=b' is none of"), ("pool=a method=IN(VITE", "names no SIP methods"),
        ("pool=a method=INVITE,", "names no SIP methods"), ("pool=a:0", "write NAME"), ("pool=a:1,a:2", "write NAME"),
        ("pool=a:x", "write NAME"), ("pool=a,,b", "write NAME"), ("pool=ä", "write NAME"),
        ("pool=a:9999999,b:1", "write NAME"),
    ],
)  # fmt: skip
def test_a_route_that_is_none_is_explained_in_one_line(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as raised:
        Route.read(text)
    assert "\n" not in str(raised.value)


def test_a_pools_name() -> None:
    assert read_pool("next-1.0_b") == "next-1.0_b"
    for text in ("", "a b", "a:1", "x" * 129, "ä"):
        with pytest.raises(ConfigError, match="letters, digits"):
            read_pool(text)


# Weights --------------------------------------------------------------------------------------------------------


def test_calls_are_split_by_weight_and_each_stays_where_it_is() -> None:
    choice = read_choice("default:95,canary:5")
    staffed = {"default", "canary"}
    calls = [b"%d@192.0.2.1" % number for number in range(10_000)]
    picked = [choice.pick(call, staffed) for call in calls]
    assert 0.04 < picked.count("canary") / len(calls) < 0.06
    assert picked == [choice.pick(call, staffed) for call in calls]


@given(st.binary(), st.sets(st.sampled_from("abc")))
def test_pools_without_workers_get_no_share(call_id: bytes, staffed: set[str]) -> None:
    picked = Choice(("a", "b", "c"), (1, 2, 3)).pick(call_id, staffed)
    assert picked in (staffed or {"a"})


@given(st.binary())
def test_a_weight_of_nothing_is_for_when_the_others_are_gone(call_id: bytes) -> None:
    choice = read_choice("main:1,spare:0")
    assert choice.pick(call_id, {"main", "spare"}) == "main"
    assert choice.pick(call_id, {"spare"}) == "spare"


@pytest.mark.parametrize(
    ("routes", "staffed", "unserved"),
    [
        ((), "", ["default"]),
        ((), "default", []),
        (("pool=premium user=900*",), "default", ["premium"]),
        (("pool=premium user=900*",), "", ["premium", "default"]),
        (("pool=a:95,b:5",), "b", []),
        (("pool=a:95,b:5",), "default", ["a/b"]),
        (("pass=sip:10.0.0.5",), "", []),
        (("pass=sip:10.0.0.5 method=REGISTER",), "", ["default"]),
        (("pass=sip:10.0.0.5", "pool=premium"), "", []),
    ],
)
def test_which_pools_requests_go_to_in_vain(routes: tuple[str, ...], staffed: str, unserved: list[str]) -> None:
    assert Routes([Route.read(route) for route in routes]).unserved(staffed.split()) == unserved
