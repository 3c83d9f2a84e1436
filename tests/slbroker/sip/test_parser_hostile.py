"""Requests that were made to do harm: reading them takes bounded time, and ends in one of the known ways."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slbroker.errors import Drop, Reject
from slbroker.sip.parser import BadRequest, parse
from tests.support.sip import SIPP_ACK, TYPICAL, request
from tests.support.timing import processor_time, within

if TYPE_CHECKING:
    from slbroker.sip.message import Message

SPACES = b" " * 60_000
HUGE = {
    "spaces in the request line": request(uri=b"sip:a" + SPACES),
    "spaces before a colon": request(lines=[b"X" + SPACES + b": 1"]),
    "spaces in a name": request(lines=[b"X" + SPACES + b"X: 1"]),
    "spaces in a value": request(subject=b"a" + SPACES + b"b"),
    "spaces in Via": request(via=b"SIP/2.0/UDP" + SPACES + b"a"),
    "spaces in CSeq": request(cseq=b"1" + SPACES + b"OPTIONS"),
    "spaces in CSeq, nothing behind": request(cseq=b"1" + SPACES + b"("),
    "spaces in From": request(from_=b"a" + SPACES + b"<sip:a@b>"),
    "spaces in From, nothing behind": request(from_=b"a" + SPACES + b";" + SPACES[:1_000] + b";"),
    "spaces in Content-Length": request(content_length=b"0" + SPACES + b"0"),
    "folds": request(subject=b"\r\n " * 20_000),
    "headers": request(lines=[b"X: 1"] * 6_000),
    "headers, all different": request(lines=[b"X%d: 1" % number for number in range(6_000)]),
    "headers in front of Via": request(via=None, lines=[b"X: 1"] * 6_000 + [b"Via: SIP/2.0/UDP a"]),
    "lines that are none": request(lines=[b"x"] * 20_000),
    "empty names": request(lines=[b":"] * 20_000),
    "Vias": request(via=["SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK776asdhds"] * 34),
    "To headers": request(to=["<sip:a@b>"] * 3_000),
    "CSeq headers": request(cseq=["1 OPTIONS"] * 3_000),
    "CSeq digits": request(cseq="1" * 4_301 + " OPTIONS"),
    "Content-Length digits": request(content_length="9" * 4_301),
    "quotes in From": request(from_=b'"' * 60_001),
    "escapes in From": request(from_=b'"' + b"\\" * 60_001),
    "params in From": request(from_=b"<sip:a@b>" + b";a" * 30_000 + b"!("),
    "brackets in To": request(to=b"<" * 60_000),
    "preamble": b"\r\n" * 30_000,
    "colons in the URI": request(uri=b"a" * 60_000 + b":"),
    "token": b"A" * 65_535,
}


@pytest.mark.parametrize("data", HUGE.values(), ids=HUGE)
def test_the_work_is_bounded(data: bytes) -> None:
    assert processor_time(partial(attempt, data)) < within(0.05)


def attempt(data: bytes) -> Message | None:
    """Parse; return what was read, also of a broken request."""
    try:
        return parse(data)
    except BadRequest as bad:
        return bad.message
    except Drop:
        return None


def test_every_error_is_a_fresh_one() -> None:
    caught = []
    for _ in range(2):
        with pytest.raises(Reject) as one:
            parse(request(cseq=None))
        caught.append(one.value)
    assert caught[0] is not caught[1]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A typical request with some bytes or lines replaced, doubled, moved or taken out."""
    data = draw(st.sampled_from([*TYPICAL.values(), SIPP_ACK]))
    for _ in range(draw(st.integers(1, 4))):
        parts = data.split(b"\r\n") if draw(st.booleans()) else [data[at : at + 1] for at in range(len(data))]
        glue = b"" if len(parts) == len(data) else b"\r\n"
        at = draw(st.integers(0, len(parts) - 1)) if parts else 0
        new = draw(
            st.sampled_from([b"", b" ", b"\r", b"\n", b"\r\n", b"\x00", b":", b'"', b",", b";", b"<", b"ACK", b"\xff"])
        )
        span = draw(st.integers(0, 3))
        data = glue.join((*parts[:at], new, *parts[at : at + draw(st.integers(0, 2))], *parts[at + span :]))
    return data


@settings(deadline=None)
@given(mutated())
def test_a_mutated_request_is_read_refused_or_dropped(data: bytes) -> None:
    message = attempt(data)
    if message is not None:
        assert b"via" in message.headers[::2]
        assert not any(byte in value for value in message.headers for byte in b"\r\n")
        assert 0 <= message.cseq < 2**31


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_anything_is_read_refused_or_dropped(data: bytes) -> None:
    attempt(data)
    attempt(b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP a\r\n" + data)
