"""The codec: nothing but an envelope passes, whatever the bytes are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgpack
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slbroker.bus import envelope
from slbroker.bus.envelope import MAX_ARRAY, Answer, Kind
from slbroker.errors import EnvelopeError
from slbroker.sip.message import Message, Source
from tests.slbroker.bus.vectors import GOLDEN, ITEM, integers
from tests.support.bus import encode_requests

if TYPE_CHECKING:
    from collections.abc import Callable

DECODERS: dict[str, Callable[[bytes], Any]] = {
    "head": lambda frame: envelope.decode_head([frame, b"\x80"]),
    "info": envelope.decode_info,
    "requests": envelope.decode_requests,
    "replies": envelope.decode_replies,
}


def pack(value: object) -> bytes:
    packed: bytes = msgpack.packb(value)
    return packed


@pytest.mark.parametrize(
    "head",
    [
        (),
        (1, 5, b""),
        (1, 5, b"", 0, 0),
        {1: 0, 5: 0, b"": 0, 0: 0},
        b"\x01\x05\x00\x00",
        "head",
        5,
        None,
        (0, 5, b"", 0),
        (2, 5, b"", 0),
        (2**64 - 1, 5, b"", 0),
        (True, 5, b"", 0),
        (1.0, 5, b"", 0),
        ("1", 5, b"", 0),
        ((), 5, b"", 0),
        (1, 0, b"", 0),
        (1, 15, b"", 0),
        (1, -1, b"", 0),
        (1, 2**64 - 1, b"", 0),
        (1, True, b"", 0),
        (1, 5.0, b"", 0),
        (1, "HELLO", b"", 0),
        (1, (), b"", 0),
        (1, {}, b"", 0),
        (1, 5, "", 0),
        (1, 5, None, 0),
        (1, 5, b"", None),
        (1, 5, b"", 0.0),
        (1, 5, b"", True),
    ],
)
def test_a_head_that_is_none(head: object) -> None:
    with pytest.raises(EnvelopeError):
        envelope.decode_head([pack(head), b"\x80"])


@pytest.mark.parametrize("count", [0, 1, 3, 4])
def test_an_envelope_has_two_frames(count: int) -> None:
    with pytest.raises(EnvelopeError, match=f"2 frames, this has {count}"):
        envelope.decode_head([bytes.fromhex("940105c40000"), b"\x80", b"", b""][:count])


def test_another_version_is_named() -> None:
    with pytest.raises(EnvelopeError, match="protocol version 2, this end speaks 1"):
        envelope.decode_head([pack((2, 5, b"", 0)), b"\x80"])


@pytest.mark.parametrize("info", [None, 0, "", b"", (), (("a", 1),), {1: 2}, {b"name": 1}, {None: 1}, {(): 1}])
def test_a_map_that_is_none(info: object) -> None:
    with pytest.raises(EnvelopeError):
        envelope.decode_info(pack(info))


def request_with(place: str, value: object) -> object:
    """A batch of one request with one value replaced."""
    number, message, source = ITEM
    if place == "id":
        return [(value, message, source)]
    if place in Message._fields:
        return [(number, message._replace(**{place: value}), source)]  # type: ignore[arg-type]
    return [(number, message, source._replace(**{place: value}))]  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [None, 1.5, True, (), {}, ((b"via", b"x"),), (b"via",), ("via", "x"), (b"via", 7)])
@pytest.mark.parametrize("place", ["id", *Message._fields, *Source._fields])
def test_a_request_with_a_value_of_the_wrong_type(place: str, value: object) -> None:
    if (place, value) != ("headers", ()):
        with pytest.raises(EnvelopeError):
            envelope.decode_requests(pack(request_with(place, value)))


@pytest.mark.parametrize("place", ["id", "cseq", "port"])
@pytest.mark.parametrize("value", ["1", b"1"])
def test_a_number_that_is_text(place: str, value: object) -> None:
    with pytest.raises(EnvelopeError):
        envelope.decode_requests(pack(request_with(place, value)))


@pytest.mark.parametrize("place", ["method", "uri", "headers", "body", "call_id", "from_tag", "to_tag"])
def test_bytes_that_are_text(place: str) -> None:
    with pytest.raises(EnvelopeError):
        envelope.decode_requests(pack(request_with(place, "INVITE")))


def test_requests_of_the_wrong_shape() -> None:
    number, message, source = ITEM
    for batch in (
        None, 0, "", b"", {}, {number: message}, (number, message, source), [()], [(number, message)], [(*ITEM, 1)],
        [(number, message[:-1], source)], [(number, (*message, 1), source)], [(number, message, source[:-1])],
        [(number, message, (*source, 1))], [ITEM, None], ["abc"], [b"abc"],
    ):  # fmt: skip
        with pytest.raises(EnvelopeError):
            envelope.decode_requests(pack(batch))


@pytest.mark.parametrize(
    "batch",
    [
        None, 0, "", b"", {}, {1: b"x"}, [()], [(1,)], [(1, b"x", "y")], [(1, b"x", b"y", b"z")], [1], ["ab"], [b"ab"],
        [None],
        [("1", b"x")], [(1.0, b"x")], [(True, b"x")], [(None, b"x")], [(1, "x")], [(1, 1)], [(1, False)], [(1, ({},))],
        [(1, ("x",))], [(1, (None, b"x"))], [(1, (None, None))], [(1, ((b"x",),))], [(1, b"x"), (2, "x")],
    ],
)  # fmt: skip
def test_answers_of_the_wrong_shape(batch: object) -> None:
    with pytest.raises(EnvelopeError):
        envelope.decode_replies(pack(batch))


BOMBS = {
    "nothing": b"",
    "a reserved byte": b"\xc1",
    "deep arrays": b"\x91" * 100_000 + b"\x01",
    "deep maps": b"\x81\x01" * 100_000 + b"\x01",
    "a map as a key": b"\x81\x81\x01\x02\x03",
    "an array of four billion": b"\xdd\xff\xff\xff\xff",
    "a map of four billion": b"\xdf\xff\xff\xff\xff",
    "four billion bytes": b"\xc6\xff\xff\xff\xff",
    "a full array in a full array and so on": (b"\xdd" + MAX_ARRAY.to_bytes(4, "big")) * 1_000 + b"\xc0" * MAX_ARRAY,
    "more than an array may have": b"\xdd" + (MAX_ARRAY + 1).to_bytes(4, "big") + b"\x92\x01\xc0" * (MAX_ARRAY + 1),
    "text that is no UTF-8": b"\xa1\xff",
    "an extension": b"\xd4\x7f\x00",
    "a time that is none": b"\xd7\xff" + b"\xff" * 8,
    "something behind it": b"\x80\x80",
    "something behind the batch": b"\x90\x90",
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("decoder", DECODERS)
def test_bytes_made_to_do_harm(decoder: str, name: str) -> None:
    with pytest.raises(EnvelopeError):
        DECODERS[decoder](BOMBS[name])


def test_as_many_answers_as_an_array_may_have_are_read() -> None:
    batch: list[tuple[int, Answer]] = [(number, None) for number in range(MAX_ARRAY)]
    assert envelope.decode_replies(pack(batch)) == batch


def check_any(frame: bytes) -> None:
    """Every decoder refuses `frame` with EnvelopeError, or returns what its type promises."""
    for name, decode in DECODERS.items():
        try:
            decoded = decode(frame)
        except EnvelopeError:
            continue
        match name:
            case "head":
                assert [*map(type, decoded)] == [Kind, bytes, int]
            case "info":
                assert all(type(key) is str for key in decoded)
            case "requests":
                assert envelope.decode_requests(encode_requests(decoded)[1]) == decoded
            case "replies":
                assert envelope.decode_replies(envelope.encode_replies(decoded)[1]) == decoded


@given(st.binary())
def test_random_bytes(frame: bytes) -> None:
    check_any(frame)


@given(st.sampled_from([frame for frames, _, _ in GOLDEN.values() for frame in frames]), st.data())
def test_an_envelope_with_a_byte_changed(frame: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(frame) - 1))
    check_any(frame[:place] + data.draw(st.binary(min_size=1, max_size=2)) + frame[place + 1 :])


plain = st.recursive(
    st.none() | st.booleans() | integers | st.floats() | st.binary() | st.text(),
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(integers | st.text() | st.binary(), inner, max_size=4),
)


@given(plain)
@example([[1, None]])
@example([{0: None, b"": None}])
def test_anything_else_that_is_msgpack(value: object) -> None:
    check_any(pack(value))


@pytest.mark.parametrize("name", GOLDEN)
def test_a_truncated_envelope_is_none(name: str) -> None:
    head, body = GOLDEN[name][0]
    decode = {"REQUESTS": envelope.decode_requests, "REPLIES": envelope.decode_replies}.get(name, envelope.decode_info)
    for length in range(len(head)):
        with pytest.raises(EnvelopeError):
            envelope.decode_head([head[:length], body])
    for length in range(len(body)):
        with pytest.raises(EnvelopeError):
            decode(body[:length])
