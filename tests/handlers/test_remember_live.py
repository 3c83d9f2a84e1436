"""Remembered decisions between real processes: an edge, workers, a broker, and a plugin that counts its calls."""

from __future__ import annotations

import json
import signal
import socket
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from slbroker.sip.response import parse_response
from slbroker.testing import RequestFactory
from tests.support.processes import run_slbroker
from tests.support.timing import until, within

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Start

PLUGIN = """
import asyncio
import os
from slbroker import Handlers
app = Handlers()

@app.on("OPTIONS", "INVITE", remember={seconds})
def answer(request):
    user = request.uri.user
    return request.reply(404, "{version}", headers={{"X-Call": os.urandom(8).hex(), "X-User": user}})

@app.on("MESSAGE", remember=600)
def silent(request):
    open("{folder}/dropped", "a").write("x")
    return request.drop()

@app.on("PUBLISH", remember=600)
async def looks_up(request):
    open("{folder}/asked", "a").write("x")
    await asyncio.sleep({slow})
    return request.reply(404, "{version}", headers={{"X-Call": os.urandom(8).hex(), "X-User": request.uri.user}})

@app.on("SUBSCRIBE")
def wishes(request):
    return request.reply(489, headers={{"X-User": request.uri.user}}, remember=600)
"""


class Site:
    """An edge, a worker or several, a caller."""

    def __init__(self, start: Start, folder: Path, *, brokered: bool = False) -> None:
        self._start, self.folder = start, folder
        self.keys, self.bus = folder / "ring", f"ipc://{folder}/bus"
        assert run_slbroker("keys", "new", str(self.keys)).wait() == 0
        more: tuple[str, ...] = ()
        self.theirs = self.bus
        if brokered:
            self.theirs = f"ipc://{folder}/handlers"
            start("broker", "--edges", f"ipc://{folder}/edges", "--handlers", self.theirs).wait_for("broker ready")
            more = ("--broker", f"ipc://{folder}/edges")
        self.edge = start("edge", "--listen", "udp:127.0.0.1:0", "--keys", str(self.keys), "--bus", self.bus, *more)
        port = self.edge.wait_for("edge ready").rpartition("udp:127.0.0.1:")[2].partition(",")[0]
        self._factory = RequestFactory()
        self._caller = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._caller.settimeout(within(5))
        self._caller.connect(("127.0.0.1", int(port)))
        self.plugin = folder / "plugin.py"

    def write(self, version: str, seconds: float = 600.0) -> None:
        self.plugin.write_text(PLUGIN.format(version=version, seconds=seconds, folder=self.folder, slow=within(1)))

    def handler(self, *more: str) -> Any:
        words = ("--bus", self.theirs, "--keys", str(self.keys), "--plugin", str(self.plugin), *more)
        handler = self._start("handler", *words)
        handler.wait_for("handler ready")
        until(lambda: self.figures()["workers"])  # behind a broker that is a moment later
        return handler

    def ask(self, user: str = "bob", method: str = "OPTIONS") -> tuple[str, str]:
        """Which version answers, and which of its calls that was."""
        self.begin(user, method)
        return self.hear(user)

    def begin(self, user: str, method: str) -> None:
        self._caller.send(self._factory.request(method, f"sip:{user}@example.com"))

    def hear(self, user: str) -> tuple[str, str]:
        reply = parse_response(self._caller.recv(65_535))
        assert reply is not None
        assert reply.first("X-User") == user
        return reply.reason, reply.first("X-Call") or ""

    def send(self, data: bytes) -> None:
        self._caller.send(data)

    def figures(self) -> dict[str, Any]:
        asked = run_slbroker("stats", "--bus", self.bus, "--json")
        assert asked.wait() == 0  # they add up
        (figures,) = json.loads(asked.output)["edges"]
        return dict(figures)

    def close(self) -> None:
        self._caller.close()


@pytest.fixture(params=[False, True], ids=["direct", "brokered"])
def site(request: pytest.FixtureRequest, start_slbroker: Start, tmp_path: Path) -> Iterator[Site]:
    with closing(Site(start_slbroker, tmp_path, brokered=request.param)) as made:
        yield made


def test_a_handler_is_asked_once_and_again_when_it_is_loaded_again(site: Site) -> None:
    site.write("one")
    handler = site.handler()
    first = site.ask()
    assert {site.ask() for _ in range(20)} == {first}
    assert site.ask("alice")[1] != first[1]
    assert site.ask("bob", "INVITE")[1] not in (first[1], "")
    figures = site.figures()
    assert (figures["replied"], figures["remembered"], figures["memory"]["entries"]) == (23, 20, 3)
    handler.send(signal.SIGHUP)  # nothing has changed in the file, but may have elsewhere
    handler.wait_for("loaded again")
    until(lambda: site.ask()[1] != first[1])
    site.write("two")
    handler.send(signal.SIGHUP)
    handler.wait_for("loaded again", times=2)
    until(lambda: site.ask()[0] == "two")
    assert {site.ask()[0] for _ in range(5)} == {"two"}


def test_forget_has_handlers_asked_again(site: Site) -> None:
    site.write("one")
    site.handler()
    first = site.ask()
    assert site.ask() == first
    asked = run_slbroker("forget", "--bus", site.bus, "--of", "another")
    assert asked.wait() == 0
    assert ": 0 decisions forgotten" in asked.output
    assert site.ask() == first
    asked = run_slbroker("forget", "--bus", site.bus)
    assert asked.wait() == 0
    assert ": 1 decisions forgotten" in asked.output
    assert site.ask() != first


def test_what_is_remembered_outlives_the_workers(site: Site) -> None:
    site.write("one")
    handler = site.handler()
    first = site.ask()
    handler.kill()
    until(lambda: not site.figures()["workers"])
    assert {site.ask() for _ in range(5)} == {first}
    site.handler()  # the same version: nothing is forgotten
    assert site.ask() == first
    site.write("two")
    site.handler()
    until(lambda: site.ask()[0] in ("one", "two") and site.ask() != first)


def test_silence_and_wishes_and_the_end_of_the_time(site: Site) -> None:
    site.write("one", seconds=0.5)
    site.handler()
    factory = RequestFactory()
    for _ in range(10):
        site.send(factory.request("MESSAGE", "sip:bob@example.com"))
        site.ask()  # one after the other
    assert (site.folder / "dropped").read_text() == "x"
    first = site.ask()
    until(lambda: site.ask() != first)
    for _ in range(3):
        site.ask("carol", "SUBSCRIBE")
    before = site.figures()["remembered"]

    def is_remembered() -> bool:
        site.ask("carol", "SUBSCRIBE")
        return bool(site.figures()["remembered"] > before)

    until(is_remembered)  # it was not declared, and said so when it was called


def begin_to_look_up(site: Site) -> None:
    """A handler has been asked, and has not answered yet."""
    site.begin("bob", "PUBLISH")
    until(lambda: (site.folder / "asked").exists())


def test_what_was_decided_before_the_forgetting_is_not_remembered_after_it(site: Site) -> None:
    """A handler has looked into the database, it changes, `slbroker forget` is called, and then the handler answers."""
    site.write("one")
    site.handler()
    begin_to_look_up(site)
    assert run_slbroker("forget", "--bus", site.bus).wait() == 0
    first = site.hear("bob")
    second = site.ask("bob", "PUBLISH")
    assert second != first
    assert site.ask("bob", "PUBLISH") == second


def test_nor_is_the_last_answer_of_a_handler_that_another_version_follows(site: Site) -> None:
    site.write("one")
    old = site.handler()
    begin_to_look_up(site)
    site.write("two")
    site.handler()
    old.send(signal.SIGTERM)
    assert site.hear("bob")[0] == "one"
    old.wait()
    until(lambda: len(site.figures()["workers"]) == 1)
    assert site.ask("bob", "PUBLISH")[0] == "two"
