"""What happens to a message at the edge: every fate, and where replies go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from slbroker import Handlers, Reply, Request
from slbroker.settings.dispatch import DispatchSettings, Policies
from slbroker_edge.complaints import SHED_PERIOD
from slbroker_edge.outbox import MAX_REPLY
from tests.support.edge import PEER, SIGNER, FakeListener, Rig
from tests.support.sip import read_reply, request

if TYPE_CHECKING:
    from slbroker.bus.envelope import Answer
    from slbroker.plugin.reply import Drop
    from slbroker.sip.reading import Address

app = Handlers()
CALL_ID, FROM_TAG = "a84b4c76e66710@192.0.2.1", "1928301774"
TAG = SIGNER.sign(CALL_ID.encode(), FROM_TAG.encode(), 1)


@app.on("OPTIONS")
async def keepalive(request: Request) -> Reply:
    return request.reply(200, "OK")


@app.on("SUBSCRIBE")
def silent(request: Request) -> Drop:
    return request.drop()


@app.on("INVITE", user="ringing")
def twice(request: Request) -> list[Reply]:
    return [request.reply(180), request.reply(486)]


@app.on("MESSAGE")
def broken(request: Request) -> Reply:
    raise RuntimeError(request.call_id)


@app.otherwise
def unknown(request: Request) -> Reply:
    return request.reply(404)


asked = Handlers()  # the same, and wants to see ACKs and CANCELs
asked.on("ACK", "CANCEL")(lambda request: request.reply(200, "Seen"))


def served(rig: Rig | None = None) -> Rig:
    """A rig with one worker."""
    rig = rig or Rig()
    rig.join(app)
    return rig


def statuses(rig: Rig) -> list[int]:
    return [read_reply(reply).status for reply in rig.replies]


# Answered -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "status"), [("OPTIONS", 200), ("INVITE", 404), ("MESSAGE", 500), ("FOO", 404)])
def test_a_worker_answers(method: str, status: int) -> None:
    rig = served()
    rig.receive(request(method))
    reply = read_reply(rig.replies[0])
    assert reply.status == status
    assert reply.one(b"To") == b"<sip:bob@example.com>;tag=" + TAG
    assert rig.shown() == {"replied": 1}


def test_several_replies_leave_in_order_and_are_one_fate() -> None:
    rig = served()
    rig.receive(request("INVITE", "sip:ringing@example.com"))
    assert statuses(rig) == [180, 486]
    assert rig.shown() == {"replied": 1}


def test_a_handler_may_stay_silent() -> None:
    rig = served()
    rig.receive(request("SUBSCRIBE"))
    assert rig.shown() == {"dropped": {"handler": 1}}
    assert rig.replies == []


def test_many_at_once_are_all_answered() -> None:
    rig = Rig()
    workers = [rig.join(app, credit=100), rig.join(app, credit=100)]
    rig.receive(*(request("OPTIONS", call_id=f"call{number}") for number in range(150)))
    assert {read_reply(reply).one(b"Call-ID") for reply in rig.replies} == {b"call%d" % n for n in range(150)}
    assert rig.shown() == {"replied": 150}
    assert all(account["answered"] == 75 for account in rig.dispatcher.figures())
    assert all(worker.membership.open == 0 for worker in workers)


# The reply's way ------------------------------------------------------------------------------------------------

V6: Address = ("2001:db8::1", 40_000, 0, 0)
LINK_LOCAL: Address = ("fe80::1%eth0", 40_000, 0, 2)


@pytest.mark.parametrize(
    ("via", "source", "reply_to"),
    [
        ("192.0.2.1:5062", PEER, ("192.0.2.1", 5062)),
        ("192.0.2.1", ("192.0.2.1", 40_000), ("192.0.2.1", 5060)),
        ("192.0.2.1:5062;rport", ("192.0.2.1", 40_000), ("192.0.2.1", 40_000)),
        ("10.0.0.9:5062;rport", ("198.51.100.1", 40_000), ("198.51.100.1", 40_000)),
        ("10.0.0.9:5062", ("198.51.100.1", 40_000), ("198.51.100.1", 5062)),
        ("phone.example.com;maddr=203.0.113.1", PEER, ("192.0.2.1", 5060)),
        ("[2001:db8::1]:5062", V6, ("2001:db8::1", 5062, 0, 0)),
        ("[2001:db8::9]:5062;rport", V6, V6),
        ("[fe80::1]", LINK_LOCAL, ("fe80::1%eth0", 5060, 0, 2)),
        ("[fe80::1];rport", LINK_LOCAL, LINK_LOCAL),
    ],
)
def test_a_reply_goes_where_the_via_and_the_packet_say(via: str, source: Address, reply_to: Address) -> None:
    """RFC 3261 18.2.2, RFC 3581 4; maddr is ignored on UDP: it would aim replies at anyone."""
    rig = served()
    rig.receive(request("OPTIONS", via=f"SIP/2.0/UDP {via};branch=z9hG4bK1"), source=source)
    assert [address for _reply, address in rig.listener.sent] == [reply_to]


def test_received_and_rport_are_filled_in() -> None:
    rig = served()
    source = ("198.51.100.1", 40_000)
    rig.receive(request("OPTIONS", via="SIP/2.0/UDP 10.0.0.9;rport;branch=z9hG4bK1"), source=source)
    via = read_reply(rig.replies[0]).vias[0]
    assert set(via.split(b";")[1:]) == {b"rport=40000", b"received=198.51.100.1", b"branch=z9hG4bK1"}


def test_a_reply_leaves_from_the_socket_its_request_came_in_on() -> None:
    rig = served()
    other = FakeListener("udp:[2001:db8::7]:5080")
    rig.edge.take([(request("OPTIONS", call_id="there"), V6)], other, rig.now)
    rig.receive(request("OPTIONS", call_id="here"))
    assert [read_reply(reply).one(b"Call-ID") for reply in rig.replies] == [b"here"]
    assert [read_reply(reply).one(b"Call-ID") for reply, _address in other.sent] == [b"there"]


# Never answered -------------------------------------------------------------------------------------------------

STUN = b"\x00\x01\x00\x00\x21\x12\xa4\x42" + b"\x00" * 12


@pytest.mark.parametrize(
    ("datagram", "cause"),
    [
        (request("ACK", to="<sip:bob@example.com>;tag=x"), "ack"),
        (request("ACK", cseq="1 INVITE"), "bad-ack"),
        (request("INVITE", cseq="1 ACK"), "bad-ack"),
        (request("CANCEL"), "cancel"),
        (request("CANCEL", max_forwards=["70", "70"]), "cancel"),
        (request("CANCEL", from_=None), "cancel"),
        (b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1\r\n\r\n", "response"),
        (b"sip/2.0 200 OK\r\n\r\n", "response"),
        (b"\r\n\r\n", "keepalive"),
        (b"", "keepalive"),
        (b"\x00", "keepalive"),
        (STUN, "stun"),
        (request("OPTIONS", via=None), "no-via"),
        (request("OPTIONS", via="SIP/2.0/UDP"), "no-via"),
        (request("OPTIONS", via="SIP/2.0/UDP h:0"), "no-via"),
        (request("OPTIONS", via="SIP/2.0/UDP h:65536"), "no-via"),
        (request("OPTIONS", via="garbage", from_=None), "no-via"),
        (request("OPTIONS", subject="a\nb"), "bare-crlf"),
    ],
)
def test_what_is_never_answered(datagram: bytes, cause: str) -> None:
    rig = served()
    rig.receive(datagram)
    assert rig.shown() == {"dropped": {cause: 1}}
    assert rig.replies == []


@pytest.mark.parametrize("datagram", [request("OPTIONS"), request("OPTIONS", from_=None)])
@pytest.mark.parametrize(
    "source",
    [
        ("192.0.2.1", 0),
        ("224.0.1.75", 5060),
        ("255.255.255.255", 5060),
        ("0.0.0.0", 5060),
        ("ff02::1", 5060, 0, 2),
        ("::", 5060, 0, 0),
    ],
)
def test_a_source_that_is_no_single_peer_is_not_answered(source: Address, datagram: bytes) -> None:
    rig = served()
    rig.receive(datagram, source=source)
    assert rig.shown() == {"dropped": {"source": 1}}
    assert rig.replies == []


# Malformed ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("datagram", "status", "reason"),
    [
        (request("OPTIONS", from_=None), 400, "Missing From Header"),
        (request("OPTIONS", cseq="1 INVITE"), 400, "CSeq Method Differs From Request Line"),
        (request("OPTIONS", content_length="10"), 400, "Content-Length Larger Than Message"),
        (request("OPTIONS", call_id=["one", "two"]), 400, "Repeated Call-ID Header"),
        (request("OPTIONS", version="SIP/3.0"), 505, "Version Not Supported"),
        (request("OPTIONS", "ftp://example.com"), 416, "Unsupported URI Scheme"),
    ],
)
def test_a_malformed_request_is_told_what_is_wrong_by_the_edge_itself(
    datagram: bytes, status: int, reason: str
) -> None:
    rig = Rig()  # with no worker
    rig.receive(datagram, source=("192.0.2.1", 40_000))
    ((data, address),) = rig.listener.sent
    reply = read_reply(data)
    assert (reply.status, reply.reason) == (status, reason)
    assert b";tag=s1" in reply.one(b"To")
    assert address == ("192.0.2.1", 5060)
    assert rig.shown() == {"replied": 1}


# Shed -----------------------------------------------------------------------------------------------------------


def test_without_a_worker_it_is_503_and_when_to_come_back(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    rig.receive(request("INVITE"))
    reply = read_reply(rig.replies[0])
    assert reply.status == 503
    assert 5 <= int(reply.one(b"Retry-After")) <= 30
    assert reply.one(b"To") == b"<sip:bob@example.com>;tag=" + TAG
    assert rig.shown() == {"shed": 1}
    assert caplog.messages == ["no worker in pool default: shedding; 0 workers are connected"]


def test_shedding_is_logged_at_once_and_then_counted_once_a_period(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(policies=Policies(overload_budget=60.0))
    first = "no worker in pool default: shedding; 0 workers are connected"
    for shed, refused in ((50, 50), (70, 60), (1, 1)):
        for number in range(shed):
            rig.receive(request("OPTIONS", call_id=f"{shed}-{number}"))
        rig.advance(SHED_PERIOD)
        counted = f"no worker in pool default: {shed} requests were shed in 10 s at most, {refused} of them with 503"
        assert caplog.messages[-1] == f"{counted}, the others unanswered"
    assert len(caplog.messages) == 4
    assert caplog.messages[0] == first
    rig.advance(3 * SHED_PERIOD)
    assert len(caplog.messages) == 4, "nothing was shed, nothing is said"
    rig.receive(request("OPTIONS", call_id="later"))
    assert caplog.messages[4:] == [first]


def test_what_finds_no_credit_is_shed_after_a_while() -> None:
    rig = Rig(DispatchSettings(max_wait=0.5))
    rig.join(app, credit=3).frozen = True
    rig.receive(*[request("OPTIONS", call_id=f"call{number}") for number in range(5)])
    assert rig.shown() == {"in_flight": 5}
    rig.advance(0.6)
    assert statuses(rig) == [503, 503]
    assert rig.shown() == {"shed": 2, "in_flight": 3}


def test_a_full_queue_sheds_at_once() -> None:
    rig = Rig(DispatchSettings(max_waiting=4))
    rig.join(app, credit=1).frozen = True
    rig.receive(*[request("OPTIONS", call_id=f"call{number}") for number in range(10)])
    assert rig.shown() == {"shed": 6, "in_flight": 4}


# Failed ---------------------------------------------------------------------------------------------------------

SORRY = "I'm terribly sorry, server error occurred (1/SL)"
GOOD = b"SIP/2.0 180 Ringing\r\n\r\n"


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"hello",
        b"SIP/2.0 700 Too High\r\n\r\n",
        b"SIP/2.0 099 Too Low\r\n\r\n",
        b"SIP/2.0 2OO OK\r\n\r\n",
        b"SIP/2.0 200",
        b"sip/2.0 200 OK\r\n\r\n",
        b"OPTIONS sip:us SIP/2.0\r\n\r\n",
        b"SIP/2.0 200 OK\r\n\r\n" + b"x" * MAX_REPLY,
        (GOOD, b"hello"),
        (b"hello", GOOD),
    ],
)
def test_a_worker_s_garbage_becomes_500_and_is_counted(garbage: Answer) -> None:
    rig = Rig()
    rig.join(app).respond = lambda *_: garbage
    rig.receive(request("OPTIONS"))
    (reply,) = rig.replies
    assert (read_reply(reply).status, read_reply(reply).reason) == (500, SORRY)
    assert rig.edge.bad_answers == 1
    assert rig.shown() == {"failed": 1}


def test_an_empty_list_from_a_worker_is_silence() -> None:
    rig = Rig()
    rig.join(app).respond = lambda *_: ()
    rig.receive(request("OPTIONS"))
    assert rig.shown() == {"dropped": {"handler": 1}}


def test_what_a_lost_worker_had_goes_to_another() -> None:
    rig = Rig()
    first = rig.join(app)
    first.frozen = True
    rig.receive(*(request("OPTIONS", call_id=f"call{number}") for number in range(5)))
    rig.join(app)
    rig.kill(first)
    rig.advance(1.0)
    assert statuses(rig) == [200] * 5
    assert rig.shown() == {"replied": 5}


def test_a_hung_worker_costs_the_handler_timeout() -> None:
    rig = Rig(DispatchSettings(handler_timeout=5.0))
    rig.join(app).frozen = True
    rig.receive(request("OPTIONS"))
    rig.join(app)
    rig.advance(4.9)
    assert rig.shown() == {"in_flight": 1}
    rig.advance(0.2)
    assert statuses(rig) == [200]


def test_when_two_workers_have_failed_it_is_500() -> None:
    rig = Rig(DispatchSettings(handler_timeout=5.0))
    for _ in range(3):
        rig.join(app).frozen = True
    rig.receive(request("INVITE"))
    rig.advance(10.2)
    reply = read_reply(rig.replies[0])
    assert (reply.status, reply.reason) == (500, SORRY)
    assert reply.one(b"To").endswith(TAG)
    assert rig.shown() == {"failed": 1}


def test_what_the_dispatcher_has_given_up_is_in_flight_until_it_is_answered() -> None:
    """The figures are asked for at any moment, and add up at that one too."""
    rig = served()
    rig.workers[b"worker 1"].frozen = True
    rig.receive(request("OPTIONS"))
    rig.dispatcher.lose(b"worker 1", rig.now)
    rig.dispatcher.expire(rig.now + 1.0)
    assert len(rig.dispatcher.ended) == 1
    assert rig.shown() == {"in_flight": 1}
    rig.edge.expire(rig.now + 1.0)
    assert rig.shown() == {"failed": 1}


def test_replies_that_the_kernel_refuses_are_counted() -> None:
    rig = served()
    rig.listener.unreachable = {PEER}
    rig.receive(request("OPTIONS"), request("OPTIONS", call_id="other"))
    assert rig.edge.send_failures == 2
    assert rig.shown() == {"replied": 2}
