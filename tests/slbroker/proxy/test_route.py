"""Route: what names us is taken off, the rest followed, strict routers obeyed; and who a token of ours leads to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker.errors import Reject
from slbroker.keys import KeyRing
from slbroker.proxy.flow import Flow, listener_id
from slbroker.proxy.forward import Hop
from tests.support.forwarding import (
    CLIENT,
    HOP,
    RING,
    TCP,
    UDP,
    Site,
    headers,
    lines_of,
    seals_of,
)
from tests.support.sip import request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slbroker.proxy.forward import Onward

SITE = Site(aliases=("edge.example.com", "[2001:db8::99]:5070"))
URI = "sip:bob@example.com"


class Case(NamedTuple):
    """A Request-URI and Routes, and what becomes of them; the lines of Route that leave, and the target."""

    name: str
    routes: Sequence[str]
    leave: Sequence[str]
    target: str
    uri: str = URI
    uri_leaves: str = URI


CASES = [
    Case("none", [], [], URI),
    Case("empty", [""], [""], URI),
    # Loose (16.4, 16.6 step 7)
    Case("ours alone", ["<sip:192.0.2.7;lr>"], [], URI),
    Case("ours by alias", ["<sip:EDGE.example.com:5099;lr>"], [], URI),
    Case("ours by IPv6 alias", ["<sip:[2001:DB8:0::99]:5070;lr>"], [], URI),
    Case("ours, an addr-spec", ["sip:192.0.2.7"], [], URI),
    Case("ours over TLS", ["<sips:192.0.2.7;lr>"], [], URI),
    Case("another port of ours", ["<sip:192.0.2.7:5080;lr>"], ["<sip:192.0.2.7:5080;lr>"], "sip:192.0.2.7:5080;lr"),
    Case("ours, then far", ["<sip:192.0.2.7;lr>", "<sip:far;lr>"], ["<sip:far;lr>"], "sip:far;lr"),
    Case("in one line", ["<sip:192.0.2.7;lr>, <sip:far;lr>"], ["<sip:far;lr>"], "sip:far;lr"),
    Case("and more", ["<sip:192.0.2.7;lr>,<sip:far;lr> ,\t<sip:b;lr>", "<sip:c;lr>"],
         ["<sip:far;lr> ,\t<sip:b;lr>", "<sip:c;lr>"], "sip:far;lr"),
    Case("two of ours", ["<sip:192.0.2.7;transport=tcp;r2=on;lr>,<sip:192.0.2.7;r2=on;lr>, <sip:far;lr>"],
         ["<sip:far;lr>"], "sip:far;lr"),
    Case("two of ours in two lines", ["<sip:192.0.2.7;lr>", "<sip:192.0.2.7;lr>,<sip:far;lr>"], ["<sip:far;lr>"],
         "sip:far;lr"),
    Case("ours behind far", ["<sip:far;lr>, <sip:192.0.2.7;lr>"], ["<sip:far;lr>, <sip:192.0.2.7;lr>"], "sip:far;lr"),
    Case("far alone", ['"A, B" <sip:far;lr>;x="<,>"'], ['"A, B" <sip:far;lr>;x="<,>"'], "sip:far;lr"),
    Case("folded", ["<sip:192.0.2.7;lr>\r\n , <sip:far;lr>"], ["<sip:far;lr>"], "sip:far;lr"),
    Case("lr with a value", ["<sip:far;lr=on>"], ["<sip:far;lr=on>"], "sip:far;lr=on"),
    # To a strict router (16.6 step 6)
    Case("strict", ["<sip:far>"], [f"<{URI}>"], "sip:far", uri_leaves="sip:far"),
    Case("strict behind ours", ["<sip:192.0.2.7;lr>, <sip:far;x=y>, <sip:b;lr>"], ["<sip:b;lr>", f"<{URI}>"],
         "sip:far;x=y", uri_leaves="sip:far;x=y"),
    # From a strict router (16.4)
    Case("strict before us", ["<sip:far;lr>, <sip:bob@host>"], ["<sip:far;lr>"], "sip:far;lr",
         uri="sip:192.0.2.7;lr", uri_leaves="sip:bob@host"),
    Case("strict before us, alone", ["<sip:bob@host>"], [], "sip:bob@host", uri="sip:x@192.0.2.7:5060;lr",
         uri_leaves="sip:bob@host"),
    Case("strict before us and behind", ["<sip:far>", "<sip:bob@host>"], ["<sip:bob@host>"], "sip:far",
         uri="sip:192.0.2.7;lr", uri_leaves="sip:far"),
    Case("to us, and no Record-Route of ours", ["<sip:far;lr>"], ["<sip:far;lr>"], "sip:far;lr",
         uri="sip:192.0.2.7", uri_leaves="sip:192.0.2.7"),
    # maddr (16.4)
    Case("maddr", [], [], "sip:bob@example.com;x", uri="sip:bob@example.com;maddr=192.0.2.7;x",
         uri_leaves="sip:bob@example.com;x"),
    Case("maddr with port and transport", [], [], "sip:bob@example.com",
         uri="sip:bob@example.com:5060;transport=UDP;maddr=192.0.2.7", uri_leaves="sip:bob@example.com"),
    Case("maddr of IPv6", [], [], "sip:b@[::1];y", uri="sip:b@[::1]:5060;maddr=192.0.2.7;y",
         uri_leaves="sip:b@[::1];y"),
    Case("maddr by another transport", [], [], "sip:b@c;maddr=192.0.2.7;transport=tcp",
         uri="sip:b@c;maddr=192.0.2.7;transport=tcp", uri_leaves="sip:b@c;maddr=192.0.2.7;transport=tcp"),
    Case("maddr of somebody else", [], [], "sip:b@c;maddr=192.0.2.8", uri="sip:b@c;maddr=192.0.2.8",
         uri_leaves="sip:b@c;maddr=192.0.2.8"),
    Case("a user that reads so", [], [], "sip:a;maddr=192.0.2.7@c", uri="sip:a;maddr=192.0.2.7@c",
         uri_leaves="sip:a;maddr=192.0.2.7@c"),
]  # fmt: skip


def routes_of(data: bytes) -> list[str]:
    return [line.partition(b":")[2].strip().decode() for line in headers(data, b"route")]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_route(case: Case) -> None:
    data = request("BYE", case.uri, route=list(case.routes), lines=[b"X: y"])
    onward = SITE.receive(data)
    sent = onward.to(HOP)
    assert (onward.target.decode(), routes_of(sent)) == (case.target, list(case.leave))
    assert lines_of(sent)[0].decode() == f"BYE {case.uri_leaves} SIP/2.0"
    assert onward.flow is None
    rest = [line for line in lines_of(data)[1:] if not line.startswith((b"Route", b"Max-Forwards", b"Via"))]
    assert [line for line in lines_of(sent)[1:] if not line.startswith((b"Route", b"Max-Forwards", b"Via"))] == rest


@pytest.mark.parametrize("route", ["<sip:far", "<sip:[>", "*", "<mailto:a@b>", "<sip:a b;lr>", "<>"])
def test_a_route_that_cannot_be_read_is_400(route: str) -> None:
    with pytest.raises(Reject) as caught:
        SITE.receive(request("BYE", route=f"<sip:192.0.2.7;lr>, {route}"))
    assert caught.value.status == 400


FAR = st.sampled_from(["<sip:a;lr>", '"x, y" <sip:b;lr>;z', "<sip:c;lr;x=y>"])
SEPARATORS = st.sampled_from([", ", ",", " ,\r\n\t"])


@given(st.lists(FAR, min_size=1, max_size=5), st.lists(SEPARATORS, min_size=6, max_size=6), st.integers(0, 5))
def test_what_follows_ours_stays_byte_for_byte(far: list[str], separators: list[str], cut: int) -> None:
    """However the list is written, in one header or in two."""
    joined = far[0] + "".join(separator + one for separator, one in zip(separators, far[1:], strict=False))
    first, rest = "".join(far[:cut]) and far[:cut], far[cut:]
    one_line = request("BYE", route=f"<sip:192.0.2.7;lr>{separators[5]}{joined}")
    assert SITE.forward(one_line).count(joined.encode()) == 1
    lines = [f"<sip:192.0.2.7;lr>{separators[5]}{first[0]}"] if first else ["<sip:192.0.2.7;lr>"]
    sent = SITE.forward(request("BYE", route=[*lines, *rest]))
    assert routes_of(sent) == [*(first[:1] or []), *rest]


# Record-Route and what comes of it ------------------------------------------------------------------------------------


def recorded(sent: bytes) -> list[str]:
    """The Record-Route entries, as the server copies them."""
    return [line.partition(b":")[2].strip().decode() for line in headers(sent, b"record-route")]


def in_dialog(routes: Sequence[str], *, from_caller: bool, site: Site = SITE) -> Onward:
    """A BYE with this route set."""
    tags = ("1928301774", "uas") if from_caller else ("uas", "1928301774")
    data = request(
        "BYE", "sip:peer@10.9.9.9", route=list(routes), from_=f"<sip:a@b>;tag={tags[0]}", to=f"<sip:c@d>;tag={tags[1]}",
    )  # fmt: skip
    return site.receive(data, CLIENT if from_caller else (HOP.host, HOP.port))


CAME = Flow("udp", listener_id(UDP), *CLIENT)
WENT = Flow("udp", listener_id(HOP.listen), HOP.host, HOP.port)


def without_tokens(entry: str) -> str:
    """A Record-Route with a word in the place of each token."""
    return re.sub("f1[0-9a-f]{28}-[0-9A-Za-z._~-]+", "TOKEN", entry)


def test_a_dialog_that_went_through_us_is_known_from_both_ends() -> None:
    routes = recorded(SITE.forward(request("INVITE"), record_route=True))
    assert [without_tokens(one) for one in routes] == ["<sip:TOKEN@192.0.2.7:5060;hop=TOKEN;lr>"]
    from_callee = in_dialog(routes, from_caller=False)
    assert from_callee.flow == CAME
    from_caller = in_dialog(routes, from_caller=True)
    assert from_caller.target == b"sip:peer@10.9.9.9"
    assert from_caller.flow == WENT
    assert routes_of(from_caller.to(Hop(UDP, "10.9.9.9", 5060))) == []


def test_two_entries_stand_for_two_transports() -> None:
    onward = SITE.receive(request("INVITE"), CLIENT, "ws:192.0.2.7:80", b"c1")
    routes = recorded(onward.to(HOP, record_route=True))
    assert [without_tokens(one) for one in routes] == [
        "<sip:TOKEN@192.0.2.7:5060;r2=on;lr>",
        "<sip:TOKEN@192.0.2.7:80;transport=ws;r2=on;lr>",
    ]
    found = in_dialog(routes, from_caller=False)
    assert found.flow is not None
    assert (found.flow.transport, found.flow.connection) == ("ws", b"c1")
    back = in_dialog(routes[::-1], from_caller=True)
    assert back.head.find(b"route") == -1
    assert back.flow == WENT


def test_a_callee_at_the_end_of_a_connection_is_found_again() -> None:
    hop = Hop("ws:192.0.2.7:80", "203.0.113.9", 40_000, b"c9")
    routes = recorded(SITE.receive(request("INVITE")).to(hop, record_route=True))
    found = in_dialog(routes[::-1], from_caller=True)
    assert found.flow == Flow("ws", listener_id(hop.listen), "203.0.113.9", 40_000, b"c9")
    assert in_dialog(routes, from_caller=False).flow == CAME


@pytest.mark.parametrize("left", ["<sip:proxy;lr>", "<sip:proxy>"])
@pytest.mark.parametrize(("from_caller", "way"), [(False, CAME), (True, WENT)])
def test_where_a_dialog_came_from_and_went_counts_before_the_routes_that_are_left(
    left: str, from_caller: bool, way: Flow
) -> None:
    """These are a peer's word for it; whoever stands there has been part of the way, or is somebody's victim."""
    routes = recorded(SITE.forward(request("INVITE"), record_route=True))
    onward = in_dialog([*routes, left], from_caller=from_caller)
    assert (onward.flow, onward.target) == (way, left.strip("<>").encode())


def test_a_dialog_that_came_by_here_twice_takes_the_way_that_leads_further() -> None:
    """Who was in between has not put himself into Record-Route, and is left out."""
    first = SITE.forward(request("INVITE"), record_route=True)
    second = SITE.receive(first, ("10.0.0.5", 5060)).to(Hop(UDP, "10.0.0.6", 5060), record_route=True)
    routes = recorded(second)
    assert len(routes) == 2
    data = request("BYE", route=routes[::-1], from_="<sip:a@b>;tag=1928301774", to="<sip:c@d>;tag=uas")
    assert SITE.receive(data).flow == Flow("udp", listener_id(UDP), "10.0.0.6", 5060)
    data = request("BYE", route=routes, from_="<sip:a@b>;tag=uas", to="<sip:c@d>;tag=1928301774")
    assert SITE.receive(data, ("10.0.0.6", 5060)).flow == CAME


def test_a_request_does_not_go_back_on_its_own_flow() -> None:
    routes = recorded(SITE.forward(request("INVITE"), record_route=True))
    data = request("BYE", route=routes, from_="<sip:a@b>;tag=uas", to="<sip:c@d>;tag=1928301774")
    assert SITE.receive(data, CLIENT).flow is None


def test_a_sips_request_is_recorded_as_sips() -> None:
    came = SITE.receive(request("INVITE", "sips:bob@example.com"), CLIENT, "tls:192.0.2.7:5061", b"c1")
    routes = recorded(came.to(HOP, record_route=True))
    assert [without_tokens(one) for one in routes] == [
        "<sips:TOKEN@192.0.2.7:5060;r2=on;lr>",
        "<sips:TOKEN@192.0.2.7:5061;transport=tcp;r2=on;lr>",
    ]


@pytest.mark.parametrize("method", ["ACK", "CANCEL", "REGISTER"])
def test_what_sets_up_no_dialog_is_not_recorded(method: str) -> None:
    assert recorded(SITE.forward(request(method), record_route=True)) == []


def test_inside_a_dialog_nothing_is_recorded() -> None:
    assert recorded(SITE.forward(request("INVITE", to="<sip:a@b>;tag=1"), record_route=True)) == []


def test_our_entry_stands_above_those_of_others() -> None:
    sent = SITE.forward(request("INVITE", record_route="<sip:far;lr>"), record_route=True)
    assert recorded(sent)[1:] == ["<sip:far;lr>"]


def test_where_peers_are_told_of_another_address_so_are_these() -> None:
    hop = Hop("udp:10.0.0.1:5060 advertise 203.0.113.5:5070", "10.0.0.5", 5060)
    routes = recorded(SITE.receive(request("INVITE"), CLIENT, hop.listen).to(hop, record_route=True))
    assert without_tokens(routes[0]) == "<sip:TOKEN@203.0.113.5:5070;hop=TOKEN;lr>"


@pytest.mark.parametrize(
    "change",
    [
        {"call_id": "another"},
        {"from_": "<sip:a@b>;tag=x", "to": "<sip:c@d>;tag=y"},
        {"to": "<sip:c@d>"},
    ],
)
def test_a_token_is_no_good_in_another_dialog(change: dict[str, str]) -> None:
    routes = recorded(SITE.forward(request("INVITE"), record_route=True))
    given: dict[str, Any] = {"from_": "<sip:a@b>;tag=uas", "to": "<sip:c@d>;tag=1928301774"} | change
    onward = SITE.receive(request("BYE", route=routes, **given), ("10.0.0.5", 5060))
    assert (onward.flow, onward.head.find(b"route")) == (None, -1)


def test_a_caller_without_a_tag_is_not_led_back_to() -> None:
    """RFC 2543: a missing tag is no tag that two requests have in common."""
    old: dict[str, Any] = {"from_": "<sip:a@b>", "via": "SIP/2.0/UDP 192.0.2.1"}
    routes = recorded(SITE.forward(request("INVITE", **old), record_route=True))
    onward = SITE.receive(request("INVITE", route=routes, **old), ("10.0.0.5", 5060))
    assert onward.flow is None


@pytest.mark.parametrize("user", ["f10a1b" + "0" * 24 + "-u000000-5060--203.0.113.66", "f1", "bob", "f10a1b%00", ""])
def test_a_token_that_nobody_signed_leads_nowhere(user: str) -> None:
    onward = in_dialog([f"<sip:{user}@192.0.2.7;lr>" if user else "<sip:192.0.2.7;lr>"], from_caller=False)
    assert (onward.flow, onward.target) == (None, b"sip:peer@10.9.9.9")


def test_a_call_outlives_its_key_until_the_ring_forgets_it() -> None:
    routes = recorded(SITE.forward(request("INVITE"), record_route=True))
    once = RING.rotate(1_000.0)
    assert in_dialog(routes, from_caller=False, site=Site(ring=once, now=99_000.0)).flow == CAME
    twice = once.rotate(99_000.0)
    assert in_dialog(routes, from_caller=False, site=Site(ring=twice, now=99_000.0)).flow is None
    assert in_dialog(routes, from_caller=False, site=Site(ring=KeyRing.generate())).flow is None


# Path (RFC 3327) ------------------------------------------------------------------------------------------------------


def test_a_registered_phone_is_found_by_its_path() -> None:
    came = SITE.receive(request("REGISTER"), CLIENT, TCP, b"c1")
    (path,) = headers(came.to(HOP, add_path=True), b"path")
    route = path.partition(b":")[2].strip().decode()
    assert re.fullmatch(r"<sip:f1[^@]+@192\.0\.2\.7:5060;transport=tcp;lr>", route)
    onward = SITE.receive(request("INVITE", "sip:phone@df7.invalid;transport=ws", route=route), ("10.0.0.5", 5060))
    assert onward.flow == Flow("tcp", listener_id(TCP), CLIENT[0], 5060, b"c1")


def test_our_path_stands_above_those_of_others_and_in_no_other_request() -> None:
    sent = SITE.forward(request("REGISTER", path="<sip:far;lr>", lines=[b"X: y"]), add_path=True)
    assert lines_of(sent)[-3].startswith(b"Path: <sip:f1")
    assert lines_of(sent)[-2:] == [b"Path: <sip:far;lr>", b"X: y"]
    assert headers(SITE.forward(request("INVITE"), add_path=True), b"path") == []


def test_a_path_is_signed_by_the_ring() -> None:
    (path,) = headers(SITE.forward(request("REGISTER"), add_path=True), b"path")
    route = path.partition(b":")[2].strip().decode().replace("192.0.2.1@", "192.0.2.2@")
    assert SITE.receive(request("INVITE", route=route), ("10.0.0.5", 5060)).flow is None
    assert seals_of().path.open(b"f1", b"") is None
