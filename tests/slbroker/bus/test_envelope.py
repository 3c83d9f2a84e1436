"""The codec: what each kind looks like on the wire, and that it comes back as it was."""

from __future__ import annotations

import contextlib
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker.bus import envelope, membership
from slbroker.bus.account import MAX_CREDIT, MAX_NAME
from slbroker.bus.envelope import MAX_ARRAY, MAX_BATCH, MAX_BATCH_BYTES, MAX_ENVELOPE, Answer, Answered, Head, Kind
from slbroker.bus.memo import Memo, pack_memo, unpack_memo
from slbroker.bus.roster import MAX_WORKERS
from slbroker.errors import EnvelopeError
from slbroker.keys import Key
from slbroker.proxy.decision import MAX_REASON, MAX_TO, Amended, Forward
from slbroker.proxy.edits import MAX_EDITED, MAX_EDITS, UNTOUCHED, Edits
from slbroker.proxy.places import Change
from slbroker.settings.dispatch import DispatchSettings
from slbroker.sip.grammar import MAX_DATAGRAM, MAX_HEADERS
from slbroker.sip.message import Message, Source
from slbroker.sip.parser import parse
from slbroker.totag import Signer
from slbroker_edge.outbox import MAX_REPLY
from tests.slbroker.bus.vectors import ANSWERS, FIGURES, GOLDEN, HELLO, ITEM, WELCOME, integers
from tests.support.bus import MESSAGE, SOURCE, encode_requests
from tests.support.sip import TYPICAL

if TYPE_CHECKING:
    from slbroker.bus.items import Item

PAGE = Path(__file__).parents[3] / "docs" / "bus.md"

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


def test_the_page_shows_a_memo() -> None:
    memo = Memo(5.0, ("uri.user",), len(b"\r\nContent-Length: 0\r\n\r\n"))
    assert f"`{pack_memo(memo).hex()}`" in PAGE.read_text()
    assert unpack_memo(pack_memo(memo)) == memo


def test_the_page_shows_a_decision_that_a_request_goes_on() -> None:
    decision = Forward("sip:10.0.0.5", Edits(add=[(b"X-Seen", b"yes")]))
    assert f"`{msgpack.packb(decision.words()).hex()}`" in PAGE.read_text()


def test_the_page_tells_what_such_a_decision_may_say() -> None:
    page = PAGE.read_text()
    section = page[page.index("### Requests that go on") : page.index("### Key rings")]
    edits = Edits(
        b"sip:b", [b"x"], [(b"x", b"1")], [(b"y", b"2")], places=[Change(b"-", b"z")], hops=7, rr_params=b";a=b"
    )
    whole = Forward("sip:a", edits, True, False)
    told = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE))))
    assert told == {*whole.words(), *Amended(404, "No", None).words()}
    for limit in (MAX_EDITS, MAX_EDITED, MAX_TO, MAX_REASON):
        assert f"{limit:,}" in section
    for name in UNTOUCHED:
        assert name.decode() in section.lower()


NO_MEMOS = [
    {"by": ["uri"], "tail": 1},
    {"ttl": 0, "by": [], "tail": 1},
    {"ttl": -1.0, "by": [], "tail": 1},
    {"ttl": 3_601, "by": [], "tail": 1},
    {"ttl": "1", "by": [], "tail": 1},
    {"ttl": math.nan, "by": [], "tail": 1},
    {"ttl": 1, "by": "uri", "tail": 1},
    {"ttl": 1, "by": [b"uri"], "tail": 1},
    {"ttl": 1, "by": ["uri"] * 17, "tail": 1},
    {"ttl": 1, "by": ["header:" + "x" * 2_048], "tail": 1},
    {"ttl": 1, "by": [], "tail": -1},
    {"ttl": 1, "by": [], "tail": 1.0},
    ["ttl", "by"],
    7,
]


@pytest.mark.parametrize("info", NO_MEMOS)
def test_what_is_no_memo_is_refused(info: object) -> None:
    with pytest.raises(EnvelopeError):
        unpack_memo(msgpack.packb(info))


@given(st.binary(max_size=40))
def test_so_are_any_bytes_that_are_none(data: bytes) -> None:
    with contextlib.suppress(EnvelopeError):
        unpack_memo(data)


def test_behind_an_answer_there_may_be_a_memo_and_nothing_else() -> None:
    answered: list[Answered] = [
        (1, b"SIP/2.0 200 OK\r\n\r\n", b"memo"),
        (2, None),
        (3, None, b"memo"),
        (4, (b"a", b"b")),
    ]
    body = envelope.encode_replies(answered)[1]
    assert envelope.decode_answered(body) == answered
    assert envelope.decode_replies(body) == [(one[0], one[1]) for one in answered]
    for wrong in ([1, b"a", None], [1, b"a", "memo"], [1, b"a", b"memo", b"more"], [1]):
        with pytest.raises(EnvelopeError):
            envelope.decode_answered(msgpack.packb([wrong]))


# Round trips ----------------------------------------------------------------------------------------------------

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
