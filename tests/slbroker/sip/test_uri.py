"""URIs as peers write them (RFC 3261 19.1, RFC 4475, RFC 5118), and as they had better not."""

from __future__ import annotations

from contextlib import suppress

import pytest
import sipmessage
from hypothesis import given
from hypothesis import strategies as st

from slbroker.errors import Reject
from slbroker.sip.uri import InvalidUri, Uri, parse_uri

# raw, then (scheme, user, password, host, port, headers)
SIP = [
    (b"sip:alice@example.com", ("sip", "alice", "", "example.com", None, "")),
    (b"sip:example.com", ("sip", "", "", "example.com", None, "")),
    (b"SIPS:Alice:Secret@EXAMPLE.com:5061", ("sips", "Alice", "Secret", "example.com", 5061, "")),
    (b"sip:alice:@example.com", ("sip", "alice", "", "example.com", None, "")),
    (b"sip:alice:a:b@example.com", ("sip", "alice", "a:b", "example.com", None, "")),
    (b"sip:+1-212-555-1212:1234@gateway.com;user=phone", ("sip", "+1-212-555-1212", "1234", "gateway.com", None, "")),
    (b"sip:192.0.2.4:0", ("sip", "", "", "192.0.2.4", 0, "")),
    (b"sip:bob@host_name:65535", ("sip", "bob", "", "host_name", 65535, "")),
    (b"sip:[2001:DB8::10]", ("sip", "", "", "2001:db8::10", None, "")),
    (b"sip:[2001:db8::10]:5070", ("sip", "", "", "2001:db8::10", 5070, "")),
    (b"sip:[2001:db8::10:5070]", ("sip", "", "", "2001:db8::10:5070", None, "")),  # RFC 5118 4.3
    (b"sip:bob@[2001:db8:::192.0.2.1]", ("sip", "bob", "", "2001:db8:::192.0.2.1", None, "")),  # RFC 5118 4.10
    (b"sip:a;b?c/d@example.com", ("sip", "a;b?c/d", "", "example.com", None, "")),
    (
        b"sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
        ("sip", "", "", "atlanta.com", None, "to=alice%40atlanta.com"),
    ),
    (b"sip:a@b?x=1?y", ("sip", "a", "", "b", None, "x=1?y")),
    (
        b"sip:sips%3Auser%40example.com@example.net",
        ("sip", "sips:user@example.com", "", "example.net", None, ""),
    ),  # esc01
    (b"sip:null-%00-null@example.com", ("sip", "null-\0-null", "", "example.com", None, "")),  # escnull
    (
        b"sip:user;par=u%40example.net@example.com",
        ("sip", "user;par=u@example.net", "", "example.com", None, ""),
    ),  # semiuri
    (
        b"sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
        (
            "sip",
            "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*",
            "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)",
            "example.com",
            None,
            "",
        ),
    ),  # intmeth
    ("sip:jörg@example.com".encode(), ("sip", "jörg", "", "example.com", None, "")),
    (b"sip:j%C3%B6rg@example.com", ("sip", "jörg", "", "example.com", None, "")),
    (b"sip:j\xf6rg%F6@example.com", ("sip", "j\udcf6rg\udcf6", "", "example.com", None, "")),
]


@pytest.mark.parametrize(("raw", "parts"), SIP)
def test_sip(raw: bytes, parts: tuple[str, str, str, str, int | None, str]) -> None:
    uri = parse_uri(raw)
    assert (uri.scheme, uri.decoded_user, uri.password, uri.host, uri.port, uri.headers) == parts
    assert uri.opaque == ""
    assert str(uri).encode("utf-8", "surrogateescape") == raw


@pytest.mark.parametrize(
    ("raw", "params"),
    [
        (b"sip:a@b", {}),
        (b"sip:a@b;lr", {"lr": None}),
        (b"sip:a@b;lr=", {"lr": ""}),
        (b"sip:a@b;Transport=TCP;LR?x=y;z", {"transport": "TCP", "lr": None}),
        (b"sip:a@b;p%41r=%3B%3d", {"par": ";="}),
        (b"sip:a@b;x=1=2", {"x": "1=2"}),
        (b"sip:a@b;x=1;X=2", {"x": "1"}),
        (b"sip:a@b;;x;", {"x": None}),
        (b"sip:a@b" + b";x" * 64, {"x": None}),
        (b"sip:a@b;maddr=[::1]", {"maddr": "[::1]"}),
        (b"tel:+1-201-555-0123;phone-context=example.com;ext", {"phone-context": "example.com", "ext": None}),
    ],
)
def test_params(raw: bytes, params: dict[str, str | None]) -> None:
    assert parse_uri(raw).params == params


@pytest.mark.parametrize(
    ("raw", "uri"),
    [
        (b"tel:+1-201-555-0123", Uri(b"tel:+1-201-555-0123", "tel", user="+1-201-555-0123", opaque="+1-201-555-0123")),
        (b"URN:service:sos.Fire", Uri(b"URN:service:sos.Fire", "urn", opaque="service:sos.Fire")),
        (b"http://a@b/;c?d", Uri(b"http://a@b/;c?d", "http", opaque="//a@b/;c?d")),
        (b"im:bob@example.com", Uri(b"im:bob@example.com", "im", opaque="bob@example.com")),
        (b"soap.beep://x%zz", Uri(b"soap.beep://x%zz", "soap.beep", opaque="//x%zz")),
    ],
)
def test_other_schemes(raw: bytes, uri: Uri) -> None:
    assert parse_uri(raw) == uri


BAD = [
    (b"sip:a@b" + b";x" * 65, "Too Many Parameters In URI"),
    (b"sip:a@b" + b";" * 65, "Too Many Parameters In URI"),
    (b"", "URI Without Scheme"),
    (b"alice", "URI Without Scheme"),
    (b":a", "URI Without Scheme"),
    (b"1sip:a", "URI Without Scheme"),
    (b"s\xc3\xadp:a", "URI Without Scheme"),
    (b" sip:a@b", "URI Without Scheme"),
    (b"<sip:a@b>", "URI Without Scheme"),  # ltgtruri
    (b"tel:", "Empty URI"),
    (b"urn:", "Empty URI"),
    (b"tel:;ext=1", "Empty URI"),
    (b"tel:1;x=%", "Bad Escape In URI"),
    (b"sip:user@example.com; lr", "Illegal Character In URI"),  # lwsruri
    (b"sip:a@b\r\nX: y", "Illegal Character In URI"),
    (b"sip:a@b\n", "Illegal Character In URI"),
    (b"sip:a\x00@b", "Illegal Character In URI"),
    (b"sip:a\x7f@b", "Illegal Character In URI"),
    (b'sip:"a"@b', "Illegal Character In URI"),
    (b"urn:a b", "Illegal Character In URI"),
    (b"sip::x@b", "Bad User In URI"),
    (b"sip:a@b@c", "Bad User In URI"),
    (b"sip:a@b;x=c@d", "Bad User In URI"),
    (b"sip:a@b?x=c@d", "Bad User In URI"),
    (b"sip:50%@b", "Bad Escape In URI"),
    (b"sip:a%4@b", "Bad Escape In URI"),
    (b"sip:a%zz@b", "Bad Escape In URI"),
    (b"sip:a@b;x=%+1", "Bad Escape In URI"),
    (b"sip:a@b?%", "Bad Escape In URI"),
    (b"sip:", "Bad Host In URI"),
    (b"sip:a@", "Bad Host In URI"),
    (b"sip:a@b:", "Bad Host In URI"),
    (b"sip:a@b:+506", "Bad Host In URI"),
    (b"sip:a@b:5_0", "Bad Host In URI"),
    (b"sip:a@b:-1", "Bad Host In URI"),
    (b"sip:a@b:\xd9\xa5", "Bad Host In URI"),  # an Arabic five, which int() takes
    (b"sip:a@b:005060", "Bad Host In URI"),
    (b"sip:a@b:" + b"1" * 4_301, "Bad Host In URI"),
    (b"sip:a@b:65536", "Bad Port In URI"),
    (b"sip:a@b:99999", "Bad Port In URI"),
    (b"sip:2001:db8::10", "Bad Host In URI"),  # RFC 5118 4.2
    (b"sip:[]", "Bad Host In URI"),
    (b"sip:[::1", "Bad Host In URI"),
    (b"sip:[::1]x", "Bad Host In URI"),
    (b"sip:[fe80::1%]", "Bad Host In URI"),
    (b"sip:[fe80::1%e th]", "Illegal Character In URI"),
    (b"sip:fe80::1%eth0", "Bad Host In URI"),
    (b"sip:a%zz@[fe80::1%eth0]", "Bad Escape In URI"),
    (b"sip:a@[fe80::1%eth0];x=%e", "Bad Escape In URI"),
    (b"sip:[" + b"0" * 46 + b"]", "Bad Host In URI"),
    (b"sip:a@b%2ec", "Bad Host In URI"),
    (b"sip:a@b,c", "Bad Host In URI"),
    ("sip:a@bücher.example".encode(), "Bad Host In URI"),
]


@pytest.mark.parametrize(("raw", "reason"), BAD)
def test_what_is_refused(raw: bytes, reason: str) -> None:
    with pytest.raises(InvalidUri) as raised:
        parse_uri(raw)
    assert (raised.value.status, raised.value.reason) == (400, reason)
    assert isinstance(raised.value, Reject)


def test_a_uri_is_a_value() -> None:
    uri = parse_uri(b"sip:a@b;lr")
    assert uri == parse_uri(b"sip:a@b;lr")
    assert uri != parse_uri(b"sip:a@B;lr")
    assert len({uri, parse_uri(b"sip:a@b;lr")}) == 1
    with pytest.raises(AttributeError):
        uri.user = "c"  # type: ignore[misc]
    with pytest.raises(TypeError):
        uri.params["lr"] = "on"  # type: ignore[index]
    with pytest.raises(TypeError):
        parse_uri(b"sip:a@b").params["lr"] = "on"  # type: ignore[index]


PIECES = [
    b"sip:",
    b"sips:",
    b"tel:",
    b"a",
    b"@",
    b":",
    b";",
    b"=",
    b"?",
    b"%",
    b"%41",
    b"[",
    b"]",
    b"::1",
    b"5060",
    b".",
    b" ",
]
pieces = st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join)


@given(st.one_of(st.binary(), pieces, pieces.map(lambda rest: b"sip:" + rest)))
def test_any_bytes_give_a_uri_or_an_invalid_uri(raw: bytes) -> None:
    with suppress(InvalidUri):
        uri = parse_uri(raw)
        assert str(uri).encode("utf-8", "surrogateescape") == raw
        assert uri.port is None or 0 <= uri.port <= 65_535


USER = st.text(st.sampled_from("aZ09-_.!~*'()&=+$,;?/"), min_size=1)
HOST = st.from_regex(r"[a-z]{1,8}(\.[a-z]{2,8}){1,3}", fullmatch=True)
VALUE = st.text(st.sampled_from("aZ09-_.!~*'()[]/:&+$"), min_size=1)


@given(USER, HOST, st.none() | st.integers(0, 65_535), st.dictionaries(st.sampled_from(["x", "ob", "lr"]), VALUE))
def test_it_reads_what_sipmessage_reads(user: str, host: str, port: int | None, params: dict[str, str]) -> None:
    written = (
        f"sip:{user}@{host}" + ("" if port is None else f":{port}") + "".join(f";{k}={v}" for k, v in params.items())
    )
    theirs, ours = sipmessage.URI.parse(written), parse_uri(written.encode())
    assert (ours.decoded_user, ours.host, ours.port) == (theirs.user, theirs.host, port)
    assert ours.params == params == dict(theirs.parameters.items())


@given(st.binary(min_size=1))
def test_an_escaped_user_comes_back(user: bytes) -> None:
    escaped = b"".join(b"%%%02x" % byte for byte in user)
    uri = parse_uri(b"sip:" + escaped + b"@b")
    assert uri.decoded_user.encode("utf-8", "surrogateescape") == user
    assert parse_uri(f"sip:{uri.user}@c".encode("utf-8", "surrogateescape")).user == uri.user


@pytest.mark.parametrize(
    ("written", "user", "decoded"),
    [
        ("alice", "alice", "alice"),
        ("%61l%69ce", "alice", "alice"),  # RFC 3261 19.1.4: the same
        ("a%3ab", "a%3Ab", "a:b"),
        ("50%2541", "50%2541", "50%41"),
        ("bob%20smith", "bob%20smith", "bob smith"),
        ("*21%2349%23", "*21#49#", "*21#49#"),
        ("+1;ext=2", "+1;ext=2", "+1;ext=2"),
        ("+1%3Bext%3d2", "+1%3Bext%3D2", "+1;ext=2"),
        ("a?b", "a%3Fb", "a?b"),
        ("a%3e%2c%3Csip%3Aevil%40h", "a%3E%2C%3Csip%3Aevil%40h", "a>,<sip:evil@h"),
        ("j%C3%BCrgen", "jürgen", "jürgen"),
    ],
)
def test_a_user_reads_alike_however_it_is_escaped(written: str, user: str, decoded: str) -> None:
    uri = parse_uri(f"sip:{written}@h".encode())
    assert (uri.user, uri.decoded_user) == (user, decoded)
    assert parse_uri(f"sip:{user}@h".encode()).user == user
