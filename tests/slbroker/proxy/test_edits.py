"""What a handler may change on the way, and what it may not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker.proxy.edits import MAX_EDITED, MAX_EDITS, UNTOUCHED, Edits
from slbroker.sip.parser import parse
from tests.support.forwarding import CHECKS, Site, body_of, headers, lines_of
from tests.support.sip import request

SITE = Site()
DATA = request("INVITE", lines=[b"Subject: one", b"X: y", b"s : two", b"SUBJECT:\r\n three"], body=b"v=0")


def edited(edits: Edits, data: bytes = DATA) -> bytes:
    return SITE.forward(data, edits=edits)


def test_the_request_uri() -> None:
    sent = edited(Edits(uri=b"sip:carol@example.net;user=phone"))
    assert lines_of(sent)[0] == b"INVITE sip:carol@example.net;user=phone SIP/2.0"
    assert lines_of(sent)[1:] == lines_of(SITE.forward(DATA))[1:]


def test_a_header_goes_under_all_its_names() -> None:
    assert headers(edited(Edits(remove=[b"s"])), b"subject", b"s") == []


def test_a_header_is_replaced_where_the_first_one_stood() -> None:
    sent = edited(Edits(replace=[(b"Subject", b"four")]))
    at = lines_of(sent).index(b"Subject: four")
    assert lines_of(sent)[at + 1 : at + 2] == [b"X: y"]
    assert headers(sent, b"subject", b"s") == [b"Subject: four"]


def test_a_header_that_was_not_there_comes_to_the_end() -> None:
    sent = edited(Edits(replace=[(b"X-New", b"1")], add=[(b"X-New", b"2"), (b"Route", b"<sip:far;lr>")]))
    assert lines_of(sent)[-3:] == [b"X-New: 1", b"X-New: 2", b"Route: <sip:far;lr>"]


def test_the_body_stays() -> None:
    assert body_of(edited(Edits(remove=[b"x"]))) == b"v=0"


@pytest.mark.parametrize("name", sorted(UNTOUCHED))
def test_what_makes_it_that_message_is_not_changed(name: bytes) -> None:
    edits: list[dict[str, Any]] = [{"remove": [name.title()]}, {"add": [(name, b"1")]}, {"replace": [(name, b"1")]}]
    for edit in edits:
        with pytest.raises(ValueError, match="not changed"):
            Edits(**edit)


@pytest.mark.parametrize("name", [b"v", b"f", b"t", b"i", b"l", b"c", b"e"])
def test_nor_under_its_compact_name(name: bytes) -> None:
    with pytest.raises(ValueError, match="not changed"):
        Edits(add=[(name, b"1")])


@pytest.mark.parametrize("value", [b"1\r\nX: y", b"1\n", b"\r", b"1\r\n ", b"a\x00"])
def test_a_value_begins_no_line_of_its_own(value: bytes) -> None:
    edits: list[dict[str, Any]] = [{"add": [(b"X", value)]}, {"replace": [(b"X", value)]}]
    for edit in edits:
        with pytest.raises(ValueError, match="line end"):
            Edits(**edit)


@pytest.mark.parametrize("name", [b"", b"a b", b"a:", b"a\r\nb", b"\xff", b" a"])
def test_a_name_is_a_token(name: bytes) -> None:
    edits: list[dict[str, Any]] = [{"add": [(name, b"1")]}, {"remove": [name]}]
    for edit in edits:
        with pytest.raises(ValueError, match="name"):
            Edits(**edit)


@pytest.mark.parametrize("uri", [b"", b"bob", b"sip:a b", b"sip:a\r\nX: y", b"sip:a@b@c", b"sip:a SIP/2.0", b"<sip:a>"])
def test_a_request_uri_is_one(uri: bytes) -> None:
    with pytest.raises(ValueError, match="Request-URI"):
        Edits(uri=uri)


def test_what_is_added_has_a_bound() -> None:
    with pytest.raises(ValueError, match="more than"):
        Edits(add=[(b"X", b"1")] * (MAX_EDITS + 1))
    with pytest.raises(ValueError, match="more than"):
        Edits(add=[(b"X", b"1" * MAX_EDITED)])
    with pytest.raises(ValueError, match="more than"):
        Edits(uri=b"sip:" + b"a" * MAX_EDITED)


@given(st.binary(max_size=20), st.binary(max_size=20), st.sampled_from(["add", "replace"]))
def test_whatever_is_accepted_is_read_as_it_was_meant(name: bytes, value: bytes, kind: str) -> None:
    try:
        edits = Edits(add=[(name, value)]) if kind == "add" else Edits(replace=[(name, value)])
    except ValueError:
        return
    before, after = parse(SITE.forward(DATA), CHECKS), parse(edited(edits), CHECKS)
    assert after.body == before.body
    assert len(after.headers) <= len(before.headers) + 2
    assert value.strip(b" \t") in after.headers
