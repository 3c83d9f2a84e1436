"""What Kamailio makes of an edge that refuses, is silent, or answers its dispatcher's pings: the README says it."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.peers.brokers import free_bus_address, new_keys, start_edge
from tests.peers.kamailio import start_kamailio
from tests.peers.phone import Phone
from tests.support.peers import free_udp_port, require_peer
from tests.support.processes import ROOT
from tests.support.timing import until, within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Start
    from tests.peers.brokers import Edge
    from tests.support.processes import Process

FR_TIMER = 5.0  # seconds, in compose/kamailio.cfg
CONFIG = ROOT / "tests" / "peers" / "dispatcher.cfg"
# It has no handler for a dispatcher's ping; "bob" is whom these tests ask whether Kamailio is up.
PLUGIN = """
from slbroker import Handlers

app = Handlers()


@app.on("INVITE")
def call(request):
    return request.drop() if request.to_uri.user == "silent" else request.reply(486)


@app.on("OPTIONS", user="bob")
def here(request):
    return request.reply(200)
"""

pytestmark = pytest.mark.peer


class Site:
    """An edge, and a handler that comes and goes."""

    def __init__(self, start: Start, folder: Path) -> None:
        self._start = start
        self._keys = new_keys(folder)
        self._bus = free_bus_address("ipc", folder)
        self._plugin = folder / "answers.py"
        self._plugin.write_text(PLUGIN)
        self.edge: Edge = start_edge(start, self._keys, self._bus)

    def handler(self) -> Process:
        words = ("--bus", self._bus, "--keys", str(self._keys), "--plugin", str(self._plugin))
        process = self._start("handler", *words)
        process.wait_for("handler ready")
        return process


@pytest.fixture
def site(start_slbroker: Start, tmp_path: Path) -> Site:
    return Site(start_slbroker, tmp_path)


@pytest.mark.parametrize(("stateless", "status"), [(True, 503), (False, 500)], ids=["forward", "t_relay"])
def test_what_becomes_of_our_503(
    site: Site, start_program: Start, tmp_path: Path, stateless: bool, status: int
) -> None:
    """RFC 3261 16.7: a proxy with state makes 500 of it, and Retry-After goes; without state it passes as it is."""
    handler = site.handler()
    kamailio = start_kamailio(start_program, site.edge.port, tmp_path, stateless=stateless)
    assert handler.stop() == 0
    with Phone(kamailio.port) as phone:
        call = phone.call()
        reply = phone.ask(call.request("INVITE"))
        assert (reply.status, reply.reason) == (status, "Service Unavailable")
        assert len(reply.all("Retry-After")) == (1 if stateless else 0)
        phone.send(call.ack(reply["To"]))
    site.edge.wait_for_figures(absorbed=1)


def test_a_call_that_we_drop_ends_at_fr_timer_when_it_is_cancelled(
    site: Site, start_program: Start, tmp_path: Path
) -> None:
    site.handler()
    kamailio = start_kamailio(start_program, site.edge.port, tmp_path, stateless=False)
    with Phone(kamailio.port) as phone:
        call = replace(phone.call(), to="<sip:silent@example.com>")
        begun = time.monotonic()
        phone.send(call.request("INVITE"))
        trying = phone.receive()
        assert trying is not None
        assert trying.status == 100
        phone.send(call.request("CANCEL"))
        answers: list[tuple[int, str]] = []
        while len(answers) < 2:
            reply = phone.receive(FR_TIMER + 3)
            assert reply is not None
            if reply.status >= 200:
                answers.append((reply.status, reply["CSeq"]))
        assert answers == [(200, "7 CANCEL"), (487, "7 INVITE")]
        assert time.monotonic() - begun > FR_TIMER - 1


class Dispatcher:
    """A Kamailio whose dispatcher module pings the edge once a second, and a caller of it."""

    def __init__(self, start: Start, edge: Edge, folder: Path, mode: int) -> None:
        port = free_udp_port()
        targets = folder / "dispatcher.list"
        targets.write_text(f"1 sip:127.0.0.1:{edge.port} 8\n")
        start(
            require_peer("kamailio"), *("-f", str(CONFIG), "-DD", "-E", "-m", "16", "-M", "4"),
            *("-A", f"LISTEN=udp:127.0.0.1:{port}", "-A", f'LIST="{targets}"', "-A", f"MODE={mode}"),
            *("-w", str(folder), "-Y", str(folder)),
            cwd=folder,
        )  # fmt: skip
        self.phone = Phone(port)

    def outcome(self) -> str:
        """What a call meets: the handler's 486, or Kamailio's 480 when it knows of no edge that is alive."""
        call = self.phone.call()
        try:
            self.phone.send(call.request("INVITE"))
            reply = self.phone.receive(0.5)
            if reply is None:
                return "silence"
            self.phone.send(call.ack(reply["To"]))
        except ConnectionRefusedError:
            return "not up"
        return f"{reply.status} {reply.reason}"

    def wait_for(self, outcome: str) -> None:
        until(lambda: self.outcome() == outcome, what=outcome, seconds=20)


SERVED, TAKEN_OUT = "486 Busy Here", "480 No Edge"


@pytest.fixture
def dispatch(start_program: Start, site: Site, tmp_path: Path) -> Iterator[Callable[[int], Dispatcher]]:
    with ExitStack() as stack:

        def dispatch(mode: int) -> Dispatcher:
            made = Dispatcher(start_program, site.edge, tmp_path, mode)
            stack.enter_context(made.phone)
            return made

        yield dispatch


@pytest.mark.timeout(within(120))
def test_a_dispatcher_keeps_an_edge_whose_plugin_knows_no_options(
    site: Site, dispatch: Callable[[int], Dispatcher]
) -> None:
    handler = site.handler()
    kamailio = dispatch(1)
    kamailio.wait_for(SERVED)
    pinged = site.edge.figures()["replied"]
    until(lambda: site.edge.figures()["replied"] >= pinged + 3, what="pings, answered", seconds=20)
    assert kamailio.outcome() == SERVED
    assert handler.stop() == 0  # from now on the edge answers 503
    kamailio.wait_for(TAKEN_OUT)
    site.handler()
    kamailio.wait_for(SERVED)


@pytest.mark.timeout(within(120))
def test_a_dispatcher_that_met_a_503_finds_the_edge_again_with_probing_mode_1(
    site: Site, dispatch: Callable[[int], Dispatcher]
) -> None:
    kamailio = dispatch(1)
    until(lambda: site.edge.figures()["shed"] > 0, what="a ping, answered 503", seconds=20)
    assert kamailio.outcome() == TAKEN_OUT
    site.handler()
    kamailio.wait_for(SERVED)


@pytest.mark.timeout(within(120))
def test_a_dispatcher_that_met_a_503_never_asks_again_with_probing_mode_0(
    site: Site, dispatch: Callable[[int], Dispatcher]
) -> None:
    """Kamailio's default. This is why the README asks for 1."""
    kamailio = dispatch(0)
    until(lambda: site.edge.figures()["shed"] > 0, what="a ping, answered 503", seconds=20)
    site.handler()
    time.sleep(2)
    received = site.edge.figures()["received"]
    time.sleep(4)
    assert kamailio.outcome() == TAKEN_OUT
    assert site.edge.figures()["received"] == received
