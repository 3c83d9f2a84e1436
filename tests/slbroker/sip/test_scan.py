"""Cutting a message into its headers."""

from __future__ import annotations

import pytest

from slbroker.errors import Drop
from slbroker.sip import scan as scanning
from slbroker.sip.scan import scan
from tests.support.twins import OPTIONS, growth, outcome

LONG = b"x" * 60_000


def head(*lines: bytes) -> bytes:
    return b"\r\n".join((b"A", *lines)) + b"\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "headers", "body", "fault"),
    [
        pytest.param(head(), [], b"", "", id="no headers"),
        pytest.param(head(b"Via: x") + b"a\nb", [b"via", b"x"], b"a\nb", "", id="body is left alone"),
        pytest.param(head(b"v:x", b"I:y"), [b"via", b"x", b"call-id", b"y"], b"", "", id="compact"),
        pytest.param(head(b"cALL-iD: y"), [b"call-id", b"y"], b"", "", id="odd case"),
        pytest.param(head(b"X-New_1: y"), [b"x-new_1", b"y"], b"", "", id="uncommon name"),
        pytest.param(head(b"Via \t : x", b"Q \t: y"), [b"via", b"x", b"q", b"y"], b"", "", id="blank, colon"),
        pytest.param(head(b"Via:\t x \t"), [b"via", b"x"], b"", "", id="blanks round the value"),
        pytest.param(head(b"Via: \x0bx\x85"), [b"via", b"\x0bx\x85"], b"", "", id="only SP and TAB are blanks"),
        pytest.param(head(b"Via:", b"To: \t"), [b"via", b"", b"to", b""], b"", "", id="empty values"),
        pytest.param(head(b"Via: a:b"), [b"via", b"a:b"], b"", "", id="second colon"),
        pytest.param(head(b"Via: a\0b"), [b"via", b"a\0b"], b"", "", id="NUL in a value"),
        pytest.param(head(b"Via: a,", b" b", b"\tc"), [b"via", b"a, b c"], b"", "", id="folded"),
        pytest.param(head(b"Via:", b" \t", b" a"), [b"via", b"a"], b"", "", id="folded, blank"),
        pytest.param(head(b"Via:" + b" " * 60_000 + b"x"), [b"via", b"x"], b"", "", id="60,000 spaces"),
        pytest.param(head(b"Via:" + b" " * 60_000), [b"via", b""], b"", "", id="60,000 spaces, no value"),
        pytest.param(head(LONG + b": y"), [LONG, b"y"], b"", "", id="long name"),
        pytest.param(head(b"Via" + b" " * 60_000 + b":x"), [b"via", b"x"], b"", "", id="long way to the colon"),
        pytest.param(head(b"Via"), [], b"", "", id="no colon"),
        pytest.param(head(LONG), [], b"", "", id="long line, no colon"),
        pytest.param(head(b": x", b"To: y"), [b"to", b"y"], b"", "", id="no name"),
        pytest.param(head(b"To: y", b"V@a: x", b"To: z"), [b"to", b"y", b"to", b"z"], b"", "", id="name is no token"),
        pytest.param(head(b'To: "y', b'" <z>'), [b"to", b'"y'], b"", scanning.BAD_HEADER_LINE, id="a value cut in two"),
        pytest.param(head(b'X"Y: z'), [], b"", scanning.BAD_HEADER_LINE, id="quote in a name"),
        pytest.param(head(b"Vi\0: x", b"\0: x"), [], b"", scanning.BAD_HEADER_LINE, id="NUL in a name"),
        pytest.param(b"", [], b"", scanning.MISSING_EMPTY_LINE, id="empty"),
        pytest.param(b"\r\n", [], b"", scanning.MISSING_EMPTY_LINE, id="a CRLF"),
        pytest.param(b"\r\n\r\n", [], b"", "", id="two CRLF"),
        pytest.param(b"\r\n\r\n\r\n", [], b"\r\n", "", id="three CRLF"),
        pytest.param(b"\r\nTo: x\r\n\r\n", [b"to", b"x"], b"", "", id="empty start line"),
        pytest.param(b"A\r\nTo: x", [b"to", b"x"], b"", scanning.MISSING_EMPTY_LINE, id="cut in a value"),
        pytest.param(b"A\r\nTo: x\r\n", [b"to", b"x"], b"", scanning.MISSING_EMPTY_LINE, id="cut at a line's end"),
        pytest.param(b"A\r\nTo", [], b"", scanning.MISSING_EMPTY_LINE, id="cut in a name"),
        pytest.param(head(*[b"To: x"] * 256), [b"to", b"x"] * 256, b"", "", id="256 headers"),
        pytest.param(head(*[b"To: x"] * 257), [b"to", b"x"] * 256, b"", scanning.TOO_MANY_HEADERS, id="257 headers"),
        pytest.param(head(*[b"!"] * 9_000), [], b"", scanning.TOO_MANY_HEADERS, id="9,000 bad lines"),
        pytest.param(
            b"A" + b"\r\nTo: x" * 256 + b"\r\n", [b"to", b"x"] * 256, b"", scanning.TOO_MANY_HEADERS, id="256, cut"
        ),
        pytest.param(
            head(*[b"To: x", b" y"] * 256), [b"to", b"x y"] * 256, b"", "", id="256 folded headers are not 512"
        ),
    ],
)
def test_scan(data: bytes, headers: list[bytes], body: bytes, fault: str) -> None:
    start = data.partition(b"\r\n")[0]
    first = dict(reversed(list(zip(headers[::2], headers[1::2], strict=True))))
    assert scan(data) == (start, headers, first, body, fault)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\n", id="LF alone"),
        pytest.param(b"\r", id="CR alone"),
        pytest.param(b"\n\r\n\r\n", id="LF first"),
        pytest.param(head(b"To: a\nb"), id="LF in a value"),
        pytest.param(head(b"To: a\rb"), id="CR in a value"),
        pytest.param(head(b"To: a\r"), id="CR CRLF"),
        pytest.param(head(b"To: a", b"\n"), id="CRLF LF"),
        pytest.param(b"A\r\n\r", id="cut in the empty line"),
        pytest.param(b"A\r\nTo: a\r", id="cut in a CRLF"),
        pytest.param(head(b"T\ro"), id="goes before a bad line"),
        pytest.param(head(b"To: a", b" b\nc"), id="folded"),
        pytest.param(head(*[b"To: a"] * 300, b"To: a\nb"), id="goes before too many headers"),
    ],
)
def test_scan_drops_a_lone_cr_or_lf(data: bytes) -> None:
    with pytest.raises(Drop) as error:
        scan(data)
    assert error.value.cause == "bare-crlf"


@pytest.mark.parametrize(
    ("data", "start"),
    [(b"A\r\n ", b"A "), (b"A\r\n\tb\r\nTo", b"A b"), (head(b" ", b"\t b"), b"A  b")],
)
def test_a_folded_start_line(data: bytes, start: bytes) -> None:
    assert scan(data)[:2] == (start, [])


def test_scanning_leaks_nothing() -> None:
    messages = [OPTIONS, OPTIONS[:300], head(b"a", b": b", b"@: c", LONG[:100] + b": d"), head(b"To: a", b" b")]
    messages += [head(b"To: a\nb"), head(b"Via: x", b"n\0: x"), head(b"To: x", b""), head(*[b"To: x"] * 300)]

    def work() -> None:
        for data in messages:
            outcome(scan, data)

    grown = growth(work, 1_250, *messages, *scan(OPTIONS)[1][::2])
    assert max(grown) < 200, grown
