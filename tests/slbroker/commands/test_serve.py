"""`slbroker run` as people start it, and what it says when it cannot."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from slbroker.errors import Exit
from slbroker.keys import create as create_keys
from tests.peers.phone import Phone
from tests.support.processes import gone, run_slbroker
from tests.support.timing import until, within

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Start
    from tests.support.processes import Process

# Says on stderr which worker has begun; waits as many seconds as the user part says, then answers.
PLUGIN = """
import asyncio, os, sys
from slbroker import Handlers

app = Handlers()

@app.on("INVITE")
async def wait(request):
    os.write(2, f"begun by {os.getpid()}\\n".encode())
    await asyncio.sleep(float(request.headers.get("X-Seconds", "0")))
    return request.reply(404, "Waited", headers={"X-Worker": str(os.getpid())})

@app.on("MESSAGE")
def fail(request):
    raise RuntimeError("no luck")

@app.otherwise
def answer(request):
    return request.reply(200, headers={"X-Worker": str(os.getpid())})
"""
FAILING_LINE = PLUGIN.splitlines().index('    raise RuntimeError("no luck")') + 1
LISTEN = ("--listen", "udp:127.0.0.1:0")


def port_of(process: Process) -> int:
    found = re.search(r"udp:\S+:(\d+)", process.wait_for("edge ready"))
    assert found
    return int(found[1])


def start_run(start: Start, plugin: Path | None = None, workers: int = 1, *words: str) -> tuple[Process, int]:
    """Start `slbroker run`; the process and its port when all workers are there."""
    chosen = ("--plugin", str(plugin)) if plugin else ()
    process = start("run", *LISTEN, "--workers", str(workers), *chosen, *words)
    port = port_of(process)
    process.wait_for("handler ready", times=workers)
    return process, port


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    file = tmp_path / "answers.py"
    file.write_text(PLUGIN)
    return file


@pytest.fixture
def running(start_slbroker: Start, plugin: Path) -> tuple[Process, int]:
    return start_run(start_slbroker, plugin)


@pytest.fixture
def phone(running: tuple[Process, int]) -> Iterator[Phone]:
    with Phone(running[1]) as caller:
        yield caller


def waiting_for(seconds: float, phone: Phone) -> bytes:
    """An INVITE that its handler answers after so many seconds."""
    return phone.call().request("INVITE").replace(b"\r\n\r\n", b"\r\nX-Seconds: %f\r\n\r\n" % seconds)


def pid_in(line: str) -> int:
    """The process that wrote a log line, or that it speaks of."""
    found = re.search(r"\[(\d+)\]|begun by (\d+)", line)
    assert found
    return int(found[1] or found[2])


# Serving --------------------------------------------------------------------------------------------------------


def test_the_first_two_minutes(start_slbroker: Start) -> None:
    """`slbroker run`, and in another terminal the ping that it proposes."""
    process, port = start_run(start_slbroker, workers=2)
    ping = run_slbroker("ping", f"sip:127.0.0.1:{port}")
    assert ping.wait() == Exit.OK
    assert re.fullmatch(rf"200 OK from sip:127\.0\.0\.1:{port} in \d+\.\d\d ms(, sent \d+ times)?\n", ping.output)
    assert ping.log == ""
    assert "2 workers with slbroker_handlers.bundled; Ctrl-C stops" in process.output
    assert process.stop() == Exit.OK
    assert not re.search(r"WARNING|ERROR|Traceback", process.log)


def test_a_plugin_s_exception_is_500_and_one_line(running: tuple[Process, int], phone: Phone, plugin: Path) -> None:
    reply = phone.ask(phone.call().request("MESSAGE"))
    assert (reply.status, reply.reason) == (500, "I'm terribly sorry, server error occurred (1/SL)")
    line = running[0].wait_for("RuntimeError")
    assert re.search(r"MESSAGE sip:bob@example\.com, Call-ID \S+: RuntimeError: no luck, at ", line)
    assert f"at {plugin}:{FAILING_LINE} in fail" in line
    assert phone.ask(phone.call().request("OPTIONS")).status == 200
    assert "Traceback" not in running[0].log


# Ending ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("whom", ["parent", "group"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains(running: tuple[Process, int], phone: Phone, whom: str, number: signal.Signals) -> None:
    """The group is what Ctrl-C and systemd signal: each child hears it from them, and again from the parent."""
    process, _port = running
    phone.send(waiting_for(0.5, phone))
    process.wait_for("begun by")
    if whom == "parent":
        process.send(number)
    else:
        os.killpg(process.pid, number)
    reply = phone.receive()
    assert reply is not None
    assert (reply.status, reply.reason) == (404, "Waited")
    assert process.wait() == Exit.OK
    assert "replied 1" in process.log


def test_a_second_signal_stops_at_once(running: tuple[Process, int], phone: Phone) -> None:
    process, _port = running
    phone.send(waiting_for(60, phone))
    process.wait_for("begun by")
    process.send(signal.SIGTERM)
    process.wait_for("stopping", times=2)
    assert process.running
    process.send(signal.SIGTERM)
    assert process.wait(3.0) == Exit.OK
    assert "in_flight" not in process.log  # nothing was left to say so


def test_when_the_parent_is_killed_the_children_stop(running: tuple[Process, int]) -> None:
    process, _port = running
    children = [pid_in(process.wait_for(text)) for text in ("edge ready", "handler ready")]
    os.kill(process.pid, signal.SIGKILL)
    until(lambda: all(map(gone, children)), what="the end of edge and handler")
    assert "edge stopped" in process.log
    assert "handler stopped" in process.log


def test_nothing_is_left_behind(start_slbroker: Start, tmp_path: Path) -> None:
    folder = tmp_path / "t"
    folder.mkdir()
    process = start_slbroker("run", *LISTEN, env={"TMPDIR": str(folder), "XDG_RUNTIME_DIR": str(tmp_path)})
    process.wait_for("handler ready")
    assert len(list(folder.iterdir())) == 1
    assert process.stop() == Exit.OK
    assert list(folder.iterdir()) == []


def test_stats_finds_a_run_while_it_runs(start_slbroker: Start, tmp_path: Path) -> None:
    env = {"XDG_RUNTIME_DIR": str(tmp_path)}
    first = start_slbroker("run", *LISTEN, "--workers", "1", env=env)
    first.wait_for("handler ready")
    second = start_slbroker("run", *LISTEN, "--workers", "1", env=env)  # it has a bus of its own
    second.wait_for("handler ready")
    shown = run_slbroker("stats", env=env)
    assert shown.wait() == Exit.OK, shown
    assert f":{pid_in(first.wait_for('edge ready'))}" in shown.output
    assert first.stop() == Exit.OK
    assert second.stop() == Exit.OK
    assert run_slbroker("stats", "--timeout", "0.2", env=env).wait() == Exit.NO_ANSWER
    third = start_slbroker("run", *LISTEN, "--workers", "1", env=env)
    third.wait_for("handler ready")
    assert run_slbroker("stats", env=env).wait() == Exit.OK


def test_run_takes_the_bus_that_it_is_told(start_slbroker: Start, tmp_path: Path) -> None:
    bus = f"ipc://{tmp_path}/b/bus"
    process = start_slbroker("run", *LISTEN, "--workers", "1", "--bus", bus)
    process.wait_for("handler ready")
    shown = run_slbroker("stats", "--bus", bus)
    assert shown.wait() == Exit.OK, shown
    open_bus = run_slbroker("run", *LISTEN, "--bus", "tcp://192.0.2.1:5590")
    assert "other machines" in complaint(open_bus, Exit.CONFIG)


# Deaths ---------------------------------------------------------------------------------------------------------


def test_a_worker_that_is_killed_is_replaced_and_its_requests_are_answered(start_slbroker: Start, plugin: Path) -> None:
    process, port = start_run(start_slbroker, plugin, workers=2)
    with Phone(port) as phone:
        phone.send(waiting_for(0.5, phone))
        victim = pid_in(process.wait_for("begun by"))
        os.kill(victim, signal.SIGKILL)
        reply = phone.receive(10.0)
        assert reply is not None
        assert (reply.status, reply.reason) == (404, "Waited")
        assert int(reply["X-Worker"]) != victim
        assert pid_in(process.wait_for("handler ready", times=3)) != victim
    assert "ended by signal 9; starting it again" in process.log
    assert process.stop() == Exit.OK


def test_an_edge_that_is_killed_is_replaced_and_its_workers_come_back(running: tuple[Process, int]) -> None:
    process, _port = running
    first = pid_in(process.wait_for("edge ready"))
    os.kill(first, signal.SIGKILL)
    second = pid_in(process.wait_for("edge ready", times=2))
    assert second != first
    process.wait_for(f":{second} at ")


# Mistakes -------------------------------------------------------------------------------------------------------


def complaint(process: Process, code: Exit) -> str:
    """The one line that is said."""
    assert process.wait() == code
    assert process.log.count("\n") == 1
    assert process.log.startswith("slbroker: ")
    return process.log


def test_a_taken_port(running: tuple[Process, int]) -> None:
    port = running[1]
    again = run_slbroker("run", "--listen", f"udp:127.0.0.1:{port}")
    assert "Address already in use; is something else listening there?" in complaint(again, Exit.BIND)
    assert again.output == ""


@pytest.mark.parametrize("command", ["run", "run --workers 1", "handler", "handler --workers 2", "check"])
def test_a_plugin_that_cannot_be_loaded(command: str, tmp_path: Path) -> None:
    file, ring = tmp_path / "broken.py", tmp_path / "ring"
    file.write_text("app = 1\nimport nothing_of_that_name\n")
    create_keys(ring)
    listen = LISTEN if command.startswith("run") else ()
    process = run_slbroker(*command.split(), *listen, "--plugin", str(file), "--keys", str(ring))
    if command == "check":
        assert process.wait() == Exit.PLUGIN
        (line,) = [line for line in process.output.splitlines() if line.startswith("BAD")]
    else:
        line = complaint(process, Exit.PLUGIN)
        assert process.output == ""
    assert f"plugin {file}: {file}:2: ModuleNotFoundError: No module named 'nothing_of_that_name'" in line


def test_a_plugin_whose_import_crashes(tmp_path: Path) -> None:
    file = tmp_path / "crash.py"
    file.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    process = run_slbroker("run", *LISTEN, "--plugin", str(file))
    assert f"plugin {file}: its import was ended by signal 11" in complaint(process, Exit.PLUGIN)


def test_no_room_for_a_temporary_directory(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 60) / ("y" * 60)
    deep.mkdir(parents=True)
    process = run_slbroker("run", *LISTEN, env={"TMPDIR": str(deep)})
    assert "the path of a socket file has at most 107 bytes" in complaint(process, Exit.CONFIG)
    assert list(deep.iterdir()) == []


def test_ping_to_nobody() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        process = run_slbroker("ping", f"sip:127.0.0.1:{deaf.getsockname()[1]}", "--timeout", "0.2")
    assert "no answer from" in complaint(process, Exit.NO_ANSWER)


def test_a_reader_that_has_gone_is_no_traceback(start_program: Start) -> None:
    process = start_program("/bin/sh", "-c", f"'{sys.executable}' -m slbroker check | true")
    assert process.wait(within(10.0)) == 0
    assert process.log == ""


def test_check_says_what_it_found(tmp_path: Path, plugin: Path) -> None:
    ring = tmp_path / "ring"
    create_keys(ring)
    process = run_slbroker("check", "--plugin", str(plugin), "--keys", str(ring), *LISTEN)
    assert process.wait() == Exit.OK
    found, _, in_force = process.output.partition("\n# In force ")
    assert [line.split()[:2] for line in found.splitlines() if not line.startswith("note ")] == [
        ["ok", subject] for subject in ("slbroker", "libzmq", "inner", "keys", "plugin", "listen")
    ]
    assert "handlers for INVITE, MESSAGE" in found
    assert "# command line" in in_force
    assert process.log == ""
