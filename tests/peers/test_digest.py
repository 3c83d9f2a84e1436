"""SIPp authenticates through two workers that share nothing but the key ring."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from slbroker.sip.response import Response, parse_response
from slbroker.testing import RequestFactory, credentials
from tests.peers.brokers import Edge, free_bus_address, new_keys, start_edge
from tests.peers.sipp import SECONDS, run_sipp
from tests.support.timing import within

if TYPE_CHECKING:
    from tests.conftest import Start
    from tests.support.processes import Process

PLUGIN = Path(__file__).with_name("digest_plugin.py")
RATE = 500  # calls a second
CALLS = RATE * SECONDS

pytestmark = pytest.mark.peer


class Site:
    """An edge, its key ring, and handlers that come and go."""

    def __init__(self, start: Start, folder: Path) -> None:
        self._start = start
        self._keys = new_keys(folder)
        self.edge: Edge = start_edge(start, self._keys, free_bus_address("ipc", folder))

    def handler(self) -> Process:
        words = ("--bus", self.edge.bus, "--plugin", str(PLUGIN), "--keys", str(self._keys))
        handler = self._start("handler", *words)
        handler.wait_for("handler ready")
        return handler


@pytest.fixture
def site(start_slbroker: Start, tmp_path: Path) -> Site:
    return Site(start_slbroker, tmp_path)


@pytest.mark.timeout(within(120))
@pytest.mark.parametrize(("scenario", "requests", "acks"), [("register_digest", 2, 0), ("invite_digest", 2, 2)])
def test_every_call_authenticates(
    scenario: str, requests: int, acks: int, site: Site, start_program: Start, tmp_path: Path
) -> None:
    for _ in range(2):
        site.handler()
    options = ("-au", "alice", "-ap", "wonderland")
    run = run_sipp(start_program, scenario, site.edge.port, tmp_path, calls=CALLS, rate=RATE, options=options)
    assert (run.failed, run.successful) == (0, CALLS), run.errors
    figures = site.edge.wait_for_figures(in_flight=0)
    assert figures["replied"] >= requests * CALLS
    assert figures["absorbed"] >= acks * CALLS
    assert all(worker["answered"] > CALLS / 4 for worker in figures["workers"])


@pytest.mark.timeout(within(60))
def test_a_wrong_password_fails_every_call(site: Site, start_program: Start, tmp_path: Path) -> None:
    site.handler()
    options = ("-au", "alice", "-ap", "looking-glass")
    run = run_sipp(start_program, "register_digest", site.edge.port, tmp_path, calls=20, rate=20, options=options)
    assert (run.failed, run.successful) == (20, 0)


def ask(caller: socket.socket, request: bytes) -> Response:
    caller.send(request)
    read = parse_response(caller.recv(65_535))
    assert read is not None
    return read


def test_a_worker_started_later_knows_the_challenge_of_one_that_has_gone(site: Site) -> None:
    uri, factory = "sip:example.com", RequestFactory()
    first = site.handler()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
        caller.settimeout(within(5))
        caller.connect(("127.0.0.1", site.edge.port))
        challenge = ask(caller, factory.request("REGISTER", uri))
        assert challenge.status == 401
        first.kill()
        site.handler()
        answer = credentials(challenge, "REGISTER", uri, "alice", "wonderland")
        assert ask(caller, factory.request("REGISTER", uri, answer)).status == 200
