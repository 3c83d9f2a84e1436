"""What is decided of a message on its way through, as it crosses the bus."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slbroker.bus import envelope
from slbroker.errors import EnvelopeError
from slbroker.proxy.decision import MAX_REASON, MAX_TO, Amended, Forward, read_amended, read_forward
from slbroker.proxy.edits import Edits
from slbroker.proxy.places import BEFORE, BEHIND, GONE, VALUE, Change
from slbroker.proxy.told import tell_forward
from slbroker.sip.grammar import canonical_name
from tests.support.forwarding import Site, headers, lines_of
from tests.support.sip import request

if TYPE_CHECKING:
    from collections.abc import Mapping

names = st.sampled_from([b"Subject", b"s", b"X-Account", b"P-Asserted-Identity", b"ROUTE", b"x:y".replace(b":", b"-")])
values = st.binary(max_size=20).filter(lambda value: not set(value) & set(b"\r\n\0"))
pairs = st.lists(st.tuples(names, values), max_size=4)
uris = st.sampled_from([b"sip:bob@example.com", b"sips:gw;transport=tcp", b"tel:+49301"])
titles = names.map(canonical_name)
numbers = st.integers(0, 3)
changes = st.one_of(
    st.builds(Change, st.just(GONE), titles, numbers, st.just(b"")),
    st.builds(Change, st.just(VALUE), titles, numbers, values),
    st.builds(Change, st.sampled_from([BEFORE, BEHIND]), titles, numbers, values.map(b"X-New: ".__add__)),
    st.builds(Change, st.just(BEHIND), st.just(b""), st.just(0), values.map(b"s:".__add__)),
)
edits = st.builds(
    Edits, st.none() | uris, st.lists(names, max_size=3), pairs, pairs, places=st.lists(changes, max_size=4),
    hops=st.none() | st.integers(0, 255), rr_params=st.sampled_from([b"", b";nat=yes;x"]),
)  # fmt: skip
flags = st.sampled_from([None, True, False])
places = st.sampled_from(["", "target", "group:1", "sip:10.0.0.5:5060", "sip:gw.example.com;transport=tcp"])


def over_the_bus(words: Mapping[str, Any]) -> Any:
    """What is at the other end of the bus of an answer that is this map."""
    ((_number, answer),) = envelope.decode_replies(envelope.encode_replies([(1, dict(words))])[1])
    return answer


@given(st.builds(Forward, places, st.none() | edits, flags, flags))
def test_the_decision_that_a_request_goes_on_comes_over_the_bus_as_it_was(decision: Forward) -> None:
    read = read_forward(over_the_bus(decision.words()))
    assert read.words() == decision.words()
    assert (read.to, read.record_route, read.path) == (decision.to, decision.record_route, decision.path)


@given(st.builds(Amended, st.just(0), st.just(""), st.none() | edits.filter(lambda made: made.uri is None)))
@example(Amended(486, "Busy Here", None))
@example(Amended(404, "Kein Anschluß", Edits(remove=[b"server"])))
def test_so_does_what_becomes_of_a_reply(decision: Amended) -> None:
    read = read_amended(over_the_bus(decision.words()))
    assert read.words() == decision.words()
    assert read[:2] == decision[:2]


def test_the_same_edits_are_made_at_the_other_end() -> None:
    given_here = Edits(
        b"sip:carol@example.net",
        [b"s"],
        [(b"X-One", b"a: b"), (b"f0o", b"")],
        [(b"X-Two", b"\xff"), (b"m", b"<sip:x>")],
    )
    site = Site()
    data = request("INVITE", lines=[b"Subject: one", b"X-One: old"])
    there = read_forward(over_the_bus(Forward(edits=given_here).words())).edits
    assert there is not None
    sent = site.forward(data, edits=there)
    assert sent == site.forward(data, edits=given_here)
    assert lines_of(sent)[0] == b"INVITE sip:carol@example.net SIP/2.0"
    assert headers(sent, b"x-one") == [b"X-One: a: b"]
    assert lines_of(sent)[-2:] == [b"X-Two: \xff", b"m: <sip:x>"]


def test_what_says_nothing_is_left_out() -> None:
    assert Forward().words() == {}
    assert Forward("sip:a", record_route=False).words() == {"to": "sip:a", "record_route": False}
    assert Amended().words() == {}
    assert read_forward({}) == Forward("", None, None, None)
    assert read_amended({}) == Amended(0, "", None)


def test_keys_of_later_versions_are_passed_over() -> None:
    assert read_forward({"to": "sip:a", "later": {"x": [1]}, b"y": 2, 7: None}).words() == {"to": "sip:a"}
    assert read_amended({"later": 1}) == Amended()


WRONG_EDITS: list[dict[str, Any]] = [
    {"remove": b"x"}, {"remove": ["x"]}, {"remove": [1]}, {"remove": 7}, {"remove": [b""]}, {"remove": [b"a b"]},
    {"remove": [b"Via"]}, {"remove": [b"v"]}, {"remove": [b"x"] * 65},
    {"add": [b"x"]}, {"add": [[b"x"]]}, {"add": [[b"x", b"1", b"2"]]}, {"add": [[b"x", "1"]]}, {"add": {b"x": b"1"}},
    {"add": [[b"x", b"1\r\nVia: y"]]}, {"add": [[b"x", b"\0"]]}, {"add": [[b"x: y\r\nz", b"1"]]}, {"add": b"xy"},
    {"add": [[b"x", b"1" * 9_000]]}, {"replace": [[b"Call-ID", b"1"]]}, {"replace": [[b"l", b"7"]]}, {"replace": 1},
    {"replace": ["xy"]}, {"replace": [b"xy"]},
]  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [
        *WRONG_EDITS,
        {"to": b"sip:a"}, {"to": None}, {"to": 1}, {"to": "sip:a\r\n"}, {"to": "x" * (MAX_TO + 1)}, {"to": ["sip:a"]},
        {"uri": "sip:a"}, {"uri": b""}, {"uri": b"sip:a\r\nX: y"}, {"uri": b"sip:a b"}, {"uri": 5},
        {"record_route": 1}, {"record_route": "yes"}, {"path": 0}, {"path": b""},
    ],
)  # fmt: skip
def test_what_cannot_be_decided_of_a_request_is_refused(words: dict[str, Any]) -> None:
    with pytest.raises(EnvelopeError):
        read_forward(over_the_bus(words))


@pytest.mark.parametrize(
    "words",
    [
        *WRONG_EDITS,
        {"status": 99, "reason": "x"}, {"status": 700, "reason": "x"}, {"status": "404", "reason": "x"},
        {"status": True, "reason": "x"}, {"status": 404}, {"status": 404, "reason": ""}, {"reason": "Alone"},
        {"status": 404, "reason": b"x"}, {"status": 404, "reason": "x\r\nVia: y"}, {"status": 404, "reason": "x\0"},
        {"status": 404, "reason": "x" * (MAX_REASON + 1)}, {"uri": b"sip:a@b"}, {"status": None, "reason": ""},
    ],
)  # fmt: skip
def test_what_cannot_become_of_a_reply_is_refused(words: dict[str, Any]) -> None:
    with pytest.raises(EnvelopeError):
        read_amended(over_the_bus(words))


words_of_any_kind = st.binary(max_size=9) | st.text(max_size=9)
things = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | words_of_any_kind,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words_of_any_kind, inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(
    ["to", "uri", "remove", "replace", "add", "record_route", "path", "status", "reason", "x", b"to", 1]
)


@given(st.dictionaries(keys, things, max_size=5))
def test_any_map_is_read_or_refused_and_never_more_than_that(words: dict[Any, Any]) -> None:
    answer = over_the_bus(words)
    for read in (read_forward, read_amended):
        with contextlib.suppress(EnvelopeError):
            said = read(answer).words()
            assert read(over_the_bus(said)).words() == said


@given(st.binary(max_size=60))
def test_maps_of_any_bytes_are_maps_or_garbage(data: bytes) -> None:
    body = msgpack.packb([[1, None]])[:-1] + b"\x82" + data
    with contextlib.suppress(EnvelopeError):
        for _number, answer in envelope.decode_replies(body):
            assert answer is None or isinstance(answer, bytes | tuple | dict)


def test_single_headers_are_told_of_too() -> None:
    places = [Change(b"-", b"x-y", 1), Change(b"=", b"x-y", 0, b"new"), Change(b">", b"", 0, b"Y: 1")]
    made = Edits(places=places, hops=7, rr_params=b";a=b")
    said = "forward to sip:gw, - x-y, = new, + Y: 1, Max-Forwards at most 7, Record-Route with ;a=b"
    assert tell_forward(Forward("sip:gw", made)) == said
