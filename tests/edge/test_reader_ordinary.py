"""The reader of ordinary requests: it reads as the whole grammar does, or leaves it to that."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker.bus import envelope
from slbroker.sip.grammar import MAX_HEADERS
from slbroker.sip.validate import USUAL
from slbroker_edge.reader import read, read_turn
from tests.lab.fuzz.mutator import Mutator, read_dictionary
from tests.support.sip import SIPP_ACK, SIPP_INVITE, TYPICAL, request
from tests.support.twins import OPTIONS, FakeListener, growth, load, read_ordinary
from tests.torture.corpus import CASES

if TYPE_CHECKING:
    from slbroker.sip.reading import Address, Reading

LISTEN = "udp:192.0.2.7:5060"
WORDS = read_dictionary(Path(__file__).parents[1] / "lab" / "fuzz" / "sip.dict")
ADDRESSES: list[Address] = [
    ("192.0.2.1", 5060), ("192.0.2.10", 40_000), ("198.51.100.200", 65_535), ("2001:db8::9", 5060, 0, 0),
    ("fe80::1%eth0", 1, 0, 3),
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def twin() -> None:
    load("slbroker_edge.reader")


def take(data: bytes, address: Address = ADDRESSES[0]) -> Reading | None:
    """What the compiled reader makes of it; not asserted to be anything but right."""
    reading = read_ordinary(data, address, LISTEN)
    if reading is not None:
        assert reading == read(data, address, LISTEN, USUAL)
        assert type(reading).__name__ == "Reading"
    return reading


# What it takes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("data", [OPTIONS, *(data for name, data in TYPICAL.items() if name != "phone_invite")])
def test_what_sip_programs_send_is_ordinary(data: bytes, address: Address) -> None:
    assert take(data, address) is not None


VIA = "SIP/2.0/UDP {};branch=z9hG4bK1"


@pytest.mark.parametrize(
    "data",
    [
        request(uri="sips:a;b?c@example.com:59999;transport=tcp;lr;;x=y"),
        request(uri="sip:a@example.com:60000"),
        request(uri="sip:a@example.com:65535"),
        request(uri="sip:[2001:db8::1]:5060"),
        request(via=VIA.format("192.0.2.1")),
        request(via=VIA.format("192.0.2.1:65535") + ";rport"),
        request(via=VIA.format("host_1.example.com") + ";rport;x=y;alias"),
        request(via=VIA.format("[2001:db8::9]:5060")),
        request(via=[VIA.format("a"), VIA.format("b")]),
        request(from_='"A. <b>" <sip:a@b>;tag=x', to="sip:b@c;tag=y"),
        request(from_="A\tB <sip:a@b>", to="<sip:b?c=d>"),
        request(cseq=b"0000000007 \t OPTIONS"),
        request(cseq=b"2147483647 OPTIONS"),
        request(content_length=None, body=b"rest"),
        request(content_length="00", body=b"rest"),
        request(contact=["<sip:a@b>", "<sip:c@d>"]),
        request(lines=[b"X-New: 1", b"x-new : 2", b"L\xc3\xb6: 3"][:2]),
        request(lines=[b"X:"] * (MAX_HEADERS - 7)),
        request("FOO", cseq=b"1 FOO"),
        request(body=b"\r\n\r\n\x00\nbody"),
        SIPP_ACK,
    ],
)
def test_and_so_are_these(data: bytes) -> None:
    for address in ADDRESSES:
        assert take(data, address) is not None


def test_what_is_packed_is_what_workers_unpack() -> None:
    reading = take(SIPP_INVITE)
    assert reading is not None
    message, source = envelope.unpack_request(reading.packed)
    assert (message.method, message.cseq, source.host, source.listen) == (b"INVITE", 1, "192.0.2.1", LISTEN)
    assert reading.method is take(SIPP_INVITE).method  # type: ignore[union-attr]


# What it leaves -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\r\n\r\n", b"\x00", b"OPTIONS", OPTIONS[:-6], OPTIONS[:200],
        b"SIP/2.0 200 OK\r\n\r\n",
        request(version="SIP/2.1"), request(version="sip/2.0"),
        request(uri="sip:a:b@c"), request(uri="sip:a%20b@c"), request(uri="tel:1"),
        request(uri="sip:a@b:65536"), request(uri="sip:a@b:00080"), request(uri="sip:a@b:123456"),
        request(uri="sip:a@b?c=d"), request(uri="sip:a@b" + ";x" * 65), request(uri="sip:[::1"), request(uri="sip:"),
        request(from_='"a\\"b" <sip:a@b>;tag=1'), request(from_="<sip:a@b>;tag=1;x"), request(from_="sip:a@b;x=y"),
        request(from_="<sip:a@b> ;tag=1"), request(from_="<sip:a@b>;TAG=1"), request(from_=""), request(to="<>"),
        request(to="sip:a b"), request(to="<sip:a@b>;tag="), request(to='"'), request(to="<sip:a"),
        request(via=None), request(via="nonsense"), request(via=VIA.format("a") + ", " + VIA.format("b")),
        request(via=VIA.format("a") + ";received=1.2.3.4"), request(via=VIA.format("a") + ";rport=1"),
        request(via=VIA.format("a") + ";rport;rport"), request(via=VIA.format("a") + ' ;x="y"'),
        request(via=VIA.format("a:0")), request(via=VIA.format("a:65536")), request(via=VIA.format("a") + ";x" * 40),
        request(via=VIA.format("a") + ";"), request(via="sip/2.0/udp a"), request(via="SIP/2.0/UDP  a"),
        request(cseq=b"1"), request(cseq=b"1 INVITE"), request(cseq=b"2147483648 OPTIONS"), request(cseq=b"x OPTIONS"),
        request(cseq=b"12345678901 OPTIONS"), request(cseq=["1 OPTIONS", "1 OPTIONS"]), request(call_id=None),
        request(call_id=""), request(content_length="5"), request(content_length="x"), request(content_length=""),
        request(content_length="99999999999"), request(max_forwards=["70", "70"]), request(require="100rel"),
        request(lines=[b"no colon"]), request(lines=[b": x"]), request(lines=[b"b@d: x"]), request(lines=[b"A: b\rc"]),
        request(lines=[b"A: b\nc"]), request(lines=[b"A: b", b" c"]), request(lines=[b"X:"] * MAX_HEADERS),
        b"\r\n" + request(),
    ],
)  # fmt: skip
def test_what_takes_the_whole_grammar_is_left_to_it(data: bytes) -> None:
    for address in ADDRESSES:
        assert take(data, address) is None


@pytest.mark.parametrize("name", CASES)
def test_torture_messages(name: str) -> None:
    for address in ADDRESSES:
        take(CASES[name].data, address)


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    take(data)
    take(b"OPTIONS sip:a SIP/2.0\r\n" + data + b"\r\n\r\n")


@pytest.mark.parametrize("seed", range(8))
def test_mutants_of_requests(seed: int) -> None:
    """A few thousand here; the fuzz target `datagram` goes on with it."""
    mutator = Mutator([*TYPICAL.values(), OPTIONS, SIPP_ACK], WORDS, seed)
    taken = sum(take(mutator.next(), ADDRESSES[seed % len(ADDRESSES)]) is not None for _ in range(400))
    assert taken > 10, "mutants that are still ordinary are what this is about"


def test_every_cut_and_every_byte_changed() -> None:
    for at in range(len(OPTIONS)):
        take(OPTIONS[:at])
        for byte in (0, 9, 10, 13, 32, 34, 37, 44, 58, 59, 60, 61, 62, 64, 91, 93, 127, 255):
            take(OPTIONS[:at] + bytes((byte,)) + OPTIONS[at + 1 :])


# Size and memory ------------------------------------------------------------------------------------------------


def test_the_largest_of_everything_has_room() -> None:
    for size in (60_000, 65_000):
        long = b"x" * size
        for data in (
            request(call_id=long), request(from_=b"<sip:a>;tag=" + long), request(to=b"<sip:a>;tag=" + long),
            request(uri=b"sip:" + long), request(b"M" * 30_000, cseq=b"1 " + b"M" * 30_000), request(body=long),
            request(via=b"SIP/2.0/UDP a;x=" + long), request(lines=[b"a:" + b"y" * 240] * 240),
        ):  # fmt: skip
            if len(data) <= 65_535:
                assert take(data) is not None


def test_a_stranger_among_the_arguments() -> None:
    for data, address in (
        (bytearray(OPTIONS), ADDRESSES[0]),
        (OPTIONS, ("a",)),
        (OPTIONS, (1, 2)),
        (OPTIONS, ("a", "b")),
    ):
        with pytest.raises((TypeError, IndexError)):
            read_turn([(data, address)], FakeListener(), USUAL)  # type: ignore[list-item]
    with pytest.raises(TypeError):
        read_ordinary(OPTIONS, None)  # type: ignore[arg-type]
    assert read_ordinary(b"x" * 70_000, ADDRESSES[0]) is None


def test_nothing_is_left_behind() -> None:
    odd = request(lines=[b"X-%d: 1" % number for number in range(20)])
    blocks, pages, *references = growth(
        lambda: [read_ordinary(data, ADDRESSES[0]) for data in (OPTIONS, SIPP_INVITE, odd, SIPP_INVITE[:-9])],
        3_000,
        OPTIONS,
        LISTEN,
    )
    assert blocks < 100
    assert pages < 100
    assert references == [0, 0]
