"""The configurations of docs/topologies.md: Kamailio reads each, and whole calls go the ways that the pictures show."""

from __future__ import annotations

import socket
import subprocess
from typing import TYPE_CHECKING, Final

import pytest

from tests.peers.brokers import Edge, free_bus_address, new_keys, start_edge
from tests.peers.forwarding.calls import LADDERS, End, Sides, failures, steps
from tests.peers.forwarding.plugin import REFUSED, write_plugin
from tests.peers.kamailio import start_kamailio
from tests.support.peers import free_udp_port, require_peer
from tests.support.processes import ROOT
from tests.support.sip import request
from tests.support.timing import within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start
    from tests.support.processes import Process

pytestmark = [pytest.mark.peer, pytest.mark.timeout(within(120))]

CALLS = 3  # of each kind
RATE = 10  # of each kind, a second
SHIELDED: Final = ROOT / "compose" / "shielded-kamailio.cfg"
PHONES: Final = {user: ladder for user, ladder in LADDERS.items() if user not in {"register", "options"}}
# From behind that file of Kamailio's, which takes no requests from the edge.
ONE_WAY: Final = {user: LADDERS[user] for user in ("call", "cancelled", "rejected", "redirected", "prack", "message")}


@pytest.mark.parametrize(
    ("file", "defines"),
    [
        ("kamailio.cfg", ()), ("kamailio.cfg", ("WITH_STATELESS",)),
        ("shielded-kamailio.cfg", ()), ("shielded-kamailio.cfg", ("WITH_ANSWERS",)),
    ],
)  # fmt: skip
def test_kamailio_takes_each_configuration(file: str, defines: tuple[str, ...], tmp_path: Path) -> None:
    words = [word for define in defines for word in ("-A", define)]
    command = [require_peer("kamailio"), "-c", "-f", str(ROOT / "compose" / file), *words, "-Y", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=within(30), check=False)
    assert done.returncode == 0, done.stderr
    assert " WARNING:" not in done.stderr, done.stderr


class Shield:
    """An edge in front of a Kamailio with that file; with `answers` there is one behind it, too, and its handler."""

    def __init__(self, start: Start, start_program: Start, folder: Path, *, answers: bool) -> None:
        self.behind, self._program = free_udp_port(), start_program
        hop = f"sip:127.0.0.1:{self.behind}"
        bus, keys = free_bus_address("ipc", folder), new_keys(folder)
        self.edge = start_edge(start, keys, bus, options=("--route", f"pass={hop}", "--record-route", "--path"))
        self.inner: Edge | None = None
        if answers:
            inside = folder / "inside"
            inside.mkdir()
            bus, keys = free_bus_address("ipc", inside), new_keys(inside)
            self.inner = start_edge(start, keys, bus)
            plugin = ("--plugin", str(write_plugin(inside, {})))
            start("handler", "--bus", bus, "--keys", str(keys), *plugin).wait_for("handler ready")
        for attempt in range(2):  # once in some dozens of starts it comes up and answers nothing
            kamailio = self._start_kamailio(folder / f"kamailio-{attempt}")
            if self._register("up", free_udp_port()):
                return
            kamailio.stop()
        raise AssertionError(str(kamailio))

    def _start_kamailio(self, run: Path) -> Process:
        run.mkdir()
        defines = [f"LISTEN=udp:127.0.0.1:{self.behind}", "CHILDREN=1"]
        if self.inner is not None:
            defines += ["WITH_ANSWERS", f'ANSWERS="sip:127.0.0.1:{self.inner.port}"']
        return self._program(
            require_peer("kamailio"), "-f", str(SHIELDED), "-DD", "-E", "-m", "64", "-M", "8",
            *(word for define in defines for word in ("-A", define)), *("-w", str(run), "-Y", str(run)), cwd=run,
        )  # fmt: skip

    def register(self, user: str, port: int) -> None:
        """Register a phone at that port of 127.0.0.1, by the edge."""
        assert self._register(user, port), user

    def _register(self, user: str, port: int) -> bool:
        via = f"SIP/2.0/UDP 127.0.0.1:{port};rport;branch=z9hG4bK-reg-{user}"
        address = f"<sip:{user}@example.com>"
        # What the phone says of itself leads nowhere: it is behind NAT.
        how = {"contact": f"<sip:{user}@192.0.2.99>", "from_": f"{address};tag=1", "to": address}
        data = request("REGISTER", "sip:example.com", via=via, call_id=f"reg-{user}", lines=[b"Expires: 600"], **how)  # type: ignore[arg-type]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
            phone.bind(("127.0.0.1", port))
            phone.settimeout(within(0.5))
            for _ in range(10):
                phone.sendto(data, ("127.0.0.1", self.edge.port))
                try:
                    return phone.recv(65_535).startswith(b"SIP/2.0 200 ")
                except TimeoutError:
                    pass
        return False


def test_in_front_phones_call_each_other_by_the_edge_and_kamailio(
    start_slbroker: Start, start_program: Start, tmp_path: Path
) -> None:
    """Each request passes the edge twice: from the caller to Kamailio, from there to the phone that registered here."""
    shield = Shield(start_slbroker, start_program, tmp_path, answers=False)
    ports = {user: free_udp_port() for user in PHONES}
    for user, port in ports.items():
        shield.register(user, port)
    sides = Sides(start_program, tmp_path, End(), CALLS, PHONES, ports=ports)
    sides.begin(shield.edge.port, End(), RATE)
    assert failures(sides.finish()) == {}, str(shield.edge.process)
    figures = shield.edge.wait_for_figures(in_flight=0)
    assert figures["forwarded"] == figures["received"], figures
    assert sum(sum(group.values()) for group in figures["hops"].values()) == figures["forwarded"], figures
    assert figures["replies"]["received"] == figures["replies"]["forwarded"], figures


def test_both_what_kamailio_asks_for_is_answered_by_a_handler(
    start_slbroker: Start, start_program: Start, tmp_path: Path
) -> None:
    """The rest goes as without: a phone is called by the edge, Kamailio and the edge."""
    shield = Shield(start_slbroker, start_program, tmp_path, answers=True)
    ports = {"call": free_udp_port()}
    shield.register("call", ports["call"])
    sides = Sides(start_program, tmp_path, End(), CALLS, {"call": LADDERS["call"]}, ports=ports)
    bad = {REFUSED: steps("INVITE +sdp ->, <- 403, ACK ->")}
    refused = Sides(start_program, tmp_path, End(), CALLS, bad, answered=False)
    sides.begin(shield.edge.port, End(), RATE)
    refused.begin(shield.edge.port, End(), RATE)
    assert failures(sides.finish() | refused.finish()) == {}, str(shield.edge.process)
    assert shield.inner is not None
    inner = shield.inner.wait_for_figures(received=2 * CALLS, in_flight=0)
    assert (inner["replied"], inner["absorbed"]) == (CALLS, CALLS), inner
    outer = shield.edge.wait_for_figures(in_flight=0)
    assert outer["forwarded"] == outer["received"], outer


@pytest.mark.parametrize("stateless", [False, True], ids=["t_relay", "forward"])
def test_behind_what_a_handler_forwards_goes_on(
    stateless: bool, start_slbroker: Start, start_program: Start, tmp_path: Path
) -> None:
    """Kamailio hands all over; the edge asks a handler, which refuses some and names the next hop of the others."""
    sides = Sides(start_program, tmp_path, End(), CALLS, ONE_WAY)
    bad = {REFUSED: steps("INVITE +sdp ->, <- 403, ACK ->")}
    refused = Sides(start_program, tmp_path, End(), CALLS, bad, answered=False)
    hops = {user: f"sip:127.0.0.1:{port}" for user, port in sides.ports.items()}
    port, keys, bus = free_udp_port(), new_keys(tmp_path), free_bus_address("ipc", tmp_path)
    acks = [word for user, hop in hops.items() for word in ("--route", f"pass={hop} method=ACK,CANCEL user={user}")]
    words = ["--listen", f"udp:127.0.0.1:{port}", "--bus", bus, "--keys", str(keys), *acks]
    process = start_slbroker("edge", *words)
    process.wait_for("edge ready")
    plugin = write_plugin(tmp_path, hops)
    start_slbroker("handler", "--bus", bus, "--keys", str(keys), "--plugin", str(plugin)).wait_for("handler ready")
    kamailio = start_kamailio(start_program, port, tmp_path, stateless=stateless, defines=["CHILDREN=1"])
    sides.begin(kamailio.port, End(), RATE)
    refused.begin(kamailio.port, End(), RATE)
    assert failures(sides.finish() | refused.finish()) == {}, f"{process}\n{kamailio.process}"
