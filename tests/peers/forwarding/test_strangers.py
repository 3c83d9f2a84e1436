"""An edge with a next hop is no open relay: where a stranger's request says that it wants to go counts for nothing."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.peers.forwarding.sockets import QUIET, Between
from tests.support.processes import Process, slbroker
from tests.support.sip import request

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.peer

# {port} is where the stranger wants it to go, {edge} the edge's.
WISHES: Final[dict[str, dict[str, Any]]] = {
    "request-uri": {"uri": "sip:bob@127.0.0.1:{port}"},
    "route": {"route": "<sip:127.0.0.1:{port};lr>"},
    "strict route": {"route": "<sip:127.0.0.1:{port}>"},
    "maddr": {"uri": "sip:bob@127.0.0.1:{edge};maddr=127.0.0.1:{port}"},
    "behind ours": {"route": "<sip:127.0.0.1:{edge};lr>, <sip:127.0.0.1:{port};lr>"},
    "strict, behind ours": {"uri": "sip:127.0.0.1:{edge};lr", "route": "<sip:bob@127.0.0.1:{port}>"},
    "made-up token": {"route": "<sip:f1" + "0a" * 14 + "-u" + "0" * 6 + "-{port}--127.0.0.1@127.0.0.1:{edge};lr>"},
    "received": {"via": "SIP/2.0/UDP 127.0.0.1:{port};received=127.0.0.1;rport={port};branch=z9hG4bK-x"},
}


@pytest.fixture(scope="module")
def between(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Between]:
    with ExitStack() as stack:

        def start(*words: str, **how: object) -> Process:
            return stack.enter_context(slbroker(*words))

        yield stack.enter_context(Between(start, tmp_path_factory.mktemp("strangers"), ("--record-route", "--path")))


@pytest.fixture
def victim() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(QUIET)
        yield sock


@pytest.mark.parametrize("name", WISHES)
@pytest.mark.parametrize("method", ["INVITE", "ACK", "CANCEL", "BYE", "REGISTER"])
def test_no_stranger_says_where_a_request_goes(between: Between, victim: socket.socket, method: str, name: str) -> None:
    where = {"port": victim.getsockname()[1], "edge": between.edge.port}
    wish = {header: value.format(**where) for header, value in WISHES[name].items()}
    tag = "" if method in {"INVITE", "REGISTER"} else ";tag=theirs"
    before = between.edge.figures()["received"]
    between.send(request(method, to=f"<sip:bob@example.com>{tag}", **wish))
    between.edge.wait_for_figures(received=before + 1, in_flight=0)
    with pytest.raises(TimeoutError):
        victim.recv(65_535)
