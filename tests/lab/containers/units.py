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


class Calls:
    """INVITEs that come at a rate, each sent once, while something is done; what has become of them and their ACKs."""

    def __init__(self, seconds: int, rate: int = RATE) -> None:
        """The edge's ACKs and the kernel's drops are counted from here on."""
        self._absorbed, self._dropped = absorbed(), dropped()
        words = ("--port=5060", "--method=INVITE", f"--rate={rate}", f"--seconds={seconds}", "--window=8192")
        command = ["docker", "exec", NAME, "sipload", *words, "--sockets=16"]
        self._source = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        time.sleep(2.0)

    def end(self, *, late: bool = False, may_lose: bool = False) -> Load:
        """Wait for their end; all were answered, and every ACK absorbed, by whichever edge it came to.

        Answered within two seconds and once, where it is not said that they may be `late`.
        """
        assert self._source.poll() is None, "the calls were over before"
        load = Load(**json.loads(self._source.communicate()[0]))
        time.sleep(1.0)  # in which what was sent last is read
        unanswered, acks, drops = load.lost - load.late, absorbed() - self._absorbed, dropped() - self._dropped
        how = f"{unanswered} unanswered within 2 s, {load.duplicates} answers more"
        say(f"-- {load.sent} calls, {how}, {load.codes}; {load.acks} ACKs, {acks} absorbed")
        say(f"-- the slowest of 1,000 after {load.p999_us / 1e3:.0f} ms; {drops} datagrams lost by the kernel")
        assert late or not load.duplicates, load
        if not may_lose:
            # What comes when its place is another call's is a duplicate to sipload: an answer all the same.
            assert unanswered <= (load.duplicates if late else 0), load
            assert acks == load.acks, load
            assert not drops, load
        return load


def absorbed() -> int:
    """Return how many ACKs all edges have absorbed, those that have ended in order included."""
    told = re.findall(r"edge stopped: .*absorbed (\d+)", journal())
    running = json.loads(inside("runuser", "-u", "slbroker", "--", "slbroker", "stats", "--json", "--bus", BUS))[
        "edges"
    ]
    return sum(map(int, told)) + sum(int(edge["absorbed"]) for edge in running)


def dropped() -> int:
    """Return how many datagrams the kernel has dropped at the SIP port, which keeps its socket when edges change."""
    table = inside("cat", "/proc/net/udp").splitlines()
    return sum(int(line.split()[-1]) for line in table if line.split()[1].endswith(f":{5060:04X}"))


def replace_under_calls() -> None:
    """Have an edge replaced by its own command while calls come: all answered, every ACK absorbed."""
    before = shows(EDGE, "MainPID")
    calls = Calls(25)
    inside("systemctl", "kill", "--kill-whom=main", "--signal=USR2", EDGE)
    until(lambda: shows(EDGE, "MainPID") not in ("0", before), "systemd has another main process", 30.0)
    until(lambda: "edge stopped" in journal(), "the one before has ended", 30.0)
    load = calls.end()
    assert set(load.codes) == {"404"}, load
    state = shows(EDGE, "ActiveState"), shows(EDGE, "NRestarts"), shows(EDGE, "SubState")
    assert state == ("active", "0", "running"), state


def restart_under_calls() -> None:
    """Have an edge restarted while calls come: systemd keeps its sockets, and what comes in between."""
    inside("sh", "-c", "sed -i 's/^drain-notice = .*/drain-notice = 0/' /etc/slbroker/edge-main.toml")
    inside("systemctl", "restart", EDGE)
    until(is_answered, "a handler answers", 30.0)
    for rate in (100, 1_000):
        calls = Calls(15, rate)
        begun = time.monotonic()
        inside("systemctl", "restart", EDGE)
        say(f"-- restarted at {rate} calls/s [{time.monotonic() - begun:.1f} s]")
        assert shows(EDGE, "ActiveState") == "active"
        calls.end(late=True, may_lose=rate > 100)
    inside("systemctl", "stop", EDGE)
    assert dropped() == 0, "a socket is kept of an edge that was stopped"
    assert ":13C4" not in inside("cat", "/proc/net/udp"), "a socket is kept of an edge that was stopped"
    inside("systemctl", "start", EDGE)
    until(is_answered, "a handler answers", 30.0)


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

    with tempfile.TemporaryDirectory() as folder:
        docker("cp", str(compile_tools(Path(folder)).sipload), f"{NAME}:/usr/local/bin/sipload", cwd=ROOT, quiet=True)
    say("An edge that is replaced, under calls:")
    replace_under_calls()

    say("An edge that is restarted, under calls:")
    restart_under_calls()

    inside("systemctl", "reload", EDGE)
    until(lambda: journal().count("loaded again, unchanged") == 3, "SIGHUP has reached the edge", 15.0)

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
    longest = 0
    for package in ("/next.deb", "/slbroker.deb"):
        before = [shows(unit, "MainPID") for unit in (MONITOR, HANDLER, EDGE)]
        active = shows(EDGE, "ActiveEnterTimestampMonotonic")
        begun = time.monotonic()
        inside("dpkg", "--install", package)
        longest = max(longest, int(time.monotonic() - begun))
        say(f"-- {inside('dpkg-query', '--show', 'slbroker')} [{time.monotonic() - begun:.1f} s]")
        assert all(old != shows(unit, "MainPID") for old, unit in zip(before, (MONITOR, HANDLER, EDGE), strict=True))
        assert shows(EDGE, "ActiveEnterTimestampMonotonic") == active, "the edge has been there all the time"
        until(is_answered, "a handler answers", 30.0)
    upgrade_under_calls(longest)
    leave_what_would_not_start()
    before = [shows(unit, "MainPID") for unit in (MONITOR, HANDLER, EDGE)]
    inside("env", "SLBROKER_RESTART=no", "dpkg", "--install", "/next.deb")
    assert before == [shows(unit, "MainPID") for unit in (MONITOR, HANDLER, EDGE)], "left to who has said so"
    inside("systemctl", "restart", HANDLER, EDGE, MONITOR)
    until(is_answered, "a handler answers", 30.0)


def upgrade_under_calls(seconds: int) -> None:
    """Upgrade while calls come, where there are two units of handlers: they restart one after the other.

    It took so many seconds before.
    """
    second = "slbroker-handler@second"
    inside("cp", "/etc/slbroker/handler-main.toml", "/etc/slbroker/handler-second.toml")
    inside("systemctl", "start", second)
    calls = Calls(20 + 2 * seconds)
    begun = time.monotonic()
    inside("dpkg", "--install", "/next.deb")
    say(f"-- upgraded at {RATE} calls/s [{time.monotonic() - begun:.1f} s]")
    load = calls.end()
    say(f"-- {load.codes.get('503', 0)} of {load.sent} refused while handlers restarted")
    inside("systemctl", "stop", second)


def leave_what_would_not_start() -> None:
    """Upgrade where the new version would not start: what runs goes on, and is named."""
    for unit, path, words in (
        (EDGE, "/etc/slbroker/edge-main.toml", "ack-windy = 30"),
        (HANDLER, "/etc/slbroker/handler-main.toml", 'plugin = "nowhere"'),
    ):
        inside("sh", "-c", f"cp {path} {path}.good && sed -i '/^plugin/d' {path} && echo '{words}' >>{path}")
        before = shows(unit, "MainPID")
        said = inside("sh", "-c", "dpkg --install /slbroker.deb 2>&1")
        say("\n".join(line for line in said.splitlines() if "slbroker" in line or "BAD" in line))
        assert f"{unit}.service goes on with the version before" in said, said
        assert "BAD" in said, said
        assert shows(unit, "MainPID") == before, "it is the one that it was"
        until(is_answered, "a handler answers", 30.0)
        inside("mv", f"{path}.good", path)


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
