"""The compose file under a real engine: it comes up, serves calls, loses parts, has its key ring rotated, and ends.

`engine FOLDER run python -m tests.lab.containers.compose` (`make containers` does all of it). Prints what is seen, and
fails where calls are lost that docs/fire.md does not allow.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from typing import Any, Final
from urllib.request import urlopen

from tests.lab.containers.calls import Caller, docker, say
from tests.peers.phone import Phone
from tests.support.processes import ROOT

COMPOSE: Final = ROOT / "compose"
PORT: Final = 5060


def compose(*words: str) -> str:
    """Run `docker compose WORDS`, and return what it says."""
    return docker("compose", *words, cwd=COMPOSE, quiet=words[0] == "ps")


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


def main() -> None:
    """Run it all."""
    compose("config", "--quiet")
    compose("down", "--volumes", "--remove-orphans")  # of a run that was interrupted
    compose("up", "--detach", "--wait", "--wait-timeout", "150", "--no-build")
    states = containers()
    for name, found in states.items():
        state = found["State"]
        say(f"   {name}: {state['Status']}, {state.get('Health', {}).get('Status', 'no health check')}")
        user = found["Config"]["User"]
        assert user.split(":")[0].isdecimal(), (name, user)
    assert states["ring-1"]["State"]["ExitCode"] == 0
    with Phone(PORT) as phone:
        phone.wait_for_server(60.0)
        caller = Caller(phone)
        caller.calls(200)

        with urlopen("http://127.0.0.1:8080/readyz", timeout=10.0) as answer:
            say(f"-- the monitor's /readyz: {answer.status} {answer.read().decode().strip()}")

        say("The ring, rotated twice, with calls before, between and after:")
        for _ in range(2):
            compose("run", "--rm", "--no-deps", "keys", "rotate", "/keys/slbroker.ring")
            caller.calls(50)
            time.sleep(3.0)
            caller.calls(50)
        told = {edge: figures(edge) for edge in ("edge1", "edge2")}
        absorbed = sum(each["absorbed"] for each in told.values())
        leaked = sum(each["dropped"].get("ack", 0) for each in told.values())
        say(f"-- {caller.made} calls, {absorbed} ACKs absorbed, {leaked} let through")
        assert (absorbed, leaked) == (caller.made, 0)
        log = compose("logs", "--no-color", "edge1", "edge2", "handler")
        assert log.count("loaded again: ") == 8, "two edges and two handlers, twice"

        say("A handler dies, then a broker, then an edge:")
        kill("handler-1")
        caller.calls(100)
        kill("broker1-1")
        caller.calls(100, 3.0)
        kill("edge1-1")
        caller.calls(20, 8.0)  # those of the dead one wait for Kamailio's fr_timer, 5 s, until its ping finds it back
        caller.calls(100, 8.0)
        again = containers()
        for name in ("handler-1", "broker1-1", "edge1-1"):
            assert again[name]["State"]["Running"], name
            assert again[name]["RestartCount"] >= 1, name

        say("An edge is stopped while calls come:")
        stopping = subprocess.Popen(["docker", "compose", "stop", "edge2"], cwd=COMPOSE, stderr=subprocess.DEVNULL)
        while stopping.poll() is None:
            caller.calls(10)
            time.sleep(0.2)
        caller.calls(50)

    say("The end:")
    begun = time.monotonic()
    compose("stop")
    say(f"-- all ended in {time.monotonic() - begun:.0f} s")
    for name, found in containers().items():
        code = found["State"]["ExitCode"]
        assert code == 0 or (name, code) == ("kamailio-1", 143), (name, code)
    compose("down", "--volumes")
    say("All of it works.")


if __name__ == "__main__":
    main()
