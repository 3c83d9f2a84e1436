"""Reloading a real worker under load: no request goes unanswered, and a broken version is said with its line."""

from __future__ import annotations

import signal
import socket
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from slbroker.sip.response import parse_response
from slbroker.testing import RequestFactory
from tests.peers.brokers import Edge, free_bus_address, new_keys, start_edge
from tests.support.processes import run_slbroker
from tests.support.timing import until, within

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Start
    from tests.support.processes import Process

BURST = 32
PLUGIN = """
from slbroker import Handlers
app = Handlers()
@app.otherwise
async def answer(request):
    return request.reply(200, "Version {version}")
"""


class Site:
    """An edge, one worker, and a caller."""

    def __init__(self, start: Start, folder: Path, *options: str) -> None:
        self._start, self._folder = start, folder
        self.keys = new_keys(folder)
        self.edge: Edge = start_edge(start, self.keys, free_bus_address("ipc", folder), options=options)
        self.plugin = folder / "answers.py"
        self.write(1)
        self.sent = 0
        self._factory = RequestFactory()
        self._caller = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._caller.settimeout(within(5))
        self._caller.connect(("127.0.0.1", self.edge.port))

    def write(self, version: int) -> None:
        self.plugin.write_text(PLUGIN.format(version=version))

    def handler(self, *options: str) -> Process:
        words = ("--bus", self.edge.bus, "--plugin", str(self.plugin), "--keys", str(self.keys), *options)
        handler = self._start("handler", *words)
        handler.wait_for("handler ready")
        return handler

    def versions(self) -> set[str]:
        """Send a burst; who answered. Fails when one request has no answer."""
        for _ in range(BURST):
            self._caller.send(self._factory.request("OPTIONS"))
        self.sent += BURST
        replies = [parse_response(self._caller.recv(65_535)) for _ in range(BURST)]
        return {reply.reason for reply in replies if reply}

    def serves(self, version: int) -> bool:
        return self.versions() == {f"Version {version}"}

    def close(self) -> None:
        self._caller.close()


@pytest.fixture
def site(start_slbroker: Start, tmp_path: Path) -> Iterator[Site]:
    made = Site(start_slbroker, tmp_path)
    yield made
    made.close()


def test_sighup_swaps_the_plugin_and_loses_nothing(site: Site) -> None:
    handler = site.handler()
    for version in range(2, 6):
        site.write(version)
        handler.send(signal.SIGHUP)
        until(lambda version=version: site.serves(version), what=f"version {version}")  # type: ignore[misc]
    figures = site.edge.wait_for_figures(in_flight=0)
    assert figures["replied"] == figures["received"] == site.sent


def test_a_broken_version_keeps_the_old_one_running_and_says_why(site: Site) -> None:
    handler = site.handler()
    site.plugin.write_text("from slbroker import Handlers\napp = Handlers(\n\n")
    handler.send(signal.SIGHUP)
    line = handler.wait_for("not reloaded, the old one stays in use")
    assert f"{site.plugin}:2: '(' was never closed" in line
    assert site.serves(1)
    site.write(2)
    handler.send(signal.SIGHUP)
    until(lambda: site.serves(2), what="the mended version")


def test_a_saved_file_is_taken_up_by_itself(site: Site) -> None:
    handler = site.handler("--reload", "--workers", "2")
    handler.wait_for("handler ready", times=2)
    site.write(2)
    handler.wait_for("loaded again", times=2)
    until(lambda: site.serves(2), what="the new version, from both workers")


def test_a_reload_may_ask_for_acks(site: Site) -> None:
    """The edge hands out ACKs from then on, as HELLO says anew."""
    handler = site.handler()
    more = 'app.on("ACK")(lambda request: open(__file__ + ".acks", "a").write("x"))\n'
    site.plugin.write_text(PLUGIN.format(version=2) + more)
    handler.send(signal.SIGHUP)
    until(lambda: site.serves(2), what="the new version")
    acks = site.plugin.with_name("answers.py.acks")

    def arrived() -> bool:
        site._caller.send(site._factory.request("ACK"))
        return acks.exists()

    until(arrived, what="an ACK at the handler")


def test_a_copy_of_the_requests_is_recorded_and_nothing_else_changes(start_slbroker: Start, tmp_path: Path) -> None:
    site = Site(start_slbroker, tmp_path, "--shadow", "record")
    site.handler()
    recording = tmp_path / "requests.jsonl"
    words = ("record", str(recording), "--bus", site.edge.bus, "--keys", str(tmp_path / "keys.ring"))
    recorder = start_slbroker(*words)
    recorder.wait_for("handler ready")
    with closing(site):
        assert site.serves(1)
    until(lambda: len(recording.read_text().splitlines()) == BURST, what="the copies in the file")
    assert recorder.stop() == 0
    played = run_slbroker("replay", str(recording), "--plugin", str(site.plugin))
    assert played.wait() == 0, played
    assert played.output.count(": 200 Version 1") == BURST


def test_what_is_recorded_can_be_played_again(site: Site, tmp_path: Path) -> None:
    recording = tmp_path / "requests.jsonl"
    handler = site.handler("--record", str(recording))
    assert site.serves(1)
    assert handler.stop() == 0
    assert oct(recording.stat().st_mode & 0o777) == "0o600"
    other = tmp_path / "other.py"
    other.write_text(PLUGIN.format(version=2))
    same = run_slbroker("replay", str(recording), "--plugin", str(site.plugin), "--against", str(site.plugin))
    assert same.wait() == 0, same
    assert f"{BURST} requests, 0 answered differently" in same.output
    differs = run_slbroker("replay", str(recording), "--plugin", str(site.plugin), "--against", str(other))
    assert differs.wait() == 1, differs
    assert "200 Version 1 | 200 Version 2" in differs.output
