"""What workers read is what the edge judged: what passed the usual checks does not become a 400 when it is read."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from slbroker.errors import Drop, Reject
from slbroker.plugin import Request
from slbroker.sip.grammar import MAX_URI_PARAMS
from slbroker.sip.message import Source
from slbroker.sip.parser import BadRequest, parse
from slbroker.sip.validate import USUAL
from slbroker.sip.via import MAX_PARAMS, stamp_top
from slbroker.testing import Client
from slbroker_handlers.bundled import app
from tests.support.sip import request

SOURCE = Source("192.0.2.9", 40_000, "udp:192.0.2.7:5060")


def received(data: bytes) -> Request | None:
    """What a worker gets of `data`, None when the edge lets nothing through."""
    try:
        message = parse(data)
        stamp_top(message.headers, SOURCE.host, SOURCE.port, strict=USUAL.via)  # type: ignore[arg-type]
    except (Drop, BadRequest, Reject):
        return None
    return Request(message, SOURCE)


def repeated(pieces: list[bytes], most: int) -> st.SearchStrategy[bytes]:
    """Text of `pieces`, some of them often in a row: about as often as a limit says."""
    times = st.integers(0, 3) | st.integers(most - 2, most + 2)
    runs = st.tuples(st.sampled_from(pieces), times).map(lambda run: run[0] * run[1])
    return st.lists(runs, max_size=8).map(b"".join)


URI_PIECES = [
    b";", b";x", b";x=y", b"a", b"h", b"@", b":", b"?", b"%", b"%41", b"[", b"]", b"::1", b"5060", b"65536", b"=",
    b"\xc3\xbc",
]  # fmt: skip
starts = st.sampled_from(
    [b"sip:", b"sip:h", b"sip:a@h:5060", b"sips:a;b@[::1]", b"SIP:h", b"tel:+49", b"urn:a", b"im:a@h"]
)


@example(b"sip:a@h", b";x" * (MAX_URI_PARAMS + 1))
@given(starts, repeated(URI_PIECES, MAX_URI_PARAMS))
def test_a_request_uri_that_passes_can_be_read(start: bytes, rest: bytes) -> None:
    uri = start + rest
    if (got := received(request(uri=uri))) is not None:
        assert str(got.uri).encode("utf-8", "surrogateescape") == uri


VIA_PIECES = [
    b";", b";x", b";rport", b";received=1", b";R=1", b";x=y", b';x="a,b"', b";<x>", b'"', b"x", b"=", b" ", b",",
    b",SIP/2.0/UDP b", b", SIP/2.0/UDP b;x", b"\xc3\xbc"
]  # fmt: skip


@example(b"h", b";x" * (MAX_PARAMS + 2))
@example(b"h", b" ;x" * (MAX_PARAMS + 1) + b",SIP/2.0/UDP b")
@example(b"h", b";<x>")
@given(
    st.sampled_from([b"h", b"192.0.2.9", b"h:5060"]),
    repeated(VIA_PIECES, MAX_PARAMS // 2) | repeated(VIA_PIECES, MAX_PARAMS),
)
def test_a_via_that_passes_can_be_read_after_its_stamp(sent_by: bytes, rest: bytes) -> None:
    if (got := received(request(via=b"SIP/2.0/UDP " + sent_by + rest))) is not None:
        assert str(got.vias[0]).startswith(f"SIP/2.0/UDP {sent_by.decode()}")


def test_too_many_parameters_are_named() -> None:
    """RFC 3261 21.4.1; whether the URI is of the form of nearly all or not, and a user's semicolons are none."""
    for start in ("sip:a@h", "sip:a:b@h", "tel:1"):
        for more, line in ((0, b"SIP/2.0 200 OK"), (1, b"SIP/2.0 400 Too Many Parameters In URI")):
            (reply,) = Client(app).exchange(request(uri=start + ";x" * (MAX_URI_PARAMS + more)))
            assert reply.partition(b"\r\n")[0] == line
    (reply,) = Client(app).exchange(request(uri=f"sip:a{';x' * 200}@h"))
    assert reply.startswith(b"SIP/2.0 200 OK")
