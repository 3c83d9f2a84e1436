"""Signals: which one, at which moment, to which command; as an ordinary process, and as process 1 of a container."""

from __future__ import annotations

import os
import pty
import signal
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from slbroker import keys
from tests.support.peers import free_udp_port
from tests.support.processes import ROOT, child_environment
from tests.support.sip import request
from tests.support.timing import until, within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Start
    from tests.support.processes import Process

HUP, TERM = signal.SIGHUP, signal.SIGTERM

HEAD: Final = (
    "import asyncio, os, sys, time\nfrom pathlib import Path\nfrom slbroker import Handlers\napp = Handlers()\n"
)
ANSWER: Final = "@app.on('OPTIONS')\ndef answer(request):\n    return request.reply(200)\n"
BEGUN: Final = "    print('begun', file=sys.stderr)\n"
PLUGINS: Final = {
    "plain": HEAD + ANSWER,
    "slow import": HEAD + "time.sleep(1.5)\n" + ANSWER,
    "blocks": HEAD + "@app.on('OPTIONS')\ndef answer(request):\n" + BEGUN + "    time.sleep(60)\n",
    "waits": HEAD + "@app.on('OPTIONS')\nasync def answer(request):\n" + BEGUN + "    await asyncio.sleep(60)\n",
    "startup hangs": HEAD + ANSWER + "@app.startup\nasync def hang():\n" + BEGUN + "    await asyncio.sleep(60)\n",
    "startup blocks": HEAD + ANSWER + "@app.startup\ndef hang():\n" + BEGUN + "    time.sleep(60)\n",
    "shutdown hangs": HEAD + ANSWER + "@app.shutdown\nasync def hang():\n" + BEGUN + "    await asyncio.sleep(60)\n",
    "reload hangs": HEAD + ANSWER + "flag = Path(__file__).with_name('loaded')\n@app.startup\nasync def hang():\n"
    "    if not flag.exists():\n        return flag.touch()\n" + BEGUN + "    await asyncio.sleep(60)\n",
    "forks": HEAD + "@app.on('OPTIONS')\ndef answer(request):\n    pid = os.fork()\n    if not pid:\n"
    "        time.sleep(60)\n        os._exit(0)\n    return request.reply(200)\n",
}


class Site:
    """Commands on one bus; as process 1 each has a PID namespace of its own."""

    def __init__(self, start_program: Start, folder: Path, *, first: bool) -> None:
        self._start, self._folder, self._first = start_program, folder, first
        self._started: list[Process] = []
        self.port = free_udp_port()
        keys.create(folder / "ring")

    def start(self, *words: str) -> Process:
        alone = ("unshare", "--pid", "--fork", "--kill-child") if self._first else ()
        self._started.append(self._start(*alone, sys.executable, "-m", "slbroker", *words))
        return self._started[-1]

    def kill(self) -> None:
        """End what still runs: `unshare` is deaf to SIGTERM, and some of these plugins are."""
        for process in self._started:
            process.kill()

    def edge(self, *words: str) -> Process:
        listen = ("--listen", f"udp:127.0.0.1:{self.port}")
        return self.start("edge", *listen, "--bus", self.bus, "--keys", self.ring, *words)

    def handler(self, plugin: str, *words: str) -> Process:
        return self.start("handler", "--bus", self.bus, "--keys", self.ring, "--plugin", self._write(plugin), *words)

    def broker(self) -> Process:
        return self.start(
            "broker", "--edges", f"ipc://{self._folder}/edges", "--handlers", f"ipc://{self._folder}/handlers"
        )

    def run(self, plugin: str) -> Process:
        return self.start("run", "--listen", f"udp:127.0.0.1:{self.port}", "--plugin", self._write(plugin))

    def _write(self, plugin: str) -> str:
        file = self._folder / plugin.replace(" ", "_") / "plugin.py"
        file.parent.mkdir()
        file.write_text(PLUGINS[plugin])
        return str(file)

    bus = property(lambda self: f"ipc://{self._folder}/bus")
    ring = property(lambda self: str(self._folder / "ring"))

    def command(self, process: Process) -> int:
        """The command's process id, not of what put it into its namespace."""
        if not self._first:
            return process.pid
        until(lambda: _children(process.pid), what="the process in its namespace")
        (pid,) = _children(process.pid)
        return pid

    def send(self, process: Process, number: signal.Signals) -> None:
        os.kill(self.command(process), number)

    def ask(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
            phone.sendto(request(call_id=str(time.monotonic())), ("127.0.0.1", self.port))


def _catches(pid: int, number: signal.Signals) -> bool:
    (caught,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt:")]
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


def _has_ended(pid: int) -> bool:
    """Return whether a process is no more, waited for by its parent or not yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


@pytest.fixture(params=["process", "process 1"])
def site(request: pytest.FixtureRequest, start_program: Start, tmp_path: Path) -> Iterator[Site]:
    first = request.param == "process 1"
    if first and os.geteuid():
        pytest.skip("takes root, to be process 1 of a namespace")
    made = Site(start_program, tmp_path, first=first)
    yield made
    made.kill()


def serving(site: Site, command: str) -> Process:
    """One of the commands, when it serves."""
    match command:
        case "edge":
            process, line, times = site.edge(), "edge ready", 1
        case "edge --processes 2":
            process, line, times = site.edge("--processes", "2"), "edge ready", 2
        case "broker":
            process, line, times = site.broker(), "broker ready", 1
        case "run":
            process, line, times = site.run("plain"), "handler ready", 2
        case "handler --workers 2":
            process, line, times = site.handler("plain", "--workers", "2"), "handler started", 2
        case _:
            process, line, times = site.handler("plain"), "handler started", 1
    process.wait_for(line, times=times)
    return process


COMMANDS: Final = ("edge", "edge --processes 2", "broker", "run", "handler", "handler --workers 2")


@pytest.mark.parametrize("command", COMMANDS)
def test_one_sigterm_ends_a_command_that_serves_and_sighup_does_not(site: Site, command: str) -> None:
    process = serving(site, command)
    site.send(process, HUP)
    if command != "broker":
        process.wait_for("loaded again")
    site.send(process, TERM)
    assert process.wait(8.0) == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_sighup_while_it_starts_ends_no_command(site: Site, command: str) -> None:
    """From when we have a say: Python itself takes some time to begin."""
    plugin = "slow import"
    match command:
        case "edge" | "edge --processes 2":
            process = site.edge(*command.split()[1:])
        case "broker":
            process = site.broker()
        case "run":
            process = site.run(plugin)
        case _:
            process = site.handler(plugin, *command.split()[1:])
    until(lambda: _catches(site.command(process), HUP), what="a process that catches SIGHUP")
    site.send(process, HUP)
    process.wait_for("started" if "handler" in command else "ready", 20.0)
    site.send(process, TERM)
    assert process.wait(10.0) == 0


def test_sighup_while_a_handler_starts_reloads_it_then(site: Site) -> None:
    process = site.handler("slow import")
    time.sleep(within(0.8))
    site.send(process, HUP)
    process.wait_for("handler started", 20.0)
    process.wait_for("loaded again", 20.0)


@pytest.mark.parametrize("plugin", ["blocks", "waits"])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_second_sigterm_ends_a_handler_at_once_whatever_it_does(site: Site, plugin: str, workers: str) -> None:
    site.edge("--handler-timeout", "60").wait_for("edge ready")
    process = site.handler(plugin, "--workers", workers)
    process.wait_for("handler ready", times=int(workers))
    site.ask()
    process.wait_for("begun")
    site.send(process, TERM)
    time.sleep(within(0.5))
    assert process.running, "the first one waits for the request"
    site.send(process, TERM)
    process.wait(2.0)


def test_a_hook_that_hangs_is_named_and_not_waited_for_without_limit(site: Site) -> None:
    """All kinds at once: each takes the time that hooks have."""
    site.edge().wait_for("edge ready")
    hangs = {
        plugin: site.handler(plugin) for plugin in ("startup hangs", "startup blocks", "reload hangs", "shutdown hangs")
    }
    for plugin, number in (("reload hangs", HUP), ("shutdown hangs", TERM)):
        hangs[plugin].wait_for("handler ready")
        site.send(hangs[plugin], number)
    for plugin, process in hangs.items():
        process.wait_for("begun")
        if plugin != "shutdown hangs":
            site.send(process, TERM)
    begun = time.monotonic()
    for process in hangs.values():
        process.wait(30.0)
        assert time.monotonic() - begun < within(20.0)
        assert any(words in process.log for words in ("hook", "the start has not ended"))


def test_a_request_that_hangs_is_waited_for_no_longer_than_its_edge_does(site: Site) -> None:
    site.edge("--handler-timeout", "2").wait_for("edge ready")
    process = site.handler("waits")
    process.wait_for("handler ready")
    site.ask()
    process.wait_for("begun")
    site.send(process, TERM)
    process.wait_for("waiting for 1 open requests")
    assert process.wait(10.0) == 0


def test_a_process_that_a_handler_forks_has_signals_of_its_own(site: Site) -> None:
    site.edge().wait_for("edge ready")
    process = site.handler("forks")
    process.wait_for("handler ready")
    site.ask()
    handler = site.command(process)
    until(lambda: _children(handler), what="the handler's child")
    (child,) = _children(handler)
    os.kill(child, TERM)
    until(lambda: _has_ended(child), what="the end of the child")
    time.sleep(within(0.5))
    assert process.running
    assert "stopping" not in process.log


def test_a_closed_terminal_ends_what_was_started_in_it(tmp_path: Path) -> None:
    """The shell's own children get SIGHUP from the kernel when the terminal goes."""
    pid, terminal = pty.fork()
    if not pid:
        os.chdir(ROOT)
        words = ("run", "--listen", "udp:127.0.0.1:0", "--workers", "1")
        os.execve(sys.executable, (sys.executable, "-m", "slbroker", *words), dict(child_environment()))
    said = b""
    while b"handler ready" not in said:
        said += os.read(terminal, 4096)
    os.close(terminal)
    until(lambda: os.waitpid(pid, os.WNOHANG)[0] == pid, 15.0, what="the end of what was run")
