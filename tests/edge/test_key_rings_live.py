"""Edge and handler with different key rings: both logs say so, once; one ring, or one that was mended, is quiet."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from slbroker import keys
from slbroker.bus.envelope import Kind
from tests.lab.fire.rogue import Rogue
from tests.peers.brokers import start_edge
from tests.support.processes import run_slbroker
from tests.support.sip import read_reply, request
from tests.support.timing import until, within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start
    from tests.support.processes import Process

AT_THE_EDGE = "signs with a key that is not known here"
AT_THE_HANDLER = "does not know the key that signs here"
NO_LABELS: list[object] = [None, "ab", [b"ab"], [1], ["x" * 99], ["\x1b[31m"], [[]], ["a"] * 99]
QUIET = 2.0  # seconds; what is wrong has been told after one


class Site:
    """An edge with ring A and a handler with a ring of its own, with or without a broker between them."""

    def __init__(self, start: Start, folder: Path, *, brokered: bool, same: bool) -> None:
        self.bus, theirs = f"ipc://{folder}/bus", f"ipc://{folder}/bus"
        self.edge_ring, self.ring = folder / "edge.ring", folder / "handler.ring"
        keys.create(self.edge_ring)
        keys.save(self.ring, keys.load(self.edge_ring)) if same else keys.create(self.ring)
        more: tuple[str, ...] = ()
        if brokered:
            theirs, more = f"ipc://{folder}/handlers", ("--broker", f"ipc://{folder}/edges")
            start("broker", "--edges", f"ipc://{folder}/edges", "--handlers", theirs).wait_for("broker ready")
        edge = start_edge(start, self.edge_ring, self.bus, options=more)
        self.edge, self.port = edge.process, edge.port
        self.handler = start("handler", "--bus", theirs, "--keys", str(self.ring))
        self.handler.wait_for("handler ready")
        self.edge.wait_for("joins pool default")

    @classmethod
    def of(cls, edge: Process, port: int, handler: Process, folder: Path) -> Site:
        """What was started otherwise, on the bus in `folder`."""
        site = cls.__new__(cls)
        site.edge, site.port, site.handler, site.bus = edge, port, handler, f"ipc://{folder}/bus"
        return site

    def call(self, number: int) -> int:
        """Send an INVITE, then the ACK to what comes back; return the status."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
            phone.settimeout(within(5.0))
            phone.connect(("127.0.0.1", self.port))
            words: dict[str, Any] = {
                "call_id": f"call-{number}",
                "via": f"SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK{number}",
            }
            phone.send(request("INVITE", **words))
            reply = read_reply(phone.recv(65_535))
            phone.send(request("ACK", to=reply.one(b"To").decode(), **words))
            return reply.status

    def figures(self) -> dict[str, Any]:
        asked = run_slbroker("stats", "--bus", self.bus, "--json")
        figures: dict[str, Any] = json.loads(asked.output)["edges"][0]
        return figures

    def lines(self) -> tuple[int, int]:
        return self.edge.log.count(AT_THE_EDGE), self.handler.log.count(AT_THE_HANDLER)


def name_of(process: Process) -> str:
    return f":{process.pid}"


@pytest.mark.parametrize("brokered", [False, True], ids=["direct", "brokered"])
def test_two_rings_are_told_of_at_both_ends_once_and_a_sighup_mends_it(
    start_slbroker: Start, tmp_path: Path, brokered: bool
) -> None:
    site = Site(start_slbroker, tmp_path, brokered=brokered, same=False)
    at_edge, at_handler = site.edge.wait_for(AT_THE_EDGE), site.handler.wait_for(AT_THE_HANDLER)
    signs = keys.load(site.ring).current
    for line in (at_edge, at_handler):
        assert "WARNING" in line
        assert f"({signs.id.decode()}, fingerprint {signs.fingerprint})" in line
        assert "not absorbed" in line
        assert line.endswith("give both ends the same --keys file")
    if not brokered:
        assert name_of(site.handler) in at_edge
        assert name_of(site.edge) in at_handler
    for number in range(20):
        assert site.call(number) == 404
    until(lambda: site.figures()["dropped"].get("ack") == 20, what="20 ACKs that are not known")
    assert site.lines() == (1, 1), "a line for all, not for each request"
    (worker,) = site.figures()["workers"]
    assert worker["unknown_keys"] == [signs.label]
    assert f"unknown_keys {signs.label}" in run_slbroker("stats", "--bus", site.bus).output

    keys.save(site.ring, keys.load(site.edge_ring))
    site.handler.send(signal.SIGHUP)
    until(lambda: "unknown_keys" not in site.figures()["workers"][0], what="the edge's knowledge of the new ring")
    for number in range(20, 30):
        assert site.call(number) == 404
    until(lambda: site.figures()["absorbed"] == 10, what="10 ACKs absorbed")
    time.sleep(QUIET)
    assert site.lines() == (1, 1)
    assert site.handler.log.count("handler ready") == 1, "a WELCOME with something new in it is no other edge"


def test_a_sighup_of_the_edge_mends_it_too(start_slbroker: Start, tmp_path: Path) -> None:
    site = Site(start_slbroker, tmp_path, brokered=False, same=False)
    site.edge.wait_for(AT_THE_EDGE)
    keys.save(site.edge_ring, keys.load(site.ring))
    site.edge.send(signal.SIGHUP)
    until(lambda: "unknown_keys" not in site.figures()["workers"][0], what="the edge's new ring")
    site.call(1)
    until(lambda: site.figures()["absorbed"] == 1, what="the ACK absorbed")
    assert site.handler.log.count("handler ready") == 1


@pytest.mark.parametrize("brokered", [False, True], ids=["direct", "brokered"])
def test_one_ring_is_not_told_of_nor_is_its_rotation(start_slbroker: Start, tmp_path: Path, brokered: bool) -> None:
    site = Site(start_slbroker, tmp_path, brokered=brokered, same=True)
    time.sleep(QUIET)
    rotated = keys.rotate_file(site.edge_ring, time.time())
    keys.save(site.ring, rotated)
    site.handler.send(signal.SIGHUP)  # it alone, for now
    site.handler.wait_for("loaded again")
    site.call(1)
    time.sleep(QUIET)
    site.edge.send(signal.SIGHUP)
    site.edge.wait_for("loaded again")
    site.call(2)
    until(lambda: site.figures()["absorbed"] == 2, what="both ACKs absorbed")
    assert site.lines() == (0, 0)
    assert not re.search(r"WARNING|ERROR", site.edge.log + site.handler.log)


def rotate_secret(folder: Path, number: int, ring: keys.KeyRing) -> None:
    """As kubelet does: another directory, to which `..data` is turned."""
    (folder / f"..{number}").mkdir()
    keys.save(folder / f"..{number}" / "ring", ring)
    (folder / "..data_tmp").symlink_to(f"..{number}")
    (folder / "..data_tmp").rename(folder / "..data")


def test_a_ring_rotated_twice_is_taken_up_with_no_signal_and_no_ack_is_lost(
    start_slbroker: Start, tmp_path: Path
) -> None:
    """The edge has it as Kubernetes mounts it, the handler as a file that `slbroker keys rotate` replaces."""
    secret, ring = tmp_path / "secret", tmp_path / "handler.ring"
    keys.create(ring)
    secret.mkdir()
    rotate_secret(secret, 0, keys.load(ring))
    (secret / "ring").symlink_to("..data/ring")
    edge = start_edge(start_slbroker, secret / "ring", f"ipc://{tmp_path}/bus")
    handler = start_slbroker("handler", "--bus", f"ipc://{tmp_path}/bus", "--keys", str(ring))
    handler.wait_for("handler ready")
    edge.process.wait_for("joins pool default")
    site = Site.of(edge.process, edge.port, handler, tmp_path)
    for number in (1, 2):
        site.call(number)
        rotated = keys.rotate_file(ring, time.time())
        site.call(10 + number)
        rotate_secret(secret, number, rotated)
        for process in (edge.process, handler):
            process.wait_for(f"loaded again: {rotated.current.id.decode()} signs")
    site.call(3)
    until(lambda: site.figures()["absorbed"] == 5, what="every ACK absorbed")
    assert site.lines() == (0, 0)
    assert not re.search(r"WARNING|ERROR", edge.process.log + handler.log)


def test_a_ring_that_is_broken_while_it_serves_is_told_of_once_and_mended_by_itself(
    start_slbroker: Start, tmp_path: Path
) -> None:
    site = Site(start_slbroker, tmp_path, brokered=False, same=True)
    good = site.ring.read_text()
    for process, path in ((site.handler, site.ring), (site.edge, site.edge_ring)):
        path.write_text("garbled")
        process.wait_for("not reloaded, the old one stays in use: ")
    site.call(1)
    time.sleep(QUIET)
    for process, path in ((site.handler, site.ring), (site.edge, site.edge_ring)):
        assert process.log.count("not reloaded") == 1
        path.write_text(good)
        process.wait_for("loaded again, unchanged")
    site.call(2)
    until(lambda: site.figures()["absorbed"] == 2, what="both ACKs absorbed")


def test_an_edge_left_behind_by_two_rotations_is_told_of_as_such(start_slbroker: Start, tmp_path: Path) -> None:
    site = Site(start_slbroker, tmp_path, brokered=False, same=True)
    keys.save(site.ring, keys.load(site.edge_ring).rotate(time.time()).rotate(time.time()))  # and the edge's is not
    site.handler.send(signal.SIGHUP)
    advice = "the ring was rotated, and not all have its new file"
    assert site.edge.wait_for(AT_THE_EDGE).endswith(advice)
    assert site.handler.wait_for(AT_THE_HANDLER).endswith(advice)


def test_the_ring_replaced_at_both_ends_in_turn_is_not_told_of(start_slbroker: Start, tmp_path: Path) -> None:
    """A SIGHUP to both does not reach both at once."""
    site = Site(start_slbroker, tmp_path, brokered=False, same=True)
    new = keys.KeyRing.generate()
    keys.save(site.ring, new)
    keys.save(site.edge_ring, new)
    site.handler.send(signal.SIGHUP)
    site.handler.wait_for("loaded again")
    site.edge.send(signal.SIGHUP)
    site.edge.wait_for("loaded again")
    time.sleep(QUIET)
    assert site.lines() == (0, 0)


def test_a_real_edge_survives_what_is_no_label_and_is_silent_about_workers_that_tell_none(
    start_slbroker: Start, tmp_path: Path
) -> None:
    site = Site(start_slbroker, tmp_path, brokered=False, same=True)
    with ExitStack() as stack:
        for key in ("signs", "keys"):
            for number, value in enumerate(NO_LABELS):
                rogue = stack.enter_context(Rogue(site.bus))
                offer = {"name": f"{key}-{number}", "pool": "default", "credit": 1, "takes": []}
                rogue.say(Kind.HELLO, {**offer, key: value})
        older = stack.enter_context(Rogue(site.bus))
        older.say(Kind.HELLO, {"name": "older", "pool": "other", "credit": 1, "takes": []})
        until(lambda: site.figures()["garbage"] == 16, what="16 HELLOs that are garbage")
        site.edge.wait_for("worker older joins pool other")
        time.sleep(QUIET)
        assert {worker["pool"] for worker in site.figures()["workers"]} == {"default", "other"}
    assert site.call(1) == 404
    assert site.edge.running
    assert site.lines() == (0, 0)
