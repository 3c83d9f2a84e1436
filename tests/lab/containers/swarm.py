"""The Swarm stack under a real engine: it comes up, and is updated part by part under calls.

`engine FOLDER run python -m tests.lab.containers.swarm` (`make cluster` does all of it).
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Final

from slbroker import keys
from slbroker.bus import curve
from tests.lab.containers.calls import Caller, asked_under_load, docker, say
from tests.peers.phone import Phone
from tests.support.processes import ROOT

FOLDER: Final = ROOT / "deploy" / "swarm"
PORT: Final = 5060
ROLES: Final = ("edge", "broker", "handler")


def deploy(ring: int) -> None:
    """Deploy the stack with this version of the ring."""
    env = {**os.environ, "SLBROKER_RING": str(ring)}
    words = ("stack", "deploy", "--resolve-image", "never", "--compose-file", "stack.yaml", "slbroker")
    docker(*words, cwd=FOLDER, env=env)


def swarm(*words: str, quiet: bool = True) -> str:
    """Run `docker WORDS` and return what it says."""
    return docker(*words, cwd=FOLDER, quiet=quiet)


def wait_for(wanted: dict[str, str], seconds: float) -> None:
    """Wait until services have so many tasks of as many, such as "4/4"."""
    end = time.monotonic() + seconds
    while True:
        lines = swarm("service", "ls", "--format", "{{.Name}} {{.Replicas}}").splitlines()
        there = dict(line.removeprefix("slbroker_").split(" ", 1) for line in lines)
        if all(there.get(name, "").startswith(count) for name, count in wanted.items()):
            say(f"-- {there}")
            return
        if time.monotonic() > end:
            raise SystemExit(f"not within {seconds} s: {there}, wanted {wanted}")
        time.sleep(0.5)


def replace(service: str) -> None:
    """Replace the tasks of a service; it has ended when all are new."""
    swarm("service", "update", "--force", "--quiet", f"slbroker_{service}", quiet=False)


def update(service: str, caller: Caller, patience: float) -> None:
    """Replace the tasks of a service while calls are made, and say what became of these."""
    made, repeated, caller.slowest, ended = caller.made, caller.repeated, 0.0, Event()

    def run() -> None:
        replace(service)
        ended.set()

    runner = Thread(target=run)
    runner.start()
    while not ended.is_set():
        caller.call(patience)
        time.sleep(0.01)
    runner.join()
    say(
        f"-- {caller.made - made} calls meanwhile, all answered, {caller.repeated - repeated} INVITEs sent again,"
        f" the slowest in {caller.slowest * 1000:.0f} ms"
    )


def make_secrets(folder: Path) -> None:
    """Make ring and keys, and tell Swarm of them."""
    keys.create(folder / "slbroker.ring")
    swarm("secret", "create", "slbroker_ring_1", str(folder / "slbroker.ring"))
    for role in ROLES:
        curve.create(folder / role)
        swarm("secret", "create", f"slbroker_{role}_1", str(folder / f"{role}.key_secret"))
        swarm("config", "create", f"slbroker_{role}_1", str(folder / f"{role}.key"))


def main() -> None:
    """Run it all."""
    subprocess.run(["docker", "swarm", "leave", "--force"], capture_output=True, check=False)  # of a run before
    swarm("swarm", "init", "--advertise-addr", "127.0.0.1", quiet=False)
    wanted = {"edge": "1/1", "broker1": "1/1", "broker2": "1/1", "handler": "4/4"}
    with TemporaryDirectory() as name, Phone(PORT) as phone:
        folder = Path(name)
        make_secrets(folder)
        deploy(1)
        wait_for(wanted, 120.0)
        phone.wait_for_server(60.0)
        caller = Caller(phone)
        caller.calls(100)
        say("Handlers, one by one, under load:")
        asked_under_load(PORT, lambda: replace("handler"))
        say("The ring, another version of it:")
        keys.rotate_file(folder / "slbroker.ring", time.time())
        swarm("secret", "create", "slbroker_ring_2", str(folder / "slbroker.ring"))
        deploy(2)
        for _ in range(200):
            caller.call(32.0)
            time.sleep(0.1)
        wait_for(wanted, 120.0)
        caller.calls(100, 32.0)
        say("The edge, which has a pause: the old one has the port until it ends")
        update("edge", caller, 32.0)
    swarm("stack", "rm", "slbroker", quiet=False)
    swarm("swarm", "leave", "--force", quiet=False)
    say("All of it works.")


if __name__ == "__main__":
    main()
