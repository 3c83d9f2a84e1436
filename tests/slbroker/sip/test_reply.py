"""Replies: what is echoed, in which order, what is added; and that another parser reads them back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import sipmessage
from hypothesis import given, settings
from hypothesis import strategies as st

from slbroker.errors import Drop
from slbroker.sip import via
from slbroker.sip.parser import BadRequest, parse
from slbroker.sip.reasons import REASONS, reason_for
from slbroker.sip.reply import build_reply, status_line
from tests.support.examples import examples
from tests.support.sip import PHONE_INVITE, SIPP_ACK, TYPICAL, ReadReply, read_reply, request, split_list, typed

if TYPE_CHECKING:
    from slbroker.sip.message import Message

TAG = b"s1a1b2-0123456789abcdef01234567"
SOURCE = ("192.0.2.1", 40_000)


def reply_to(data: bytes, status: int = 200, reason: str = "OK", **more: bytes) -> ReadReply:
    """Parse, build and read back; the Via is left as it came."""
    return read_reply(build_reply(parse(data), status, reason, TAG, **more))


# Status line ----------------------------------------------------------------------------------------------------


def test_the_status_line_has_our_version_and_the_given_words() -> None:
    data = request(version="sip/2.0")
    assert build_reply(parse(data), 404, "Not Found", TAG).startswith(b"SIP/2.0 404 Not Found\r\nVia: ")


@pytest.mark.parametrize("reason", ["", "OK", "Nicht gefunden: größer", "a  b"])
def test_the_reason_is_sent_as_utf8(reason: str) -> None:
    assert status_line(480, reason) == f"SIP/2.0 480 {reason}".encode()
    assert reply_to(request(), 480, reason).reason == reason


def test_every_default_phrase_fits_in_a_status_line() -> None:
    for status in range(100, 700):
        assert re.fullmatch(r"[A-Za-z0-9/ -]+", reason_for(status)), status
    assert set(REASONS) < set(range(100, 700))
    assert (reason_for(199), reason_for(299), reason_for(699)) == (REASONS[199], "Successful", "Global Failure")


# Headers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", TYPICAL.values(), ids=TYPICAL)
def test_typical_requests_get_what_8_2_6_2_says(data: bytes) -> None:
    message, reply = parse(data), reply_to(data)
    assert reply.all(b"Via") == message.all(b"via")
    assert reply.one(b"From") == message.first(b"from")
    assert reply.one(b"To") == (message.first(b"to") or b"") + b";tag=" + TAG
    assert reply.one(b"Call-ID") == message.call_id
    assert reply.one(b"CSeq") == message.first(b"cseq")
    assert reply.body == b""
    other = typed(build_reply(message, 200, "OK", TAG))
    assert other.to_address.parameters["tag"] == TAG.decode()
    assert (other.from_address.parameters["tag"], other.cseq.sequence) == (message.from_tag.decode(), message.cseq)


def test_headers_keep_the_order_of_the_request_under_their_long_names() -> None:
    names = [name for name, _ in reply_to(PHONE_INVITE).headers]
    assert names == [b"Via", b"From", b"To", b"Call-ID", b"CSeq", b"Content-Length"]
    moved = request(via=None, lines=[b"v: SIP/2.0/UDP a", b"v: SIP/2.0/UDP b"])
    assert [name for name, _ in reply_to(moved).headers] == [
        b"From", b"To", b"Call-ID", b"CSeq", b"Via", b"Via", b"Content-Length",
    ]  # fmt: skip


def test_vias_stay_in_order_also_between_other_headers() -> None:
    data = request(via=["SIP/2.0/UDP a, SIP/2.0/UDP b", "SIP/2.0/UDP c"], lines=[b"V : SIP/2.0/UDP d"])
    assert reply_to(data).vias == [b"SIP/2.0/UDP " + host for host in (b"a", b"b", b"c", b"d")]


def test_a_folded_value_goes_out_on_one_line() -> None:
    assert reply_to(request(to='"a\r\n b"\r\n\t<sip:a@b>')).one(b"To") == b'"a b" <sip:a@b>;tag=' + TAG


def test_nothing_else_of_the_request_comes_back() -> None:
    lines = [b"Contact: <sip:a@b>", b"Route: <sip:a;lr>", b"Record-Route: <sip:r;lr>", b"Timestamp: 5", b"X: 1"]
    for status in (300, 404, 503, 603):
        assert {name for name, _ in reply_to(request(lines=lines, body=b"x"), status).headers} == {
            b"Via", b"From", b"To", b"Call-ID", b"CSeq", b"Content-Length",
        }  # fmt: skip


STATUSES = (100, 101, 180, 199, 200, 299, 300, 404, 503, 699)


@pytest.mark.parametrize("status", STATUSES)
def test_a_tag_is_added_above_100_where_there_is_none(status: int) -> None:
    bare, tagged = b"<sip:bob@example.com;tag=uri>", b"<sip:bob@example.com>;TAG=theirs"
    expected = bare + b";tag=" + TAG if status > 100 else bare
    assert reply_to(request(to=bare), status).one(b"To") == expected
    assert reply_to(request(to=tagged), status).one(b"To") == tagged


@pytest.mark.parametrize("status", STATUSES)
def test_record_route_is_echoed_from_101_to_299(status: int) -> None:
    routes = [b"<sip:p1;lr>, <sip:p2;lr>", b"<sip:p3;lr>"]
    echoed = reply_to(request("INVITE", record_route=routes), status).all(b"Record-Route")
    assert echoed == (routes if 101 <= status <= 299 else [])


@pytest.mark.parametrize("status", STATUSES)
def test_timestamp_is_echoed_in_100_only(status: int) -> None:
    echoed = reply_to(request("INVITE", timestamp="54.21"), status).all(b"Timestamp")
    assert echoed == ([b"54.21"] if status == 100 else [])


def test_extra_headers_and_body_stand_behind_the_echoed_ones() -> None:
    extra, body = b"\r\nContent-Type: text/plain\r\nServer: slbroker", "grüße\r\n\r\nx".encode()
    reply = reply_to(request(), extra=extra, body=body)
    assert [name for name, _ in reply.headers[-3:]] == [b"Content-Type", b"Server", b"Content-Length"]
    assert (reply.body, reply.one(b"Content-Length")) == (body, b"%d" % len(body))


@pytest.mark.parametrize("body", [b"", b"\r\n", b"\x00" * 5, b"x" * 65_000])
def test_content_length_stands_once_and_counts_bytes(body: bytes) -> None:
    data = request(content_length=b"3", body=b"abc")
    assert reply_to(data, body=body).all(b"Content-Length") == [b"%d" % len(body)]


def test_the_same_request_gets_the_same_bytes() -> None:
    assert len({build_reply(parse(PHONE_INVITE), 486, "Busy Here", TAG) for _ in range(3)}) == 1


def test_the_request_is_not_changed() -> None:
    message = parse(PHONE_INVITE)
    before = message._replace(headers=list(message.headers))
    build_reply(message, 200, "OK", TAG, b"\r\nX: 1", b"body")
    assert message == before


# Broken requests ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "to"),
    [
        (request(cseq="x"), [b"<sip:bob@example.com>;tag=" + TAG]),
        (request(to="<sip:a@b>;tag=1", cseq="x"), [b"<sip:a@b>;tag=1"]),
        (request(to=["<sip:a@b>", "<sip:c@d>;tag=1"]), [b"<sip:a@b>;tag=" + TAG]),
        (request(to="<sip:a@b>;tag=1;tag=2"), [b"<sip:a@b>;tag=1;tag=2"]),
        (request(to='"<sip:a@b>'), [b'"<sip:a@b>']),
        (request(to=""), [b""]),
        (request(to=None), []),
    ],
)
def test_a_broken_request_is_echoed_with_one_to_and_at_most_one_tag(data: bytes, to: list[bytes]) -> None:
    with pytest.raises(BadRequest) as caught:
        parse(data)
    reply = read_reply(build_reply(caught.value.message, 400, caught.value.reason, TAG))
    assert reply.all(b"To") == to


# Another parser reads them --------------------------------------------------------------------------------------

_GAP = st.sampled_from(["", " ", "\t", "  ", "\r\n ", " \r\n\t "])
_TOKEN = st.text("abzABZ019-.!%*_+`'~", min_size=1, max_size=8)
_QUOTED = st.text("ab ;,<>é=\t", max_size=8).map('"{}"'.format)
_HOST = st.sampled_from(["a.example", "192.0.2.1", "192.0.2.9", "[2001:db8::1]"])
_VALUE = st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), max_size=12)


@st.composite
def _via(draw: st.DrawFn) -> str:
    port = draw(st.sampled_from(["", ":5060", ":65535", " : 1"]))
    params = draw(st.lists(st.one_of(st.just("rport"), _TOKEN, st.builds("{}={}".format, _TOKEN, _QUOTED)), max_size=4))
    return f"SIP/2.0/UDP {draw(_HOST)}{port}" + "".join(f"{draw(_GAP)};{draw(_GAP)}{param}" for param in params)


@st.composite
def _address(draw: st.DrawFn) -> str:
    name = draw(st.one_of(st.just(""), _TOKEN, _QUOTED))
    tag = draw(st.one_of(st.just(""), _TOKEN.map(";tag={}".format), _TOKEN.map(" ; Tag={}".format)))
    return f"{name}{draw(_GAP)}<sip:{draw(st.sampled_from('ab'))}@{draw(_HOST)};tag=no>{draw(_GAP)}{tag}"


@st.composite
def _requests(draw: st.DrawFn) -> bytes:
    """A request that has to be accepted, written in one of the many ways there are."""
    method = draw(st.sampled_from(["OPTIONS", "INVITE", "MESSAGE"]))
    body = draw(st.binary(max_size=20))
    number = draw(st.integers(0, 2**31 - 1))
    lines = [(draw(st.sampled_from(["Via", "v", "VIA"])), draw(_vias)) for _ in range(draw(st.integers(1, 4)))]
    lines += [
        (draw(st.sampled_from(["From", "f"])), draw(_address())),
        (draw(st.sampled_from(["To", "t"])), draw(_address())),
        (draw(st.sampled_from(["Call-ID", "i", "CALL-ID"])), "c" + draw(_VALUE).strip(" \t")),
        (draw(st.sampled_from(["CSeq", "cseq"])), f"{number}{draw(st.sampled_from([' ', '  ', chr(9)]))}{method}"),
        *draw(st.lists(st.tuples(st.sampled_from(["Subject", "X", "Timestamp", "Record-Route"]), _VALUE), max_size=3)),
    ]
    lines.insert(draw(st.integers(0, len(lines))), (draw(st.sampled_from(["Content-Length", "l"])), str(len(body))))
    head = "".join(f"{name}{draw(st.sampled_from(['', ' ']))}:{draw(_GAP)}{value}\r\n" for name, value in lines)
    return f"{method} sip:bob@example.com SIP/2.0\r\n{head}\r\n".encode() + body


_vias = st.lists(_via(), min_size=1, max_size=3).map(" , ".join)


def stamped(message: Message) -> Message:
    """A copy of `message` with its top Via as the edge sends it back."""
    copy = message._replace(headers=list(message.headers))
    assert isinstance(copy.headers, list)
    via.stamp_top(copy.headers, *SOURCE)
    return copy


@settings(deadline=None)
@given(_requests(), st.sampled_from(STATUSES), st.binary(max_size=20))
def test_a_reply_reads_back_as_the_request_it_answers(data: bytes, status: int, body: bytes) -> None:
    message = parse(data)
    raw = build_reply(stamped(message), status, reason_for(status), TAG, body=body)
    reply = read_reply(raw)
    sent = [one for line in message.all(b"via") for one in split_list(line)]
    assert reply.vias[1:] == sent[1:]
    assert without_stamp(reply.vias[0]) == without_stamp(sent[0])
    assert reply.one(b"From") == message.first(b"from")
    assert reply.one(b"Call-ID") == message.call_id == message.first(b"call-id")
    assert reply.one(b"CSeq") == message.first(b"cseq")
    to = message.first(b"to") or b""
    assert reply.one(b"To") == (to if message.to_tag or status == 100 else to + b";tag=" + TAG)
    assert (reply.status, reply.body) == (status, body)
    assert sipmessage.CSeq.parse(reply.one(b"CSeq").decode()).sequence == message.cseq


def without_stamp(value: bytes) -> list[bytes]:
    """The pieces of a Via without white space around them, and without what a server writes into it."""
    pieces = [piece.strip(b" \t") for piece in re.findall(rb'(?:[^;"]|"[^"]*")+', value)]
    return [piece for piece in pieces if piece and not re.match(rb"(?i)(rport|received)[ \t]*(=|\Z)", piece)]


ECHOED = {b"Via", b"From", b"To", b"Call-ID", b"CSeq", b"Content-Length", b"Record-Route", b"Timestamp"}
# fmt: off
PIECES = (
    b"", b" ", b"\r", b"\n", b"\r\n", b"\n ", b"\r\nX: 1", b"\nX: 1", b"\rX: 1", b"\x0bX: 1", b"\x85X: 1", b":", b'"',
    b",", b"\x00", b"\xff",
)
# fmt: on


@examples(300)
@given(
    st.sampled_from([*TYPICAL.values(), SIPP_ACK]),
    st.lists(st.tuples(st.integers(0, 1_000), st.integers(0, 3), st.sampled_from(PIECES)), min_size=1, max_size=4),
    st.sampled_from(STATUSES),
)
def test_no_line_end_of_a_peer_begins_a_line_of_ours(
    data: bytes, changes: list[tuple[int, int, bytes]], status: int
) -> None:
    for at, length, piece in changes:
        data = data[:at] + piece + data[at + length :]
    reply = answer(data, status)
    if reply is not None:
        read = read_reply(reply)
        assert {name for name, _ in read.headers} <= ECHOED
        assert read.body == b""


def answer(data: bytes, status: int) -> bytes | None:
    """The reply of an edge to `data`, None for silence."""
    try:
        return build_reply(stamped(parse(data)), status, reason_for(status), TAG)
    except BadRequest as bad:
        fault = bad
    except Drop:
        return None
    try:
        return build_reply(stamped(fault.message), fault.status, fault.reason, TAG)
    except Drop:
        return None
