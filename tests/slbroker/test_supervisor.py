"""Several processes as one command: a real parent, apart from the tests' own process, and its real children."""

from __future__ import annotations

import os
import re
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from slbroker.errors import Exit
from tests.support.processes import gone
from tests.support.timing import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start
    from tests.support.processes import Process

# Each word of the command line is a child: what it is called is what it does.
PARENT = """
import os, signal, sys, time
from pathlib import Path
from slbroker import logs, supervisor
from slbroker.errors import BindError, PluginError

def say(text):
    os.write(2, f"{text} {os.getpid()}\\n".encode())

def serve(parent):
    signal.signal(signal.SIGHUP, lambda *_: say("reloads"))
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    say("serves")
    os.read(parent.lifeline, 1)
    say("orphaned")

def deaf(parent):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say("is deaf")
    os.read(parent.lifeline, 1)

def dies(parent):
    say("dies")
    os.kill(os.getpid(), signal.SIGKILL)

def ends(parent):
    say("ends")

def bug(parent):
    raise ZeroDivisionError("oh")

def taken(parent):
    raise BindError("that port is taken")

def breaks(parent):  # serves at first, and cannot be started again
    if Path("broken").exists():
        raise PluginError("that plugin is broken")
    Path("broken").touch()
    say("serves until it breaks")
    os.read(parent.lifeline, 1)

def weary(parent):  # has served enough after a moment
    signal.signal(signal.SIGTERM, lambda *_: say("leaves") or os._exit(0))
    say("serves")
    parent.is_ready()
    time.sleep(0.2)
    parent.is_weary(5)
    os.read(parent.lifeline, 1)

def heirless(parent):  # is weary at once, and cannot be started again
    if Path("broken").exists():
        raise PluginError("that plugin is broken")
    Path("broken").touch()
    say("serves until it breaks")
    parent.is_weary(5)
    os.read(parent.lifeline, 1)

def slow(parent):  # so that its successor is not ready yet
    say("serves")
    parent.is_weary(5)
    os.read(parent.lifeline, 1)

logs.set_up_logging("info")
stop_time = float(os.environ.get("STOP_TIME", "30"))
sys.exit(supervisor.Supervisor([(name, globals()[name]) for name in sys.argv[1:]], stop_time).run())
"""
PREFLIGHT = """
import sys
from slbroker import logs, supervisor
from slbroker.errors import PluginError

def fine(): print("said on stdout")
def broken(): raise PluginError("that plugin is broken")
def bug(): raise ZeroDivisionError("oh")
def leaves(): sys.exit("by itself")
def interrupted(): raise KeyboardInterrupt

logs.set_up_logging("info")
sys.exit(supervisor.preflight(globals()[sys.argv[1]]))
"""


@pytest.fixture
def start(start_program: Start, tmp_path: Path) -> Start:
    """Start a parent with these children."""
    return lambda *names, env=None, cwd=None: start_program(sys.executable, "-c", PARENT, *names, env=env, cwd=tmp_path)


def pid_in(line: str) -> int:
    return int(line.rpartition(" ")[2])


def pids(process: Process, text: str) -> list[int]:
    return [int(pid) for pid in re.findall(rf"^{text} (\d+)$", process.log, re.MULTILINE)]


# Together -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_children_start_and_stop_together(start: Start, number: signal.Signals) -> None:
    parent = start("serve", "serve", "serve")
    parent.wait_for("serves", times=3)
    children = pids(parent, "serves")
    assert len(set(children)) == 3
    assert parent.pid not in children
    parent.send(number)
    assert parent.wait() == Exit.OK
    assert all(map(gone, children))


def test_sighup_goes_to_all(start: Start) -> None:
    parent = start("serve", "serve")
    parent.wait_for("serves", times=2)
    parent.send(signal.SIGHUP)
    parent.wait_for("reloads", times=2)
    assert set(pids(parent, "reloads")) == set(pids(parent, "serves"))


def test_when_the_parent_is_killed_the_children_notice(start: Start) -> None:
    parent = start("serve", "serve", "ends")
    parent.wait_for("serves", times=2)
    children = pids(parent, "serves")
    os.kill(parent.pid, signal.SIGKILL)
    until(lambda: set(pids(parent, "orphaned")) == set(children), what="word of both children")


# Deaths ---------------------------------------------------------------------------------------------------------


def test_a_child_that_is_killed_is_started_again(start: Start) -> None:
    parent = start("serve", "serve")
    parent.wait_for("serves", times=2)
    victim, other = pids(parent, "serves")
    os.kill(victim, signal.SIGKILL)
    assert pid_in(parent.wait_for("serves", times=3)) not in (victim, other)
    assert f"serve: process {victim} ended by signal 9; starting it again in 0.2 s" in parent.wait_for("WARNING")
    assert not gone(other)


@pytest.mark.parametrize(("name", "how"), [("dies", "by signal 9"), ("bug", "with code 1")])
def test_one_that_keeps_dying_is_started_less_and_less_often(start: Start, name: str, how: str) -> None:
    parent = start(name, "serve")
    for number, pause in enumerate(("0.2", "0.4"), start=1):
        assert parent.wait_for(f"{name}: process ", times=number).endswith(f"{how}; starting it again in {pause} s")
    parent.wait_for("serves")
    assert len(pids(parent, "serves")) == 1


def test_one_that_ends_well_is_started_again_without_complaint(start: Start) -> None:
    parent = start("ends", "serve")
    for number in (1, 2, 3):
        assert parent.wait_for("ends: process ", times=number).endswith("with code 0; starting it again in 0.1 s")
    assert "WARNING" not in parent.log


def test_a_first_start_that_only_the_user_can_mend_ends_all(start: Start) -> None:
    parent = start("serve", "taken", "serve")
    assert parent.wait() == Exit.BIND
    assert [line for line in parent.log.splitlines() if not line.startswith("serves")] == [
        "slbroker: that port is taken"
    ]
    assert all(map(gone, pids(parent, "serves")))


def test_later_on_the_others_go_on_serving(start: Start) -> None:
    parent = start("breaks", "serve")
    parent.wait_for("serves", times=2)
    os.kill(pid_in(parent.wait_for("serves until it breaks")), signal.SIGKILL)
    parent.wait_for("slbroker: that plugin is broken")
    parent.wait_for(" ended with code 5")
    assert parent.running
    assert not gone(pids(parent, "serves")[0])


# Successors -----------------------------------------------------------------------------------------------------


def test_one_that_has_served_enough_leaves_when_its_successor_serves(start: Start) -> None:
    parent = start("weary", "serve")
    parent.wait_for("is in its place", times=3)
    line = r"INFO .*weary: process (\d+) leaves after 5 requests, process (\d+) is in its place"
    changes = re.findall(line, parent.log)[:3]
    assert [left for left, _successor in changes[1:]] == [successor for _left, successor in changes[:-1]]
    for left, successor in changes:
        parent.wait_for(f"leaves {left}")
        assert parent.log.index(f"serves {successor}") < parent.log.index(f"leaves {left}")
    assert "WARNING" not in parent.log
    parent.send(signal.SIGTERM)
    assert parent.wait() == Exit.OK
    assert all(map(gone, pids(parent, "serves")))


def test_several_that_have_served_enough_are_replaced_one_after_the_other(start: Start) -> None:
    parent = start("weary", "weary", "weary")
    parent.wait_for("is in its place", times=6)
    assert len(set(pids(parent, "serves"))) >= 9


def test_one_whose_successor_fails_serves_on(start: Start) -> None:
    parent = start("heirless", "serve")
    first = pid_in(parent.wait_for("serves until it breaks"))
    for number, pause in enumerate(("0.2", "0.4"), start=1):
        line = parent.wait_for("the successor of heirless: process ", times=number)
        assert line.endswith(f"with code 5; starting it again in {pause} s")
    assert not gone(first)
    parent.send(signal.SIGTERM)
    assert parent.wait() == Exit.OK
    assert gone(first)


def test_one_that_dies_while_its_successor_starts_is_replaced_by_it(start: Start) -> None:
    parent = start("slow")
    parent.wait_for("serves", times=2)
    first, second = pids(parent, "serves")
    os.kill(first, signal.SIGKILL)
    assert f"slow: process {first} ended by signal 9; its successor has been started" in parent.wait_for("WARNING")
    assert pids(parent, "serves")[:2] == [first, second]
    assert not gone(second)


# The end --------------------------------------------------------------------------------------------------------


def test_a_second_signal_stops_at_once(start: Start) -> None:
    parent = start("deaf", "serve")
    parent.wait_for("is deaf")
    parent.wait_for("serves")
    parent.send(signal.SIGTERM)
    until(lambda: gone(pids(parent, "serves")[0]), what="the end of the one that listens")
    assert parent.running
    parent.send(signal.SIGTERM)
    assert parent.wait() == Exit.OK


def test_one_that_does_not_stop_is_killed_after_a_while(start: Start) -> None:
    parent = start("deaf", env={"STOP_TIME": "0.2"})
    deaf = pid_in(parent.wait_for("is deaf"))
    parent.send(signal.SIGTERM)
    assert parent.wait() == Exit.OK
    assert gone(deaf)


# Preflight ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "code", "said"),
    [
        ("fine", Exit.OK, ""),
        ("broken", Exit.PLUGIN, "slbroker: that plugin is broken\n"),
        ("leaves", Exit.FAILURE, ""),
        ("interrupted", Exit.OK, ""),
    ],
)
def test_what_ends_a_trial_is_its_exit_code(start_program: Start, program: str, code: Exit, said: str) -> None:
    process = start_program(sys.executable, "-c", PREFLIGHT, program)
    assert process.wait() == code
    assert process.log == said
    assert process.output == ("said on stdout\n" if program == "fine" else "")


def test_a_bug_of_ours_is_told_in_full(start_program: Start) -> None:
    process = start_program(sys.executable, "-c", PREFLIGHT, "bug")
    assert process.wait() == Exit.FAILURE
    assert "a bug in slbroker" in process.log
    assert "ZeroDivisionError: oh" in process.log
