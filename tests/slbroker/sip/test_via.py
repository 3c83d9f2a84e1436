"""The top Via: what is one, what is stamped into it, and which port the answer goes to."""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import NamedTuple

import pytest
import sipmessage
from hypothesis import given, settings
from hypothesis import strategies as st

from slbroker.errors import Drop, Reject
from slbroker.sip import via
from slbroker.sip.vialist import MAX_VIAS
from tests.support.sip import split_list
from tests.support.timing import processor_time, within

IP = "192.0.2.9"
PORT = 40_000
HAS = f";received={IP}"
GOT = f";rport={PORT}{HAS}"


class Case(NamedTuple):
    """What stands behind "SIP/2.0/UDP ", what it becomes, and the port to answer to."""

    name: str
    given: str
    stamped: str
    port: int = 5060
    source: str = IP


CASES = [
    Case("same host", f"{IP}:5070;branch=1", f"{IP}:5070;branch=1", 5070),
    Case("no port", f"{IP};branch=1", f"{IP};branch=1"),
    Case("no params, so no branch", IP, IP),
    Case("other host", "a.example;branch=1", f"a.example;branch=1{HAS}"),
    Case("host around the source", f"a{IP}b", f"a{IP}b{HAS}"),
    Case("Kamailio's ;i=", "a;branch=z9hG4bK43fc.76.0;i=1", f"a;branch=z9hG4bK43fc.76.0;i=1{HAS}"),
    Case("underscore", "my_host:5061", f"my_host:5061{HAS}", 5061),
    Case("branch 0", f"{IP};branch=0", f"{IP};branch=0"),
    Case("hidden (RFC 2543)", "hidden;hidden", f"hidden;hidden{HAS}"),
    Case("maddr ignored", f"{IP}:5071;maddr=224.0.1.75", f"{IP}:5071;maddr=224.0.1.75", 5071),
    # rport (RFC 3581 4)
    Case("rport, same host", f"{IP};rport;branch=1", f"{IP}{GOT};branch=1", PORT),
    Case("rport last", "a:5070;branch=1;rport", f"a:5070;branch=1{GOT}", PORT),
    Case("rport in odd case", "a;RPort;x", f"a{GOT};x", PORT),
    Case("rport twice", "a;rport;x;rport", f"a{GOT};x", PORT),
    Case("rport written", "a;rport=1", f"a{GOT}", PORT),
    Case("rport empty and written", "a;rport;rport=1;x", f"a{GOT};x", PORT),
    Case("rport=", "a;rport=;x", f"a{GOT};x", PORT),
    Case("rport in spaces", "a ; rport ;x", f"a{GOT};x", PORT),
    Case("rportal is another", "a;rportal;x", f"a;rportal;x{HAS}"),
    Case("rport in quotes", 'a;x=";rport;"', f'a;x=";rport;"{HAS}'),
    Case("rport in the second", "a, SIP/2.0/UDP b;rport", f"a{HAS}, SIP/2.0/UDP b;rport"),
    # received (RFC 3261 18.2.1)
    Case("received forged", "a;received=10.0.0.1;x", f"a;x{HAS}"),
    Case("received needless", f"{IP};received=10.0.0.1;x", f"{IP};x"),
    Case("received twice", "a;received=1;received;x", f"a;x{HAS}"),
    Case("received in odd case", "a;RECEIVED = 10.0.0.1", f"a{HAS}"),
    Case("received IPv6", "a;received=[2001:db8::1]", f"a{HAS}"),
    Case("received quoted", 'a;received="x;y,z"', f"a{HAS}"),
    Case("received in the branch", "a;branch=received", f"a;branch=received{HAS}"),
    Case("received and rport", "a;received=1;rport;x", f"a{GOT};x", PORT),
    Case("received in the second", "a,SIP/2.0/UDP b;received=1", f"a{HAS},SIP/2.0/UDP b;received=1"),
    # lists, quotes, white space
    Case("list", "a;x , SIP/2.0/UDP b", f"a;x{HAS}, SIP/2.0/UDP b"),
    Case("list without white space", "a;x,SIP/2.0/UDP b;rport", f"a;x{HAS},SIP/2.0/UDP b;rport"),
    Case("comma in quotes", 'a;x="1,2";y', f'a;x="1,2";y{HAS}'),
    Case("quote in quotes", r'a;x="\",\\";y,SIP/2.0/UDP b', rf'a;x="\",\\";y{HAS},SIP/2.0/UDP b'),
    Case("open quote in the second", 'a,b;x="', f'a{HAS},b;x="'),
    Case("empty params", "a;; ;x;", f"a;x{HAS}"),
    Case("spaces", " a : 5070 ; x = 1", f" a : 5070;x = 1{HAS}", 5070),
    Case("tabs", "\ta\t:\t5070\t;\tx", f"\ta\t:\t5070;x{HAS}", 5070),
    Case("bytes that are no ASCII", "a;x=ü", f"a;x=ü{HAS}"),
    # IPv6 (RFC 5118 4.5)
    Case("IPv6, same host", "[2001:db8::1]:5070;x", "[2001:db8::1]:5070;x", 5070, "2001:db8::1"),
    Case("IPv6, other host", "[2001:db8::2]", "[2001:db8::2];received=2001:db8::1", source="2001:db8::1"),
    Case("IPv6, rport", "[::1];rport", f"[::1];rport={PORT};received=::1", PORT, "::1"),
    Case("IPv6, mapped", "[::ffff:192.0.2.9]", "[::ffff:192.0.2.9];received=::1", source="::1"),
    Case("zone of the source", "[fe80::1]", "[fe80::1]", source="fe80::1%eth0"),
    Case("zone of the source is not told", "a", "a;received=fe80::1", source="fe80::1%eth0"),
    Case("zone in sent-by", "[fe80::1%eth0]:5", "[fe80::1%eth0]:5;received=fe80::1", 5, "fe80::1%2"),
    # ports
    Case("lowest port", f"{IP}:1", f"{IP}:1", 1),
    Case("highest port", f"{IP}:65535", f"{IP}:65535", 65535),
    # as many parameters as there may be
    Case("many", "a" + ";x" * via.MAX_PARAMS, "a" + ";x" * via.MAX_PARAMS + HAS),
    Case("many and rport", "a" + ";x" * (via.MAX_PARAMS - 1) + ";rport", "a" + ";x" * (via.MAX_PARAMS - 1) + GOT, PORT),
    Case(
        "many in a list",
        "a" + " ;x" * via.MAX_PARAMS + ",SIP/2.0/UDP b",
        f"a{';x' * via.MAX_PARAMS}{HAS},SIP/2.0/UDP b",
    ),
    Case("port with zeros", f"{IP}:05060", f"{IP}:05060"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_stamp(case: Case) -> None:
    value, stamped = f"SIP/2.0/UDP {case.given}", f"SIP/2.0/UDP {case.stamped}"
    assert via.stamp(value.encode(), case.source, PORT) == (stamped.encode(), case.port)


@pytest.mark.parametrize(
    "protocol",
    [
        "SIP / 2.0 / UDP ",
        "SIP\t/2.0/\tUDP\t",
        "sIp/2.0/udp ",
        "SIP/2.0/TLS-SCTP ",
        "SIP/2.0/3-new! ",
        "SIP/2.0/UDP    ",
        "SIP/7.0/UDP ",
    ],
)
def test_the_protocol_may_be_spelled_in_many_ways(protocol: str) -> None:
    assert via.stamp(f"{protocol}a;rport;x".encode(), IP, PORT) == (f"{protocol}a{GOT};x".encode(), PORT)


NO_VIAS = {
    "empty": b"",
    "no-sent-by": b"SIP/2.0/UDP",
    "no-sent-by-but-space": b"SIP/2.0/UDP ",
    "no-sent-by-but-params": b"SIP/2.0/UDP ;branch=1",
    "no-transport": b"SIP/2.0 a",
    "empty-transport": b"SIP/2.0/ a",
    "version-without-digits": b"SIP/x.y/UDP a",
    "half-a-version": b"SIP/2/UDP a",
    "other-protocol": b"HTTP/2.0/UDP a",
    "port-zero": b"SIP/2.0/UDP a:0",
    "port-too-high": b"SIP/2.0/UDP a:65536",
    "port-six-digits": b"SIP/2.0/UDP a:005060",
    "port-4301-digits": b"SIP/2.0/UDP a:" + b"1" * 4_301,
    "port-signed": b"SIP/2.0/UDP a:+5060",
    "port-underscored": b"SIP/2.0/UDP a:5_0",
    "port-not-ascii": b"SIP/2.0/UDP a:\xd9\xa5",
    "port-empty": b"SIP/2.0/UDP a:;x",
    "port-twice": b"SIP/2.0/UDP a:1:2",
    "two-hosts": b"SIP/2.0/UDP a b",
    "host-not-ascii": "SIP/2.0/UDP zoë".encode(),
    "host-with-nul": b"SIP/2.0/UDP a\x00;x",
    "host-with-newline": b"SIP/2.0/UDP a\n",
    "ipv6-without-brackets": b"SIP/2.0/UDP 2001:db8::1;x",
    "ipv6-without-brackets-and-port": b"SIP/2.0/UDP 2001:db8::1:5060;x",
    "ipv6-loopback-without-brackets": b"SIP/2.0/UDP ::1",
    "ipv6-half-bracketed": b"SIP/2.0/UDP [::1;x",
    "ipv6-empty-brackets": b"SIP/2.0/UDP []",
    "ipv6-empty-zone": b"SIP/2.0/UDP [::1%]",
    "quote-never-closed": b'SIP/2.0/UDP a;x="1;y,b',
    "quote-closed-by-escape": b'SIP/2.0/UDP a;x="1\\"',
    "quote-lonely": b'SIP/2.0/UDP a;"',
    "vertical-tab": b"SIP/2.0/UDP\x0ba",
    "too-many-params": b"SIP/2.0/UDP a" + b";x" * (via.MAX_PARAMS + 1),
    "too-many-params-and-rport": b"SIP/2.0/UDP a" + b";x" * via.MAX_PARAMS + b";rport",
    "too-many-params-in-a-list": b"SIP/2.0/UDP a" + b" ;x" * (via.MAX_PARAMS + 1) + b",SIP/2.0/UDP b",
}


@pytest.mark.parametrize("value", NO_VIAS.values(), ids=NO_VIAS)
def test_what_is_no_via_is_not_answered(value: bytes) -> None:
    with pytest.raises(Drop) as caught:
        via.stamp(value, IP, PORT)
    assert caught.value.cause == "no-via"


def test_stamp_top_changes_the_first_via_only_and_no_value_that_reads_via() -> None:
    headers = [b"x", b"via", b"via", b"SIP/2.0/UDP a;rport", b"via", b"SIP/2.0/UDP b;rport"]
    assert via.stamp_top(headers, IP, PORT) == PORT
    stamped = f"SIP/2.0/UDP a{GOT}".encode()
    assert headers == [b"x", b"via", b"via", stamped, b"via", b"SIP/2.0/UDP b;rport"]


@pytest.mark.parametrize(
    "given",
    [
        ";;,;,,", ", ,b", ",,", ";,b", ";x,;y", ";<x>", ";=x", ";;=x", ';x="1"y',
        ",b", ',SIP/2.0/UDP b;x="', ",SIP/2.0/UDP b;x y", ",SIP/2.0/UDP b" + ";x" * 65,
        ",SIP/2.0/UDP b" * (MAX_VIAS + 1), (",SIP/2.0/UDP b" + ";x" * 40) * 26,
    ],
)  # fmt: skip
def test_a_via_that_workers_could_not_read_is_refused_when_asked(given: str) -> None:
    value = f"SIP/2.0/UDP {IP}{given}".encode()
    with pytest.raises(Reject, match=r"400 (Bad Via Header|Too Many Parameters In Via)"):
        via.stamp(value, IP, PORT, strict=True)
    assert via.stamp(value, IP, PORT)[1] == 5060


IN_ORDER = [case for case in CASES if case.name != "open quote in the second"]


@pytest.mark.parametrize("case", IN_ORDER, ids=lambda case: case.name)
def test_a_via_in_order_is_not_refused(case: Case) -> None:
    via.stamp(f"SIP/2.0/UDP {case.given}".encode(), case.source, PORT, strict=True)


def test_stamp_top_leaves_the_headers_alone_when_it_gives_up() -> None:
    headers = [b"via", b"SIP/2.0/UDP"]
    with pytest.raises(Drop):
        via.stamp_top(headers, IP, PORT)
    assert headers == [b"via", b"SIP/2.0/UDP"]


# Every long run that a datagram can hold, behind every place of the grammar, and before an end that fits or does not.
# fmt: off
STARTS = (
    b"SIP", b"SIP/2.0/", b"SIP/2.0/UDP", b"SIP/2.0/UDP ", b"SIP/2.0/UDP a", b"SIP/2.0/UDP [", b"SIP/2.0/UDP a:1",
    b"SIP/2.0/UDP a;", b'SIP/2.0/UDP a;x="',
)
RUNS = (
    b" ", b"\t", b"a", b"1", b".", b"/", b";", b",", b'"', b'""', b'"x",', b"\\", b'\\"', b'"\\', b"=", b"[", b":",
    b" ;", b";a ", b";rport", b";rport=", b";received", b"%", b"\x00",
)
# fmt: on
ENDS = (b"", b"!", b'"', b";x")


@pytest.mark.parametrize("start", STARTS)
def test_the_work_grows_no_faster_than_the_length(start: bytes) -> None:
    for run, end in product(RUNS, ENDS):
        value = start + run * (60_000 // len(run)) + end
        seconds = processor_time(partial(attempt, value))
        assert seconds < within(0.05), (start, run, end)


def attempt(value: bytes) -> tuple[bytes, int] | str:
    """Return what `stamp` returns, or the cause when it drops."""
    try:
        return via.stamp(value, IP, PORT)
    except Drop as drop:
        return drop.cause


# An independent reading ------------------------------------------------------------------------------------------

_PARAMS = st.sampled_from(
    [
        "branch=z9hG4bK1",
        "rport",
        "rport=1",
        "RPORT",
        "received=10.0.0.1",
        "Received",
        "i=1",
        "alias",
        "maddr=a",
        "ttl=3",
    ]
)
_HOSTS = st.sampled_from([IP, "a.example", "192.0.2.10"])


@st.composite
def _vias(draw: st.DrawFn) -> str:
    port = draw(st.sampled_from(["", ":5060", ":1", ":65535"]))
    gap = draw(st.sampled_from(["", "", " "]))
    params = "".join(f"{gap};{gap}{param}" for param in draw(st.lists(_PARAMS, max_size=5, unique_by=str.lower)))
    return f"SIP{gap}/{gap}2.0{gap}/{gap}UDP {draw(_HOSTS)}{port}{params}"


@settings(deadline=None)
@given(st.lists(_vias(), min_size=1, max_size=3), st.sampled_from([",", " , "]))
def test_another_parser_reads_the_stamp(vias: list[str], comma: str) -> None:
    stamped, port = via.stamp(comma.join(vias).encode(), IP, PORT)
    before = [sipmessage.Via.parse(one) for one in vias]
    after = [sipmessage.Via.parse(one.decode()) for one in split_list(stamped)]
    assert after[1:] == before[1:]
    assert (after[0].transport, after[0].host, after[0].port) == (before[0].transport, before[0].host, before[0].port)
    old = {name.lower(): value for name, value in before[0].parameters.items()}
    new = {name.lower(): value for name, value in after[0].parameters.items()}
    asked = "rport" in old
    expected = {name: value for name, value in old.items() if name not in ("received", "rport")}
    if asked:
        expected["rport"] = str(PORT)
    if asked or before[0].host != IP:
        expected["received"] = IP
    assert new == expected
    assert port == (PORT if asked else before[0].port or 5060)


@settings(deadline=None)
@given(st.binary(max_size=40), st.sampled_from(STARTS))
def test_anything_is_stamped_or_dropped(rest: bytes, start: bytes) -> None:
    result = attempt(start + rest)
    if isinstance(result, str):
        assert result == "no-via"
    else:
        assert 0 < result[1] < 65_536
