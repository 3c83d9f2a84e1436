"""A batch of requests is read alike by both twins, and replied to alike."""

from __future__ import annotations

import random
import sys
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker import totag
from slbroker.bus import envelope, items
from slbroker.sip.message import Message, Source
from slbroker.sip.parser import parse
from slbroker.twins import definition
from tests.support.bus import encode_requests
from tests.support.sip import TYPICAL
from tests.support.twins import growth, load, outcome

if TYPE_CHECKING:
    from slbroker.bus.items import Item

MOST = envelope.MAX_ARRAY
SOURCE = Source("192.0.2.1", 5060, "udp:192.0.2.7:5060")
TYPICAL_BATCH = encode_requests([(2**60 + at, parse(data), SOURCE) for at, data in enumerate(TYPICAL.values())])[1]


@pytest.fixture(scope="module", autouse=True)
def twin() -> None:
    load("slbroker.bus.envelope")


names = st.sampled_from(
    [b"via", b"from", b"to", b"call-id", b"cseq", b"timestamp", b"record-route", b"contact", b"x", b"", b"viaa", b"TO"]
)
headers = st.lists(st.tuples(names, st.binary(max_size=20)), max_size=12).map(
    lambda pairs: tuple(part for pair in pairs for part in pair)
)


# Batches --------------------------------------------------------------------------------------------------------


def unpack(body: bytes) -> list[Item] | None:
    """What the compiled one makes of a body, None where it leaves it to the definition; both come to the same."""
    found = outcome(envelope.decode_requests, body)
    assert found == outcome(by_hand, body)
    if found[0] != "returned" or (found[1] and isinstance(found[1][0], items.Item)):
        return None
    taken: list[Item] = found[1]
    for _number, message, source in taken:
        assert (type(message), type(source), type(message.headers)) == (Message, Source, tuple)
    return taken


by_hand = definition(envelope.decode_requests)


def test_what_edges_send_is_unpacked() -> None:
    found = unpack(TYPICAL_BATCH)
    assert found is not None
    assert [number - 2**60 for number, _message, _source in found] == list(range(len(TYPICAL)))
    assert unpack(encode_requests([])[1]) == []


@pytest.mark.parametrize("name", [b"r", b"v", b"VIA", b"Via", b"via"])
def test_a_name_stays_as_it_is(name: bytes) -> None:
    found = unpack(changed(1, 0, to=name))
    assert found is not None
    assert found[0].method == found[0].message.method == name


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
    found = unpack(changed(2, 2, to="x" * size))
    assert (found is not None) is (size < 256), "longer names of sockets are left to the careful way"


def test_only_ascii_names_of_sockets_are_usual() -> None:
    assert unpack(changed(2, 2, to="é")) is None
    assert envelope.decode_requests(changed(2, 2, to="é"))[0].source.listen == "é"


def test_arrays_are_no_longer_than_they_may_be() -> None:
    assert unpack(changed(1, 2, to=(b"x", b"y") * (MOST // 2))) is not None
    assert unpack(changed(1, 2, to=(b"x", b"y") * (MOST // 2 + 1))) is None
    assert unpack(bytearray(TYPICAL_BATCH)) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(4))
def test_broken_batches(seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(3_000):
        body = bytearray(TYPICAL_BATCH[: dice.choice((len(TYPICAL_BATCH), dice.randrange(len(TYPICAL_BATCH))))])
        for _ in range(dice.randrange(4)):
            if body:
                body[dice.randrange(len(body))] = dice.randrange(256)
        unpack(bytes(body))


def test_nothing_is_left_behind() -> None:
    blocks, pages, references = growth(
        lambda: (
            envelope.decode_requests(TYPICAL_BATCH),
            outcome(envelope.decode_requests, TYPICAL_BATCH[:-9]),
        ),
        3_000,
        TYPICAL_BATCH,
    )
    assert blocks < 100
    assert pages < 100
    assert references == 0


# Items ----------------------------------------------------------------------------------------------------------

MAC = definition(totag.Mac)(bytes(32), b"test", b"s1-")
LINES = [b"SIP/2.0 100 Trying", b"SIP/2.0 180 Ringing", b"SIP/2.0 200 OK", b"SIP/2.0 404 Not Found"]


def mac_of_the_twin() -> Any:
    return totag.Mac(bytes(32), b"test", b"s1-")


@given(st.sampled_from(LINES), headers, st.binary(max_size=200), st.sampled_from([b"", b"theirs"]), st.binary())
def test_an_item_is_replied_to_alike(
    line: bytes, headers: tuple[bytes, ...], call_id: bytes, to_tag: bytes, tail: bytes
) -> None:
    message = Message(b"INVITE", b"sip:a", headers, b"", call_id, b"f", to_tag, 7)
    found = unpack(encode_requests([(1, message, SOURCE)])[1])
    assert found is not None
    assert found[0].reply(line, tail, mac_of_the_twin()) == items.Item(1, message, SOURCE).reply(line, tail, MAC)


def test_an_item_shows_what_a_pure_one_does() -> None:
    taken, pures = unpack(TYPICAL_BATCH), by_hand(TYPICAL_BATCH)
    assert taken is not None
    for item, other in zip(taken, pures, strict=True):
        assert type(item) is not type(other)
        assert (item.number, item.method, item.message, item.source) == (other.number, other.method, *other[1:])
        assert tuple(item) == tuple(other)
        assert item == other
        assert item != other._replace(number=0)
        assert repr(item) == repr(other)
        assert item.message is item.message, "made once"


def test_an_item_that_is_kept_lets_its_batch_go() -> None:
    body = bytes(bytearray(TYPICAL_BATCH))
    found = unpack(body)
    assert found is not None
    replies = [item.reply(LINES[2], b"", mac_of_the_twin()) for item in found]
    before = sys.getrefcount(body)
    for item in found:
        item.keep()
        item.keep()
    assert before - sys.getrefcount(body) == len(found)
    assert [item.reply(LINES[2], b"", mac_of_the_twin()) for item in found] == replies
    assert [tuple(item) for item in found] == [tuple(item) for item in by_hand(TYPICAL_BATCH)]


@pytest.mark.parametrize("line", [b"", b"SIP/2.0 2x0 OK", b"SIP/2.0 abc"])
def test_a_line_without_a_status(line: bytes) -> None:
    found = unpack(changed(0, to=1))
    assert found is not None
    for item, mac in ((found[0], mac_of_the_twin()), (by_hand(changed(0, to=1))[0], MAC)):
        assert outcome(item.reply, line, b"", mac)[0] == "ValueError"


def test_a_cseq_that_no_tag_can_have() -> None:
    message = Message(b"A", b"sip:a", (b"to", b"x"), b"", b"c", b"f", b"", 2**32)
    found = unpack(encode_requests([(1, message, SOURCE)])[1])
    assert found is not None
    assert outcome(found[0].reply, LINES[2], b"", mac_of_the_twin())[0] == "ValueError"
    assert outcome(items.Item(1, message, SOURCE).reply, LINES[2], b"", MAC)[0] == "ValueError"


def test_nothing_of_items_is_left_behind() -> None:
    mac = mac_of_the_twin()

    def work() -> None:
        for item in envelope.decode_requests(TYPICAL_BATCH):
            item.reply(LINES[2], b"", mac)
            item.keep()
            assert item.message
            assert item.source

    blocks, pages, references = growth(work, 300, TYPICAL_BATCH)
    assert (blocks < 200, pages < 100, references) == (True, True, 0)
