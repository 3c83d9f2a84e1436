"""Replies on their way back through an edge: by which listener or connection, and what becomes of all others."""

from __future__ import annotations

from tests.support.edge import PEER, FakeListener
from tests.support.forwarding import reply_to, vias
from tests.support.passing import NEXT, PassingRig
from tests.support.sip import request

HOP = "sip:10.0.0.5:5060"


def test_a_reply_goes_back_by_the_listener_that_its_request_came_to() -> None:
    rig = PassingRig(f"pass={HOP}")
    other = FakeListener("udp:192.0.2.9:5060")
    rig.ways.listeners.append(other)
    rig.receive(request("INVITE"), listener=other)
    came = other.sent[0][0]
    rig.receive(reply_to(came), source=NEXT)  # it comes to the first one
    assert [data[:7] for data, address in other.sent[1:] if address == PEER] == [b"SIP/2.0"]
    assert rig.forwarding.replies.figures() == {"received": 1, "forwarded": 1, "dropped": {}, "unaccounted": 0}


def test_replies_are_counted_by_themselves() -> None:
    rig = PassingRig(f"pass={HOP}")
    rig.receive(request("INVITE"))
    reply = reply_to(rig.to()[0])
    forged = reply.replace(b"CSeq: 1 ", b"CSeq: 2 ")
    for data in (reply, forged, reply_to(request("INVITE")), b"SIP/2.0 200 OK\r\n\r\n"):
        rig.receive(data, source=NEXT)
    assert rig.shown() == {"forwarded": 1}
    dropped = {"forged": 1, "not-ours": 1, "bad-reply": 1}
    assert rig.forwarding.figures() == {"received": 4, "forwarded": 1, "dropped": dropped, "unaccounted": 0}


def test_an_edge_that_forwards_nothing_drops_replies_as_ever() -> None:
    rig = PassingRig()
    rig.receive(reply_to(request("INVITE")))
    assert rig.shown() == {"dropped": {"response": 1}}
    assert not rig.forwarding.is_used


def test_an_edge_that_has_just_started_knows_the_replies_to_what_it_sent_before() -> None:
    before, after = PassingRig(f"pass={HOP}"), PassingRig()
    before.receive(request("INVITE"))
    after.receive(reply_to(before.to()[0]), source=NEXT)
    assert [address for _, address in after.listener.sent] == [PEER]


def test_on_a_connection_that_stands_a_reply_goes_back_on_it() -> None:
    rig = PassingRig(f"pass={HOP}")
    stream = FakeListener("tcp:192.0.2.7:5060")
    stream.connection = b"7f3c0001"
    rig.ways.standing_now[stream.connection] = stream
    rig.receive(request("INVITE", via="SIP/2.0/TCP pc;branch=z9hG4bK1"), listener=stream, source=("192.0.2.1", 40_000))
    rig.receive(reply_to(rig.to()[0]), source=NEXT)
    assert [data[:7] for data, _ in stream.sent] == [b"SIP/2.0"]
    assert vias(stream.sent[0][0])[0].startswith(b"Via: SIP/2.0/TCP pc;branch=z9hG4bK1")


def test_where_the_connection_is_gone_a_reply_takes_a_new_one_or_none() -> None:
    rig = PassingRig(f"pass={HOP}")
    for transport in ("tcp", "ws"):
        stream = FakeListener(f"{transport}:192.0.2.7:5060")
        stream.connection = b"7f3c0002"
        via = f"SIP/2.0/{transport.upper()} 192.0.2.1:5080;branch=z9hG4bK1"
        rig.receive(request("INVITE", via=via, call_id=transport), listener=stream, source=("192.0.2.1", 40_000))
    anew = rig.ways.dialled["tcp", "192.0.2.1", 5080] = FakeListener("tcp:192.0.2.7:5060")
    rig.receive(*map(reply_to, rig.to()), source=NEXT)
    assert len(anew.sent) == 1
    assert rig.forwarding.replies.dropped == {"gone": 1}
