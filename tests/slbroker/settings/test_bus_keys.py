"""An encrypted bus as people set it up: the commands, what they say, and what goes over the wire between them."""

from __future__ import annotations

import json
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from slbroker import keys, logs
from slbroker.bus import curve
from slbroker.bus.address import parse_bus_address
from slbroker.cli import main
from slbroker.errors import ConfigError, Exit
from slbroker.settings.bus import BusSecurity, refuse_open
from tests.peers.brokers import Edge, free_bus_address, new_keys, start_edge
from tests.peers.phone import Phone
from tests.support.processes import ROOT, run_slbroker
from tests.support.timing import until

if TYPE_CHECKING:
    from tests.conftest import Start
    from tests.support.processes import Process

PAGE = ROOT / "docs" / "bus.md"
STRANGERS_SECONDS = 2.0  # in which a worker with the right keys is ready several times over


class Site:
    """The machines of a small network: an edge with a directory of clients, and workers with keys of their own."""

    def __init__(self, start: Start, folder: Path) -> None:
        self.start = start
        self.folder = folder
        self.ring = str(new_keys(folder))
        self.bus = free_bus_address("tcp", folder)
        self.clients = folder / "clients"
        self.clients.mkdir()
        self.make("edge")

    def make(self, name: str) -> None:
        curve.create(self.folder / name)

    def accept(self, name: str) -> None:
        (self.clients / f"{name}.key").write_bytes((self.folder / f"{name}.key").read_bytes())

    def edge(self, *words: str) -> Edge:
        keys = ("--bus-key", f"{self.folder}/edge.key_secret", "--bus-clients", str(self.clients))
        return start_edge(self.start, self.folder / "keys.ring", self.bus, options=(*keys, *words))

    def own(self, name: str, server: str = "edge") -> list[str]:
        """The options of one who connects."""
        return ["--bus", self.bus, "--bus-key", f"{name}.key_secret", "--bus-server-key", f"{server}.key"]

    def handler(self, *words: str) -> Process:
        return self.start("handler", "--keys", self.ring, *words, cwd=self.folder)

    def stats(self, *words: str) -> Process:
        return run_slbroker("stats", "--timeout", "3", *words, cwd=self.folder)


@pytest.fixture
def site(start_slbroker: Start, tmp_path: Path) -> Site:
    return Site(start_slbroker, tmp_path)


def answer(edge: Edge) -> int:
    """What OPTIONS gets now."""
    with Phone(edge.port) as phone:
        return phone.ask(phone.call().request("OPTIONS")).status


# Working --------------------------------------------------------------------------------------------------------


def test_with_the_keys_requests_are_answered_and_figures_told(site: Site) -> None:
    site.make("w1")
    site.accept("w1")
    edge = site.edge()
    site.handler(*site.own("w1")).wait_for("handler ready")
    assert answer(edge) == 200
    shown = site.stats(*site.own("w1"), "--json")
    assert shown.wait() == Exit.OK
    (figures,) = json.loads(shown.output)["edges"]
    assert (figures["replied"], len(figures["workers"])) == (1, 1)
    assert edge.process.stop() == Exit.OK


def test_a_worker_without_the_keys_gets_nothing(site: Site) -> None:
    site.make("w1")
    edge = site.edge()
    strangers = [
        site.handler(*site.own("w1")),
        site.handler("--bus", site.bus),
        site.handler(*site.own("edge", server="w1")),
    ]
    edge.process.wait_for("refused a client with the public key")
    for stranger in strangers:
        stranger.wait_for("handler started")
    with pytest.raises(AssertionError, match="only 0 of 1 lines"):
        strangers[0].wait_for("handler ready", STRANGERS_SECONDS)
    assert not any("handler ready" in stranger.log for stranger in strangers)
    assert answer(edge) == 503
    for words in (site.own("w1"), ["--bus", site.bus]):
        asked = site.stats(*words, "--timeout", "0.5")
        assert asked.wait() == Exit.NO_ANSWER
        assert asked.output == ""


def test_sighup_takes_up_a_new_workers_key_and_drops_an_old_ones(site: Site) -> None:
    site.make("w1")
    edge = site.edge()
    worker = site.handler(*site.own("w1"))
    line = edge.process.wait_for("refused a client")
    assert curve.load_public(site.folder / "w1.key").decode() in line
    site.accept("w1")
    edge.process.send(signal.SIGHUP)
    edge.process.wait_for("1 clients known")
    worker.wait_for("handler ready", 12.0)  # libzmq hangs up on a client that is not answered after 5 s
    assert answer(edge) == 200
    (site.clients / "w1.key").unlink()
    edge.process.send(signal.SIGHUP)
    edge.process.wait_for("0 clients known")
    assert answer(edge) == 503


def test_workers_and_edge_find_each_other_when_keys_come_later(site: Site) -> None:
    """The edge first has no keys; a worker that has some must not give it up for ever, as libzmq does."""
    site.make("w1")
    site.accept("w1")
    plain = start_edge(site.start, site.folder / "keys.ring", site.bus)
    worker = site.handler(*site.own("w1"))
    worker.wait_for("no edge is reached at tcp://")
    assert plain.process.stop() == Exit.OK
    edge = site.edge()
    worker.wait_for("handler ready", 12.0)
    assert answer(edge) == 200


def test_the_pages_worker_works_with_the_pages_keys(site: Site, start_program: Start) -> None:
    site.make("worker1")
    site.accept("worker1")
    page = PAGE.read_text()
    lines = re.findall(r"^    (from zmq import auth|bus\.curve_.*)$", page, re.MULTILINE)
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(lines) == 3
    assert code is not None
    before, connect, after = code[1].partition("bus.connect(")
    program = site.folder / "worker.py"
    program.write_text("\n".join([before, *lines, connect + after]))
    edge = site.edge()
    start_program(sys.executable, str(program), site.bus, cwd=site.folder)
    until(lambda: answer(edge) == 404, 10.0, what="the worker's answer")


def test_a_bad_file_on_sighup_changes_nothing(site: Site) -> None:
    site.make("w1")
    site.accept("w1")
    edge = site.edge()
    site.handler(*site.own("w1")).wait_for("handler ready")
    (site.clients / "w2.key").write_text("garbled")
    edge.process.send(signal.SIGHUP)
    assert "the old ones stay in use" in edge.process.wait_for("w2.key holds no public key")
    assert answer(edge) == 200


# The commands ---------------------------------------------------------------------------------------------------


def test_a_pair_is_made_and_said(tmp_path: Path) -> None:
    made = run_slbroker("keys", "bus", "edge", cwd=tmp_path)
    assert made.wait() == Exit.OK
    assert curve.load_public(tmp_path / "edge.key").decode() in made.output
    secret = curve.load_pair(tmp_path / "edge.key_secret").secret.decode()
    assert secret not in made.output
    again = run_slbroker("keys", "bus", "edge", cwd=tmp_path)
    assert (again.wait(), again.log) == (
        Exit.CONFIG,
        "slbroker: edge.key_secret exists and stays as it is; choose another name\n",
    )


def test_check_looks_at_bus_keys(tmp_path: Path) -> None:
    pairs = {name: curve.create(tmp_path / name) for name in ("edge", "w1")}
    words = ("check", "--bus-key", "edge.key_secret", "--bus-clients", ".", "--bus-server-key", "w1.key")
    good = run_slbroker(*words, cwd=tmp_path)
    assert good.wait() == Exit.OK
    said = re.findall(r"ok   bus +(.*)", good.output)
    assert said == [
        f"edge.key_secret: our public key is {pairs['edge'].public.decode()}",
        ".: edge, w1 may connect",
        f"w1.key: the other end has {pairs['w1'].public.decode()}",
    ]
    (tmp_path / "edge.key_secret").chmod(0o644)
    bad = run_slbroker(*words, cwd=tmp_path)
    assert bad.wait() == Exit.CONFIG
    assert "BAD  bus" in bad.output
    assert "is open to other users (mode 0644)" in bad.output


EDGE = "edge --keys ring --listen udp:127.0.0.1:0 "
HANDLER = "handler --keys ring "
FAR = "--bus tcp://192.0.2.1:5590 "


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (EDGE + FAR, "is open to other machines and unencrypted; give it keys"),
        (HANDLER + FAR, "is open to other machines and unencrypted; give it keys"),
        (HANDLER + "--bus tcp://127.0.0.1:5590 --bus tcp://edge1:5590", "bus tcp://edge1:5590 is open to other"),
        (EDGE + "--bus-key a.key_secret", "--bus-key needs --bus-clients DIRECTORY"),
        (EDGE + "--bus-clients .", "--bus-clients needs --bus-key FILE"),
        (EDGE + "--bus-key none.key_secret --bus-clients .", "no bus key none.key_secret; run: slbroker keys bus none"),
        (EDGE + "--bus-key a.key --bus-clients .", "a.key holds no secret key; name the file that ends in .key_secret"),
        (EDGE + "--bus-key open.key_secret --bus-clients .", "(mode 0644); run: chmod 600 open.key_secret"),
        (EDGE + "--bus-key a.key_secret --bus-clients none", "no none; put the public keys of those who may connect"),
        (EDGE + "--bus-key a.key_secret --bus-clients ring", "bus key ring holds no public key"),
        (EDGE + "--bus-key a.key_secret --bus-clients a.key_secret", "bus key a.key_secret holds a secret"),
        (HANDLER + "--bus-key a.key_secret", "--bus-key needs --bus-server-key FILE"),
        (HANDLER + "--bus-server-key a.key", "--bus-server-key needs --bus-key FILE"),
        (HANDLER + "--bus-key a.key_secret --bus-server-key ring", "bus key ring holds no public key"),
        (HANDLER + "--bus-key ring --bus-server-key a.key", "bus key ring holds no secret key"),
        (HANDLER + "--bus-key a.key_secret --bus-server-key a.key --bus-server-key a.key", "2 --bus-server-key for 1"),
        ("stats --bus-key a.key_secret", "--bus-key needs --bus-server-key FILE"),
        ("stats --bus-key none.key_secret --bus-server-key a.key", "no bus key none.key_secret"),
        ("check --bus-clients .", "--bus-key FILE is missing"),
    ],
)
def test_what_people_get_wrong_is_one_line(
    words: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["slbroker", *words.split()])
    monkeypatch.setattr(logs, "set_up_logging", lambda *_: None)
    keys.create("ring")
    for name in ("a", "open"):
        curve.create(name)
    (tmp_path / "open.key_secret").chmod(0o644)
    with pytest.raises(SystemExit) as caught:
        main()
    output = capsys.readouterr()
    assert (caught.value.code, output.out) == (Exit.CONFIG, "")
    assert output.err.count("\n") == 1
    assert said in output.err


def test_with_keys_the_bus_may_be_open_to_other_machines() -> None:
    far = parse_bus_address("tcp://0.0.0.0:5590")
    refuse_open([far], BusSecurity(Path("edge.key_secret"), Path("clients")), insecure=False)
    with pytest.raises(ConfigError, match="give it keys"):
        refuse_open([far], None, insecure=False)


def test_on_a_network_that_nobody_else_reaches_keys_may_be_left_out(site: Site) -> None:
    worker = site.handler("--bus", "tcp://192.0.2.1:5590", "--insecure-bus")
    worker.wait_for("handler started")
    assert worker.stop() == Exit.OK
