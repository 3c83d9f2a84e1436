"""Calls through an edge with Record-Route: all of one goes where it should, by the short way as by the long."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker import Handlers, Reply, Request
from slbroker.proxy.nexthop import read_hop
from tests.support.edge import FakeListener
from tests.support.forwarding import headers, reply_to
from tests.support.passing import NEXT, PassingRig
from tests.support.sip import request

if TYPE_CHECKING:
    from slbroker.proxy.decision import Forward
    from slbroker.sip.reading import Address

HOP = "sip:10.0.0.5:5060"
CALLER: Address = ("192.0.2.1", 40_000)
CALLED: Address = ("10.0.0.5", 5060)

app = Handlers()


@app.on("INVITE", user="refused")
def refused(request: Request) -> Reply:
    return request.reply(403)


@app.otherwise
def others(request: Request) -> Forward:
    return request.forward()


class NoShortWay:
    """A short way that takes nothing."""

    def request(self, *_: object) -> None:
        """Leave it to the long way."""

    def reply(self, *_: object) -> None:
        """Leave it to the long way."""


class Rig(PassingRig):
    """A rig whose edge writes Record-Route; with handlers for INVITE if `handled`."""

    def __init__(self, *, short: bool = True, handled: bool = False, path: bool = False) -> None:
        routes = ("pool=default method=INVITE",) if handled else ()
        super().__init__(*routes, f"pass={HOP}", hop=read_hop(HOP), record_route=True, path=path)
        if handled:
            self.join(app)
        if not short:
            self.forwarding._plain = NoShortWay()  # type: ignore[assignment]

    @property
    def all_sent(self) -> list[tuple[bytes, Address]]:
        """What has left, in order."""
        return self.listener.sent


VIAS = ("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{};rport", "SIP/2.0/UDP pc;branch=z9hG4bK{}")


def run(rig: Rig, number: int, behind: str, end: str, via: str, *, joined: bool) -> None:
    """Have a call go through an edge, whose callee, if `behind` says so, is behind a proxy that records itself, too."""
    name, caller = f"call{number}", (CALLER[0], CALLER[1] + number)

    def send(method: str, cseq: int, tags: tuple[str, str], routes: list[str], source: Address) -> bytes:
        whole = [", ".join(routes)] if joined and routes else routes
        before = len(rig.all_sent)
        rig.receive(
            request(
                method, "sip:peer@10.9.9.9", call_id=name, from_=f"<sip:a@b>;tag={tags[0]}",
                to="<sip:c@d>" + (tags[1] and f";tag={tags[1]}"), route=whole, cseq=f"{cseq} {method}",
                via=via.format(f"{method}{cseq}"), contact="<sip:x@192.0.2.1>",
            ),
            source=source,
        )  # fmt: skip
        assert len(rig.all_sent) == before + 1
        return rig.all_sent[-1][0]

    def answer(sent: bytes, status: int, source: Address) -> None:
        rig.receive(reply_to(sent, status, b"Said", b"uas" if status > 100 else b""), source=source)

    invite = send("INVITE", 1, ("uac", ""), [], caller)
    recorded = [line.partition(b": ")[2].decode() for line in headers(invite, b"record-route")]
    recorded = [behind, *recorded] if behind else recorded
    for status in (100, 180, 200):
        answer(invite, status, CALLED)
    send("ACK", 1, ("uac", "uas"), recorded[::-1], caller)
    if end == "caller":
        answer(send("BYE", 2, ("uac", "uas"), recorded[::-1], caller), 200, CALLED)
    else:
        # Who is behind has taken itself off the route set before it comes here.
        answer(send("BYE", 1, ("uas", "uac"), recorded[-1:], CALLED), 200, caller)


CALLS = st.lists(
    st.tuples(
        st.sampled_from(["", "<sip:10.0.0.5;lr=on;ftag=uac>", "<sip:10.0.0.5:5060>", '"K" <sip:10.0.0.5;lr>']),
        st.sampled_from(["caller", "callee"]), st.sampled_from(VIAS), st.booleans(),
    ),
    min_size=1, max_size=3,
)  # fmt: skip


@given(CALLS, st.booleans(), st.booleans())
def test_calls_go_the_same_way_short_or_long(
    calls: list[tuple[str, str, str, bool]], handled: bool, path: bool
) -> None:
    short, long = Rig(handled=handled, path=path), Rig(short=False, handled=handled, path=path)
    for rig in (short, long):
        for number, (behind, end, via, joined) in enumerate(calls):
            run(rig, number, behind, end, via, joined=joined)
    assert short.all_sent == long.all_sent
    assert short.shown() == long.shown() == {"forwarded": 3 * len(calls)}
    assert short.forwarding.departures.figures() == long.forwarding.departures.figures()
    assert short.forwarding.figures() == long.forwarding.figures()


@pytest.mark.parametrize("handled", [False, True])
def test_a_call_goes_where_its_first_request_went(handled: bool) -> None:
    rig = Rig(handled=handled)
    run(rig, 0, "", "callee", VIAS[0], joined=False)
    ways = [(data.partition(b" ")[0], address) for data, address in rig.all_sent if not data.startswith(b"SIP/")]
    assert ways == [(b"INVITE", NEXT), (b"ACK", NEXT), (b"BYE", CALLER)]
    assert all(not headers(data, b"route") for data, _ in rig.all_sent)
    assert rig.forwarding.departures.figures() == {"": {HOP: 1, "dialog": 2}}


def test_where_a_dialog_leads_counts_before_what_a_handler_says() -> None:
    rig = Rig(handled=True)
    invite = request("INVITE", via=VIAS[0].format(1))
    rig.receive(invite, source=CALLER)
    recorded = [line.partition(b": ")[2] for line in headers(rig.all_sent[-1][0], b"record-route")]
    again = request(
        "INVITE", via=VIAS[0].format(2), route=recorded, cseq="2 INVITE", to="<sip:alice@example.org>;tag=1928301774",
        from_="<sip:bob@example.com>;tag=uas",
    )  # fmt: skip
    rig.receive(again, source=CALLED)
    assert rig.all_sent[-1][1] == CALLER


def test_a_register_gets_its_path_and_all_else_takes_the_short_way() -> None:
    rig = Rig(path=True)
    rig.receive(request("REGISTER"), source=CALLER)
    rig.receive(request("INVITE", call_id="b"), source=CALLER)
    assert [len(headers(data, b"path")) for data, _ in rig.all_sent] == [1, 0]


def test_a_name_that_is_found_to_be_ours_later_is_known_from_then_on() -> None:
    """An edge on all addresses learns its own as messages come to them."""
    rig = Rig()
    rig.receive(request("INVITE", via=VIAS[0].format(1)), source=CALLER)
    (entry,) = (line.partition(b": ")[2] for line in headers(rig.all_sent[-1][0], b"record-route"))
    second = FakeListener("udp:198.51.100.9:5060")
    rig.ways.listeners.append(second)
    other = entry.replace(b"192.0.2.7:5060", b"198.51.100.9:5060")
    data = request("BYE", via=VIAS[0].format(2), cseq="2 BYE", route=[entry, other], to="<sip:c@d>;tag=uas")
    rig.receive(data, source=CALLER)
    assert len(headers(rig.all_sent[-1][0], b"route")) == 1
    rig.edge.take([(request("OPTIONS", call_id="o"), CALLER)], second, rig.now)
    rig.receive(data, source=CALLER)
    assert len(headers(rig.all_sent[-1][0], b"route")) == 0
