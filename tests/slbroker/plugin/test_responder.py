"""Running a plugin: what its handlers do becomes bytes, and nothing that they do stops the worker."""

from __future__ import annotations

import asyncio
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest

from slbroker import DROP, Handlers, Reply, Request
from slbroker.errors import Reject
from slbroker.keys import KeyRing
from slbroker.plugin.responder import Responder
from slbroker.sip.message import Source
from slbroker.sip.parser import parse
from slbroker.totag import Signer
from tests.support.sip import read_reply, request

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from slbroker.bus.envelope import Answer

SOURCE = Source("192.0.2.1", 5060, "udp:192.0.2.7:5060")
RING = KeyRing.generate()
SORRY = (500, "I'm terribly sorry, server error occurred (1/SL)")


def responder(handler: Callable[[Request], Any], ring: KeyRing = RING) -> Responder:
    app = Handlers()
    app.on("ACK", "CANCEL")(handler)
    app.otherwise(handler)
    return Responder(app, Signer(ring.current, ring.accepted(0.0)))


def respond(handler: Callable[[Request], Any], data: bytes | None = None) -> Answer:
    """The answer to one request, waited for where the handler is asynchronous."""
    answer = responder(handler).respond(parse(data or request("OPTIONS")), SOURCE)
    return answer if answer is None or isinstance(answer, bytes | tuple | dict) else asyncio.run(answer)


def outcome(handler: Callable[[Request], Any]) -> tuple[int, str]:
    answer = respond(handler)
    assert isinstance(answer, bytes)
    reply = read_reply(answer)
    return reply.status, reply.reason


def refuse(request: Request) -> Reply:
    return request.reply(403)


# Decisions ------------------------------------------------------------------------------------------------------


class Eventually:
    """Something that can be awaited and is no coroutine."""

    def __await__(self) -> Generator[None, None, Reply]:
        yield
        return Reply(403)


async def refuse_later(request: Request) -> Reply:
    await asyncio.sleep(0)
    return request.reply(403)


@pytest.mark.parametrize("handler", [refuse, refuse_later, lambda _: Eventually(), lambda _: Later(403)])
def test_functions_coroutines_and_awaitables_answer(handler: Callable[[Request], Any]) -> None:
    assert outcome(handler) == (403, "Forbidden")


class Later(Reply):
    """A plugin's own kind of reply."""


@pytest.mark.parametrize("decision", [DROP, [], ()])
def test_silence(decision: object) -> None:
    async def later(_request: Request) -> object:
        return decision

    assert respond(lambda _: decision) is None
    assert respond(later) is None


@pytest.mark.parametrize("kind", [list, tuple])
def test_several_replies(kind: type) -> None:
    answer = respond(lambda _: kind([Reply(180), Reply(603)]), request("INVITE"))
    assert isinstance(answer, tuple)
    assert [read_reply(reply).status for reply in answer if reply is not None] == [180, 603]


# The To-tag -----------------------------------------------------------------------------------------------------


def to_of(status: int, to: str = "<sip:bob@example.com>", ring: KeyRing = RING) -> bytes:
    answer = responder(lambda _: Reply(status), ring).respond(parse(request("INVITE", to=to)), SOURCE)
    assert isinstance(answer, bytes)
    return read_reply(answer).one(b"To")


def test_every_reply_above_100_has_a_signed_tag_the_same_from_any_worker() -> None:
    assert re.fullmatch(rb"<sip:bob@example\.com>;tag=s1[0-9a-f]{4}-[0-9a-f]{24}", to_of(404))
    assert to_of(404) == to_of(183) == to_of(200)
    assert to_of(404) != to_of(404, ring=KeyRing.generate())


def test_100_has_no_tag_and_a_tag_that_is_there_stays() -> None:
    assert to_of(100) == b"<sip:bob@example.com>"
    assert to_of(404, "<sip:bob@example.com>;tag=theirs") == b"<sip:bob@example.com>;tag=theirs"


# Faults ---------------------------------------------------------------------------------------------------------


def fail(_request: Request) -> Reply:
    raise RuntimeError("no\r\nluck\x85today")


async def fail_later(_request: Request) -> Reply:
    await asyncio.sleep(0)
    raise RuntimeError("no luck today")


def fail_in_a_library(_request: Request) -> Reply:
    return Reply(200, headers={"X": "a\nb"})


def line_of(function: Callable[..., object], offset: int) -> str:
    return f"{__file__}:{function.__code__.co_firstlineno + offset}"


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (fail, f"RuntimeError: no luck today, at {line_of(fail, 1)} in fail"),
        (fail_later, f"RuntimeError: no luck today, at {line_of(fail_later, 2)} in fail_later"),
        (fail_in_a_library, f"called from {line_of(fail_in_a_library, 1)}"),
        (lambda _: sys.exit(3), "SystemExit: 3, at"),
        (lambda _: next(iter(())), "StopIteration, at"),
    ],
)
def test_an_exception_becomes_the_error_reply_and_one_line(
    handler: Any, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert outcome(handler) == SORRY
    (line,) = caplog.messages
    assert re.match(r"OPTIONS sip:bob@example\.com, Call-ID [^ :]+: ", line)
    assert said in line
    assert len(line.splitlines()) == 1


@pytest.mark.parametrize("decision", [None, "200 OK", 200, {}, [Reply(180), None], b"SIP/2.0 200 OK\r\n\r\n", Reply])
def test_what_is_no_decision_becomes_the_error_reply_and_one_line(
    decision: object, caplog: pytest.LogCaptureFixture
) -> None:
    def undecided(_request: Request) -> Any:
        return decision

    assert outcome(undecided) == SORRY
    (line,) = caplog.messages
    assert (
        f": undecided at {__file__}:{undecided.__code__.co_firstlineno} returned {decision!r:.80}; return request.reply"
        in line
    )


def bent(**fields: object) -> Reply:
    """A reply whose fields a handler has set to what `Reply()` never makes."""
    reply = Reply(200)
    for name, value in fields.items():
        setattr(reply, name, value)
    return reply


@pytest.mark.parametrize(
    "reply", [bent(line="SIP/2.0 200 OK"), bent(line=b"OK"), bent(body={"a": 1}), bent(extra="X: y")]
)
@pytest.mark.parametrize("wrap", [lambda reply: reply, lambda reply: [reply]])
def test_a_reply_that_cannot_be_built_takes_no_other_request_with_it(reply: Reply, wrap: Any) -> None:
    assert outcome(lambda _: wrap(reply)) == SORRY


def test_the_peers_fault_is_told_to_the_peer_and_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert outcome(lambda request: request.reply(200, request.contacts[0].display)) == SORRY
    caplog.clear()

    def look(_request: Request) -> Reply:
        raise Reject(400, "Bad Contact")

    assert outcome(look) == (400, "Bad Contact")
    assert caplog.messages == []


def test_faults_are_counted() -> None:
    faulty = responder(fail)
    faulty.respond(parse(request("OPTIONS")), SOURCE)
    assert faulty.errors == 1


def test_ctrl_c_is_no_fault_of_the_plugin() -> None:
    def interrupted(_request: Request) -> Reply:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        respond(interrupted)


@pytest.mark.parametrize(
    "handler", [refuse, refuse_later, fail, fail_later, lambda _: [Reply(200)], lambda _: DROP, lambda _: None]
)
def test_an_ack_is_never_answered(handler: Callable[[Request], Any]) -> None:
    """RFC 3261 17.1.1.3."""
    assert respond(handler, request("ACK")) is None
