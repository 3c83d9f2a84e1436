"""Fuzz target: single values, for the edge (`tag_of`, `stamp`) and for handlers (`parse_address`, `parse_uri` ...).

Invariant: the edge and the handlers read one value alike: same tag, same faults. What was read is written as it came,
and its parts read again as the same parts. A list of one is that one. A stamp brings no line end.

Allowed exceptions: Reject with status 400, InvalidUri among them; Drop("no-via") from `stamp`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from slbroker.errors import Drop, Reject
from slbroker.sip.address import Address, parse_address, parse_address_list, tag_of
from slbroker.sip.credentials import parse_credentials
from slbroker.sip.uri import Uri, parse_uri
from slbroker.sip.uri import check_uri as judge_uri
from slbroker.sip.via import stamp
from slbroker.sip.vialist import parse_vias
from tests.lab.fuzz.reading import split_outside_quotes, without_stamp

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 12_500
DICTIONARY = "sip.dict"
SEEDS = (
    b"<sip:alice@example.org>;tag=1928301774",
    b'"A. \\"G.\\" Bell" <sip:agb@bell-telephone.com>;tag=a48s',
    b"sip:+12125551212@phone2net.com;tag=887s",
    b"Anonymous <sip:c8oqz84zk7z@privacy.org>;tag=hyh8",
    b"<sips:bob:pass%20word@[2001:db8::9]:5061;transport=tls;lr?Subject=x&Priority=urgent>;q=0.7;expires=3600",
    b'*',
    b'"Mr. Watson, here" <sip:watson@worcester.example.com>;q=0.7;expires=3600, "M" <mailto:w@example.com> ;q=0.1',
    b"sip:alice;day=tuesday@atlanta.com",
    b"tel:+1-201-555-0123;phone-context=+1;isub=12",
    b"urn:service:sos.fire",
    b"SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK776asdhds;rport",
    b"SIP / 2.0 / UDP first.example.com: 4000;ttl=16 ;maddr=224.2.0.1 ;branch=z9hG4bKa7c6a8dlze.1, SIP/2.0/TCP b",
    b'Digest username="bob", realm="a\\"b", nonce="84a4", uri="sip:ss2", response="7587", algorithm=MD5, nc=00000001',
    b"Bearer abc.def-123==",
    b'SIP/2.0/TLS [2001:db8::9:1%25e]:5061;x="a;b,c\\"";received="1"',
)  # fmt: skip

Result = TypeVar("Result")


def check(value: bytes) -> None:
    """Assert the invariant for one value; like the parser's, it holds no line end."""
    value = value.replace(b"\r", b"").replace(b"\n", b"").strip(b" \t")
    check_address(value)
    check_vias(value)
    check_uri(attempt(parse_uri, value), value)
    check_credentials(value)


def attempt(function: Callable[[bytes], Result], value: bytes) -> Result | Reject:
    """The result, or the refusal."""
    try:
        return function(value)
    except Reject as reject:
        assert reject.status == 400
        return reject


def check_address(value: bytes) -> None:
    """One reading of an address, whoever asks."""
    tag, address = attempt(tag_of, value), attempt(parse_address, value)
    several = attempt(parse_address_list, value)
    if isinstance(address, Reject):
        assert isinstance(tag, Reject)
        assert str(tag) == str(address)
    else:
        assert tag == address.tag.encode()
        assert several == [address]
        check_parts(address, value)
    if not isinstance(several, Reject):
        parts = split_outside_quotes(value, ord(","), angles=True)
        assert [one.raw for one in several] == [part for part in parts if part]


def check_parts(address: Address, value: bytes) -> None:
    """The parts of an address are text that goes back to its bytes."""
    assert address.raw == value
    assert str(address).encode("utf-8", "surrogateescape") == value
    assert address.uri_bytes in value
    assert all(name == name.lower() for name in address.params)
    uri = attempt(lambda _raw: address.uri, value)
    check_uri(uri, address.uri_bytes)


def check_uri(uri: Uri | Reject, raw: bytes) -> None:
    """A URI is written as it came."""
    judged = attempt(judge_uri, raw)
    if isinstance(uri, Reject):
        assert str(judged) == str(uri)
        return
    assert judged is None
    assert uri.raw == raw
    assert str(uri).encode("utf-8", "surrogateescape") == raw
    assert uri.scheme == uri.scheme.lower()
    assert uri.port is None or 0 <= uri.port < 65_536
    assert parse_uri(raw) == uri
    if uri.scheme in ("sip", "sips") and uri.user:
        again = parse_uri(f"sip:{uri.user}@a.invalid".encode("utf-8", "surrogateescape"))
        assert (again.user, again.password, again.host) == (uri.user, "", "a.invalid")


def check_credentials(value: bytes) -> None:
    """Credentials have parameters, or one word."""
    read = attempt(parse_credentials, value)
    if not isinstance(read, Reject):
        assert read.raw == value
        assert read.scheme == read.scheme.lower()
        assert bool(read.params) != bool(read.token)


def check_vias(value: bytes) -> None:
    """A stamp keeps all but what it stamps; a list of Vias is that list, before and after."""
    vias = attempt(parse_vias, value)
    pieces = split_outside_quotes(value, ord(","))
    if not isinstance(vias, Reject):
        assert [via.raw for via in vias] == [piece for piece in pieces if piece]
    try:
        stamped, port = stamp(value, "192.0.2.77", 40_077)
    except Drop as drop:
        assert drop.cause == "no-via"
        return
    assert 0 < port < 65_536
    after = split_outside_quotes(stamped, ord(","))
    assert after[1:] == pieces[1:]
    assert without_stamp(after[0]) == without_stamp(pieces[0])
    if not isinstance(vias, Reject):
        top = parse_vias(stamped)[0]
        assert (top.host, top.port, top.transport, top.branch) == (
            vias[0].host, vias[0].port, vias[0].transport, vias[0].branch,
        )  # fmt: skip
        assert top.params.get("received", "192.0.2.77") == "192.0.2.77"
