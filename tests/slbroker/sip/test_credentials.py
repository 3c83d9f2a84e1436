"""Authorization headers."""

from __future__ import annotations

from contextlib import suppress

import pytest
import sipmessage
from hypothesis import given
from hypothesis import strategies as st

from slbroker.errors import Reject
from slbroker.sip.credentials import MAX_PARAMS, parse_credentials
from tests.support.timing import processor_time, within

# RFC 3261 20.7 and 22.4
DIGEST = (
    'Digest username="Alice", realm="atlanta.com", nonce="84a4cc6f3082121f32b42a2187831a9e",'
    ' uri="sip:bob@biloxi.com", response="7587245234b3434cc3412213e5f113a5432", qop=auth, nc=00000001,'
    '\tcnonce = "0a4f113b"'
)


def test_digest() -> None:
    credentials = parse_credentials(DIGEST.encode())
    assert credentials.scheme == "digest"
    assert credentials.token == ""
    assert list(credentials.params) == ["username", "realm", "nonce", "uri", "response", "qop", "nc", "cnonce"]
    assert credentials.params["uri"] == "sip:bob@biloxi.com"
    assert [credentials.params[name] for name in ("qop", "nc", "cnonce")] == ["auth", "00000001", "0a4f113b"]


def test_another_parser_reads_the_same() -> None:
    plain = DIGEST.replace("\t", " ").replace(" = ", "=")
    ours, other = parse_credentials(plain.encode()), sipmessage.AuthCredentials.parse(plain)
    assert other.parameters is not None
    assert dict(ours.params) == dict(other.parameters)
    assert ours.scheme == other.scheme.lower()


def test_quotes_and_case() -> None:
    credentials = parse_credentials(b'DIGEST UserName="a\\"b\\\\, c", Realm="zo\xc3\xab"')
    assert (credentials.scheme, credentials.params) == ("digest", {"username": 'a"b\\, c', "realm": "zo\u00eb"})


@pytest.mark.parametrize("word", ["QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "abc.def-ghi_jkl~/+"])
def test_schemes_with_one_word(word: str) -> None:
    credentials = parse_credentials(f"Bearer {word}".encode())
    assert (credentials.scheme, credentials.token, credentials.params) == ("bearer", word, {})


def test_the_unknown_scheme_of_a_torture_message() -> None:
    assert parse_credentials(b"NoOneKnowsThisScheme opaque-data=here").params == {"opaque-data": "here"}


@pytest.mark.parametrize(
    "value",
    [
        b"", b"Digest", b"Digest ", b"Digest ,", b" Digest a=b", b"Dig(est a=b", b"Digest,a=b", b"Digest a=b c=d",
        b"Digest =b,c=d",
        b'Digest a="b', b'Digest a="b"c', b"Digest a=b, A=c", b"Digest a=,b=c", b"Digest a=b;c=d",
        b"Digest " + b",".join(b"a%d=b" % number for number in range(MAX_PARAMS + 1)),
    ],
)  # fmt: skip
def test_what_are_no_credentials(value: bytes) -> None:
    with pytest.raises(Reject, match="400 Bad Credentials"):
        parse_credentials(value)


@pytest.mark.parametrize("rest", [b"a=b,,c=d", b"a=b,c=d,", b", a=b ,c=d", b' ,,\ta="b" , ,\t, c=d ,, '])
def test_a_list_may_have_empty_elements(rest: bytes) -> None:
    """RFC 7230 7."""
    assert parse_credentials(b"Digest " + rest).params == {"a": "b", "c": "d"}


@given(st.binary(max_size=30))
def test_anything_is_read_or_refused(rest: bytes) -> None:
    with suppress(Reject):
        credentials = parse_credentials(b"Digest " + rest)
        assert credentials.params or credentials.token


@pytest.mark.parametrize("unit", [b'a="\\"",', b"a", b" ", b'"', b"\\", b"a=b,", b"=", b","])
def test_the_work_grows_no_faster_than_the_length(unit: bytes) -> None:
    value = b"Digest " + unit * (60_000 // len(unit)) + b"!!"

    def attempt() -> None:
        with pytest.raises(Reject):
            parse_credentials(value)

    assert processor_time(attempt) < within(0.05)
