"""Fuzz target: the two readers of a request, `reader.read` and the compiled one of ordinary requests; and `scan`.

Invariant: what the compiled one takes, the other reads alike, whatever the source. What `scan` calls the first value of
a header is that.

Allowed exceptions: Drop("bare-crlf") from `scan`; none where the compiled reader takes a datagram.
"""

from __future__ import annotations

from typing import Final

from slbroker.errors import Drop
from slbroker.sip.scan import scan
from slbroker.sip.validate import USUAL
from slbroker_edge.reader import read
from tests.lab.fuzz.seeds import MESSAGES
from tests.support.twins import read_ordinary

ROUNDS = 20_000
DICTIONARY = "sip.dict"
SEEDS = MESSAGES

LISTEN: Final = "udp:192.0.2.7:5060"
SOURCES: Final = (
    ("192.0.2.77", 40_077), ("192.0.2.1", 5060), ("2001:db8::9", 5060, 0, 0), ("fe80::1%eth0", 9, 0, 2),
)  # fmt: skip


def check(data: bytes) -> None:
    """Assert the invariant for one datagram."""
    for source in SOURCES:
        ordinary = read_ordinary(data, source, LISTEN)
        assert ordinary is None or ordinary == read(data, source, LISTEN, USUAL)
    try:
        _start, headers, first, _body, _fault = scan(data)
    except Drop as drop:
        assert drop.cause == "bare-crlf"
        return
    pairs = list(zip(headers[::2], headers[1::2], strict=True))
    assert first == dict(reversed(pairs))
