"""What an edge notes of requests while somebody looks: each fate with its cause, a bounded sample, no secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slbroker import Handlers, Reply, Request
from slbroker.bus import envelope
from slbroker.bus.dispatcher import Dispatcher
from slbroker.bus.envelope import Kind
from slbroker.settings.dispatch import DispatchSettings
from slbroker_edge.recent import EVERY, KEPT, LOOKED, TOLD
from tests.support.edge import Rig
from tests.support.sip import request, typed

if TYPE_CHECKING:
    from slbroker.bus.jobs import Job
    from slbroker.plugin.reply import Drop

app = Handlers()


@app.on("OPTIONS")
def keepalive(request: Request) -> Reply:
    return request.reply(200, "Well")


@app.on("SUBSCRIBE")
def silent(request: Request) -> Drop:
    return request.drop()


@app.otherwise
def unknown(request: Request) -> Reply:
    return request.reply(404)


def watched(*, is_served: bool = True) -> Rig:
    rig = Rig()
    if is_served:
        rig.join(app)
    assert rig.edge.recent is None
    assert told(rig, 0) == []
    return rig


def told(rig: Rig, since: int = 0) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rig.edge.tell_recent(since, rig.now)["requests"]
    return found


def ack(tag: str) -> bytes:
    return request("ACK", to=f"<sip:bob@example.com>;tag={tag}")


def test_nobody_looks_nothing_is_kept() -> None:
    rig = Rig()
    rig.join(app)
    rig.receive(request("OPTIONS"))
    assert rig.edge.recent is None


def test_an_answered_request_has_worker_times_and_both_messages() -> None:
    rig = watched()
    rig.receive(request("OPTIONS"))
    (noted,) = told(rig)
    assert (noted["method"], noted["fate"], noted["worker"], noted["pool"]) == (
        b"OPTIONS",
        "replied",
        "worker 1",
        "default",
    )
    assert noted["source"] == "192.0.2.1 port 5060"
    assert noted["listen"] == "udp:192.0.2.7:5060"
    assert noted["request"].startswith(b"OPTIONS ")
    assert noted["reply"].startswith(b"SIP/2.0 200 Well")
    assert noted["queue"] >= 0
    assert noted["worker_time"] >= 0


def test_every_fate_is_told_apart() -> None:
    rig = watched()
    rig.receive(request("INVITE"))
    tag = typed(rig.replies[-1]).to_address.parameters["tag"]
    assert tag is not None
    rig.advance(1)
    rig.receive(ack(tag))
    rig.advance(1)
    rig.receive(ack("nobodys"))
    rig.advance(1)
    rig.receive(request("SUBSCRIBE"))
    rig.advance(1)
    rig.receive(request("OPTIONS", cseq="1 BYE"))
    noted = [(each["fate"], each["cause"]) for each in told(rig)]
    assert noted[:4] == [("replied", ""), ("absorbed", ""), ("dropped", "ack"), ("dropped", "handler")]
    assert noted[4][0] == "replied"
    assert noted[4][1], "what is wrong with it"


def test_what_nobody_answers_has_its_cause() -> None:
    rig = watched(is_served=False)
    rig.receive(request("OPTIONS"))
    (noted,) = told(rig)
    assert (noted["fate"], noted["cause"]) == ("shed", "no worker")
    assert noted["reply"].startswith(b"SIP/2.0 503")
    assert rig.edge.figures()["causes"] == {"no worker": 1}
    rig = watched()
    rig.hang()
    rig.receive(request("OPTIONS"))
    rig.advance(30)
    assert [(each["fate"], each["cause"]) for each in told(rig)] == [("failed", "no answer")]
    assert rig.edge.figures()["causes"] == {"no answer": 1}


def test_it_is_a_sample_however_many_come() -> None:
    rig = watched()
    for at in range(2_000):
        rig.receive(request("OPTIONS", call_id=f"c{at}@h"))
    assert len(told(rig)) == 1
    for at in range(int(10 / EVERY)):
        rig.now += EVERY
        rig.receive(request("OPTIONS", call_id=f"d{at}@h"))
    assert len(told(rig)) == TOLD
    assert rig.edge.recent is not None
    assert len(rig.edge.recent._kept) == KEPT


def test_who_asks_again_gets_what_is_new() -> None:
    rig = watched()
    seen: list[int] = []
    last = 0
    for at in range(TOLD * 2):
        rig.now += EVERY
        rig.receive(request("OPTIONS", call_id=f"d{at}@h"))
    while (answer := rig.edge.tell_recent(last, rig.now))["requests"]:
        seen += [each["number"] for each in answer["requests"]]
        last = answer["last"]
    assert seen == list(range(1, TOLD * 2 + 1))
    assert len(told(rig, 10_000)) == TOLD, "who knows of more than there ever was knows another life of this edge"


def test_it_ends_when_nobody_looks_any_more() -> None:
    rig = watched()
    rig.advance(LOOKED + 1)
    assert rig.edge.recent is None


def test_credentials_and_bodies_are_left_out() -> None:
    rig = watched()
    secret = 'Digest username="a", response="5ec7e7"'
    folded = f"{secret},\r\n b=5ec7e7"
    rig.receive(request("MESSAGE", body=b"private words", authorization=secret, proxy_authorization=folded))
    (noted,) = told(rig)
    assert b"5ec7e7" not in noted["request"]
    assert noted["request"].count(b"uthorization: (left out)") == 2
    assert b"private" not in noted["request"]
    assert noted["body"] == len(b"private words")


def test_only_who_asks_for_requests_is_told_of_them() -> None:
    dispatcher: Dispatcher[Job] = Dispatcher("edge", 1, DispatchSettings())
    for identity, info in ((b"a", {}), (b"b", {"recent": 7}), (b"c", {"recent": "7"}), (b"d", {"recent": True})):
        dispatcher.receive(identity, envelope.encode(Kind.STATS, info), 0.0)
    assert dispatcher.asked == [b"a", b"b", b"c", b"d"]
    assert dispatcher.lookers == {b"b": 7}
