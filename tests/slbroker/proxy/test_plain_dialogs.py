"""Record-Route and Route by the short way of plain messages: byte for byte as by the long way, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker.errors import Drop, Reject
from slbroker.proxy.forward import Hop
from tests.support.forwarding import HOP, UDP, headers, lines_of
from tests.support.plain import OTHER, SITE, V6, Short, hop_of
from tests.support.sip import request
from tests.support.twins import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from slbroker.sip.reading import Address

CLIENT: Address = ("192.0.2.1", 40_000)
CALLEE: Address = ("10.0.0.5", 5060)
CALLER_TAG = "1928301774"


def long(data: bytes, client: Address, listen: str = UDP, hop: Hop = HOP, *, records: bool = False) -> bytes | None:
    """What the long way sends where a flow leads, else to a hop; None where it refuses that, or the flow is no UDP."""
    try:
        onward = SITE.receive(data, client[:2], listen)
        leads = hop_of(onward.flow.write(), listen) if onward.flow is not None else hop
        return None if leads is None else onward.to(leads, record_route=records)
    except (Reject, Drop):
        return None


def recorded(listen: str, hop: Hop, data: bytes) -> list[str]:
    """The Record-Route entries that an INVITE has behind us."""
    sent = SITE.receive(data, CLIENT[:2], listen).to(hop, record_route=True)
    return [line.partition(b":")[2].strip().decode() for line in headers(sent, b"record-route")]


# Ways through us: where the caller's requests come in, and by what they leave. Of the last, both sides look different.
WAYS = [(UDP, HOP), (V6, Hop(V6, "2001:db8::5", 5060)), (UDP, Hop(OTHER, "10.0.0.5", 5060))]
KAMAILIO = "<sip:10.0.0.5;lr=on;ftag=1928301774;did=a1b.c2>"


class Case(NamedTuple):
    """Routes of an in-dialog request, "{}" for ours, and whether the compiled twin takes it."""

    name: str
    routes: Sequence[str]
    taken: bool


CASES = [
    Case("ours", ["{}"], True),
    Case("ours, then Kamailio's", ["{}", KAMAILIO], True),
    Case("in one line", ["{}, " + KAMAILIO], True),
    Case("in one line without blanks", ["{}," + KAMAILIO], True),
    Case("with blanks around", ["  {} \t,  " + KAMAILIO + " "], True),
    Case("and one more behind", ["{}", KAMAILIO, "<sip:a@far.example.com:5070;lr>"], True),
    Case("of IPv6 behind", ["{}", "<sip:[2001:db8::9]:5062;lr>"], True),
    Case("over TCP behind, with a port", ["{}", "<sip:10.0.0.9:5060;transport=tcp;lr>"], True),
    Case("with lr first", ["{}", "<sip:10.0.0.9:5060;LR;transport=tcp>"], True),
    Case("over TCP behind, without a port", ["{}", "<sip:10.0.0.9;transport=tcp;lr>"], False),
    Case("a strict router", ["{}", "<sip:10.0.0.9>"], False),
    Case("a display name", ["{}", '"A, B" <sip:10.0.0.9;lr>'], False),
    Case("a parameter beside it", ["{}", "<sip:10.0.0.9;lr>;x=y"], False),
    Case("no brackets", ["{}", "sip:10.0.0.9"], False),
    Case("sips", ["{}", "<sips:10.0.0.9;lr>"], False),
    Case("an escape", ["{}", "<sip:%61@10.0.0.9;lr>"], False),
    Case("folded", ["{}\r\n , " + KAMAILIO], False),
    Case("a comma too many", ["{},"], False),
    Case("nothing", ["{}", ""], False),
    Case("not ours first", [KAMAILIO, "{}"], False),
    Case("not ours", [KAMAILIO], False),
    Case("more than anybody has", ["{}"] + [KAMAILIO] * 8, False),
]  # fmt: skip


def in_dialog(
    routes: Sequence[str], *, from_caller: bool, method: str = "BYE", to_tag: str | None = None, via: str = "pc",
    uri: str = "sip:peer@10.9.9.9",
) -> bytes:  # fmt: skip
    """A request with this route set."""
    own, other = (CALLER_TAG, "uas") if from_caller else ("uas", CALLER_TAG)
    tag = other if to_tag is None else to_tag
    return request(
        method, uri, route=list(routes), from_=f"<sip:a@b>;tag={own}", to="<sip:c@d>" + (tag and f";tag={tag}"),
        via=f"SIP/2.0/UDP {via};branch=z9hG4bK7;rport", cseq=f"2 {method}", lines=[b"X: y"],
    )  # fmt: skip


def ours(way: tuple[str, Hop], *, from_caller: bool) -> str:
    """What stands in the place of ours, as each side has it."""
    entries = recorded(*way, request("INVITE"))
    return ", ".join(entries[::-1] if from_caller else entries)


@pytest.mark.parametrize("way", WAYS, ids=["one side", "IPv6", "two sides"])
@pytest.mark.parametrize("from_caller", [True, False])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_requests_of_a_dialog_leave_as_by_the_long_way(case: Case, from_caller: bool, way: tuple[str, Hop]) -> None:
    data = in_dialog([one.format(ours(way, from_caller=from_caller)) for one in case.routes], from_caller=from_caller)
    listen, client = (way[0], CLIENT) if from_caller else (way[1].listen, (way[1].host, way[1].port))
    for kind in KINDS:
        sent = Short(kind, Hop(listen, "10.66.66.66", 5060), listen=listen).request(data, client)
        assert sent == long(data, client, listen) if sent is not None or case.taken else True
        if kind == "compiled":
            assert (sent is not None) is case.taken


@pytest.mark.parametrize("way", WAYS, ids=["one side", "IPv6", "two sides"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["INVITE", "SUBSCRIBE", "MESSAGE", "ACK", "CANCEL", "REGISTER"])
@pytest.mark.parametrize("to", ["<sip:bob@example.com>", "<sip:bob@example.com>;tag=1"])
def test_record_route_is_as_by_the_long_way(kind: str, way: tuple[str, Hop], method: str, to: str) -> None:
    listen, hop = way
    data = request(method, to=to, record_route="<sip:before@far;lr>")
    sent = Short(kind, hop, listen=listen, records=True).request(data, CLIENT)
    assert sent is not None
    assert sent == long(data, CLIENT, listen, hop, records=True)
    expected = 1 if method in ("ACK", "CANCEL", "REGISTER") or "tag" in to else 2 + (listen != hop.listen)
    assert len(headers(sent, b"record-route")) == expected


def test_a_sips_request_is_recorded_by_the_long_way() -> None:
    assert Short("compiled", records=True).request(request("INVITE", "sips:bob@example.com"), CLIENT) is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("change", "goes"),
    [
        ({}, True),
        ({"to_tag": ""}, False),
        ({"to_tag": "other", "from_caller": False}, False),
        ({"uri": "sip:walrus@192.0.2.7:5060;lr"}, False),
        ({"uri": "sip:peer@10.9.9.9;maddr=192.0.2.7"}, False),
        ({"uri": "sip:peer@10.9.9.9;mode=a"}, True),
    ],
)
def test_what_a_token_is_not_bound_to_takes_the_long_way(kind: str, change: dict[str, str], goes: bool) -> None:
    given = {"from_caller": True, **change}
    routes = [ours(WAYS[0], from_caller=True)]
    client = CLIENT if given["from_caller"] else CALLEE
    sent = Short(kind).request(in_dialog(routes, **given), client)  # type: ignore[arg-type]
    assert (sent is not None) is goes


@pytest.mark.parametrize("kind", KINDS)
def test_a_request_does_not_go_back_where_it_came_from(kind: str) -> None:
    data = in_dialog([ours(WAYS[0], from_caller=False)], from_caller=False)
    assert Short(kind).request(data, CALLEE) is not None
    assert Short(kind).request(data, ("192.0.2.1", 5060)) is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_flow_without_a_lane_takes_the_long_way(kind: str) -> None:
    came = SITE.receive(request("INVITE"), CLIENT[:2], "tcp:192.0.2.7:5060", b"c1").to(HOP, record_route=True)
    routes = [line.partition(b":")[2].strip().decode() for line in headers(came, b"record-route")]
    assert Short(kind).request(in_dialog(routes, from_caller=False), CALLEE) is None


# Dialogs that nobody has thought of -----------------------------------------------------------------------------------

FAR = st.sampled_from([
    "<sip:10.0.0.5;lr>", "<sip:10.0.0.5;lr=on>", KAMAILIO, "<sip:10.0.0.5:5061;transport=tls;r2=on;lr>",
    "<sip:a@b.c:1;LR>", "<sip:[2001:db8::9];lr>", "<sip:[2001:db8::9]:5062;transport=tcp;lr>", '"A, B" <sip:far;lr>',
    "A <sip:far;lr>;x=<y>", "<sip:far>", "sip:far", "sip:far;lr", "<sips:far;lr>", "<SIP:far;lr>", "<tel:+49>",
    "<sip:u:p@far;lr>", "<sip:a%40@far;lr>", "<sip:far;lr;lr>", "<sip:far;%6cr>", "<sip:far;lr?h=v>",
    "<sip:192.0.2.7:5060;lr>", "<sip:f1@192.0.2.7:5060;hop=;lr>", "<sip:alias.example.com;lr>",
    "<sip:192.0.2.7;transport=tcp;lr>", "<sip:192.0.2.7:5061;transport=UDP;lr>", "<sip:far;>", "<sip:far;hop;lr>", "",
    "*", "<sip:far",
])  # fmt: skip
SEPARATORS = st.sampled_from([", ", ",", " ,\t", ",\r\n ", ",,", None])  # None: a header of its own
NAMES = st.sampled_from(["Route", "route", "ROUTE", "Route "])
LISTS = st.sampled_from(WAYS)
VIAS = ["Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1", "v: SIP/2.0/UDP pc;rport;branch=z9hG4bK2  "]
HOPS = ["Max-Forwards: 70", "max-forwards:  9 ", "Max-Forwards: 0"]
URIS = ["sip:peer@10.9.9.9", "sip:peer@10.9.9.9;transport=udp", "sip:x@192.0.2.7:5060;lr", "tel:+49"]


def _lr_first(entry: str) -> str:
    """An entry with its parameters the other way round."""
    place, *params = entry.strip("<>").split(";")
    return f"<{';'.join([place, *params[::-1]])}>"


def each(old: str, new: str, count: int = -1) -> Callable[[list[str]], list[str]]:
    """What replaces words in each entry."""
    return lambda own: [one.replace(old, new, count) for one in own]


# What becomes of our entries where somebody has kept them.
CHANGES: dict[str, Callable[[list[str]], list[str]]] = {
    "reverse": lambda own: own[::-1],
    "half": lambda own: own[:1],
    "twice": lambda own: own + own,
    "lr first": lambda own: [_lr_first(one) for one in own],
    "display name": lambda own: [f'"us, we" {one}' for one in own],
    "beside": lambda own: [one + ";x=y" for one in own],
    "bare": lambda own: [one.strip("<>").partition(";")[0] for one in own],
    "lr=on": each(";lr", ";lr=on"),
    "more": each(";lr", ";x=y;hop=no;lr"),
    "alias": each("192.0.2.7:5060", "alias.example.com"),
    "no port": each(":5060", ""),
    "forged": each("f10a1b", "f10a1c", 1),
}


@st.composite
def entries(draw: st.DrawFn) -> tuple[list[str], str, Hop]:
    """Our entries, as they come back: as they were, or changed by whoever has stored them; and the way they are of."""
    listen, hop = draw(LISTS)
    first = draw(st.sampled_from(["INVITE", "SUBSCRIBE"]))
    own = recorded(listen, hop, request(first))
    changes = draw(st.lists(st.sampled_from(list(CHANGES)), max_size=2))
    for change in changes:
        own = CHANGES[change](own)
    return own, listen, hop


@st.composite
def dialogs(draw: st.DrawFn) -> tuple[bytes, Address, str]:
    """A request inside a dialog through one to three proxies, who sent it, and to which address of ours."""
    own, listen, hop = draw(entries())
    from_caller = draw(st.booleans())
    before, behind = draw(st.sampled_from([[], [], [], ["far"]])), draw(st.lists(FAR, max_size=2))
    routes = [*(before and [draw(FAR)]), *(own[::-1] if from_caller else own), *behind]
    lines: list[str] = []
    for route in routes:
        separator = draw(SEPARATORS)
        if lines and separator is not None:
            lines[-1] += separator + route
        else:
            lines.append(f"{draw(NAMES)}: {route}")
    tags = (CALLER_TAG, "uas") if from_caller else ("uas", CALLER_TAG)
    tags = draw(st.sampled_from([tags, tags, tags, tags[::-1], (CALLER_TAG, CALLER_TAG), (tags[0], ""), ("", tags[1])]))
    method = draw(st.sampled_from(["BYE", "ACK", "INVITE", "UPDATE", "CANCEL"]))
    rest = [
        draw(st.sampled_from(VIAS)), draw(st.sampled_from(HOPS)),
        "f: <sip:a@b>" + (tags[0] and f";tag={tags[0]}"), "To: <sip:c@d>" + (tags[1] and f";tag={tags[1]}"),
        "i: a84b4c76e66710@192.0.2.1", f"CSeq: 2 {method}", "l: 0",
    ]  # fmt: skip
    at = draw(st.integers(0, len(rest)))
    uri = draw(
        st.sampled_from(["sip:peer@10.9.9.9", "sip:peer@10.9.9.9;transport=udp", "sip:x@192.0.2.7:5060;lr", "tel:+49"])
    )
    data = "\r\n".join([f"{method} {uri} SIP/2.0", *rest[:at], *lines, *rest[at:], "", ""]).encode()
    clients = [CLIENT, (hop.host, hop.port), ("203.0.113.9", 9), ("192.0.2.1", 5060)]
    return data, draw(st.sampled_from(clients)), listen if from_caller else hop.listen


@given(dialogs(), st.booleans())
def test_both_make_the_same_of_any_dialog(dialog: tuple[bytes, Address, str], records: bool) -> None:
    data, client, listen = dialog
    hop = Hop(listen, "2001:db8::66" if "[" in listen else "10.66.66.66", 5060)
    for kind in KINDS:
        sent = Short(kind, hop, listen=listen, records=records).request(data, client)
        if sent is not None:
            assert sent == long(data, client, listen, hop, records=records)


@given(st.data())
def test_a_byte_changed_in_a_request_of_a_dialog_is_never_taken_otherwise(data: st.DataObject) -> None:
    listen, hop = data.draw(LISTS)
    from_caller = data.draw(st.booleans())
    whole = in_dialog([ours((listen, hop), from_caller=from_caller), KAMAILIO], from_caller=from_caller)
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[:at] + bytes((data.draw(st.integers(0, 255)),)) + whole[at + 1 :]
    came, client = (listen, CLIENT) if from_caller else (hop.listen, (hop.host, hop.port))
    lane = Hop(came, hop.host, 5066)
    sent = Short("compiled", lane, listen=came).request(changed, client)
    if sent is not None:
        assert sent == long(changed, client, came, lane)


@given(st.lists(st.sampled_from(["<sip:far;lr>", KAMAILIO, "<sip:b;lr;x=y>"]), max_size=3), SEPARATORS)
def test_what_stands_behind_ours_stays_byte_for_byte(far: list[str], separator: str | None) -> None:
    own = ours(WAYS[0], from_caller=True)
    joined = separator is not None and "\n" not in separator and separator != ",,"
    routes = [(separator or "").join([own, *far])] if joined else [own, *far]
    sent = Short("compiled").request(in_dialog(routes, from_caller=True), CLIENT)
    assert sent is not None
    left = [line.partition(b":")[2].strip().decode() for line in headers(sent, b"route")]
    assert left == ([(separator or "").join(far)] if joined and far else far)
    assert lines_of(sent)[-1] == b"X: y"
