"""Signals around a fork: those of the child are its own from its first moment."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.support.processes import child_environment
from tests.support.timing import within

# Hooks run in the order in which they were registered: the child signals itself before ours can have run.
FORKS = """
import os, signal, sys, threading, time
number = signal.Signals[sys.argv[1]]
os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), number))
from slbroker.signals import Signals

def fork():
    child = os.fork()
    if not child:
        time.sleep(30)
        os._exit(0)
    print("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

heard = []
stop, reload = lambda: heard.append("stop"), lambda: heard.append("reload")
with Signals(stop, reload, lambda: 30.0, str, has_parent=False) as signals:
    signals.ready()
    if sys.argv[2] == "main":
        fork()
    else:
        thread = threading.Thread(target=fork)
        thread.start()
        thread.join()
    time.sleep(0.3)
    print("heard", heard)
    os.kill(os.getpid(), number)
    time.sleep(0.3)
    print("heard", heard)
"""


@pytest.mark.parametrize("thread", ["main", "another"])
@pytest.mark.parametrize(("name", "word"), [("SIGTERM", "stop"), ("SIGHUP", "reload")])
def test_a_signal_at_the_first_moment_of_a_forked_child_is_the_child_s(name: str, word: str, thread: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FORKS, name, thread], env=child_environment(), capture_output=True, text=True,
        timeout=within(20), check=False, start_new_session=True,
    )  # fmt: skip
    number = signal.Signals[name]
    assert ran.stdout.splitlines() == [f"child {-number}", "heard []", f"heard ['{word}']"], ran.stderr
