"""Which messages a trace shows: of a Call-ID, a user, a source, and of the whole call that these lead to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker.sip.tracing import MOST_CALLS, Tracer, Wanted, call_id_of
from tests.support.sip import TYPICAL, request

HOST = "192.0.2.1"
ELSEWHERE = "198.51.100.9"
CALL = request("INVITE", "sip:4711@example.com", call_id="one@192.0.2.1", from_="<sip:alice@example.org>;tag=1")


def wants(word: str, *messages: tuple[bytes, str]) -> list[bool]:
    tracer = Tracer(Wanted.read(word))
    return [tracer.wants(data, host) for data, host in messages]


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("one@192.0.2.1", True),
        ("call-id=one@192.0.2.1", True),
        ("one", False),
        ("4711", True),
        ("user=4711", True),
        ("alice", True),
        ("user=alice", True),
        ("ali", False),
        ("call-id=alice", False),
        ("source=192.0.2.1", True),
        ("192.0.2.0/24", True),
        ("192.0.2.2", False),
        ("source=198.51.100.0/24", False),
        ("2001:db8::/32", False),
        ("user=192.0.2.1", False),
    ],
)
def test_a_word_finds_what_it_is_meant_for(word: str, found: bool) -> None:
    assert wants(word, (CALL, HOST)) == [found]


@pytest.mark.parametrize("header", [b"i: ", b"CALL-ID : ", b"call-id:", b"I:\r\n  "])
def test_a_call_is_found_however_its_header_is_written(header: bytes) -> None:
    assert wants("one@192.0.2.1", (CALL.replace(b"Call-ID: ", header), HOST)) == [True]


def test_what_a_user_or_a_source_leads_to_is_followed_to_wherever_it_goes() -> None:
    answer = CALL.replace(b"4711", b"99").replace(b"alice", b"bob")
    other = request("INVITE", call_id="another")
    assert wants("4711", (other, HOST), (answer, HOST), (CALL, HOST), (answer, ELSEWHERE), (other, ELSEWHERE)) == [
        False, False, True, True, False,
    ]  # fmt: skip
    assert wants("source=192.0.2.1", (answer, ELSEWHERE), (CALL, HOST), (answer, ELSEWHERE)) == [False, True, True]


def test_a_source_that_makes_calls_without_end_takes_no_more_memory() -> None:
    tracer = Tracer(Wanted.read(HOST))
    for number in range(MOST_CALLS * 2):
        assert tracer.wants(request(call_id=f"call-{number}"), HOST)
    assert len(tracer._calls) == MOST_CALLS
    assert not tracer.wants(request(call_id="call-1"), ELSEWHERE)
    assert tracer.wants(request(call_id=f"call-{MOST_CALLS * 2 - 1}"), ELSEWHERE)


@pytest.mark.parametrize("word", ["", "user=", "a b", "a\nb", "source=nobody", "source=192.0.2.1/24", "x" * 300])
def test_what_finds_nothing_is_refused_in_words(word: str) -> None:
    with pytest.raises(ValueError, match="such as"):
        Wanted.read(word)


def test_a_body_is_not_looked_at() -> None:
    body = b"Call-ID: hidden\r\nsip:4711@example.com\r\n"
    message = request("MESSAGE", "sip:b@example.com", call_id=None, body=body)
    assert call_id_of(message) == b""
    assert wants("4711", (message, HOST)) == [False]


@given(st.binary(max_size=300) | st.sampled_from(list(TYPICAL.values())), st.sampled_from(["4711", HOST, "user=a"]))
def test_no_message_is_too_odd(data: bytes, word: str) -> None:
    tracer = Tracer(Wanted.read(word))
    assert tracer.wants(data, HOST) in (True, False)
