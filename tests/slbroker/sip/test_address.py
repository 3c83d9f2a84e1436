"""Addresses (RFC 3261 20.10): one reading of every value, whichever function is asked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import sipmessage
from hypothesis import given
from hypothesis import strategies as st

from slbroker.errors import Reject
from slbroker.sip.address import Address, parse_address, parse_address_list, tag_of
from slbroker.sip.uri import InvalidUri

if TYPE_CHECKING:
    from collections.abc import Callable

# value, then (display, URI, tag, all parameters)
GOOD: list[tuple[bytes, tuple[str, bytes, str, dict[str, str | None]]]] = [
    (b"<sip:a@b>", ("", b"sip:a@b", "", {})),
    (b"sip:a@b", ("", b"sip:a@b", "", {})),
    (b"<sip:a@b>;tag=x", ("", b"sip:a@b", "x", {"tag": "x"})),
    (b"sip:a@b;tag=x", ("", b"sip:a@b", "x", {"tag": "x"})),
    (b"sip:a@b;transport=udp;tag=x", ("", b"sip:a@b", "x", {"transport": "udp", "tag": "x"})),
    (b"<sip:a@b;tag=no>;tag=x", ("", b"sip:a@b;tag=no", "x", {"tag": "x"})),
    (b"<sip:a@b;tag=no>", ("", b"sip:a@b;tag=no", "", {})),
    (b"<sip:a,b?c@d?e=f>", ("", b"sip:a,b?c@d?e=f", "", {})),
    (b'"Bob" <sip:a@b>;tag=x', ("Bob", b"sip:a@b", "x", {"tag": "x"})),
    (b'"Bob"<sip:a@b>;tag=x', ("Bob", b"sip:a@b", "x", {"tag": "x"})),
    (b'"" <sip:a@b>', ("", b"sip:a@b", "", {})),
    (b'"<sip:c@d>;tag=no" <sip:a@b>;tag=x', ("<sip:c@d>;tag=no", b"sip:a@b", "x", {"tag": "x"})),
    (b'"a>b, c;" <sip:a@b>', ("a>b, c;", b"sip:a@b", "", {})),
    (rb'"a\"b\\" <sip:a@b>;tag=x', ('a"b\\', b"sip:a@b", "x", {"tag": "x"})),
    (rb'"\"<" <sip:a@b>;tag=x', ('"<', b"sip:a@b", "x", {"tag": "x"})),
    (b"Anonymous Caller <sip:a@b>;tag=x", ("Anonymous Caller", b"sip:a@b", "x", {"tag": "x"})),
    (b"The Operator<sip:a@b>", ("The Operator", b"sip:a@b", "", {})),
    ("Jörg <sip:a@b>".encode(), ("Jörg", b"sip:a@b", "", {})),
    (b'"J\xf6rg" <sip:a@b>', ("J\udcf6rg", b"sip:a@b", "", {})),
    (b"sip:a@b>".replace(b">", b""), ("", b"sip:a@b", "", {})),
    (b"  <sip:a@b>  ;  TAG =  x ", ("", b"sip:a@b", "x", {"tag": "x"})),
    (b"\tsip:a@b\t;\tTag\t=\tx\t", ("", b"sip:a@b", "x", {"tag": "x"})),
    (b"<sip:a@b>;tag=x;y", ("", b"sip:a@b", "x", {"tag": "x", "y": None})),
    (b"<sip:a@b>;y;tag=x", ("", b"sip:a@b", "x", {"y": None, "tag": "x"})),
    (b"<sip:a@b>;tag2=y;xtag=z", ("", b"sip:a@b", "", {"tag2": "y", "xtag": "z"})),
    (b'<sip:a@b>;y=";tag=no";tag=x', ("", b"sip:a@b", "x", {"y": ";tag=no", "tag": "x"})),
    (b'<sip:a@b>;y=">;tag=no"', ("", b"sip:a@b", "", {"y": ">;tag=no"})),
    (rb'<sip:a@b>;y="\";tag=no"', ("", b"sip:a@b", "", {"y": '";tag=no'})),
    (
        b'<sip:a@b>;+sip.instance="<urn:uuid:0>";q=0.5',
        ("", b"sip:a@b", "", {"+sip.instance": "<urn:uuid:0>", "q": "0.5"}),
    ),
    (b"<sip:a@b>;y=;z=1=2;host=[::1]", ("", b"sip:a@b", "", {"y": "", "z": "1=2", "host": "[::1]"})),
    (b"<sip:a@b>;y=1;Y=2", ("", b"sip:a@b", "", {"y": "1"})),
    (b"<sip:a@b>;tag=-.!%*_+`'~", ("", b"sip:a@b", "-.!%*_+`'~", {"tag": "-.!%*_+`'~"})),
    (b"<sip:a@b>;tag=x" + b";y" * 63, ("", b"sip:a@b", "x", {"tag": "x", "y": None})),
    (b"<tel:+1-201>;tag=x", ("", b"tel:+1-201", "x", {"tag": "x"})),
    # RFC 4475 wsinv, unfolded
    (
        b"sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n",
        ("", b"sip:vivekg@chair-dnrc.example.com", "1918181833n", {"tag": "1918181833n"}),
    ),
    (
        rb'"J Rosenberg \\\"" <sip:jdrosen@example.com> ; tag = 98asjd8',
        ('J Rosenberg \\"', b"sip:jdrosen@example.com", "98asjd8", {"tag": "98asjd8"}),
    ),
    (
        rb'"Quoted string \"\"" <sip:jdrosen@example.com> ; newparam = newvalue ; secondparam ; q = 0.33',
        (
            'Quoted string ""',
            b"sip:jdrosen@example.com",
            "",
            {"newparam": "newvalue", "secondparam": None, "q": "0.33"},
        ),
    ),
    # RFC 4475 intmeth
    (
        b'"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" <sip:1_unusual.URI~(to-be!sure)&isn\'t+it$/crazy?,/;;*@example.com>',
        ("BEL:\x07 NUL:\x00 DEL:\x7f", b"sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com", "", {}),
    ),
    (
        b"token1~` token2'+_ token3*%!.- <sip:mundane@example.com>"
        + """;fromParam''~+*_!.-%="работающий";tag=_token~1'+`*%!-.""".encode(),
        (
            "token1~` token2'+_ token3*%!.-",
            b"sip:mundane@example.com",
            "_token~1'+`*%!-.",
            {"fromparam''~+*_!.-%": "работающий", "tag": "_token~1'+`*%!-."},
        ),
    ),
    # As phones, gateways and scanners write them
    (b'""unknown"" <sip:a@b>', ('"unknown"', b"sip:a@b", "", {})),
    (b"<sip:a@b>;tag=A(1.6)(0A1B)", ("", b"sip:a@b", "A(1.6)(0A1B)", {"tag": "A(1.6)(0A1B)"})),
    (b"<sip:a@b>;tag=Y+V/M==", ("", b"sip:a@b", "Y+V/M==", {"tag": "Y+V/M=="})),
    (b"<sip:a@b>;tag=1@[::1]:5060", ("", b"sip:a@b", "1@[::1]:5060", {"tag": "1@[::1]:5060"})),
    (b"<sip:a@b>;i=<urn:uuid:1>;x", ("", b"sip:a@b", "", {"i": "<urn:uuid:1>", "x": None})),
    # RFC 4475 badaspec: it may be refused, it may be understood
    (b'"Watson, Thomas" < sip:t.watson@example.org >', ("Watson, Thomas", b"sip:t.watson@example.org", "", {})),
]


@pytest.mark.parametrize(("value", "parts"), GOOD)
def test_values_that_are_read(value: bytes, parts: tuple[str, bytes, str, dict[str, str | None]]) -> None:
    read = parse_address(value)
    assert (read.display, read.uri_bytes, read.tag, dict(read.params)) == parts
    assert tag_of(value) == parts[2].encode()
    assert read.raw == value.strip()
    assert str(read).encode("utf-8", "surrogateescape") == read.raw
    assert read.uri.raw == parts[1]
    assert read.uri is read.uri


BAD = [
    (b"sip:a@b" + b";x" * 65, "Too Many Parameters In Address"),
    (b"", "Empty Address Or Parameter"),
    (b"   ", "Empty Address Or Parameter"),
    (b",", "Empty Address Or Parameter"),
    (b";tag=x", "Bad Address"),
    (b"<>", "Bad Address"),
    (b"<>;tag=x", "Bad Address"),
    (b'"" <>', "Bad Address"),
    (b'"Bob"', "Bad Address"),
    (b'"Bob";tag=x', "Bad Address"),
    (b'"Bob" sip:a@b', "Bad Address"),
    (b'"Bob" "Bob" <sip:a@b>', "Bad Address"),
    (b'Bob "Bob" <sip:a@b>', "Bad Address"),
    (b'"Bob" Bob <sip:a@b>', "Bad Address"),
    (b'"Mr. J. User <sip:j.user@example.com>', "Unclosed Quote In Address"),  # RFC 4475 quotbal
    (rb'"Bob\" <sip:a@b>;tag=x', "Unclosed Quote In Address"),
    (b'<sip:a@b>;y="x;tag=z', "Unclosed Quote In Address"),
    (b'<sip:a@b>;tag=x;y="', "Unclosed Quote In Address"),
    (b"<sip:a@b;tag=x", "Unclosed < In Address"),
    (b"Bob <sip:a@b", "Unclosed < In Address"),
    (b"sip:a@b>;tag=x", "Bad Address"),
    (b"<sip:a@b>>;tag=x", "Bad Address"),
    (b"<<sip:a@b>;tag=x", "Bad Address"),
    (b'<sip:"a>b"@c>;tag=x', "Bad Address"),
    (b'<sip:"a"@c>;tag=x', "Bad Address"),
    (b"<sip:a@b>tag=x", "Bad Address"),
    (b"<sip:a@b> x;tag=y", "Bad Address"),
    (b"sip:a@b x;tag=y", "Bad Address"),
    (b"sip:a@b;tag=x>", "Bad Address"),
    (b"sip:a@b?c=d", "Bad Address"),  # RFC 4475 regbadct
    (b"<sip:a@b>;", "Empty Address Or Parameter"),
    (b"<sip:a@b>;;tag=x", "Bad Address"),  # as in RFC 4475 badinv01
    (b"<sip:a@b>;=x", "Bad Address"),
    (b"<sip:a@b>;tag=x y", "Bad Address"),
    (b'<sip:a@b>;y="x"z', "Bad Address"),
    (b"<sip:a@b>;tag", "Bad Tag"),
    (b"<sip:a@b>;tag=", "Bad Tag"),
    (b"<sip:a@b>;tag;y", "Bad Tag"),
    (b"<sip:a@b>;tag= ;y", "Bad Tag"),
    (b'<sip:a@b>;tag="x"', "Bad Tag"),
    (b'<sip:a@b>;tag=""', "Bad Tag"),
    (b"<sip:a@b>;tag=<x>", "Bad Tag"),
    (b"<sip:a@b>;tag=\xc3\xa9", "Bad Tag"),
    (b"<sip:a@b>;tag=x;tag=x", "Two Tags"),
    (b"<sip:a@b>;tag=x;TAG=y", "Two Tags"),
    (b"<sip:a@b>;tag=x;tag", "Two Tags"),
    (b"<sip:a@b>,<sip:c@d>", "More Than One Address"),
    (b"<sip:a@b>;tag=x,", "More Than One Address"),
    (b"sip:a,b@c", "More Than One Address"),
    (b"Bell, Alexander <sip:a.g.bell@example.com>;tag=43", "More Than One Address"),  # RFC 4475 baddn
    (b"<sip:a@b>\r\n;tag=x", "Bad Address"),
    (b"<sip:a\r\n@b>;tag=x", "Bad Address"),
    (b'"a\nb" <sip:a@b>;tag=x', "Unclosed Quote In Address"),
    (b'"a\\\nb" <sip:a@b>;tag=x', "Unclosed Quote In Address"),
    (b"a\x00b <sip:a@b>;tag=x", "Bad Address"),
    (b"<sip:a@b>;tag=x\x00", "Bad Address"),
    (b"<sip:a@b>;tag=x\x0b", "Bad Address"),
    (b"<sip:a@b>\x85;tag=x", "Bad Address"),
]


@pytest.mark.parametrize(("value", "reason"), BAD)
@pytest.mark.parametrize("function", [tag_of, parse_address])
def test_values_that_are_refused(function: Callable[[bytes], object], value: bytes, reason: str) -> None:
    with pytest.raises(Reject) as raised:
        function(value)
    assert (raised.value.status, raised.value.reason) == (400, reason)


def test_quotes_in_the_parameters_of_a_uri() -> None:
    """No URI has them; the address can be read, and its URI is judged when that is asked for."""
    read = parse_address(b'<sip:a@b;x="y==";z>;tag=1')
    assert (read.uri_bytes, read.tag) == (b'sip:a@b;x="y==";z', "1")
    with pytest.raises(InvalidUri, match="Illegal Character"):
        _ = read.uri


# Lists ------------------------------------------------------------------------------------------------------------


def test_a_list() -> None:
    value = b'"a, b" <sip:a,b@c>;q=0.5;x="1,2" , sip:d@e;q=1,<sip:f@g>'
    first, second, third = parse_address_list(value)
    assert (first.display, first.uri.user, first.params["x"]) == ("a, b", "a,b", "1,2")
    assert first.raw == b'"a, b" <sip:a,b@c>;q=0.5;x="1,2"'
    assert second == parse_address(b"sip:d@e;q=1")
    assert third == parse_address(b"<sip:f@g>")


def test_a_list_has_a_limit() -> None:
    assert len(parse_address_list(b",".join([b"<sip:a@b>"] * 128))) == 128
    with pytest.raises(Reject, match="Too Many Addresses"):
        parse_address_list(b",".join([b"<sip:a@b>"] * 129))


def test_a_star() -> None:
    (star,) = parse_address_list(b" * ")
    assert star.wildcard
    with pytest.raises(InvalidUri):
        _ = star.uri


@pytest.mark.parametrize("value", [b"*;expires=0", b"<*>", b"<*>;expires=0;", b",*,"])
def test_a_star_as_phones_write_it(value: bytes) -> None:
    (star,) = parse_address_list(value)
    assert star.wildcard
    assert dict(star.params) == ({"expires": "0"} if b"expires" in value else {})


@pytest.mark.parametrize("value", [b'"x" <*>', b"sip:*", b"<sip:*@a>"])
def test_what_is_no_star(value: bytes) -> None:
    assert not parse_address(value).wildcard


@pytest.mark.parametrize("value", [b"", b" ", b",", b" ,\t, "])
def test_a_list_of_nothing(value: bytes) -> None:
    assert parse_address_list(value) == []


@pytest.mark.parametrize(
    "value", [b"<sip:a@b>,", b",<sip:a@b>", b"<sip:a@b>;", b"<sip:a@b>;;", b" <sip:a@b> ; ,, ", b"<sip:a@b>;\t;,"]
)
def test_what_has_nothing_in_it_is_passed_over(value: bytes) -> None:
    assert [str(one.uri) for one in parse_address_list(value)] == ["sip:a@b"]


def test_empty_parameters_between_others() -> None:
    (read,) = parse_address_list(b'"Joe" <sip:a@b>;;expires=60; ;q=1;;')
    assert dict(read.params) == {"expires": "60", "q": "1"}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"*,<sip:a@b>", "Address Beside *"),
        (b"<sip:a@b>, *", "Address Beside *"),
        (b'<sip:a@b>, "c <sip:d@e>', "Unclosed Quote In Address"),
    ],
)
def test_lists_that_are_refused(value: bytes, reason: str) -> None:
    with pytest.raises(Reject) as raised:
        parse_address_list(value)
    assert (raised.value.status, raised.value.reason) == (400, reason)


@given(st.lists(st.sampled_from([value for value, _ in GOOD]), min_size=1))
def test_a_joined_list_comes_apart_again(values: list[bytes]) -> None:
    assert parse_address_list(b",".join(values)) == [parse_address(value) for value in values]


# Values in general ------------------------------------------------------------------------------------------------


def test_an_address_is_a_value() -> None:
    read = parse_address(b"<sip:a@b>;tag=x")
    assert read == parse_address(b" <sip:a@b>;tag=x")
    assert read != parse_address(b"<sip:a@b>;tag=y")
    assert len({read, parse_address(b"<sip:a@b>;tag=x")}) == 1
    with pytest.raises(AttributeError):
        read.tag = "y"  # type: ignore[misc]
    with pytest.raises(TypeError):
        read.params["tag"] = "y"  # type: ignore[index]


def test_a_bad_uri_matters_only_to_those_who_ask_for_it() -> None:
    read = parse_address(b"<no uri>;tag=x")
    assert read.tag == "x"
    with pytest.raises(InvalidUri):
        _ = read.uri


PIECES = [
    b'"',
    b"\\",
    b"<",
    b">",
    b";",
    b",",
    b"tag",
    b"TAG",
    b"=",
    b"x",
    b" ",
    b"\t",
    b"sip:a@b",
    b"?",
    b"\r\n",
    b"\x00",
    b"\xe9",
]
pieces = st.lists(st.sampled_from(PIECES), max_size=16).map(b"".join)
framed = st.tuples(
    st.sampled_from([b"", b"x ", b'"x" ', b'"']), st.sampled_from([b"<sip:a@b>", b"sip:a@b"]), pieces
).map(b"".join)
anything = st.one_of(st.binary(), pieces, framed)


def outcome(function: Callable[[bytes], object], value: bytes) -> object:
    try:
        return function(value)
    except Reject as error:
        return error.status, error.reason


@given(anything)
def test_the_quick_reading_is_the_exact_one(value: bytes) -> None:
    exact = outcome(parse_address, value)
    quick = outcome(tag_of, value)
    assert quick == (exact.tag.encode() if isinstance(exact, Address) else exact)


@given(anything)
def test_any_bytes_give_a_value_or_a_400(value: bytes) -> None:
    addresses = outcome(parse_address_list, value)
    if isinstance(addresses, tuple):
        assert addresses[0] == 400
    elif isinstance(addresses, list):
        for one in addresses:
            assert parse_address_list(one.raw) == [one]
            outcome(lambda _, one=one: one.uri, b"")  # type: ignore[misc]


def quoted(content: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", content) + '"'


@given(
    st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])),
    st.dictionaries(
        st.from_regex(r"[a-su-z][a-z0-9.-]{0,5}", fullmatch=True),
        st.text(st.characters(codec="ascii", exclude_characters="\r\n")),
    ),
    st.from_regex(r"[A-Za-z0-9.!%*_+`'~-]{0,20}", fullmatch=True),
)
def test_round_trip(display: str, params: dict[str, str], tag: str) -> None:
    written = f"{quoted(display)} <sip:a@b>" + "".join(f";{name}={quoted(value)}" for name, value in params.items())
    read = parse_address((written + (f";tag={tag}" if tag else "")).encode())
    assert (read.display, read.tag) == (display, tag)
    assert read.params == params | ({"tag": tag} if tag else {})


@given(st.text("aB9 .-", max_size=9), st.from_regex(r"[A-Za-z0-9.-]{1,12}", fullmatch=True))
def test_it_reads_what_sipmessage_reads(display: str, tag: str) -> None:
    written = f'"{display}" <sip:alice@example.com:5060;lr>;tag={tag}'
    theirs, ours = sipmessage.Address.parse(written), parse_address(written.encode())
    assert (ours.display.split(), ours.tag) == (theirs.name.split(), theirs.parameters["tag"])
    assert (ours.uri.user, ours.uri.host, ours.uri.port) == (theirs.uri.user, theirs.uri.host, theirs.uri.port)
