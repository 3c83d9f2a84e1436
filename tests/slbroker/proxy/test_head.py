"""A head as lines: every byte is kept, and names are read as the parser reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker.errors import Drop, Reject
from slbroker.proxy.head import START, Head, elements, value_of, with_value
from slbroker.sip.scan import scan
from tests.support.forwarding import lines_of
from tests.support.sip import TYPICAL, request
from tests.torture.corpus import CASES

pieces = st.lists(
    st.sampled_from([
        b"Via: a", b"v", b"v :b", b"X", b":", b" ", b"\t", b"\r\n", b"\r\n ", b"\r\n\t", b"From", b"f:", b"To : x",
        b"\xff", b"Max-Forwards\r\n : 7", b"a b: c", b'"', b"l:0", b"\n", b"\r",
    ]), max_size=14,
).map(b"".join)  # fmt: skip


@given(pieces, st.binary(max_size=9))
def test_names_and_values_are_those_of_the_parser(head: bytes, body: bytes) -> None:
    data = b"OPTIONS sip:a SIP/2.0\r\n" + head + b"\r\n\r\n" + body
    try:
        _, headers, _, rest, _ = scan(data)
    except Drop:
        with pytest.raises(Drop):
            Head.cut(data)
        return
    cut = Head.cut(data)
    read = [part for name, line in zip(cut.names, cut.lines, strict=True) if name for part in (name, value_of(line))]
    assert read == headers
    assert cut.rest == rest
    assert cut.join(cut.rest) == data
    assert cut.copy().join(b"") == cut.join(b"")


@pytest.mark.parametrize("data", [*TYPICAL.values(), *(case.data for case in CASES.values())])
def test_real_messages_stay_as_they_are(data: bytes) -> None:
    cut = Head.cut(data)
    assert cut.join(cut.rest) == data
    assert cut.lines == lines_of(data)
    assert cut.names[0] == START


@pytest.mark.parametrize(
    ("line", "value", "other"),
    [
        (b"Via: a", b"a", b"Via: z"),
        (b"v:a ", b"a", b"v:z"),
        (b"X :\t a\r\n\tb", b"a b", b"X :\t z"),
        (b"X:", b"", b"X:z"),
        (b"X:\r\n a", b"a", b"X:z"),
    ],
)
def test_a_value_and_another_in_its_place(line: bytes, value: bytes, other: bytes) -> None:
    assert value_of(line) == value
    assert with_value(line, b"z") == other


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b"Route: <sip:a>", [b"<sip:a>"]),
        (
            b'Route:<sip:a>,"x, <sip:b>" <sip:c>;d="," ,, <sip:a>',
            [b"<sip:a>", b'"x, <sip:b>" <sip:c>;d=","', b"<sip:a>"],
        ),
        (b"Route: <sip:a>\r\n ,\r\n\t<sip:b>\r\n ;c", [b"<sip:a>", b"<sip:b>\r\n ;c"]),
        (b"Route:", []),
        (b"Route: , ", []),
    ],
)
def test_the_addresses_of_a_line_and_where_they_stand(line: bytes, found: list[bytes]) -> None:
    assert [line[start:end] for start, end, _ in elements(line)] == found


def test_a_star_is_no_route() -> None:
    with pytest.raises(Reject):
        list(elements(b"Route: *"))


def test_more_headers_than_a_parser_takes() -> None:
    with pytest.raises(Drop):
        Head.cut(request(lines=[b"a: b"] * 257))
