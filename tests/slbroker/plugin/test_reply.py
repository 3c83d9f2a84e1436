"""What a handler may answer, and what is refused where it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from slbroker import DROP, Handlers, Reply, Request
from slbroker.plugin.settings import Context, Settings
from slbroker.sip.parser import parse
from slbroker.sip.slerrors import SlError
from slbroker.testing import SOURCE, Client
from tests.support.sip import SIPP_INVITE

if TYPE_CHECKING:
    from slbroker.sip.slerrors import ErrorTable


def sent(reply: Reply) -> Any:
    app = Handlers()
    app.otherwise(lambda _request: reply)
    response = Client(app).request("OPTIONS")
    assert response is not None
    return response


@pytest.mark.parametrize(
    ("status", "reason"),
    [(200, "OK"), (404, "Not Found"), (183, "Session Progress"), (299, "Successful"), (699, "Global Failure")],
)
def test_a_status_has_a_reason_of_its_own(status: int, reason: str) -> None:
    assert Reply(status).reason == reason
    assert (sent(Reply(status)).status, sent(Reply(status)).reason) == (status, reason)


def test_a_reason_may_be_any_text() -> None:
    assert sent(Reply(486, "Frühstückspause ☕")).reason == "Frühstückspause ☕"


def test_bytes_of_a_peer_in_a_reason_do_no_harm() -> None:
    """RFC 3261 25.1: a reason is UTF-8. Text from `request` may hold bytes that are not; a reply has to come of it."""
    assert sent(Reply(404, "No b\udcf6b here")).reason == "No b?b here"


def test_headers_in_order_from_a_mapping_or_pairs() -> None:
    response = sent(Reply(200, headers={"Accept": "application/sdp", "Supported": ["path", "100rel"]}))
    assert response.first("accept") == "application/sdp"
    assert response.all("Supported") == ["path", "100rel"]
    response = sent(Reply(200, headers=[("Warning", "1"), ("Warning", "2")]))
    assert response.all("warning") == ["1", "2"]


def test_bytes_of_a_peer_in_a_header_come_back_as_they_were() -> None:
    assert sent(Reply(200, headers={"Subject": "b\udcf6b"})).first("Subject") == "b\udcf6b"


@pytest.mark.parametrize("content_type", ["Content-Type", "content-type", "c", "CONTENT-TYPE"])
def test_a_body_has_a_type_and_a_length(content_type: str) -> None:
    response = sent(Reply(200, headers={content_type: "text/plain"}, body="Grüße"))
    assert response.body.decode() == "Grüße"
    assert response.first("Content-Length") == "7"
    assert response.first("Content-Type") == "text/plain"
    assert sent(Reply(200, headers={content_type: "text/plain"}, body=b"\x00\xff")).body == b"\x00\xff"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"status": 99}, "between 100 and 699"),
        ({"status": 700}, "between 100 and 699"),
        ({"status": 200, "reason": ""}, "empty"),
        ({"status": 200, "reason": "OK\r\nX: y"}, "line end"),
        ({"status": 200, "reason": "O\nK"}, "line end"),
        ({"status": 200, "reason": "O\x00K"}, "line end"),
        ({"status": 200, "headers": {"X": "a\r\nY: b"}}, "line end"),
        ({"status": 200, "headers": {"X": "a\nb"}}, "line end"),
        ({"status": 200, "headers": {"X": "a\x00"}}, "line end"),
        ({"status": 200, "headers": {"X": ["fine", "a\rb"]}}, "line end"),
        ({"status": 200, "headers": {"X\r\nY": "a"}}, "no header name"),
        ({"status": 200, "headers": {"X:": "a"}}, "no header name"),
        ({"status": 200, "headers": {"": "a"}}, "no header name"),
        ({"status": 200, "headers": [("Ä", "a")]}, "no header name"),
        ({"status": 200, "headers": {"Expires": 60}}, "header Expires wants text, or several in a list, not 60"),
        ({"status": 200, "headers": {"Expires": ["60", 70]}}, "header Expires wants text"),
        ({"status": 200, "headers": {"X": b"a"}}, "header X wants text"),
        ({"status": 200, "headers": {"X": "\ud800"}}, "surrogates"),
        ({"status": 200, "body": "text"}, "Content-Type"),
        ({"status": 200, "body": "text", "headers": {"X-Content-Type": "c: d"}}, "Content-Type"),
        ({"status": 200, "body": "text", "headers": {"Subject": "Content-Type: x"}}, "Content-Type"),
        *(({"status": 200, "headers": {n: "x"}}, "itself") for n in ("Via", "v", "FROM", "t", "Call-ID", "CSeq", "l")),
    ],
)
def test_what_cannot_be_sent_is_refused_where_it_is_given(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Reply(**wrong)


def test_further_headers_make_another_reply() -> None:
    reply = Reply(200, "Fine", {"Content-Type": "text/plain"}, "x")
    more = reply.with_headers({"Server": "us"})
    response = sent(more)
    assert (response.status, response.reason, response.body) == (200, "Fine", b"x")
    assert (response.first("Server"), response.first("Content-Type")) == ("us", "text/plain")
    assert sent(reply).first("Server") is None
    with pytest.raises(ValueError, match="itself"):
        reply.with_headers({"Via": "x"})


def test_a_reply_shows_what_it_is() -> None:
    assert repr(Reply(486)) == "Reply(486, 'Busy Here')"
    assert repr(DROP) == "<Drop.DROP: 'drop'>"


# The sl module's error reply ------------------------------------------------------------------------------------


# Kamailio's error.h and error.c: name, number without its sign, status, text.
KAMAILIO = """
E_SEND 477 477 Unfortunately error on sending to next hop occurred
E_BAD_ADDRESS 478 478 Unresolvable destination
E_BAD_URI 479 479 Regretfully, we were not able to process the URI
E_BAD_REQ 400 400 Bad Request
E_BAD_TUPEL 9 400 Transaction tuple incomplete
E_BAD_TO 13 400 Bad To
E_Q_INV_CHAR 15 400 Invalid character in q parameter
E_Q_EMPTY 16 400 Empty q parameter
E_Q_TOO_BIG 17 400 Q parameter too big
E_Q_DEC_MISSING 18 400 Decimal part missing in q
E_EXEC 11 500 Error in external logic
E_TOO_MANY_BRANCHES 12 500 Forking capacity exceeded
E_CANCELED 487 487 Transaction canceled
E_OUT_OF_MEM 2 500 Message processing error
E_UNEXPECTED_STATE 20 500 Internal processing error
E_OK 0 500 No error
"""


def error_reply(error: SlError, table: ErrorTable = "kamailio") -> Reply:
    return Request(parse(SIPP_INVITE), SOURCE, Context(Settings(errors=table), None, None)).reply_error(error)


SORRY = {
    "E_UNSPEC": 1, "E_BAD_RE": 3, "E_BUG": 5, "E_CFG": 6, "E_NO_SOCKET": 7, "E_BAD_VIA": 8, "E_SCRIPT": 10,
    "E_INVALID_PARAMS": 14, "E_DROP": 19, "E_BAD_PROTO": 480, "E_BAD_SERVER": 500, "E_ADM_PROHIBITED": 510,
    "E_BLOCKLISTED": 520,
}  # fmt: skip


@pytest.mark.parametrize("line", KAMAILIO.strip().splitlines())
def test_error_replies_are_kamailio_s(line: str) -> None:
    name, number, status, phrase = line.split(" ", 3)
    reply = error_reply(SlError[name])
    assert (reply.status, reply.reason) == (int(status), f"{phrase} ({number}/SL)")


@pytest.mark.parametrize("name", SORRY)
def test_the_rest_is_terribly_sorry(name: str) -> None:
    reply = error_reply(SlError[name])
    assert (reply.status, reply.reason) == (500, f"I'm terribly sorry, server error occurred ({SORRY[name]}/SL)")


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (SlError.E_UNSPEC, 500, "Server error occurred (1/SL)"),
        (SlError.E_SEND, 477, "Send failed (477/SL)"),
        (SlError.E_BAD_ADDRESS, 476, "Unresolvable destination (476/SL)"),
        (SlError.E_BAD_URI, 475, "Bad URI (475/SL)"),
        (SlError.E_BAD_TO, 400, "Bad To (13/SL)"),
        (SlError.E_IP_BLOCKED, 473, "Filtered destination (473/SL)"),
        (SlError.E_NO_DESTINATION, 500, "No destination available (18/SL)"),
        (SlError.E_OUT_OF_MEM, 500, "Server error occurred (2/SL)"),
    ],
)
def test_or_opensips_s(error: SlError, status: int, reason: str) -> None:
    reply = error_reply(error, "opensips")
    assert (reply.status, reply.reason) == (status, reason)


def test_an_error_that_kamailio_has_not_is_one_of_its_unspecified() -> None:
    assert error_reply(SlError.E_NO_DESTINATION).reason == "I'm terribly sorry, server error occurred (1/SL)"


def test_every_error_has_a_reply_that_can_be_sent() -> None:
    for error in SlError:
        assert len(error_reply(error).reason) <= 128


def test_an_error_reply_is_the_handlers_own() -> None:
    error_reply(SlError.E_UNSPEC).extra += b"\r\nX: y"
    assert error_reply(SlError.E_UNSPEC).extra == b""
