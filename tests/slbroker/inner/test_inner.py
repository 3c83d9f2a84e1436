"""One suite over both twins: `pure` says what is right, `compiled` has to agree, down to the exceptions."""

from __future__ import annotations

import gc
import importlib
import select
import socket
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker import inner as chosen
from slbroker.errors import Drop
from slbroker.inner import pure
from slbroker.sip.grammar import COMPACT_FORMS, MAX_HEADERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

Pair: TypeAlias = tuple[socket.socket, socket.socket]
Outcome: TypeAlias = tuple[str, Any]

OPTIONS = (
    b"OPTIONS sip:bob@example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-524287-1---abcdef;rport\r\n"
    b"Max-Forwards: 70\r\n"
    b"Contact: <sip:alice@192.0.2.10:5060>\r\n"
    b"To: <sip:bob@example.com>\r\n"
    b"From: Alice <sip:alice@example.com>;tag=9fxced76sl\r\n"
    b"Call-ID: 3848276298220188511@192.0.2.10\r\n"
    b"CSeq: 63104 OPTIONS\r\n"
    b"X-Odd-Name: 1\r\n"
    b"User-Agent: Phone/1.2.3\r\n"
    b"Content-Length: 4\r\n"
    b"\r\nbody"
)


def load(kind: str) -> ModuleType:
    try:
        return importlib.import_module(f"slbroker.inner.{kind}")
    except ModuleNotFoundError:
        pytest.skip("slbroker.inner.compiled is not built here")


@pytest.fixture(scope="module", params=["pure", "compiled"])
def inner(request: pytest.FixtureRequest) -> ModuleType:
    return load(request.param)


@pytest.fixture(scope="module")
def compiled() -> ModuleType:
    return load("compiled")


def outcome(function: Callable[..., Any], *arguments: Any) -> Outcome:
    try:
        return "returned", function(*arguments)
    except Exception as error:
        return type(error).__name__, error.args if isinstance(error, Drop) else None


@pytest.mark.parametrize("setting", ["", "0", "1"])
def test_the_choice(monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    monkeypatch.setenv("SLBROKER_PURE", setting)
    wanted = "pure" if setting == "1" else load("compiled").__name__.rpartition(".")[2]
    kind, module = chosen._choose()
    assert (kind, module.__name__) == (wanted, f"slbroker.inner.{wanted}")


# scan -----------------------------------------------------------------------------------------------------------

BARE = Drop("bare-crlf")
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
        pytest.param(head(b"Via"), [], b"", pure.BAD_HEADER_LINE, id="no colon"),
        pytest.param(head(LONG), [], b"", pure.BAD_HEADER_LINE, id="long line, no colon"),
        pytest.param(head(b": x", b"To: y"), [b"to", b"y"], b"", pure.BAD_HEADER_LINE, id="no name"),
        pytest.param(head(b"V@a: x"), [], b"", pure.BAD_HEADER_LINE, id="name is no token"),
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


@pytest.mark.parametrize("data", [None, "text", bytearray(OPTIONS), memoryview(OPTIONS)], ids=repr)
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


# Sockets --------------------------------------------------------------------------------------------------------


def udp(stack: ExitStack, host: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        sock = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind((host, 0))
    except OSError as error:
        pytest.skip(f"no socket at {host} here: {error}")
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    return sock


@pytest.fixture(params=["127.0.0.1", "::1"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """Two sockets of one family: one to send from, one to receive on."""
    with ExitStack() as stack:
        yield udp(stack, request.param), udp(stack, request.param)


def receive(inner: ModuleType, sock: socket.socket, limit: int = 1_000) -> list[tuple[bytes, Any]]:
    """Wait for a first datagram; on loopback those sent before are there with it."""
    assert select.select([sock], [], [], 5)[0]
    batch: list[tuple[bytes, Any]] = inner.receive_batch(sock, limit)
    return batch


def test_receive(inner: ModuleType, pair: Pair) -> None:
    sender, receiver = pair
    for data in (b"one", b"", b"thr\0ee"):
        sender.sendto(data, receiver.getsockname())
    peer = sender.getsockname()
    assert receive(inner, receiver) == [(b"one", peer), (b"", peer), (b"thr\0ee", peer)]
    assert inner.receive_batch(receiver, 1_000) == []


def test_receive_up_to_the_limit(inner: ModuleType, pair: Pair) -> None:
    sender, receiver = pair
    for number in range(150):
        sender.sendto(b"%d" % number, receiver.getsockname())
    sizes = [len(receive(inner, receiver, limit)) for limit in (0, -1, 1, 64, 65)]
    assert sizes == [0, 0, 1, 64, 65]
    assert [data for data, _ in receive(inner, receiver)] == [b"%d" % number for number in range(130, 150)]


def test_receive_large_then_small(inner: ModuleType, pair: Pair) -> None:
    sender, receiver = pair
    sent = [bytes([65 + number]) * size for number, size in enumerate((60_000, 65_507, 3, 0, 2))]
    for data in sent:
        sender.sendto(data, receiver.getsockname())
    assert [data for data, _ in receive(inner, receiver)] == sent


@pytest.mark.parametrize("to", ["127.0.0.1", "::"])
def test_receive_from_many_peers(inner: ModuleType, to: str) -> None:
    """More of them than `compiled` remembers, all with one port, so that they push each other out."""
    with ExitStack() as stack:
        receiver, first = udp(stack, to), udp(stack, "127.0.0.1")
        there, port = ("127.0.0.1", receiver.getsockname()[1]), first.getsockname()[1]
        for number in range(600):
            host = f"127.0.{1 + number % 2}.{1 + number % 250}"
            with ExitStack() as short:
                sender = short.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                sender.bind((host, port))
                sender.sendto(b"x", there)
                sender.sendto(b"x", there)
                peer = (host, port) if to == "127.0.0.1" else (f"::ffff:{host}", port, 0, 0)
                assert receive(inner, receiver) == [(b"x", peer)] * 2


def test_a_peer_keeps_its_address_object(compiled: ModuleType, pair: Pair) -> None:
    sender, receiver = pair
    assert compiled.send_batch(sender, [(b"x", receiver.getsockname())] * 2) == 2
    assert len({id(address) for _, address in receive(compiled, receiver)}) == 1


def test_receive_from_ipv4_on_an_ipv6_socket(inner: ModuleType) -> None:
    with ExitStack() as stack:
        receiver, sender = udp(stack, "::"), udp(stack, "127.0.0.1")
        sender.sendto(b"x", ("127.0.0.1", receiver.getsockname()[1]))
        peer = ("::ffff:127.0.0.1", sender.getsockname()[1], 0, 0)
        assert receive(inner, receiver) == [(b"x", peer)]
        assert inner.send_batch(receiver, [(b"y", peer)]) == 1
        assert [data for data, _ in receive(inner, sender)] == [b"y"]


def test_an_icmp_error_ends_a_batch(inner: ModuleType, pair: Pair) -> None:
    sender, receiver = pair
    sender.connect(receiver.getsockname())
    receiver.close()
    sender.send(b"x")
    assert receive(inner, sender) == []
    assert inner.receive_batch(sender, 10) == []


def test_receive_inside_receive(inner: ModuleType, pair: Pair) -> None:
    """The collector may run while a batch is made, and in it code that receives too: nothing is lost or mixed up."""
    sender, receiver = pair
    sent = [b"%d" % number * 50 for number in range(100)]
    for data in sent:
        sender.sendto(data, receiver.getsockname())
    nested: list[tuple[bytes, Any]] = []
    spare = [(number, number) for number in range(10_000)]  # leaves no used tuple for reuse, which would not count

    def collecting(phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            nested.extend(inner.receive_batch(receiver, 10))

    before = gc.get_threshold()
    gc.callbacks.append(collecting)
    gc.set_threshold(1)
    try:
        batch = receive(inner, receiver)
    finally:
        gc.callbacks.remove(collecting)
        gc.set_threshold(*before)
    assert len(spare) == 10_000
    assert sorted(data for data, _ in batch + nested) == sorted(sent)


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 150])
def test_send(inner: ModuleType, pair: Pair, count: int) -> None:
    sender, receiver = pair
    items = [(b"%d" % number, receiver.getsockname()) for number in range(count)]
    assert inner.send_batch(sender, items) == count
    assert inner.send_batch(sender, tuple(items[:1])) == len(items[:1])
    received = receive(inner, receiver) if count else []
    assert received == [(data, sender.getsockname()) for data, _ in items + items[:1]]


def test_send_large_and_empty(inner: ModuleType, pair: Pair) -> None:
    sender, receiver = pair
    sent = [b"a" * 60_000, b"", b"b" * 65_507]
    assert inner.send_batch(sender, [(data, receiver.getsockname()) for data in sent]) == 3
    assert [data for data, _ in receive(inner, receiver)] == sent


@pytest.mark.parametrize("refused", [{0}, {1}, {5}, {0, 5}, {2, 3}, set(range(6)), {63}, {64}, {63, 64, 99}])
def test_send_goes_on_behind_a_refused_one(inner: ModuleType, pair: Pair, refused: set[int]) -> None:
    sender, receiver = pair
    host, port, *rest = receiver.getsockname()
    count = 6 if max(refused) < 6 else 100
    items = [(b"%d" % n, (host, 0 if n in refused else port, *rest)) for n in range(count)]
    assert inner.send_batch(sender, items) == count - len(refused)
    expected = [data for n, (data, _) in enumerate(items) if n not in refused]
    assert [data for data, _ in (receive(inner, receiver) if expected else [])] == expected


def test_send_passes_over_what_no_socket_takes(inner: ModuleType, pair: Pair) -> None:
    sender, receiver = pair
    there = receiver.getsockname()
    # broadcast is not allowed to this socket; and there is no such interface
    nowhere = ("255.255.255.255", 9) if len(there) == 2 else ("fe80::1", 9, 0, 0x7FFFFFFF)
    items = [(b"a" * 65_536, there), (b"b", nowhere), (b"c", there)]
    assert inner.send_batch(sender, items) == 1
    assert [data for data, _ in receive(inner, receiver)] == [b"c"]


@pytest.mark.skipif(sys.platform != "linux", reason="these are Linux's options, for which Python has no names")
def test_send_with_a_flow_label(inner: ModuleType) -> None:
    flowinfo, flowinfo_send, label = 11, 33, 0x12345
    with ExitStack() as stack:
        sender, receiver = udp(stack, "::1"), udp(stack, "::1")
        sender.setsockopt(socket.IPPROTO_IPV6, flowinfo_send, 1)
        receiver.setsockopt(socket.IPPROTO_IPV6, flowinfo, 1)
        assert inner.send_batch(sender, [(b"x", (*receiver.getsockname()[:2], label, 0))]) == 1
        assert receiver.recvmsg(9, 99)[1] == [(socket.IPPROTO_IPV6, flowinfo, label.to_bytes(4, "big"))]


ODD_PORTS = [True, 0, -1, 65_536, 2**70, "5060", 1.5, None]
ODD_HOSTS = ["", "localhost", "127.0.0.1\0", "127.0.0.1\0x", "::1\0", None, b"127.0.0.1", 1]
ODD_HOSTS += ["\ud800", "\N{FULLWIDTH DIGIT ONE}27.0.0.1"]
ODD_TAILS = [
    (-1, 0),
    (2**20, 0),
    (2**20 - 1, 0),
    (0, -1),
    (0, 2**32),
    (1, 0),
    (0, 1),
    ("", 0),
    (None, 0),
    (0,),
    (0, 0, 0),
]


def test_odd_items_are_sent_or_refused_alike(compiled: ModuleType, pair: Pair) -> None:
    sender, receiver = pair
    host, port, *rest = receiver.getsockname()
    other = "::1" if host == "127.0.0.1" else "127.0.0.1"
    addresses: list[object] = [None, "", (), (host,), (host, port), (other, port), (other, port, *rest), [host, port]]
    addresses += [(host, odd, *rest) for odd in ODD_PORTS]
    addresses += [(odd, port, *rest) for odd in ODD_HOSTS]
    addresses += [(host, port, *odd) for odd in ODD_TAILS]
    items: list[object] = [(b"odd", address) for address in addresses]
    here = receiver.getsockname()
    items += [(bytearray(b"x"), here), (memoryview(b"x"), here), ("x", here), (None, here)]
    items += [[b"x", here], (b"x",), (b"x", here, 1), b"xy", None]
    for item in items:
        results = []
        for twin in (pure, compiled):
            result = outcome(twin.send_batch, sender, [(b"before", here), item, (b"behind", here)])
            results.append((result, receive(pure, receiver)))
        assert results[0] == results[1], item


def test_items_that_are_no_sequence(compiled: ModuleType, pair: Pair) -> None:
    sender, receiver = pair
    for items in (None, 1, [(b"x", receiver.getsockname())].__iter__):
        assert outcome(compiled.send_batch, sender, items) == outcome(pure.send_batch, sender, items)
    assert compiled.send_batch(sender, ((b"%d" % n, receiver.getsockname()) for n in range(70))) == 70
    assert [data for data, _ in receive(compiled, receiver)] == [b"%d" % n for n in range(70)]


def test_a_closed_socket(inner: ModuleType, pair: Pair) -> None:
    sender, receiver = pair
    here = receiver.getsockname()
    sender.close()
    assert inner.receive_batch(sender, 10) == []
    assert inner.send_batch(sender, [(b"x", here), (b"y", here)]) == 0


# Memory ---------------------------------------------------------------------------------------------------------


def growth(work: Callable[[], object], times: int, *counted: object) -> list[int]:
    """Return what `times` calls add, behind as many: Python objects, memory in pages, references to `counted`."""
    statm = Path("/proc/self/statm")
    figures = []
    for _ in range(2):
        for _ in range(times):
            work()
        gc.collect()
        pages = int(statm.read_text().split()[1]) if statm.exists() else 0
        figures.append([sys.getallocatedblocks(), pages, *map(sys.getrefcount, counted)])
    return [after - before for before, after in zip(*figures, strict=True)]


def test_scanning_leaks_nothing(inner: ModuleType) -> None:
    """A leak a call would show as thousands: 200,000 scans by the twin that can leak."""
    messages = [OPTIONS, OPTIONS[:300], head(b"a", b": b", b"@: c", LONG[:100] + b": d"), head(b"To: a", b" b")]
    messages += [head(b"To: a\nb"), head(b"Via: x", b"n\0: x"), head(b"To: x", b""), head(*[b"To: x"] * 300)]

    def work() -> None:
        for data in messages:
            outcome(inner.scan, data)

    grown = growth(work, 12_500 if inner is not pure else 1_250, *messages, *inner.scan(OPTIONS)[1][::2])
    assert max(grown) < 200, grown


def test_batches_leak_nothing(inner: ModuleType, pair: Pair) -> None:
    """The same over 200,000 datagrams, refused and odd ones among them."""
    sender, receiver = pair
    here = receiver.getsockname()
    data, odd = OPTIONS + b"!", bytearray(b"x")
    items = [(data, here)] * 61 + [(data, (here[0], 0, *here[2:])), (odd, here), (data, here)]

    def work() -> None:
        assert inner.send_batch(sender, items) == 63
        assert len(inner.receive_batch(receiver, 100)) == 63

    assert inner.send_batch(sender, items) == 63
    peer = inner.receive_batch(receiver, 100)[0][1]
    grown = growth(work, 1_600, data, odd, here, here[0], items, items[0], peer)
    assert max(grown) < 200, grown
