"""The branch of our Via: the same for all of a transaction, another for any other, and a part that finds loops."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from slbroker.keys import KeyRing
from slbroker.proxy.branch import BRANCH_LENGTH, read_top
from slbroker.sip.grammar import is_token
from tests.support.forwarding import CLIENT, HOP, TCP, UDP, Site, branch, param, vias
from tests.support.sip import request

SITE = Site()
OLD = "SIP/2.0/UDP 192.0.2.1:5060"  # of RFC 2543: no branch
NEW = "SIP/2.0/UDP pc33.example.com;branch=z9hG4bK776"
PLACE = [
    NEW,
    OLD,
    "SIP/2.0/UDP pc;branch=1",
    "SIP / 2.0 / UDP pc ; BRANCH = z9hG4bKx",
    'SIP/2.0/UDP [::1]:5061;x="a,b"',
]


def of(method: str = "INVITE", **headers: Any) -> bytes:
    return branch(SITE.forward(request(method, **headers)))


def test_the_format() -> None:
    made = of()
    assert re.fullmatch(rb"z9hG4bKs1[0-9a-f]{24}\.[0-9a-f]{16}", made)
    assert len(made) == BRANCH_LENGTH
    assert is_token(made)


def test_a_golden_branch() -> None:
    """It must not change unnoticed: edges of two versions serve one call."""
    assert of() == b"z9hG4bKs1fdbb68bf6c98db5b734669e5.4c7f448b26679aba"
    assert of(via=OLD) == b"z9hG4bKs1fe284df6d75af05342bb7bd1.4c7f448b26679aba"


@pytest.mark.parametrize("via", PLACE)
def test_cancel_and_ack_take_the_branch_of_their_invite(via: str) -> None:
    invite = of(via=via, proxy_authorization="Digest x=y", subject="1")
    assert of("CANCEL", via=via, cseq="1 CANCEL") == invite
    assert of("ACK", via=via, to="<sip:bob@example.com>;tag=uas", cseq="1 ACK") == invite


def test_a_cancel_has_one_via_where_its_invite_had_several() -> None:
    """RFC 3261 9.1: the top one alone."""
    for top in (NEW, OLD):
        invite = of(via=f"{top}, SIP/2.0/UDP far;branch=z9hG4bK2")
        assert of(via=[top, "SIP/2.0/UDP far;branch=z9hG4bK2"]) == invite
        assert of("CANCEL", via=top) == invite


@given(st.sampled_from(PLACE), st.integers(1, 2**31 - 1), st.text("abc", min_size=1), st.sampled_from(["", ";tag=a"]))
def test_from_any_edge_before_and_after_a_rotation(via: str, cseq: int, call_id: str, tag: str) -> None:
    data = request("INVITE", via=via, cseq=f"{cseq} INVITE", call_id=call_id, from_=f"<sip:a@b>{tag}")
    rotated = Site(ring=KeyRing.generate(), listens=("udp:10.9.9.9:5080",))
    elsewhere = rotated.receive(data, ("203.0.113.9", 1024), "udp:10.9.9.9:5080").to(HOP)
    over_tcp = SITE.receive(data, CLIENT, TCP, b"c9").to(HOP._replace(listen=TCP))
    assert branch(elsewhere) == branch(over_tcp) == branch(SITE.forward(data))


BASE: dict[str, Any] = {"via": NEW, "call_id": "1", "cseq": "1 INVITE", "from_": "<sip:a@b>;tag=1", "uri": "sip:x@y"}


@pytest.mark.parametrize("via", [NEW, OLD])
@pytest.mark.parametrize(
    "other",
    [
        {"call_id": "2"},
        {"cseq": "2 INVITE"},
        {"from_": "<sip:a@b>;tag=2"},
        {"uri": "sip:z@y"},
        {"via": "SIP/2.0/UDP pc33.example.com;branch=z9hG4bK777"},
        {"via": "SIP/2.0/UDP pc34.example.com;branch=z9hG4bK776"},
        {"via": "SIP/2.0/UDP pc33.example.com:5061;branch=z9hG4bK776"},
        {"route": "<sip:far;lr>"},
    ],
)
def test_another_transaction_takes_another(via: str, other: dict[str, Any]) -> None:
    assert of(**BASE | {"via": via}) != of(**BASE | {"via": via} | other)


@given(st.data())
def test_two_requests_take_one_branch_only_if_they_belong_together(data: st.DataObject) -> None:
    drawn = st.tuples(
        st.sampled_from(PLACE), st.text("ab", min_size=1, max_size=2), st.integers(1, 3),
        st.sampled_from(["", "a", "b"]), st.sampled_from(["sip:a", "sip:b"]),
    )  # fmt: skip
    one, two = data.draw(drawn), data.draw(drawn)
    assume(one != two)
    made = [
        of(via=via, call_id=call_id, cseq=f"{cseq} INVITE", from_=f"<sip:c@d>{tag and ';tag=' + tag}", uri=uri)
        for via, call_id, cseq, tag, uri in (one, two)
    ]
    assert made[0] != made[1]


def test_no_two_parts_run_into_each_other() -> None:
    assert of(call_id="ab", from_="<sip:c@d>;tag=c") != of(call_id="a", from_="<sip:c@d>;tag=bc")


@pytest.mark.parametrize(
    ("value", "sent_by", "made"),
    [
        (b"SIP/2.0/UDP PC:5060;branch=z9hG4bK1", b"pc:5060", b"z9hG4bK1"),
        (b"SIP/2.0/UDP [2001:DB8::1]:5060;branch=z9hG4bK1", b"[2001:db8::1]:5060", b"z9hG4bK1"),
        (b"SIP / 2.0/UDP  [2001:DB8::1] : 5060 ;branch=z9hG4bK1", b"[2001:db8::1]:5060", b"z9hG4bK1"),
        (b"SIP/2.0/UDP pc", b"pc", b""),
        (b"SIP/2.0/UDP pc;branch=1", b"pc", b""),
        (b"SIP/2.0/UDP pc;branch=z9hG4bK", b"pc", b""),
        (b'SIP/2.0/UDP pc;x=",;branch=z9hG4bK2";Branch=z9hG4bK1, SIP/2.0/UDP b;branch=z9hG4bK3', b"pc", b"z9hG4bK1"),
    ],
)
def test_what_the_top_via_says(value: bytes, sent_by: bytes, made: bytes) -> None:
    top = read_top(value)
    assert (top.sent_by, top.branch) == (sent_by, made)


def test_the_flow_beside_it_follows_the_ring_and_the_client() -> None:
    data = request("INVITE")
    flows = {
        param(vias(site.receive(data, client, UDP).to(HOP))[0], b"flow")
        for site in (SITE, Site(ring=KeyRing.generate()))
        for client in (CLIENT, ("192.0.2.2", 5060))
    }
    assert len(flows) == 4
