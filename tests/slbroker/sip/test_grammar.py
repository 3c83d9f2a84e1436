"""The rules of the hot path against the RFC's own words."""

from __future__ import annotations

import string
import subprocess
import sys

import pytest

from slbroker.sip import grammar
from tests.support.processes import child_environment

# RFC 3261 25.1, spelled out once more
TOKEN = string.ascii_letters + string.digits + "-.!%*_+`'~"


@pytest.mark.parametrize("code", range(256))
def test_a_byte_is_a_token_exactly_when_the_rfc_says_so(code: int) -> None:
    byte = bytes([code])
    expected = chr(code) in TOKEN
    assert bool(grammar.is_token(byte)) is expected
    assert bool(grammar.match_cseq(b"1 A%b" % byte)) is expected
    assert bool(grammar.match_ordinary_request_line(b"A%b sip:x SIP/2.0" % byte)) is expected
    assert (grammar.canonical_name(b"X%bX" % byte) != b"") is expected


def test_the_empty_string_is_no_token() -> None:
    assert not grammar.is_token(b"")
    assert grammar.canonical_name(b"") == b""


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        (b"Via", b"via"),
        (b"v", b"via"),
        (b"V", b"via"),
        (b"VIA", b"via"),
        (b"v \t", b"via"),
        (b"Call-ID", b"call-id"),
        (b"CALL-id", b"call-id"),
        (b"i", b"call-id"),
        (b"L", b"content-length"),
        (b"X-Custom", b"x-custom"),
        (b"X-Custom \t ", b"x-custom"),
        (b"`'~!", b"`'~!"),
        (b" Via", b""),
        (b"\tVia", b""),
        (b"V ia", b""),
        (b"Via\x00", b""),
        (b"Via\x0b", b""),
        (b"Via\xa0", b""),
        (b"Vi\xc3\xa0", b""),
        (b"Via;", b""),
        (b" ", b""),
    ],
)
def test_a_name_has_one_canonical_form(name: bytes, canonical: bytes) -> None:
    assert grammar.canonical_name(name) == canonical
    assert grammar.canonical_name(name) == canonical, "the cache says something else"


def test_header_names_are_written_as_people_do() -> None:
    names = [b"call-id", b"cseq", b"max-forwards", b"www-authenticate", b"x-my-header"]
    assert [grammar.title(name) for name in names] == [
        b"Call-ID", b"CSeq", b"Max-Forwards", b"WWW-Authenticate", b"X-My-Header",
    ]  # fmt: skip


def test_every_compact_form_is_one_letter_and_known_in_both_cases() -> None:
    assert len(set(grammar.COMPACT_FORMS.values())) == len(grammar.COMPACT_FORMS)
    for letter, name in grammar.COMPACT_FORMS.items():
        assert len(letter) == 1
        assert grammar.canonical_name(letter) == grammar.canonical_name(letter.upper()) == name
        assert grammar.canonical_name(name) == name


def test_a_peer_that_invents_names_neither_fills_the_memory_nor_pushes_the_usual_ones_out() -> None:
    for number in range(2 * grammar.MAX_CACHED_NAMES):
        assert grammar.canonical_name(b"Invented-%d" % number) == b"invented-%d" % number
    assert grammar.canonical_name(b"Y" * 60_000) == b"y" * 60_000
    remembered = grammar.canonical_names
    assert len(remembered) <= grammar.MAX_CACHED_NAMES
    assert max(map(len, remembered)) <= grammar.MAX_CACHED_NAME_LENGTH
    assert all(remembered[name] == name.lower() for name in grammar.USUAL_NAMES)


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        (b"1 INVITE", True),
        (b"0009 \t INVITE", True),
        (b"2147483648 INVITE", True),  # ten digits: the parser compares the number
        (b"12345678901 INVITE", False),
        (b"+5 INVITE", False),
        (b"-5 INVITE", False),
        (b"1_000 INVITE", False),
        ("٣ INVITE".encode(), False),
        (b"1INVITE", False),
        (b"1 ", False),
        (b"1", False),
        (b"INVITE 1", False),
        (b"1\xa0INVITE", False),
        (b"1\x0bINVITE", False),
        (b"1 INVITE\n", False),
        (b"1 INVITE x", False),
    ],
)
def test_a_cseq_is_digits_white_space_and_a_method(value: bytes, fits: bool) -> None:
    assert bool(grammar.match_cseq(value)) is fits


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        (b"0", True),
        (b"0000000150", True),
        (b"", False),
        (b"+1", False),
        (b"1_0", False),
        (b" 1", False),
        (b"1\n", False),
        ("٣".encode(), False),
        (b"1" * 11, False),
        (b"9" * 4_301, False),
    ],
)
def test_digits_are_ascii_and_few(value: bytes, fits: bool) -> None:
    assert bool(grammar.is_digits(value)) is fits


@pytest.mark.parametrize(
    ("uri", "scheme"),
    [
        (b"sip:bob@example.com", b"sip"),
        (b"SIPS:bob@[2001:db8::1]:5061;transport=tcp?Subject=x", b"SIPS"),
        (b"tel:+49-30-123456", b"tel"),
        (b"urn:service:sos", b"urn"),
        (b"soap.beep://192.0.2.103:3002", b"soap.beep"),
        ("sip:zoë@example.com".encode(), b"sip"),
        (b"sip:", None),
        (b":bob", None),
        (b"1sip:bob", None),
        (b"bob@example.com", None),
        (b"<sip:bob@example.com>", None),
        (b'sip:"bob"@example.com', None),
        (b"sip:bob\x00@example.com", None),
        (b"sip:bob\x7f@example.com", None),
        (b"sip:bob\t@example.com", None),
        (b"sip:bob@example.com\n", None),
    ],
)
def test_a_request_uri_has_a_scheme_and_no_separators(uri: bytes, scheme: bytes | None) -> None:
    found = grammar.match_absolute_uri(uri)
    assert (found and found[1]) == scheme
    ordinary = grammar.match_ordinary_request_line(b"OPTIONS %b SIP/2.0" % uri)
    assert bool(ordinary) is (scheme in (b"sip", b"sips")), "the two readings of a URI differ"


def test_complaints_come_in_the_same_order_in_every_process() -> None:
    """A set's order changes with the hash seed, and the same request has to get the same answer anywhere."""
    script = (
        "from slbroker.sip.parser import BadRequest, parse\n"
        "try: parse(b'OPTIONS sip:a SIP/2.0\\r\\nv: x\\r\\nt: <sip:a>\\r\\nt: <sip:a>\\r\\ni: 1\\r\\ni: 2\\r\\n"
        "f: <sip:a>\\r\\nf: <sip:b>\\r\\n\\r\\n')\n"
        "except BadRequest as error: print(error)\n"
    )
    for seed in ("1", "2", "3"):
        environment = child_environment({"PYTHONHASHSEED": seed})
        said = subprocess.run((sys.executable, "-c", script), env=environment, capture_output=True, check=True)
        assert said.stdout == b"400 Repeated From Header\n"
