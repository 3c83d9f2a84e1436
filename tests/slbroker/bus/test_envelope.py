"""The codec: what each kind looks like on the wire, and that nothing but an envelope passes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slbroker.bus import envelope, membership
from slbroker.bus.account import MAX_CREDIT, MAX_NAME
from slbroker.bus.dispatcher import MAX_WORKERS
from slbroker.bus.envelope import MAX_ARRAY, MAX_BATCH, MAX_BATCH_BYTES, MAX_ENVELOPE, Answer, Head, Kind
from slbroker.config import DispatchSettings
from slbroker.errors import EnvelopeError
from slbroker.keys import Key
from slbroker.sip.grammar import MAX_DATAGRAM, MAX_HEADERS
from slbroker.sip.message import Message, Source
from slbroker.sip.parser import parse
from slbroker.totag import Signer
from slbroker_edge.outbox import MAX_REPLY
from tests.support.bus import MESSAGE, SOURCE, encode_requests
from tests.support.sip import TYPICAL

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.bus.items import Item

PAGE = Path(__file__).parents[3] / "docs" / "bus.md"

ID = 2**40
ITEM = (
    ID + 1,
    Message(
        b"OPTIONS",
        b"sip:b@b.example",
        (b"via", b"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1", b"call-id", b"c1"),
        b"hi",
        call_id=b"c1",
        from_tag=b"1",
        to_tag=b"",
        cseq=7,
    ),
    Source("192.0.2.1", 5060, "udp:192.0.2.7:5060"),
)
ANSWERS: list[tuple[int, Answer]] = [
    (ID + 1, b"SIP/2.0 200 OK\r\n\r\n"),
    (ID + 2, None),
    (ID + 3, (b"SIP/2.0 100 Trying\r\n\r\n", b"SIP/2.0 486 Busy Here\r\n\r\n")),
]
HELLO = {"name": "w1", "pool": "default", "credit": 128, "takes": (b"ACK",)}
WELCOME = {"edge": "e1", "heartbeat": 0.25, "processes": 2}
FIGURES = {"name": "e1", "received": 3, "replied": 2, "in_flight": 1, "workers": ()}

# Kind: what is encoded, head and body in hex. They are the protocol: a change here is a new version.
GOLDEN: dict[str, tuple[list[bytes], str, str]] = {
    "HELLO": (
        envelope.encode(Kind.HELLO, HELLO),
        "940101c40000",
        "84a46e616d65a27731a4706f6f6ca764656661756c74a6637265646974cc80a574616b657391c40341434b",
    ),
    "WELCOME": (
        envelope.encode(Kind.WELCOME, WELCOME),
        "940102c40000",
        "83a465646765a26531a9686561727462656174cb3fd0000000000000a970726f63657373657302",
    ),
    "REQUESTS": (
        encode_requests([ITEM]),
        "940103c40001",
        "9193cf000001000000000198c4074f5054494f4e53c40f7369703a6240622e6578616d706c65"
        "94c403766961c4255349502f322e302f554450203139322e302e322e313b6272616e63683d7a39684734624b31"
        "c40763616c6c2d6964c4026331c4026869c4026331c40131c40007"
        "93a93139322e302e322e31cd13c4b27564703a3139322e302e322e373a35303630",
    ),
    "REPLIES": (
        envelope.encode_replies(ANSWERS, b"r1"),
        "940104c402723103",
        "9392cf0000010000000001c4125349502f322e3020323030204f4b0d0a0d0a"
        "92cf0000010000000002c0"
        "92cf000001000000000392c4165349502f322e302031303020547279696e670d0a0d0a"
        "c4195349502f322e3020343836204275737920486572650d0a0d0a",
    ),
    "HEARTBEAT": (envelope.encode(Kind.HEARTBEAT), "940105c40000", "80"),
    "GOODBYE": (envelope.encode(Kind.GOODBYE), "940106c40000", "80"),
    "WHO": (envelope.encode(Kind.WHO), "940107c40000", "80"),
    "STATS": (envelope.encode(Kind.STATS), "940108c40000", "80"),
    "FIGURES": (
        envelope.encode(Kind.FIGURES, FIGURES),
        "940109c40000",
        "85a46e616d65a26531a8726563656976656403a77265706c69656402a9696e5f666c6967687401a7776f726b65727390",
    ),
    "LOST": (
        envelope.encode(Kind.LOST, {"batches": (b"b1", b"b2"), "begun": True}),
        "94010ac40000",
        "82a76261746368657392c4026231c4026232a5626567756ec3",
    ),
    "BAD": (envelope.encode(Kind.BAD, {"batches": (b"b1",)}), "94010bc40000", "81a76261746368657391c4026231"),
}
DECODERS: dict[str, Callable[[bytes], Any]] = {
    "head": lambda frame: envelope.decode_head([frame, b"\x80"]),
    "info": envelope.decode_info,
    "requests": envelope.decode_requests,
    "replies": envelope.decode_replies,
}


# Golden vectors -------------------------------------------------------------------------------------------------


def test_every_kind_has_a_golden_vector() -> None:
    assert list(GOLDEN) == [kind.name for kind in Kind]


@pytest.mark.parametrize("name", GOLDEN)
def test_a_kind_is_encoded_as_ever(name: str) -> None:
    frames, head, body = GOLDEN[name]
    assert [frame.hex() for frame in frames] == [head, body]


def test_golden_vectors_are_read() -> None:
    def read(name: str) -> tuple[Head, bytes]:
        frames = [bytes.fromhex(frame) for frame in GOLDEN[name][1:]]
        return envelope.decode_head(frames), frames[1]

    head, body = read("REQUESTS")
    assert head == (Kind.REQUESTS, b"", 1)
    assert envelope.decode_requests(body) == [ITEM]
    head, body = read("REPLIES")
    assert head == (Kind.REPLIES, b"r1", 3)
    assert envelope.decode_replies(body) == ANSWERS
    for name, info in {"HELLO": HELLO, "WELCOME": WELCOME, "FIGURES": FIGURES, "WHO": {}, "STATS": {}}.items():
        head, body = read(name)
        assert head == (Kind[name], b"", 0)
        assert envelope.decode_info(body) == info


def test_the_page_shows_the_golden_vectors() -> None:
    block = re.search(r"```hex\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert block is not None
    shown = {
        name: (head, "".join(body.split()))
        for name, head, body in re.findall(r"([A-Z]+)\s+([0-9a-f]+)\s+([0-9a-f\s]+)", block[1])
    }
    assert shown == {name: (head, body) for name, (_frames, head, body) in GOLDEN.items()}


def test_the_page_lists_kinds_and_limits_as_they_are() -> None:
    page = PAGE.read_text()
    for kind in Kind:
        assert re.search(rf"^\| {int(kind)} \| {kind.name} \|", page, re.MULTILINE), kind
    for limit in (MAX_BATCH, MAX_ARRAY, MAX_ENVELOPE, MAX_CREDIT, MAX_NAME, MAX_WORKERS, MAX_REPLY):
        assert f"{limit:,}" in page
    times = {name: float(seconds) for seconds, name in re.findall(r"^\| ([0-9.]+) \| `(\S+)` \|", page, re.MULTILINE)}
    assert times == {
        "membership.HELLO_INTERVAL": membership.HELLO_INTERVAL,
        "membership.HEARTBEAT": membership.HEARTBEAT,
        "membership.EDGE_LIVENESS": membership.EDGE_LIVENESS,
        **{
            f"DispatchSettings.{name}": getattr(DispatchSettings(), name)
            for name in ("heartbeat", "liveness", "handler_timeout", "max_wait")
        },
    }


def test_the_page_signs_as_we_do() -> None:
    key = Key(b"0a1b", bytes(range(32)))
    tag = Signer(key, {key.id: key}).sign(b"c1", b"1", 7)
    assert f"the tag is `{tag.decode()}`" in PAGE.read_text()


# Round trips ----------------------------------------------------------------------------------------------------

integers = st.integers(min_value=-(2**63), max_value=2**64 - 1)
ids = st.integers(min_value=0, max_value=2**64 - 1)
headers = st.lists(st.tuples(st.binary(), st.binary())).map(
    lambda pairs: tuple(part for pair in pairs for part in pair)
)
messages = st.builds(
    Message, st.binary(), st.binary(), headers, st.binary(), st.binary(), st.binary(), st.binary(), integers
)
sources = st.builds(Source, st.text(), integers, st.text())
batches = st.lists(st.tuples(ids, messages, sources), max_size=20)
several = st.lists(st.binary())
answers = st.none() | st.binary() | several.map(tuple) | several.map(lambda replies: (*replies, None))


@given(batches, st.binary())
def test_requests_come_back_as_they_were(items: list[Item], route: bytes) -> None:
    head, body = encode_requests(items, route)
    assert envelope.decode_head([head, body]) == (Kind.REQUESTS, route, len(items))
    decoded = envelope.decode_requests(body)
    assert decoded == items
    for _number, message, source in decoded:
        assert (type(message), type(source)) == (Message, Source)


@given(st.lists(st.tuples(integers, answers), max_size=5), st.binary())
def test_answers_come_back_as_they_were(batch: list[tuple[int, Answer]], route: bytes) -> None:
    head, body = envelope.encode_replies(batch, route)
    assert envelope.decode_head([head, body]) == (Kind.REPLIES, route, len(batch))
    assert envelope.decode_replies(body) == batch


@given(st.dictionaries(st.text(), st.none() | integers | st.text() | st.binary() | st.floats(allow_nan=False)))
def test_a_map_comes_back_as_it_was(info: dict[str, Any]) -> None:
    assert envelope.decode_info(envelope.encode(Kind.HELLO, info)[1]) == info


@pytest.mark.parametrize("name", TYPICAL)
def test_what_the_parser_made_of_a_real_request_crosses_the_bus(name: str) -> None:
    message = parse(TYPICAL[name])
    ((number, decoded, source),) = envelope.decode_requests(encode_requests([(1, message, SOURCE)])[1])
    assert (number, source) == (1, SOURCE)
    assert decoded == message._replace(headers=tuple(message.headers))


def test_a_batch_fits_the_size_limit_though_its_last_request_is_of_the_largest() -> None:
    growth = len(b"session-expires") + 2 * 3  # of a header: its compact form is a letter, msgpack says two lengths
    request = len(encode_requests([(2**64 - 1, MESSAGE, SOURCE)])[1]) + growth * MAX_HEADERS
    assert MAX_BATCH_BYTES + MAX_DATAGRAM + MAX_BATCH * request < MAX_ENVELOPE


@pytest.mark.parametrize("batches", [None, b"b1", [b"b1", 1], "b1", {}])
def test_a_map_that_names_no_batches(batches: object) -> None:
    with pytest.raises(EnvelopeError, match="batches"):
        envelope.read_batches(envelope.decode_info(envelope.encode(Kind.LOST, {"batches": batches})[1]))


# What is no envelope --------------------------------------------------------------------------------------------


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
        (1, 12, b"", 0),
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
        None, 0, "", b"", {}, {1: b"x"}, [()], [(1,)], [(1, b"x", b"y")], [1], ["ab"], [b"ab"], [None],
        [("1", b"x")], [(1.0, b"x")], [(True, b"x")], [(None, b"x")], [(1, "x")], [(1, 1)], [(1, False)], [(1, {})],
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
