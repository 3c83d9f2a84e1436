"""What phones, trunks, monitors and scanners send, through a real edge and worker: each message gets what it should."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from slbroker import twins
from tests.cases.corpus import CASES
from tests.support.timing import within
from tests.torture.live import PATIENCE, PROBE, Live, probe, split

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cases.corpus import Case


@pytest.fixture(scope="module", params=["compiled", "pure"])
def live(request: pytest.FixtureRequest) -> Iterator[Live]:
    if request.param == "compiled" and twins.KIND != "compiled":
        pytest.skip("the compiled twin is not built")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "SLBROKER_PURE", "1" if request.param == "pure" else "0")
        with Live("--plugin", str(Path(__file__).with_name("plugin.py"))) as running:
            yield running


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_it_gets(live: Live, case: Case) -> None:
    replies = over_tcp(live, case) if case.transport == "tcp" else over_udp(live, case)
    assert [int(reply[8:11]) for reply in replies] == ([] if case.want is None else [case.want]), replies


def over_udp(live: Live, case: Case) -> list[bytes]:
    """Send the message and a good OPTIONS behind it; return what comes before the answer to that."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(within(PATIENCE))
        sock.connect(("127.0.0.1", live.ports["udp"]))
        sock.send(case.data(sock.getsockname()[1]))
        sock.send(probe())
        replies: list[bytes] = []
        while PROBE not in (reply := sock.recv(65_535)):
            replies.append(reply)
    return replies


def over_tcp(live: Live, case: Case) -> list[bytes]:
    with socket.create_connection(("127.0.0.1", live.ports["tcp"]), within(PATIENCE)) as sock:
        sock.sendall(case.data(sock.getsockname()[1]) + probe())
        sock.shutdown(socket.SHUT_WR)
        received = bytearray()
        with suppress(ConnectionError):
            while part := sock.recv(65_535):
                received += part
    return [reply for reply in split(bytes(received)) if PROBE not in reply]


def test_all_are_there() -> None:
    assert len(CASES) == 177
