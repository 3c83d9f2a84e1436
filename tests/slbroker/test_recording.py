"""Requests on file and played again."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker import Handlers, Reply, Request
from slbroker.bus.envelope import FILTERED_ACK, FORWARDED_REPLY
from slbroker.errors import ConfigError
from slbroker.keys import KeyRing
from slbroker.plugin import Digest
from slbroker.plugin.rulefile import load_rules
from slbroker.proxy.passage import reply_message
from slbroker.recording import Record, Recorder, read_file, read_record, read_request, write_record
from slbroker.replay import Player, differences
from slbroker.sip.message import Source
from slbroker.sip.parser import parse
from slbroker.testing import SOURCE, RequestFactory
from tests.support.sip import KAMAILIO_OPTIONS, PHONE_INVITE, SIPP_INVITE, SIPSAK_OPTIONS, request

RING = KeyRing.generate()


def record(data: bytes | None = None, source: Source = SOURCE) -> Record:
    return Record(1_760_000_000.5, source, parse(data or request("OPTIONS")))


@pytest.mark.parametrize("data", [KAMAILIO_OPTIONS, PHONE_INVITE, SIPP_INVITE, SIPSAK_OPTIONS])
def test_what_is_written_is_read_as_the_same(data: bytes) -> None:
    written = record(data, Source("2001:db8::1", 5061, "tls:[2001:db8::7]:5061"))
    read = read_record(write_record(written))
    assert read == written._replace(message=written.message._replace(headers=list(written.message.headers)))


@given(st.binary(max_size=40), st.binary(max_size=40).filter(lambda value: not set(value) & set(b"\r\n")))
def test_no_byte_is_lost(body: bytes, subject: bytes) -> None:
    written = record(request("MESSAGE", subject=subject, body=body))
    line = write_record(written)
    assert line.isascii()
    assert line.count("\n") == 1
    read = read_record(line)
    assert read.message.body == body
    assert read.message.first(b"subject") == written.message.first(b"subject")


def test_an_absorbed_ack_is_played_again_as_one() -> None:
    written = record(request("ACK"))
    written = written._replace(message=written.message._replace(method=FILTERED_ACK))
    line = write_record(written)
    assert json.loads(line)["absorbed"] is True
    assert json.loads(line)["request"].startswith("ACK ")
    read = read_record(line)
    assert read.message.method == FILTERED_ACK
    told: list[str] = []
    app = Handlers()

    @app.filtered_ack
    def tell(request: Request) -> Reply:
        told.append(request.method)
        return request.reply(200)

    with Player(app, RING) as player:
        assert player.play(read).replies == ()
    assert told == ["ACK"]


def test_a_file_for_its_owner_alone_that_grows(tmp_path: Path) -> None:
    file = tmp_path / "requests.jsonl"
    for _ in range(2):
        recorder = Recorder(file)
        recorder.add([record(), record()])
        recorder.close()
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(list(read_file(file))) == 4


def good() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(write_record(record()))
    return content


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "it is no record"),
        ("[]", "it is no record"),
        ("{}", "it is no record"),
        (json.dumps(good() | {"source": ["h", "5060", "l"]}), "have to be numbers"),
        (json.dumps(good() | {"source": [1, 2, 3]}), "have to be texts"),
        (json.dumps(good() | {"time": "now"}), "have to be numbers"),
        (json.dumps(good() | {"request": "SIP/2.0 200 OK\r\n\r\n"}), "does not hand this to a handler: response"),
        (
            json.dumps(good() | {"request": "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n\r\n"}),
            "this itself: 400",
        ),
    ],
)
def test_what_is_no_record_is_named_by_its_line(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "requests.jsonl"
    file.write_text(write_record(record()) + "\n" + line + "\n")
    with pytest.raises(ConfigError, match=rf"requests\.jsonl:3: .*{said}"):
        list(read_file(file))


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_a_file_that_cannot_be_read_or_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="recording"):
        list(read_file(tmp_path / name))
    with pytest.raises(ConfigError, match="recording"):
        Recorder(tmp_path / "nowhere" / "x")


# Playing --------------------------------------------------------------------------------------------------------


def app_that(answer: Any) -> Handlers:
    app = Handlers()
    app.otherwise(answer)
    return app


def play(answer: Any, data: bytes | None = None) -> Any:
    with Player(app_that(answer), RING) as player:
        return player.play(record(data))


async def later(request: Request) -> Reply:
    await asyncio.sleep(0)
    return request.reply(404)


def test_a_plugin_is_played() -> None:
    assert play(later).replies == play(lambda request: request.reply(404)).replies
    assert play(lambda request: request.drop()).replies == ()
    assert len(play(lambda request: [request.reply(180), request.reply(486)]).replies) == 2
    assert play(later).seconds > 0


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (lambda r: r.reply(404), lambda r: r.reply(404), []),
        (lambda r: r.reply(404), lambda r: r.reply(486), ["404 Not Found | 486 Busy Here"]),
        (lambda r: r.reply(404), lambda r: r.drop(), ["404 Not Found | silence"]),
        (
            lambda r: r.reply(404),
            lambda r: [r.reply(180), r.reply(404)],
            ["404 Not Found | 180 Ringing, 404 Not Found"],
        ),
        (lambda r: r.redirect("sip:a"), lambda r: r.redirect("sip:b"), ["contact: <sip:a> | <sip:b>"]),
        (lambda r: r.reply(200, headers={"X-A": "1"}), lambda r: r.reply(200), ["x-a: 1 | -"]),
        (
            lambda r: r.reply(200, headers={"Content-Type": "a/b"}, body="x"),
            lambda r: r.reply(200, headers={"Content-Type": "a/b"}, body="y"),
            ["body of 1 bytes | body of 1 bytes"],
        ),
    ],
)
def test_differences_are_what_a_peer_would_see(one: Any, other: Any, said: list[str]) -> None:
    assert differences(play(one), play(other)) == said


def test_nonces_and_tags_are_no_difference() -> None:
    clock = iter((1_000.0, 2_000.0))
    digest = Digest("r", lambda _name: None, clock=lambda: next(clock))
    first, second = play(digest.challenge), play(digest.challenge)
    assert first.replies != second.replies
    assert differences(first, second) == []


def explained(app: Handlers, data: bytes) -> dict[str, str]:
    with Player(app, RING) as player:
        return dict(player.explain(Record(0.0, SOURCE, read_request(data))))


def test_one_request_explained() -> None:
    app = Handlers()

    @app.on("INVITE", user="9*", timeout=5.0)
    async def nine(request: Request) -> Reply:
        return request.reply(403)

    app.otherwise(lambda request: request.drop())
    factory = RequestFactory()
    told = explained(app, factory.invite("sip:911@example.com"))
    assert told["request"] == "INVITE sip:911@example.com from 192.0.2.1:5060 to udp:192.0.2.2:5060"
    assert told["route"] == "on('INVITE') user=9*"
    assert told["handler"] == f"nine at {Path(__file__)}:{nine.__code__.co_firstlineno}"
    assert told["reply"].startswith("\nSIP/2.0 403 Forbidden\nVia: ")
    assert f"version s1, key {RING.current.id.decode()}, MAC " in told["to-tag"]
    told = explained(app, factory.request("BYE", headers={"To": "<sip:a@h>;tag=x"}))
    assert (told["route"], told["reply"]) == ("none matches: the otherwise handler", "none")
    assert told["handler"].startswith(f"<lambda> at {Path(__file__)}:")
    told = explained(app, factory.request("ACK"))
    assert (told["route"], told["handler"], told["reply"]) == ("none matches: nobody", "none", "none")


def test_a_handler_is_explained_by_its_own_line_whatever_is_put_around_it() -> None:
    users = Digest("r", lambda _name: None)
    app = Handlers()

    @app.on("REGISTER")
    @users.required
    def register(request: Request) -> Reply:
        return request.reply(200)

    told = explained(app, RequestFactory().register())
    assert told["handler"] == f"register at {Path(__file__)}:{register.__wrapped__.__code__.co_firstlineno}"  # type: ignore[attr-defined]


def test_rules_are_explained_by_their_tables(tmp_path: Path) -> None:
    rules = tmp_path / "answers.toml"
    rules.write_text(
        '[[on]]\nmethod = "BYE"\nreply = "200"\n[[on]]\nmethod = "INVITE"\ndrop = true\n[otherwise]\nreply = "404"\n'
    )
    app = load_rules(rules)
    assert explained(app, RequestFactory().invite())["handler"] == "[[on]] 2"
    assert explained(app, RequestFactory().request("OPTIONS"))["handler"] == "[otherwise]"


def test_a_tag_that_is_not_ours_is_said_to_be_theirs() -> None:
    data = RequestFactory().invite(headers={"To": "<sip:a@h>;tag=theirs"})
    told = explained(app_that(lambda request: request.reply(488)), data)
    assert told["to-tag"].startswith("theirs: the request's own")
    assert explained(app_that(lambda request: request.reply(100)), RequestFactory().invite())["to-tag"].startswith(
        "none"
    )


# What goes on, and replies on their way back --------------------------------------------------------------------------

REPLY = b"SIP/2.0 404 Not \xffFound\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n"
REPLY += b"To: <sip:b@h>;tag=2\r\nCall-ID: c1\r\nCSeq: 7 INVITE\r\nContent-Length: 2\r\n\r\n\xfe!"


def test_a_reply_on_its_way_back_is_played_again_as_one() -> None:
    written = Record(1.0, SOURCE, reply_message(REPLY, FORWARDED_REPLY))
    line = write_record(written)
    assert json.loads(line)["reply"].startswith("SIP/2.0 404 Not ")
    assert "request" not in json.loads(line)
    read = read_record(line)
    assert read.message == written.message
    app = Handlers()
    app.on_reply(lambda reply: reply.forward(480, add={"X-Was": f"{reply.status} to {reply.method}"}))
    with Player(app, RING) as player:
        run = player.play(read)
        assert (run.replies, run.onward) == ((), "goes back as 480 Temporarily Unavailable, + X-Was: 404 to INVITE")
        said = dict(player.explain(read))
    assert said["message"] == "reply 404 Not �Found from 192.0.2.1:5060 to udp:192.0.2.2:5060"
    assert said["route"] == "on_reply"
    assert said["onward"] == run.onward
    assert "reply" not in said


def test_so_is_one_that_nobody_looks_at_or_that_is_dropped() -> None:
    read = read_record(write_record(Record(1.0, SOURCE, reply_message(REPLY, FORWARDED_REPLY))))
    app = Handlers()
    with Player(app, RING) as player:
        assert player.play(read).onward == "goes back as it came"
        assert dict(player.explain(read))["route"] == "none matches: nobody"
    app.on_reply(lambda reply: reply.drop())
    with Player(app, RING) as player:
        assert player.play(read).onward == ""
        assert dict(player.explain(read))["onward"] == "dropped: it goes nowhere"


@pytest.mark.parametrize(
    "reply", ["", "OPTIONS sip:b SIP/2.0\r\n\r\n", "SIP/2.0 200 OK\r\n\r\n", 5, REPLY[:40].decode("latin-1")]
)
def test_what_is_no_reply_is_refused(reply: object) -> None:
    with pytest.raises(ValueError, match=r"no reply that an edge would let back|no record"):
        read_record(json.dumps({"time": 1.0, "source": list(SOURCE), "reply": reply}))


FORWARDS: list[tuple[dict[str, Any], str]] = [
    ({}, "forward to where the edge's --pass leads"),
    ({"to": "target"}, "forward to where it says itself"),
    ({"to": "group:1", "record_route": True, "path": False}, "forward to group:1, record-route, no path"),
    (
        {"to": "sip:gw", "uri": "sip:b@c", "remove": "s", "replace": {"X": "1"}, "add": {"Y": "\udcff"}},
        "forward to sip:gw, Request-URI sip:b@c, - subject, = X: 1, + Y: �",
    ),
]


@pytest.mark.parametrize(("how", "said"), FORWARDS)
def test_what_goes_on_is_told(how: dict[str, Any], said: str) -> None:
    app = Handlers()
    app.otherwise(lambda request: request.forward(**how))
    with Player(app, RING) as player:
        run = player.play(record())
        assert (run.replies, run.onward) == ((), said)
        explained = dict(player.explain(record()))
    assert explained["onward"] == said


def test_two_plugins_that_let_it_go_on_otherwise_differ() -> None:
    def playing(answer: Any) -> Any:
        app = Handlers()
        app.otherwise(answer)
        with Player(app, RING) as player:
            return player.play(record())

    here = playing(lambda request: request.forward("sip:10.0.0.5"))
    there = playing(lambda request: request.forward("sip:10.0.0.6"))
    answered = playing(lambda request: request.reply(404))
    assert differences(here, here) == []
    assert differences(here, there) == ["forward to sip:10.0.0.5 | forward to sip:10.0.0.6"]
    assert differences(here, answered) == ["forward to sip:10.0.0.5 | 404 Not Found"]
    assert differences(answered, here) == ["404 Not Found | forward to sip:10.0.0.5"]
