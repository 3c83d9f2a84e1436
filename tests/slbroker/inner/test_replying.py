"""The worker's share: replies are joined alike by both twins, and batches unpacked as `envelope` says."""

from __future__ import annotations

import random
import sys
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slbroker.bus import envelope
from slbroker.errors import EnvelopeError
from slbroker.inner import Item, pure
from slbroker.sip.message import Message, Source
from slbroker.sip.parser import parse
from tests.slbroker.inner.twins import growth, load, outcome
from tests.support.bus import encode_requests
from tests.support.sip import TYPICAL

if TYPE_CHECKING:
    from types import ModuleType

MOST = envelope.MAX_ARRAY
SOURCE = Source("192.0.2.1", 5060, "udp:192.0.2.7:5060")
TYPICAL_BATCH = encode_requests([(2**60 + at, parse(data), SOURCE) for at, data in enumerate(TYPICAL.values())])[1]


@pytest.fixture(scope="module", autouse=True)
def replying() -> ModuleType:
    return load("replying")


# Replies --------------------------------------------------------------------------------------------------------

names = st.sampled_from(
    [b"via", b"from", b"to", b"call-id", b"cseq", b"timestamp", b"record-route", b"contact", b"x", b"", b"viaa", b"TO"]
)
headers = st.lists(st.tuples(names, st.binary(max_size=20)), max_size=12).map(
    lambda pairs: tuple(part for pair in pairs for part in pair)
)


@given(st.binary(), headers, st.sampled_from([100, 101, 180, 200, 299, 300, 404, 699]), st.binary(), st.binary())
@example(b"SIP/2.0 200 OK", (), 200, b"", b"")
def test_a_reply_is_joined_alike(line: bytes, headers: tuple[bytes, ...], status: int, tag: bytes, tail: bytes) -> None:
    joined = load("replying").join_reply(line, headers, status, tag, tail)
    assert joined == pure.join_reply(line, headers, status, tag, tail)


@pytest.mark.parametrize(
    "arguments",
    [
        (None, (), 200, b"", b""), ("x", (), 200, b"", b""), (b"", None, 200, b"", b""), (b"", (), 200, None, b""),
        (b"", (), 200, b"", None), (b"", ("via", b"x"), 200, b"", b""), (b"", (b"via", "x"), 200, b"", b""),
        (b"", (b"via", None), 200, b"", b""), (b"", (), "200", b"", b""),
    ],
)  # fmt: skip
def test_strangers_among_the_arguments_are_refused(arguments: tuple[Any, ...]) -> None:
    assert outcome(load("replying").join_reply, *arguments)[0] == "TypeError"


def test_as_many_headers_as_the_bus_carries() -> None:
    join_reply = load("replying").join_reply
    most = (b"via", b"x") * (MOST // 2)
    assert join_reply(b"", most, 200, b"", b"") == pure.join_reply(b"", most, 200, b"", b"")
    assert outcome(join_reply, b"", (*most, b"via", b"x"), 200, b"", b"")[0] == "ValueError"


# Batches --------------------------------------------------------------------------------------------------------


def unpack(body: bytes) -> list[Item] | None:
    """What the compiled one makes of a body; what it takes, msgpack and the checks take as well."""
    items: list[Item] | None = load("replying").unpack_requests(body, MOST)
    if items is not None:
        assert items == by_hand(body)
        for _number, message, source in items:
            assert (type(message), type(source), type(message.headers)) == (Message, Source, tuple)
    return items


def by_hand(body: bytes) -> list[Item]:
    """What `envelope.decode_requests` says without its quick way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(envelope, "unpack_requests", pure.unpack_requests)
        return envelope.decode_requests(body)


def test_what_edges_send_is_unpacked() -> None:
    items = unpack(TYPICAL_BATCH)
    assert items is not None
    assert [number - 2**60 for number, _message, _source in items] == list(range(len(TYPICAL)))
    assert unpack(encode_requests([])[1]) == []


@pytest.mark.parametrize("name", [b"r", b"v", b"VIA", b"Via", b"via"])
def test_a_name_stays_as_it_is(name: bytes) -> None:
    items = unpack(changed(1, 0, to=name))
    assert items is not None
    assert items[0].method == items[0].message.method == name


def test_common_names_are_one_object() -> None:
    items = unpack(TYPICAL_BATCH)
    assert items is not None
    first, second = items[0].message, items[1].message
    assert first.headers[first.headers.index(b"via")] is second.headers[second.headers.index(b"via")]


ITEM: tuple[Any, ...] = (7, (b"A", b"sip:a", (b"via", b"x"), b"", b"c", b"f", b"t", 1), ("h", 5060, "udp:h:1"))


def changed(*path: int, to: object) -> bytes:
    """The item with one field put in place of another, as a body."""

    def change(value: tuple[Any, ...], path: tuple[int, ...]) -> tuple[Any, ...]:
        at, rest = path[0], path[1:]
        return (*value[:at], change(value[at], rest) if rest else to, *value[at + 1 :])

    packed: bytes = msgpack.packb([change(ITEM, path) if path else to])
    return packed


# Fields of the item, and what must not be in them.
STRANGERS: list[tuple[tuple[int, ...], tuple[Any, ...]]] = [
    ((0,), (-1, 1.0, True, None, "7", b"7", ())),
    ((1,), ((), b"", None, ITEM[1][:7], (*ITEM[1], b""), {})),
    ((2,), ((), "", ("h", 1), ("h", 1, "l", 1), (b"h", 1, "l"), ("h", "1", "l"))),
    *(((1, at), ("text", 1, None, (b"x",))) for at in (0, 1, 3, 4, 5, 6)),
    ((1, 2), ((b"via",), ("via", "x"), (b"via", 1), b"via", {})),
    ((1, 7), (-1, 1.5, b"1", None)),
]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\x80", b"\x91", b"\xc0", b"\x91\xc0", b"\xdd\x00\x00\x00\x01", b"\xdc\xff\xff", TYPICAL_BATCH[:-1],
        TYPICAL_BATCH + b"\x00",
        *(changed(*path, to=to) for path, strangers in STRANGERS for to in strangers),
        changed(2, 0, to=b"\xff"), changed(to={}), changed(to=7),
        msgpack.packb([ITEM]).replace(b"\xa1h", b"\xa1\xff"),
    ],
)  # fmt: skip
def test_anything_else_is_left_to_the_careful_way(body: bytes) -> None:
    assert unpack(body) is None


@pytest.mark.parametrize("number", [0, 127, 128, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**64 - 1])
def test_numbers_of_every_width(number: int) -> None:
    assert unpack(changed(0, to=number)) is not None
    assert unpack(changed(1, 7, to=number)) is not None


@pytest.mark.parametrize("size", [0, 255, 256, 65_535, 65_536, 100_000])
def test_texts_of_every_width(size: int) -> None:
    assert unpack(changed(1, 3, to=b"x" * size)) is not None
    items = unpack(changed(2, 2, to="x" * size))
    assert (items is not None) is (size < 256), "longer names of sockets are left to the careful way"


def test_only_ascii_names_of_sockets_are_usual() -> None:
    assert unpack(changed(2, 2, to="é")) is None
    assert envelope.decode_requests(changed(2, 2, to="é"))[0].source.listen == "é"


def test_arrays_are_no_longer_than_they_may_be() -> None:
    assert unpack(changed(1, 2, to=(b"x", b"y") * (MOST // 2))) is not None
    assert unpack(changed(1, 2, to=(b"x", b"y") * (MOST // 2 + 1))) is None
    assert load("replying").unpack_requests(msgpack.packb([ITEM] * 3), 2) is None
    assert load("replying").unpack_requests(bytearray(TYPICAL_BATCH), MOST) is None


@pytest.mark.parametrize("seed", range(4))
def test_broken_batches(seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(3_000):
        body = bytearray(TYPICAL_BATCH[: dice.choice((len(TYPICAL_BATCH), dice.randrange(len(TYPICAL_BATCH))))])
        for _ in range(dice.randrange(4)):
            if body:
                body[dice.randrange(len(body))] = dice.randrange(256)
        try:
            unpack(bytes(body))
        except EnvelopeError as error:
            raise AssertionError("taken, though it is no batch") from error


def test_nothing_is_left_behind() -> None:
    twin = load("replying")
    message = parse(TYPICAL["sipp_invite"])
    blocks, pages, *references = growth(
        lambda: (
            twin.unpack_requests(TYPICAL_BATCH, MOST),
            twin.unpack_requests(TYPICAL_BATCH[:-9], MOST),
            twin.join_reply(b"line", tuple(message.headers), 200, b"tag", b"tail"),
        ),
        3_000,
        TYPICAL_BATCH,
        message.call_id,
    )
    assert blocks < 100
    assert pages < 100
    assert references == [0, 0]


# Items ----------------------------------------------------------------------------------------------------------

MAC = pure.Mac(bytes(32), b"test", b"s1-")
LINES = [b"SIP/2.0 100 Trying", b"SIP/2.0 180 Ringing", b"SIP/2.0 200 OK", b"SIP/2.0 404 Not Found"]


def mac_of_the_twin() -> Any:
    return load("signing").Mac(bytes(32), b"test", b"s1-")


@given(st.sampled_from(LINES), headers, st.binary(max_size=200), st.sampled_from([b"", b"theirs"]), st.binary())
def test_an_item_is_replied_to_alike(
    line: bytes, headers: tuple[bytes, ...], call_id: bytes, to_tag: bytes, tail: bytes
) -> None:
    message = Message(b"INVITE", b"sip:a", headers, b"", call_id, b"f", to_tag, 7)
    items = unpack(encode_requests([(1, message, SOURCE)])[1])
    assert items is not None
    assert items[0].reply(line, tail, mac_of_the_twin()) == pure.Item(1, message, SOURCE).reply(line, tail, MAC)


def test_an_item_shows_what_a_pure_one_does() -> None:
    items, pures = unpack(TYPICAL_BATCH), by_hand(TYPICAL_BATCH)
    assert items is not None
    for item, other in zip(items, pures, strict=True):
        assert type(item) is not type(other)
        assert (item.number, item.method, item.message, item.source) == (other.number, other.method, *other[1:])
        assert tuple(item) == tuple(other)
        assert item == other
        assert item != other._replace(number=0)
        assert repr(item) == repr(other)
        assert item.message is item.message, "made once"


def test_an_item_that_is_kept_lets_its_batch_go() -> None:
    body = bytes(bytearray(TYPICAL_BATCH))
    items = unpack(body)
    assert items is not None
    replies = [item.reply(LINES[2], b"", mac_of_the_twin()) for item in items]
    before = sys.getrefcount(body)
    for item in items:
        item.keep()
        item.keep()
    assert before - sys.getrefcount(body) == len(items)
    assert [item.reply(LINES[2], b"", mac_of_the_twin()) for item in items] == replies
    assert [tuple(item) for item in items] == [tuple(item) for item in by_hand(TYPICAL_BATCH)]


@pytest.mark.parametrize("line", [b"", b"SIP/2.0 2x0 OK", b"SIP/2.0 abc"])
def test_a_line_without_a_status(line: bytes) -> None:
    items = unpack(changed(0, to=1))
    assert items is not None
    for item, mac in ((items[0], mac_of_the_twin()), (by_hand(changed(0, to=1))[0], MAC)):
        assert outcome(item.reply, line, b"", mac)[0] == "ValueError"


def test_a_cseq_that_no_tag_can_have() -> None:
    message = Message(b"A", b"sip:a", (b"to", b"x"), b"", b"c", b"f", b"", 2**32)
    items = unpack(encode_requests([(1, message, SOURCE)])[1])
    assert items is not None
    assert outcome(items[0].reply, LINES[2], b"", mac_of_the_twin())[0] == "ValueError"
    assert outcome(pure.Item(1, message, SOURCE).reply, LINES[2], b"", MAC)[0] == "ValueError"


def test_nothing_of_items_is_left_behind() -> None:
    mac = mac_of_the_twin()

    def work() -> None:
        for item in load("replying").unpack_requests(TYPICAL_BATCH, MOST):
            item.reply(LINES[2], b"", mac)
            item.keep()
            assert item.message
            assert item.source

    blocks, pages, references = growth(work, 300, TYPICAL_BATCH)
    assert (blocks < 200, pages < 100, references) == (True, True, 0)
