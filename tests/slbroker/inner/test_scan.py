"""Cutting a message into its headers, by both twins; and which of them is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker import inner as chosen
from slbroker.errors import Drop
from slbroker.inner import pure
from slbroker.sip.grammar import COMPACT_FORMS, MAX_HEADERS
from tests.slbroker.inner.twins import OPTIONS, growth, load, outcome

if TYPE_CHECKING:
    from types import ModuleType

LONG = b"x" * 60_000


def head(*lines: bytes) -> bytes:
    return b"\r\n".join((b"A", *lines)) + b"\r\n\r\n"


@pytest.mark.parametrize("setting", ["", "0", "1"])
def test_the_choice(monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    monkeypatch.setenv("SLBROKER_PURE", setting)
    wanted = "pure" if setting == "1" else load("compiled").__name__.rpartition(".")[2]
    kind, modules = chosen._choose()
    names = [module.__name__.rpartition(".")[2] for module in modules]
    twins = ["compiled", "jobs", "ordinary", "repeats", "replying", "signing"]
    assert (kind, names) == (wanted, ["pure", "pure_jobs", "pure_repeats"] if wanted == "pure" else twins)


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
        pytest.param(head(b'To: "y', b'" <z>'), [b"to", b'"y'], b"", pure.BAD_HEADER_LINE, id="a value cut in two"),
        pytest.param(head(b'X"Y: z'), [], b"", pure.BAD_HEADER_LINE, id="quote in a name"),
        pytest.param(head(b"Vi\0: x", b"\0: x"), [], b"", pure.BAD_HEADER_LINE, id="NUL in a name"),
        pytest.param(b"", [], b"", pure.MISSING_EMPTY_LINE, id="empty"),
        pytest.param(b"\r\n", [], b"", pure.MISSING_EMPTY_LINE, id="a CRLF"),
        pytest.param(b"\r\n\r\n", [], b"", "", id="two CRLF"),
        pytest.param(b"\r\n\r\n\r\n", [], b"\r\n", "", id="three CRLF"),
        pytest.param(b"\r\nTo: x\r\n\r\n", [b"to", b"x"], b"", "", id="empty start line"),
        pytest.param(b"A\r\nTo: x", [b"to", b"x"], b"", pure.MISSING_EMPTY_LINE, id="cut in a value"),
        pytest.param(b"A\r\nTo: x\r\n", [b"to", b"x"], b"", pure.MISSING_EMPTY_LINE, id="cut at a line's end"),
        pytest.param(b"A\r\nTo", [], b"", pure.MISSING_EMPTY_LINE, id="cut in a name"),
        pytest.param(head(*[b"To: x"] * 256), [b"to", b"x"] * 256, b"", "", id="256 headers"),
        pytest.param(head(*[b"To: x"] * 257), [b"to", b"x"] * 256, b"", pure.TOO_MANY_HEADERS, id="257 headers"),
        pytest.param(head(*[b"!"] * 9_000), [], b"", pure.TOO_MANY_HEADERS, id="9,000 bad lines"),
        pytest.param(
            b"A" + b"\r\nTo: x" * 256 + b"\r\n", [b"to", b"x"] * 256, b"", pure.TOO_MANY_HEADERS, id="256, cut"
        ),
        pytest.param(
            head(*[b"To: x", b" y"] * 256), [b"to", b"x y"] * 256, b"", "", id="256 folded headers are not 512"
        ),
    ],
)
def test_scan(inner: ModuleType, data: bytes, headers: list[bytes], body: bytes, fault: str) -> None:
    start = data.partition(b"\r\n")[0]
    first = dict(reversed(list(zip(headers[::2], headers[1::2], strict=True))))
    assert inner.scan(data) == (start, headers, first, body, fault)


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
def test_scan_drops_a_lone_cr_or_lf(inner: ModuleType, data: bytes) -> None:
    with pytest.raises(Drop) as error:
        inner.scan(data)
    assert error.value.cause == "bare-crlf"


@pytest.mark.parametrize(
    ("data", "start"),
    [(b"A\r\n ", b"A "), (b"A\r\n\tb\r\nTo", b"A b"), (head(b" ", b"\t b"), b"A  b")],
)
def test_a_folded_start_line(inner: ModuleType, data: bytes, start: bytes) -> None:
    assert inner.scan(data)[:2] == (start, [])


@pytest.mark.parametrize(
    "data", [None, "text", bytearray(OPTIONS), memoryview(OPTIONS)], ids=lambda data: type(data).__name__
)
def test_scan_of_other_types(compiled: ModuleType, data: object) -> None:
    assert outcome(compiled.scan, data) == outcome(pure.scan, data)


def test_names_are_the_same_objects_in_every_spelling(compiled: ModuleType) -> None:
    names = {name: name for name in compiled.COMMON_NAMES} | COMPACT_FORMS
    assert set(COMPACT_FORMS.values()) | set(COMPACT_FORMS) <= set(names) | set(COMPACT_FORMS.values())
    for short, name in names.items():
        _, headers, *_ = compiled.scan(head(*(b"%s: x" % n for n in (short, short.upper(), short.title(), name))))
        assert headers[::2] == [name] * 4
        assert len({id(n) for n in headers[::2]}) == 1


def test_names_one_bit_beside_a_known_one(compiled: ModuleType) -> None:
    for name in (*compiled.COMMON_NAMES, *COMPACT_FORMS):
        near = [
            name[:at] + bytes([name[at] ^ 1 << bit]) + name[at + 1 :] for at in range(len(name)) for bit in range(8)
        ]
        for line in near:
            data = head(line + b": x")
            assert outcome(compiled.scan, data) == outcome(pure.scan, data), line


PIECES = st.sampled_from(
    [b"\r\n"] * 4
    + [b":"] * 2
    + [b"\r\n\r\n", b"\r\n ", b"\r", b"\n", b" ", b"\t", b"\0", b"\x85", b"@"]
    + [b"Via", b"v", b"CALL-id", b"X-Y", b"sip:a@b", b"OPTIONS", b"To: x\r\n" * MAX_HEADERS]
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Make an ordinary message with some pieces of it replaced, removed or doubled."""
    data = OPTIONS
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        to = min(len(data), at + draw(st.integers(0, 12)))
        data = data[:at] + draw(st.one_of(PIECES, st.binary(max_size=3), st.just(data[at:to] * 2))) + data[to:]
    return data


@given(st.one_of(st.binary(), st.lists(PIECES).map(b"".join), mutated()))
def test_the_twins_scan_alike(compiled: ModuleType, data: bytes) -> None:
    assert outcome(compiled.scan, data) == outcome(pure.scan, data)


@given(st.lists(PIECES, max_size=12).map(b"".join), st.integers(0, 100))
def test_a_scan_reads_nothing_behind_its_data(compiled: ModuleType, data: bytes, cut: int) -> None:
    """A prefix of a longer piece of memory gives what the same bytes alone give."""
    assert outcome(compiled.scan, (data + b"\r\n\r\n")[:cut]) == outcome(pure.scan, (data + b"\r\n\r\n")[:cut])


def test_scanning_leaks_nothing(inner: ModuleType) -> None:
    """A leak a call would show as thousands: 200,000 scans by the twin that can leak."""
    messages = [OPTIONS, OPTIONS[:300], head(b"a", b": b", b"@: c", LONG[:100] + b": d"), head(b"To: a", b" b")]
    messages += [head(b"To: a\nb"), head(b"Via: x", b"n\0: x"), head(b"To: x", b""), head(*[b"To: x"] * 300)]

    def work() -> None:
        for data in messages:
            outcome(inner.scan, data)

    grown = growth(work, 12_500 if inner is not pure else 1_250, *messages, *inner.scan(OPTIONS)[1][::2])
    assert max(grown) < 200, grown
