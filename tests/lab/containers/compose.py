"""The compose file under a real engine: it comes up, serves calls, loses parts, has its key ring rotated, and ends.

`engine FOLDER run python -m tests.lab.containers.compose` (`make containers` does all of it). Prints what is seen, and
fails where calls are lost that docs/fire.md does not allow.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer
from typing import Any, Final
from urllib.request import urlopen

from tests.lab.containers.calls import Caller, asked_under_load, busy, docker, say
from tests.peers.phone import Phone
from tests.support.processes import ROOT

COMPOSE: Final = ROOT / "compose"
PORT: Final = 5060


# What runs beside the others, and each of these is paused, killed, replaced.
PARTS: Final = ("edge1-1", "edge2-1", "broker1-1", "broker2-1", "handler-1", "handler-2", "kamailio-1", "monitor-1")
FILES: Final = {"": (), "host": ("compose.host.yaml",), "develop": ("compose.develop.yaml",)}


def compose(*words: str, env: dict[str, str] | None = None, of: str = "") -> str:
    """Run `docker compose WORDS`, with the override `of`, and return what it says."""
    files = ("compose.yaml", *FILES[of]) if of else ()
    options = [word for name in files for word in ("--file", name)]
    told = {**os.environ, **(env or {})}
    for name, value in (env or {}).items():
        say(f"$ export {name}={value}")
    return docker("compose", *options, *words, cwd=COMPOSE, env=told, quiet=words[0] == "ps")


def containers() -> dict[str, dict[str, Any]]:
    """Return what the engine knows of each container, by its name."""
    names = compose("ps", "--all", "--quiet").split()
    return {
        found["Name"].removeprefix("/slbroker-"): found
        for found in json.loads(docker("inspect", *names, cwd=COMPOSE, quiet=True))
    }


def kill(name: str) -> None:
    """End the first process of a container as a crash would; what `docker kill` ends is not started again."""
    os.kill(containers()[name]["State"]["Pid"], signal.SIGKILL)
    say(f"-- {name} killed")


def figures(edge: str) -> dict[str, Any]:
    """Return an edge's statistics."""
    asked = compose("exec", "-T", edge, "slbroker", "stats", "--json")
    found: dict[str, Any] = json.loads(asked)["edges"][0]
    return found


def acks() -> tuple[int, int]:
    """Return how many ACKs the edges have absorbed, and how many of a refusal have got through them."""
    told = [figures(edge) for edge in ("edge1", "edge2")]
    return sum(each["absorbed"] for each in told), sum(each["dropped"].get("ack", 0) for each in told)


def processes(*kinds: str) -> dict[str, int]:
    """Return the first process of each container whose name begins with one of these."""
    return {name: found["State"]["Pid"] for name, found in containers().items() if name.startswith(kinds)}


def toll() -> None:
    """Say what the edges have refused or lost so far, and which warnings the logs have."""
    for name in ("edge1", "edge2"):
        told = figures(name)
        keys = ("received", "replied", "repeated", "absorbed", "passed", "shed", "failed", "kernel_drops", "dropped")
        say(f"   {name}: {', '.join(f'{told[key]} {key}' for key in keys if told.get(key))}")
    log = compose("logs", "--no-color", "--since", "60s", "kamailio", "edge1", "edge2", "broker1", "broker2", "handler")
    for line in [line for line in log.splitlines() if re.search(r"WARNING|ERROR|CRITICAL", line)][:8]:
        say(f"   {line[:200]}")


def get(port: int, path: str) -> str:
    """Return what this machine's port says."""
    with urlopen(f"http://127.0.0.1:{port}{path}", timeout=10.0) as answer:
        text: str = answer.read().decode()
        assert answer.status == 200, text
    return text


# One after the other --------------------------------------------------------------------------------------------


def begin() -> None:
    """Have it come up."""
    for of, settings in (("", {}), ("host", {"SLBROKER_LISTEN_IP": "192.0.2.10"}), ("develop", {})):
        compose("--profile", "watch", "config", "--quiet", env=settings, of=of)
    compose("--profile", "watch", "down", "--volumes", "--remove-orphans")  # of a run that was interrupted
    compose("up", "--detach", "--wait", "--wait-timeout", "150", "--no-build")
    states = containers()
    for name, found in states.items():
        state = found["State"]
        say(f"   {name}: {state['Status']}, {state.get('Health', {}).get('Status', 'no health check')}")
        user = found["Config"]["User"]
        assert user.split(":")[0].isdecimal(), (name, user)
    assert set(PARTS) < states.keys(), states.keys()
    assert states["ring-1"]["State"]["ExitCode"] == 0


def watch() -> None:
    """Prometheus has what the monitor says, and the rules. (Its image is ours here; Grafana's cannot be had.)"""
    say(f"-- the monitor's /readyz: {get(8080, '/readyz').strip()}")
    compose("--profile", "watch", "up", "--detach", "--wait", "--wait-timeout", "90", "--no-build", "prometheus")
    end = time.monotonic() + 60.0
    while True:
        found = json.loads(get(9090, "/api/v1/query?query=sum(slbroker_up)"))["data"]["result"]
        if found and float(found[0]["value"][1]) == 4.0:
            break
        assert time.monotonic() < end, found
        time.sleep(1.0)
    rules = json.loads(get(9090, "/api/v1/rules"))["data"]["groups"][0]["rules"]
    say(f"-- Prometheus sees two edges and two brokers up, and has {len(rules)} alerts, of which fire:")
    say(f"   {[rule['name'] for rule in rules if rule['state'] == 'firing']}")
    compose("--profile", "watch", "restart", "prometheus")


def rotate(caller: Caller) -> None:
    """The ring, twice, with calls one by one, whose every ACK is counted; then twice under load."""
    say("The ring, rotated twice, with calls before, between and after:")
    for _ in range(2):
        compose("run", "--rm", "--no-deps", "keys", "rotate", "/keys/slbroker.ring")
        caller.calls(50)
        time.sleep(3.0)
        caller.calls(50)
    absorbed, leaked = acks()
    say(f"-- {caller.made} calls, {absorbed} ACKs absorbed, {leaked} let through")
    assert absorbed >= caller.made, "one more for each INVITE that was sent again"
    assert leaked == 0
    log = compose("logs", "--no-color", "edge1", "edge2", "handler")
    assert log.count("loaded again: ") == 8, "two edges and two handlers, twice"

    say("The same under load:")

    def twice() -> None:
        for _ in range(2):
            compose("run", "--rm", "--no-deps", "keys", "rotate", "/keys/slbroker.ring")
            time.sleep(3.0)
        for line in docker("stats", "--no-stream", "--format", "{{.Name}} {{.CPUPerc}}", cwd=COMPOSE).splitlines():
            say(f"   {line}")

    calls = asked_under_load(PORT, twice, processes("kamailio", "edge"), method="INVITE")
    more, leaked = acks()
    toll()
    say(f"-- {more - absorbed} ACKs absorbed, {leaked} let through")
    assert more - absorbed >= calls
    assert leaked == 0


def pause(caller: Caller) -> None:
    """Each container in turn for 3 s, with calls; then each edge, for so long that Kamailio leaves it out."""
    say("Each is paused for 3 s, and goes on:")
    for name in PARTS:
        paused(name, 3.0, caller)
    say("An edge is paused for 10 s, and the other one as soon as it is back:")
    for name in ("edge1-1", "edge2-1"):
        paused(name, 10.0, caller)


def paused(name: str, seconds: float, caller: Caller) -> None:
    """Make calls while a container is paused for so long."""
    for _ in range(5):  # runc gives up freezing a container that a busy machine does not freeze at once
        if subprocess.run(["docker", "pause", f"slbroker-{name}"], capture_output=True, check=False).returncode == 0:
            break
    begun = time.monotonic()
    goes_on = Timer(seconds, docker, ("unpause", f"slbroker-{name}"), {"cwd": COMPOSE})
    goes_on.start()
    slowest, made = 0.0, 0
    while goes_on.is_alive() or not made:
        caller.slowest = 0.0
        caller.call(16.0)
        slowest, made = max(slowest, caller.slowest), made + 1
        time.sleep(0.005)
    took = time.monotonic() - begun
    say(f"-- {name} paused, {took:.1f} s: {made} calls answered, the slowest in {slowest * 1000:.0f} ms; {busy()}")


def replace() -> None:
    """Containers of another image in the place of those that serve, under load."""
    for tag in ("next", "last"):
        docker("tag", "slbroker:0.1.0", f"slbroker:{tag}", cwd=COMPOSE)
    other, another = {"SLBROKER_IMAGE": "slbroker:next"}, {"SLBROKER_IMAGE": "slbroker:last"}
    words = ("up", "--detach", "--no-deps", "--no-build", "--wait")

    def up(*names: str) -> None:
        compose(*words, *names, env=other)

    def renew() -> None:
        """New ones first, then the old ones go."""
        old = [name for name in containers() if name.startswith("handler")]
        compose(*words, "--no-recreate", "--scale", f"handler={2 * len(old)}", "handler", env=another)
        for name in old:
            docker("stop", f"slbroker-{name}", cwd=COMPOSE)
            docker("rm", f"slbroker-{name}", cwd=COMPOSE)

    say("`up` alone, which ends both handlers before it begins new ones, under load:")
    asked_under_load(PORT, partial(up, "handler"), processes("kamailio", "edge"), refused=True)
    say("Handlers, replaced by those of another image, new ones first, under load:")
    asked_under_load(PORT, renew, processes("kamailio", "edge"))
    toll()
    for name in ("broker1", "broker2", "edge1", "edge2"):
        say(f"{name}, the same:")
        asked_under_load(PORT, partial(up, name), processes("kamailio", "edge"))
        toll()
    assert acks()[1] == 0
    for name, found in containers().items():
        if name.startswith(("edge", "broker", "handler")):
            image = "slbroker:last" if name.startswith("handler") else "slbroker:next"
            assert found["Config"]["Image"] == image, name


def lose(caller: Caller) -> None:
    """Each dies, and is stopped and started, under load; Kamailio with calls that are repeated, as UDP wants it."""
    for name in sorted(containers()):
        if name.startswith(("ring", "prometheus", "kamailio")):
            continue
        say(f"{name} dies, under load, and is started again by the engine:")
        asked_under_load(PORT, partial(die, name), processes("kamailio", "edge"))
        say(f"{name} is stopped, and started after 3 s, the same:")
        asked_under_load(PORT, partial(stop, name), processes("kamailio", "edge"))
    assert acks()[1] == 0
    for act in (die, stop):
        say(f"kamailio-1: {act.__name__}, with calls one by one:")
        with ThreadPoolExecutor() as beside:
            acting = beside.submit(act, "kamailio-1")
            caller.slowest, before = 0.0, caller.made
            while not acting.done():
                caller.call(16.0)
                time.sleep(0.02)
            acting.result()
        say(f"-- {caller.made - before} calls answered, the slowest in {caller.slowest * 1000:.0f} ms; {busy()}")
    caller.calls(100)


def die(name: str) -> None:
    """Kill a container's process; it has been started again, and what is before it has found it, when this ends."""
    before = containers()[name]["RestartCount"]
    kill(name)
    end = time.monotonic() + 30.0
    while (found := containers()[name])["RestartCount"] == before or not found["State"]["Running"]:
        assert time.monotonic() < end, f"{name} is not started again"
        time.sleep(0.3)
    time.sleep(7.0)  # Kamailio gives an edge's calls to another one after 5 s, and has pinged it by then


def stop(name: str) -> None:
    """End a container in order, which has taken less than its time, and start it again."""
    docker("stop", f"slbroker-{name}", cwd=COMPOSE)
    code = containers()[name]["State"]["ExitCode"]
    assert code == 0 or (name, code) == ("kamailio-1", 143), (name, code)
    time.sleep(3.0)
    docker("start", f"slbroker-{name}", cwd=COMPOSE)
    time.sleep(7.0)


def end() -> None:
    """All of it ends by itself."""
    say("The end:")
    begun = time.monotonic()
    compose("--profile", "watch", "stop")
    say(f"-- all ended in {time.monotonic() - begun:.0f} s")
    for name, found in containers().items():
        code = found["State"]["ExitCode"]
        assert code == 0 or (name, code) == ("kamailio-1", 143), (name, code)
    compose("--profile", "watch", "down", "--volumes")


def develop() -> None:
    """The override for who writes handlers: they are loaded again when they change."""
    say("Handlers that are being written:")
    with TemporaryDirectory() as name, Phone(PORT) as phone:
        folder = Path(name)
        folder.chmod(0o755)
        plugin = folder / "answers.py"
        text = "from slbroker import Handlers\napp = Handlers()\napp.otherwise(lambda request: request.reply({}))\n"
        plugin.write_text(text.format(404))
        env = {"SLBROKER_HANDLERS_FROM": name, "SLBROKER_PLUGIN": "/handlers/answers.py"}
        compose("up", "--detach", "--wait", "--wait-timeout", "150", "--no-build", env=env, of="develop")
        caller = Caller(phone)
        caller.calls(20)
        plugin.write_text(text.format(486))
        begun = time.monotonic()
        while phone.ask(phone.call().request("OPTIONS")).status != 486:
            assert time.monotonic() < begun + 10.0
            time.sleep(0.1)
        say(f"-- a changed plugin serves after {time.monotonic() - begun:.1f} s")
        compose("down", "--volumes", env=env, of="develop")


def host() -> None:
    """The override for real traffic: Kamailio has this host's network, here that of the namespace."""
    say("Kamailio on the host's network:")
    env = {"SLBROKER_LISTEN_IP": "172.30.250.1"}  # this host's own address towards the edges
    compose("up", "--detach", "--wait", "--wait-timeout", "150", "--no-build", env=env, of="host")
    ping = ("ping", "sip:172.30.250.1:5060", "--ready")
    answer = docker("run", "--rm", "--network", "host", "slbroker:0.1.0", *ping, cwd=COMPOSE)
    say(f"-- {answer.strip()}")
    assert answer.startswith("200 OK"), answer
    compose("down", "--volumes", env=env, of="host")


def last_words() -> None:
    """Show what everybody has logged at the end: something has failed."""
    say(f"It has failed; {busy()}. The logs end so:")
    say(docker("compose", "logs", "--no-color", "--timestamps", "--tail", "30", cwd=COMPOSE, quiet=True))


def main() -> None:
    """Run it all, and show the logs where that fails."""
    try:
        run()
    except BaseException:
        last_words()
        raise


def run() -> None:
    """Run it all."""
    begin()
    with Phone(PORT) as phone:
        phone.wait_for_server(60.0)
        caller = Caller(phone)
        caller.calls(200)
        watch()
        rotate(caller)
        pause(caller)
        replace()
        lose(caller)
    end()
    develop()
    host()
    say("All of it works.")


if __name__ == "__main__":
    main()
