"""The Swarm stack under two real engines, two nodes: it comes up, and is updated part by part under calls.

`engine FOLDER pair python -m tests.lab.containers.swarm` (`make cluster` does all of it). Kamailio is before the edges
of both nodes, on a machine of its own.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from slbroker import keys
from slbroker.bus import curve
from tests.lab.containers.calls import Caller, asked_under_load, docker, say
from tests.peers.phone import Phone
from tests.support.peers import require_peer
from tests.support.processes import ROOT, Process

FOLDER: Final = ROOT / "deploy" / "swarm"
IMAGE: Final = "slbroker:0.1.0"
NODES: Final = ("10.91.0.1", "10.91.0.2")
FRONT: Final = ("10.91.0.9", 5070)  # Kamailio's, here
CLOSED: Final = "10.91.0.0/29"  # the nodes, and not this machine, may reach the brokers' port
BROKERS: Final = 5591
ROLES: Final = ("edge", "broker", "handler")
WANTED: Final = {"edge": "2/2", "broker1": "1/1", "broker2": "1/1", "handler": "4/4"}


def swarm(*words: str, quiet: bool = True, second: bool = False) -> str:
    """Run `docker WORDS`, on the second node if that is said, and return what it says."""
    env = {**os.environ, "DOCKER_HOST": os.environ["SECOND_HOST"]} if second else None
    return docker(*words, cwd=FOLDER, quiet=quiet, env=env)


def deploy(ring: int) -> None:
    """Deploy the stack with this version of the ring, a broker on each node."""
    brokers = {f"SLBROKER_BROKER{number}": node for number, node in enumerate(NODES, 1)}
    env = {**os.environ, **brokers, "SLBROKER_RING": str(ring)}
    words = ("stack", "deploy", "--resolve-image", "never", "--compose-file", "stack.yaml", "slbroker")
    docker(*words, cwd=FOLDER, env=env)


def wait_for(seconds: float, is_done: bool = True) -> None:
    """Wait until every service has all its tasks, and where `is_done`, until updates that were begun have ended."""
    end = time.monotonic() + seconds
    while True:
        lines = swarm("service", "ls", "--format", "{{.Name}} {{.Replicas}}").splitlines()
        there = dict(line.removeprefix("slbroker_").split(" ", 1) for line in lines)
        states = {name: updating(name) for name in there}
        if all(there.get(name, "").startswith(count) for name, count in WANTED.items()) and not (
            is_done and any(state == "updating" for state in states.values())
        ):
            say(f"-- {there}, updates: {states}")
            assert set(states.values()) <= {"none", "completed"}, states
            return
        if time.monotonic() > end:
            raise SystemExit(f"not within {seconds} s: {there}, {states}, wanted {WANTED}")
        time.sleep(0.5)


def updating(service: str) -> str:
    """Return the state of a service's last update."""
    told = swarm("service", "inspect", "--format", "{{json .UpdateStatus}}", f"slbroker_{service}")
    return str((json.loads(told) or {}).get("State", "none"))


def replace(service: str) -> None:
    """Replace the tasks of a service; it has ended when all are new."""
    swarm("service", "update", "--force", "--quiet", f"slbroker_{service}", quiet=False)


def nodes() -> dict[str, int]:
    """Return the engine's process on each node: it stays, and the network that it is in is the edges', too."""
    sockets = (os.environ["DOCKER_HOST"], os.environ["SECOND_HOST"])
    folders = [Path(each.removeprefix("unix://")).parent for each in sockets]
    return {f"node {number}": int((folder / "pid").read_text()) for number, folder in enumerate(folders, 1)}


def begin(folder: Path) -> None:
    """Make a Swarm of both engines, give it the image, ring and keys, and the stack."""
    for second in (False, True):  # of a run before
        env = {**os.environ, **({"DOCKER_HOST": os.environ["SECOND_HOST"]} if second else {})}
        subprocess.run(["docker", "swarm", "leave", "--force"], capture_output=True, check=False, env=env)
    archive = folder / "image.tar"
    swarm("save", "--output", str(archive), IMAGE)
    swarm("load", "--input", str(archive), second=True)
    archive.unlink()
    swarm("swarm", "init", "--advertise-addr", NODES[0], quiet=False)
    token = swarm("swarm", "join-token", "--quiet", "worker").strip()
    swarm("swarm", "join", "--advertise-addr", NODES[1], "--token", token, f"{NODES[0]}:2377", second=True)
    label()
    keys.create(folder / "slbroker.ring")
    swarm("secret", "create", "slbroker_ring_1", str(folder / "slbroker.ring"))
    for role in ROLES:
        curve.create(folder / role)
        swarm("secret", "create", f"slbroker_{role}_1", str(folder / f"{role}.key_secret"))
        swarm("config", "create", f"slbroker_{role}_1", str(folder / f"{role}.key"))
    deploy(1)
    wait_for(120.0)


def label() -> None:
    """Say which broker is to be on which node."""
    itself = swarm("info", "--format", "{{.Swarm.NodeID}}").strip()
    other = swarm("info", "--format", "{{.Swarm.NodeID}}", second=True).strip()
    for number, node in enumerate((itself, other), 1):
        swarm("node", "update", "--label-add", f"slbroker-broker={number}", node, quiet=False)


def close() -> None:
    """Leave the brokers' port to the nodes, by the rule in the stack's file; it was open to this machine before."""
    (rule,) = re.findall(r"^#   iptables (.*)$", (FOLDER / "stack.yaml").read_text("utf-8"), re.MULTILINE)
    words = ["iptables", *rule.replace("10.0.0.0/24", CLOSED).split()]
    assert CLOSED in words
    for node, process in zip(NODES, nodes().values(), strict=True):
        assert is_open(node), node
        subprocess.run(["nsenter", f"--net=/proc/{process}/ns/net", *words], check=True)
        assert not is_open(node), node
        say(f"-- {node}:{BROKERS} was open to this machine, and is closed: {' '.join(words)}")


def is_open(node: str) -> bool:
    """Return whether this machine reaches the brokers' port of a node."""
    try:
        socket.create_connection((node, BROKERS), 2.0).close()
    except TimeoutError:
        return False
    return True


def kamailio(folder: Path) -> Process:
    """Start this machine's Kamailio, with both edges in its list."""
    (folder / "list").write_text("".join(f"1 sip:{node}:5060\n" for node in NODES))
    listens = ("-A", f"LISTEN=udp:{FRONT[0]}:{FRONT[1]}", "-A", "WITH_DISPATCHER", "-A", f'EDGES="{folder}/list"')
    room = ("-m", "256", "-M", "8", "-b", "4194304", "-w", str(folder), "-Y", str(folder))
    return Process(require_peer("kamailio"), "-f", str(ROOT / "compose/kamailio.cfg"), "-DD", "-E", *listens, *room)


def main() -> None:
    """Run it all."""
    with TemporaryDirectory() as name, Phone(FRONT[1], FRONT[0]) as phone, ExitStack() as stack:
        folder = Path(name)
        begin(folder)
        close()
        stack.enter_context(kamailio(folder))
        phone.wait_for_server(60.0)
        time.sleep(5.0)  # until its dispatcher has asked both
        caller = Caller(phone)
        caller.calls(100)
        for what in ("handler", "edge", "broker1", "broker2"):
            say(f"{what}, its tasks replaced one by one, under load:")
            asked_under_load(FRONT[1], partial(replace, what), nodes(), host=FRONT[0])
        caller.calls(100)
        say("The ring, another version of it, which replaces edges and handlers, the same:")
        keys.rotate_file(folder / "slbroker.ring", time.time())
        swarm("secret", "create", "slbroker_ring_2", str(folder / "slbroker.ring"))

        def rotated() -> None:
            deploy(2)
            time.sleep(2.0)
            wait_for(400.0)

        asked_under_load(FRONT[1], rotated, nodes(), host=FRONT[0])
        caller.calls(100)
    swarm("stack", "rm", "slbroker", quiet=False)
    swarm("swarm", "leave", "--force", second=True)
    swarm("swarm", "leave", "--force", quiet=False)
    say("All of it works.")


if __name__ == "__main__":
    main()
