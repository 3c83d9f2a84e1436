"""The Debian package under a systemd that is process 1 of a container: units start, are killed, hang, upgraded.

`engine FOLDER run python -m tests.lab.containers.units` (`make units` does all of it).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.lab.bench.measure import Load, compile_tools
from tests.lab.containers.calls import docker, say
from tests.support.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

NAME: Final = "slbroker-units"
EDGE: Final = "slbroker-edge@main"
HANDLER: Final = "slbroker-handler@main"
MONITOR: Final = "slbroker-monitor"
BUS: Final = "ipc:///run/slbroker/main"
RATE: Final = 2_000  # calls a second; make takeover has more
RING: Final = "/etc/slbroker/keys/slbroker.ring"
# What systemd wants of a container: its own part of the host's cgroups, and mounts, which the hardening of units is.
RIGHTS: Final = (
    "--cap-add=SYS_ADMIN", "--cap-add=NET_ADMIN", "--cap-add=SYS_PTRACE",
    "--security-opt=seccomp=unconfined", "--cgroupns=host",
    "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw", "--tmpfs=/run", "--tmpfs=/tmp",
)  # fmt: skip


def inside(*words: str) -> str:
    """Run a command in the container, show it, and return what it says; end where it fails."""
    said = docker("exec", NAME, *words, cwd=ROOT, quiet=True)
    say(f"# {' '.join(words)}")
    return said.strip()


def shows(unit: str, name: str) -> str:
    """Return a property of a unit."""
    return docker("exec", NAME, "systemctl", "show", "--value", "--property", name, unit, cwd=ROOT, quiet=True).strip()


def until(condition: Callable[[], bool], what: str, seconds: float) -> None:
    """Wait until something is so, and say so; end with the journal where it does not come."""
    begun = time.monotonic()
    while not condition():
        if time.monotonic() > begun + seconds:
            sys.exit(f"{journal()}\n{what}: not within {seconds:.0f} s")
        time.sleep(0.3)
    say(f"-- {what} [{time.monotonic() - begun:.1f} s]")


def journal() -> str:
    """Return what all of it has logged."""
    return docker("exec", NAME, "journalctl", "--no-pager", "--output=cat", cwd=ROOT, quiet=True)


def is_answered() -> bool:
    """Return whether a handler answers."""
    words = ["docker", "exec", NAME, "slbroker", "ping", "sip:127.0.0.1:5060", "--ready", "--timeout", "3"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def replace_under_calls() -> None:
    """Have an edge replaced by its own command while calls come: all answered, every ACK absorbed."""
    with tempfile.TemporaryDirectory() as folder:
        docker("cp", str(compile_tools(Path(folder)).sipload), f"{NAME}:/usr/local/bin/sipload", cwd=ROOT, quiet=True)
    before = shows(EDGE, "MainPID")
    words = ("--port=5060", "--method=INVITE", f"--rate={RATE}", "--seconds=10", "--window=8192", "--sockets=16")
    with subprocess.Popen(["docker", "exec", NAME, "sipload", *words], stdout=subprocess.PIPE, text=True) as calls:
        time.sleep(2.0)
        inside("systemctl", "kill", "--kill-whom=main", "--signal=USR2", EDGE)
        until(lambda: shows(EDGE, "MainPID") not in ("0", before), "systemd has another main process", 30.0)
        until(lambda: "edge stopped" in journal(), "the one before has ended", 30.0)
        assert calls.poll() is None, "the calls were over before it was replaced"
        load = Load(**json.loads(calls.communicate()[0]))
    say(f"-- {load.sent} calls, {load.lost - load.late} unanswered, {load.acks} ACKs")
    assert load.lost == load.late, load
    assert not load.duplicates, load
    time.sleep(1.0)  # in which what was sent last is read
    (told,) = re.findall(r"edge stopped: .*absorbed (\d+)", journal())
    (figures,) = json.loads(inside("runuser", "-u", "slbroker", "--", "slbroker", "stats", "--json", "--bus", BUS))[
        "edges"
    ]
    say(f"-- absorbed {told} before and {figures['absorbed']} after; {figures['kernel_drops']} datagrams lost")
    assert int(told) + figures["absorbed"] == load.acks, figures
    assert not figures["kernel_drops"], figures
    state = shows(EDGE, "ActiveState"), shows(EDGE, "NRestarts"), shows(EDGE, "SubState")
    assert state == ("active", "0", "running"), state


def serve() -> None:
    """Have the units serve, and lose, and find."""
    # Docker's mounts are private, and credentials are mounted by a helper in a namespace of its own: nobody saw them.
    inside("mount", "--make-rshared", "/")
    assert inside("stat", "--format=%a:%U", RING) == "600:slbroker", "made by the package"
    for unit in ("slbroker-broker", MONITOR):
        assert shows(unit, "ActiveState") == "inactive", "installing starts nothing"
    for unit in (EDGE, HANDLER):  # in place of 30 s, so that there is less to wait for
        path = f"/etc/systemd/system/{unit.partition('@')[0]}@.service.d"
        inside("sh", "-c", f"mkdir {path} && printf '[Service]\\nWatchdogSec=6\\n' >{path}/watchdog.conf")
    inside("systemctl", "daemon-reload")
    inside("systemctl", "start", EDGE, HANDLER, MONITOR)
    for unit in (EDGE, HANDLER, MONITOR):
        assert shows(unit, "ActiveState") == "active", journal()
        process = f"/proc/{shows(unit, 'MainPID')}"
        say(f"-- {unit}: active, as {inside('stat', '--format=%U', process)}")
    until(is_answered, "a handler answers", 30.0)

    say("The ring, rotated by root:")
    inside("slbroker", "keys", "rotate", RING)
    until(
        lambda: journal().count("key ring " + RING + " loaded again: ") == 3,
        "taken up by an edge and two workers",
        15.0,
    )

    inside("systemctl", "reload", HANDLER)
    until(lambda: journal().count("loaded again, unchanged") == 2, "SIGHUP has reached both workers", 15.0)

    say("An edge that is replaced, under calls:")
    replace_under_calls()

    say("An edge that is killed:")
    inside("systemctl", "kill", "--signal=KILL", EDGE)
    until(lambda: shows(EDGE, "NRestarts") == "1" and is_answered(), "serves again", 30.0)

    say("An edge that hangs:")
    inside("sh", "-c", f"kill -STOP {shows(EDGE, 'MainPID')}")
    until(lambda: "Watchdog timeout" in journal(), "systemd has seen it", 30.0)
    until(lambda: shows(EDGE, "NRestarts") == "2" and is_answered(), "serves again", 60.0)

    say("A worker that hangs, of two:")
    parent = shows(HANDLER, "MainPID")
    inside("sh", "-c", f"kill -STOP $(cat /proc/{parent}/task/{parent}/children | cut -d' ' -f1)")
    until(lambda: "has hung for" in journal(), "its parent has seen it", 30.0)
    until(lambda: shows(HANDLER, "NRestarts") == "0" and is_answered(), "it alone is replaced", 30.0)

    say("Keys as credentials:")
    path = "/etc/systemd/system/slbroker-edge@.service.d"
    words = f"[Service]\\nLoadCredential=ring:{RING}\\nEnvironment=SLBROKER_KEYS=%%d/ring\\n"
    inside("sh", "-c", f"printf '{words}' >{path}/ring.conf")
    inside("systemctl", "daemon-reload")
    inside("systemctl", "restart", EDGE)
    until(is_answered, "an edge with its ring in $CREDENTIALS_DIRECTORY serves", 30.0)

    replace()

    say("The end:")
    for unit in (EDGE, HANDLER, MONITOR):
        inside("systemctl", "stop", unit)
        result = shows(unit, "Result"), shows(unit, "ExecMainStatus")
        say(f"-- {unit}: {result}")
        assert result == ("success", "0"), journal()
    inside("systemctl", "start", EDGE, HANDLER)
    inside("apt-get", "purge", "--yes", "slbroker")
    runs = "systemctl list-units --state=active --plain --no-legend 'slbroker-*'"
    left = inside("sh", "-c", f"{runs}; find /etc/slbroker /run/slbroker /usr/lib/slbroker 2>/dev/null; true")
    assert left == "", left
    say("-- purged: what ran has ended, and no file is left")


def replace() -> None:
    """Upgrade the package and roll it back: handlers are restarted, and an edge has its sockets taken over."""
    inside("systemctl", "enable", EDGE, HANDLER)
    for package in ("/next.deb", "/slbroker.deb"):
        before = [shows(unit, "MainPID") for unit in (MONITOR, HANDLER, EDGE)]
        active = shows(EDGE, "ActiveEnterTimestampMonotonic")
        begun = time.monotonic()
        inside("dpkg", "--install", package)
        say(f"-- {inside('dpkg-query', '--show', 'slbroker')} [{time.monotonic() - begun:.1f} s]")
        assert all(old != shows(unit, "MainPID") for old, unit in zip(before, (MONITOR, HANDLER, EDGE), strict=True))
        assert shows(EDGE, "ActiveEnterTimestampMonotonic") == active, "the edge has been there all the time"
        until(is_answered, "a handler answers", 30.0)
    before = [shows(unit, "MainPID") for unit in (MONITOR, HANDLER, EDGE)]
    inside("env", "SLBROKER_RESTART=no", "dpkg", "--install", "/next.deb")
    assert before == [shows(unit, "MainPID") for unit in (MONITOR, HANDLER, EDGE)], "left to who has said so"
    inside("systemctl", "restart", HANDLER, EDGE, MONITOR)
    until(is_answered, "a handler answers", 30.0)


def main() -> None:
    """Run it all."""
    subprocess.run(["docker", "rm", "--force", NAME], capture_output=True, check=False)  # of a run before
    docker("run", "--detach", "--name", NAME, *RIGHTS, "slbroker-systemd", cwd=ROOT)
    try:
        running = ["docker", "exec", NAME, "systemctl", "is-system-running"]
        until(
            lambda: subprocess.run(running, capture_output=True, text=True, check=False).stdout.strip()
            in ("running", "degraded"),
            "systemd is process 1",
            60.0,
        )
        serve()
    finally:
        docker("rm", "--force", NAME, cwd=ROOT)
    say("All of it works.")


if __name__ == "__main__":
    main()
