"""A stream cut into messages: the same ones, however its bytes come."""

from __future__ import annotations

import time
import timeit
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slbroker.errors import Drop
from slbroker.sip.framer import MAX_GAP, MAX_HEAD, MAX_MESSAGE, Fault, Framer
from slbroker.sip.grammar import GAP
from slbroker.sip.parser import BadRequest, parse
from tests.support.sip import SIPP_ACK, TYPICAL, request
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Iterable

OPTIONS = request()
MESSAGE = request("MESSAGE", body=b"How are\r\n\r\nyou?")
PING = b"\r\n\r\n"


def feed(pieces: Iterable[bytes], now: float = 1.0) -> tuple[list[bytes], Framer]:
    framer = Framer()
    return [message for piece in pieces for message in framer.feed(piece, now)], framer


def one_by_one(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


# Three ways to feed each of these: whole, byte by byte, and with the beginning of something behind it -------------

Stream: TypeAlias = tuple[bytes, list[bytes], int]


def one(data: bytes) -> Stream:
    return data, [data], 0


def two(data: bytes) -> Stream:
    """The message, and another behind it, which is found only if the first one's end is."""
    return data + OPTIONS, [data, OPTIONS], 0


def lined(*lines: bytes, body: bytes = b"") -> bytes:
    """A request whose length is in these lines."""
    return request(content_length=None, lines=lines) + body


LONGEST = request(body=b"x" * (MAX_MESSAGE - len(request(content_length="65535"))))

STREAMS: dict[str, Stream] = {
    **{name: one(data) for name, data in (TYPICAL | {"sipp_ack": SIPP_ACK}).items()},
    "body with empty lines": two(MESSAGE),
    "line end between": (OPTIONS + b"\r\n" + MESSAGE, [OPTIONS, MESSAGE], 0),
    "line end first": (b"\r\n" + OPTIONS, [OPTIONS], 0),
    "ping": (PING, [], 1),
    "pings": (PING * 3, [], 3),
    "ping and message": (PING + OPTIONS, [OPTIONS], 1),
    "message and ping": (OPTIONS + PING, [OPTIONS], 1),
    "pings around": (PING + OPTIONS + PING + PING + MESSAGE + PING, [OPTIONS, MESSAGE], 4),
    "half a ping before each": ((b"\r\n" + OPTIONS) * 3, [OPTIONS] * 3, 0),
    "Asterisk's keepalive": (b"\r\n\r\n\0" + OPTIONS, [OPTIONS], 1),
    "Asterisk's keepalives": (OPTIONS + b"\r\n\r\n\0" * 3 + OPTIONS, [OPTIONS, OPTIONS], 3),
    "half a ping and NUL": ((b"\r\n\0" + OPTIONS) * 2, [OPTIONS] * 2, 0),
    "NUL within a ping": (b"\r\n\0\r\n", [], 0),
    "NUL before a ping": (b"\0\r\n\r\n", [], 1),
    "NULs and pings": (b"\r\n\r\n\0\0\r\n\r\n\r\n\0\r\n", [], 2),
    "NUL": (OPTIONS + b"\0" + OPTIONS + b"\0", [OPTIONS] * 2, 0),
    "blanks": (b" " + OPTIONS + b"\t " + MESSAGE + b" ", [OPTIONS, MESSAGE], 0),
    "line feeds only": (b"\n\n" + OPTIONS, [OPTIONS], 0),
    "compact length": two(lined(b"l:5", body=b"hello")),
    "white space": two(lined(b"cOnTeNt-LeNgTh \t : \t 5 \t", body=b"hello")),
    "folded": two(lined(b"Content-Length:", b"  5", body=b"hello")),
    "folded before the colon": two(lined(b"Content-Length", b" :", b"\t5", body=b"hello")),
    "zeros in front": two(lined(b"Content-Length: 0000000005", body=b"hello")),
    "length in another header": two(request(subject="Content-Length: 5")),
    "length in a folded line": two(request(lines=[b"Subject: x", b" Content-Length: 5", b"\tl: 7"])),
    "zeros enough": two(lined(b"Content-Length: 000000000000005", body=b"hello")),
    "the same twice": two(lined(b"Content-Length: 5", b"l:5", body=b"hello")),
    "lines that are no header": two(request(lines=[b"Acme SBC 1", b"X Y: z", b": Content-Length: 9"])),
    "names alike": two(request(lines=[b"Content-Lengths: 5", b"X-Content-Length: 6", b"ll: 7", b"L2: 8"])),
    "as long as can be": two(LONGEST),
    "a reply": two(b"SIP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    "no SIP, but framed": two(b"PUT /x HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody"),
}

streams = pytest.mark.parametrize(("stream", "messages", "pings"), STREAMS.values(), ids=list(STREAMS))


@streams
def test_whole(stream: bytes, messages: list[bytes], pings: int) -> None:
    found, framer = feed([stream])
    assert (found, framer.pings, framer.fault) == (messages, pings, None)
    assert (framer.held, framer.begun) == (0, None)


@streams
def test_byte_by_byte(stream: bytes, messages: list[bytes], pings: int) -> None:
    found, framer = feed(one_by_one(stream))
    assert (found, framer.pings, framer.fault) == (messages, pings, None)
    assert (framer.held, framer.begun) == (0, None)


@streams
@pytest.mark.parametrize("trailing", [b"O", b"OPTIONS sip:x SIP/2.0\r\nl: 1\r\n\r", OPTIONS[:-1]])
def test_with_bytes_trailing(stream: bytes, messages: list[bytes], pings: int, trailing: bytes) -> None:
    found, framer = feed([stream + trailing], now=7.0)
    assert (found, framer.pings, framer.fault) == (messages, pings, None)
    assert (framer.held, framer.begun) == (len(trailing), 7.0)


@given(
    parts=st.lists(st.sampled_from([OPTIONS, MESSAGE, PING, b"\r\n", b"\0", b" \t", *TYPICAL.values()]), max_size=8),
    cuts=st.lists(st.integers(0, 4_000), max_size=12),
    rest=st.sampled_from([b"", OPTIONS[:200], MESSAGE[:-3]]),
)
@settings(deadline=None)
def test_any_split_gives_the_same(parts: list[bytes], cuts: list[int], rest: bytes) -> None:
    stream = b"".join(parts) + rest
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[start:end] for start, end in pairwise(edges)]
    whole, split = feed([stream]), feed(pieces)
    assert split[0] == whole[0] == [part for part in parts if part.strip(GAP)]
    for framer in (whole[1], split[1]):
        assert (framer.pings, framer.held, framer.fault) == (whole[1].pings, len(rest), None)


# What ends a stream ---------------------------------------------------------------------------------------------

NO_NUMBERS = (
    b"",
    b"-1",
    b"+5",
    b"1_0",
    b"0x10",
    b"5 5",
    b"5,5",
    b"5\r6",
    b"5\n6",
    b"\xb2",
    "\u0663".encode(),
    b"9" * 5_000,
)

FAULTS = {
    "no length": (request(content_length=None), 400, "Missing Content-Length Header"),
    "length behind a lone line feed": (
        request(content_length=None, lines=[b"X: 1\nContent-Length: 0"]), 400, "Missing Content-Length Header",
    ),
    "two lengths": (request(content_length=["0", "5"]), 400, "Repeated Content-Length Header"),
    "the same length written twice": (request(content_length=["0", "00"]), 400, "Repeated Content-Length Header"),
    "long and compact": (request(lines=[b"l: 1"]), 400, "Repeated Content-Length Header"),
    **{
        f"length {value!r}": (request(content_length=value), 400, "Bad Content-Length Header")
        for value in NO_NUMBERS
    },
    "body too long": (request(content_length=str(MAX_MESSAGE)), 413, "Request Entity Too Large"),
    "body far too long": (request(content_length="9999999999"), 413, "Request Entity Too Large"),
    "head too long": (request(lines=[b"X: " + b"x" * MAX_HEAD]), 513, "Message Too Large"),
    "head without an end": (request()[:-2] + b"X: x\r\n" * 6_000, 513, "Message Too Large"),
    "no token": (b"<OPTIONS sip:a SIP/2.0\r\n\r\n", 0, "Not SIP"),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00", 0, "Not SIP"),
    "another control character": (b"\x00\x0b" + OPTIONS, 0, "Not SIP"),
    "NUL before no length": (b"\x00" + request(content_length=None), 400, "Missing Content-Length Header"),
}  # fmt: skip


@pytest.mark.parametrize(("stream", "status", "reason"), FAULTS.values(), ids=list(FAULTS))
@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "byte by byte"])
def test_what_ends_a_stream(stream: bytes, status: int, reason: str, bytewise: bool) -> None:
    found, framer = feed([OPTIONS, *(one_by_one(stream) if bytewise else [stream])])
    assert found == [OPTIONS]
    assert framer.fault is not None
    assert (framer.fault.status, framer.fault.reason) == (status, reason)
    assert (framer.held, framer.begun) == (0, None)
    assert framer.feed(OPTIONS, 2.0) == []


@pytest.mark.parametrize("name", [name for name, (_, status, _) in FAULTS.items() if status in (400, 413)])
def test_the_head_of_a_fault_is_all_that_was_sent_of_it(name: str) -> None:
    stream = FAULTS[name][0]
    _, framer = feed([stream])
    assert framer.fault is not None
    assert framer.fault.head == stream.lstrip(GAP).partition(PING)[0] + PING


def test_a_head_too_long_is_cut_at_a_line() -> None:
    stream, status, reason = FAULTS["head without an end"]
    _, framer = feed([stream])
    head = b"".join(line + b"\r\n" for line in stream[:MAX_HEAD].split(b"\r\n")[:-1]).removesuffix(b"\r\n")
    assert framer.fault == Fault(status, reason, head)
    with pytest.raises(BadRequest, match=r"^400 (Missing Empty Line|Too Many Headers)"):
        parse(head)


@pytest.mark.parametrize("gap", [b"\r\n", b"\0", b" ", b"\t", b"\r\n\0", b"\0 \t\n"])
def test_too_much_between_messages_in_one_piece(gap: bytes) -> None:
    most = gap * (MAX_GAP // len(gap))
    assert feed([most + OPTIONS])[1].fault is None
    assert feed([most + gap + OPTIONS])[1].fault == Fault(0, "Too Much Between Messages", b"")


def test_keepalives_go_on_for_ever() -> None:
    found, framer = feed([PING] * 10_000)
    assert (found, framer.pings, framer.fault) == ([], 10_000, None)


def test_what_came_before_a_fault_is_still_there() -> None:
    found, framer = feed([OPTIONS + MESSAGE + request(content_length=None) + OPTIONS])
    assert found == [OPTIONS, MESSAGE]
    assert framer.fault is not None


# The parser reads what the framer has cut as the framer did -----------------------------------------------------

_LINES = [
    b"Content-Length: 3", b"l: 3", b"L : 3", b"Content-Length", b" : 3", b"\t3", b" Content-Length: 9",
    b"Content-Length:", b"Content-Length: 03", b"Content-Length: 3\r", b"content-length:3 ",
    b"Subject: l: 4", b"X:", b"\xff: l", b"l",
]  # fmt: skip


@given(st.lists(st.sampled_from(_LINES), max_size=4))
def test_framer_and_parser_agree_on_the_length(lines: list[bytes]) -> None:
    """Else a body could be read as a message: one that passed a filter before us as part of another."""
    stream = request("MESSAGE", content_length=None, lines=lines) + b"abc" + OPTIONS
    messages, framer = feed([stream])
    for message in messages:
        try:
            parsed = parse(message)
        except (Drop, BadRequest):
            continue
        assert parsed.body == message.partition(PING)[2]
    if framer.fault is None:
        assert messages[-1] == OPTIONS


# Time -----------------------------------------------------------------------------------------------------------


def test_a_message_has_begun_with_its_first_byte() -> None:
    framer = Framer()
    begun = []
    for now, piece in enumerate([PING, *one_by_one(OPTIONS[:-1]), OPTIONS[-1:] + OPTIONS[:1], OPTIONS[1:] + PING]):
        framer.feed(piece, now)
        begun.append(framer.begun)
    assert begun == [None, *[1.0] * (len(OPTIONS) - 1), float(len(OPTIONS)), None]


HOSTILE = {
    "a long head": OPTIONS[:-2] + b"X: " + b"x" * 30_000 + b"\r\n\r\n",
    "a long body": request(body=b"\r\n" * 30_000),
    "many blanks before a colon": request(content_length=None, lines=[b"l" + b" " * 30_000 + b": 0"]),
    "a name again and again": request(lines=[b"l"] * 9_000),
    "folds": request(lines=[b" l:"] * 6_000),
    "small messages": b"A\r\nl:0\r\n\r\n" * 6_000,
    "short gaps": b"\r\0" * 500 + OPTIONS * 100,
    "small messages and line ends": b"\r\n\r\nA\r\nl:0\r\n\r\n" * 4_000,
}


@pytest.mark.parametrize("stream", HOSTILE.values(), ids=list(HOSTILE))
def test_the_time_is_linear(stream: bytes) -> None:
    """Whole, 64 KB take less than the time of reading them byte by byte; and that is less than 5 us a byte."""
    for pieces, most in (([stream], 0.05), (one_by_one(stream), 0.3)):
        took = timeit.repeat(partial(feed, pieces), timer=time.process_time, number=1, repeat=3)
        assert min(took) < within(most)
