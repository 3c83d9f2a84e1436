"""What reading an address costs: no value makes a pattern go back over it, and none costs more than its length."""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from slbroker.errors import Reject
from slbroker.sip import address, uri
from slbroker.sip.address import parse_address, parse_address_list, tag_of

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("module", [address, uri])
def test_no_pattern_ever_goes_back(module: Any) -> None:
    """Every open-ended repetition of a character is possessive, so a match looks at each byte so many times at most.

    That of a group is not, since Python 3.11.2 errs there: what it gives back, an escaped pair, is no end of a string.
    """
    patterns = [
        found.__self__.pattern
        for name, found in vars(module).items()
        if name.startswith("_") and isinstance(getattr(found, "__self__", None), re.Pattern)
    ]
    assert len(patterns) >= 4
    for pattern in patterns:
        bare = re.sub(rb"\\.", b"", re.sub(rb"\[(?:\\.|[^\]\\])*\]", b"", pattern, flags=re.DOTALL), flags=re.DOTALL)
        assert not re.search(rb"(?<![*+?})])[*+](?!\+)|\{\d*,\}", bare), pattern


HOSTILE = [
    (b"", b" ", b""),
    (b"<sip:a@b>", b" ", b"x"),
    (b"<sip:a@b>;tag=", b" ", b""),
    (b"", b"a ", b""),
    (b"", b'"', b""),
    (b'"', b"\\", b""),
    (b'"', b'\\"', b""),
    (b"", b"<", b""),
    (b"", b">", b""),
    (b"", b";", b""),
    (b"sip:a@b", b";", b""),
    (b"sip:a@b", b";x", b";"),
    (b"sip:a@b", b';x="', b""),
    (b"sip:a@b", b';x=""', b'"'),
    (b"sip:a@b;tag=", b"1", b""),
    (b"<sip:a@b:", b"1", b">"),
    (b"<sip:", b"@", b">"),
    (b"<sip:", b"a", b">"),
    (b"<sip:", b"a", b"@b>"),
    (b"<sip:", b"%41", b"@b>"),
    (b"<sip:a@b", b";", b">"),
    (b"<sip:a@b", b";%41=%", b">"),
    (b"<", b"a", b":>"),
    (b"", b"*,", b""),
    (b"", b"a,", b"a"),
]


@pytest.mark.parametrize(("head", "unit", "tail"), HOSTILE)
def test_the_cost_grows_with_the_length_alone(head: bytes, unit: bytes, tail: bytes) -> None:
    """Calls are counted, not time: twice the length makes at most twice the calls."""
    half = 30_000 // len(unit)
    for function in (tag_of, parse_address, parse_address_list, lambda v: parse_address(v).uri):
        few, many = (count_calls(function, head + unit * number + tail) for number in (half, 2 * half))
        assert many <= 2 * few + 20


@pytest.mark.parametrize("digits", [4_300, 4_301])
def test_int_is_never_given_what_it_chokes_on(digits: int) -> None:
    with pytest.raises(Reject, match="400 Bad Host In URI"):
        _ = parse_address(b"<sip:a@b:" + b"1" * digits + b">").uri


def count_calls(function: Callable[[bytes], object], value: bytes) -> int:
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    previous = sys.getprofile()
    sys.setprofile(count)
    try:
        with suppress(Reject):
            function(value)
    finally:
        sys.setprofile(previous)
    return calls
