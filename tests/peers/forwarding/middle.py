"""What stands between caller and callee: Kamailio alone, which shows that the calls are right, or our edge.

Each is told by which next hop each user is reached, and says at which port a caller reaches it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.peers.brokers import Edge, free_bus_address, new_keys, start_edge
from tests.peers.forwarding.calls import End
from tests.peers.phone import Phone
from tests.support.peers import free_udp_port, require_peer
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.conftest import Start
    from tests.support.processes import Process

CONFIG: Final = Path(__file__).with_name("middle.cfg")
# Bytes that wait for Kamailio at most, as for an edge: it stops at 256 KiB where nobody says so.
BUFFER: Final = 4 * 1024 * 1024


class Way(NamedTuple):
    """The two sides: where SIPp is, and what the middle listens on there."""

    near: End
    near_listen: str
    far: End
    far_listen: str

    def hop(self, port: int) -> str:
        """The URI of a callee."""
        host = "[::1]" if self.far.host == "::1" else "127.0.0.1"
        return f"sip:{host}:{port}" + (";transport=tcp" if self.far.transport == "t1" else "")


UDP, UDP6, TCP = End(), End("u1", "::1"), End("t1")
WAYS = {
    "udp": Way(UDP, "udp:127.0.0.1", UDP, "udp:127.0.0.1"),
    "udp-tcp": Way(UDP, "udp:127.0.0.1", TCP, "tcp:127.0.0.1"),
    "tcp-udp": Way(TCP, "tcp:127.0.0.1", UDP, "udp:127.0.0.1"),
    "ipv4-ipv6": Way(UDP, "udp:127.0.0.1", UDP6, "udp:[::1]"),
}


@dataclass(frozen=True)
class Kamailio:
    """A running Kamailio: `port` is the near side's, `udp` the one of its UDP socket on 127.0.0.1."""

    process: Process
    port: int
    udp: int


def start_kamailio(
    start: Start,
    folder: Path,
    hops: Mapping[str, str],
    *,
    near: str = "udp:127.0.0.1",
    far: str = "udp:127.0.0.1",
    stateful: bool = False,
) -> Kamailio:
    """Start a Kamailio whose near side listens on `near`, such as "udp:[::1]", and which sends by `far`."""
    for attempt in range(2):  # once in some dozens of starts it comes up and answers nothing
        made = _start_kamailio(start, folder / f"kamailio-{attempt}", hops, near, far, stateful)
        if _answers(made.udp):
            return made
        made.process.stop()
    raise AssertionError(str(made.process))


def _start_kamailio(start: Start, run: Path, hops: Mapping[str, str], near: str, far: str, stateful: bool) -> Kamailio:
    run.mkdir(parents=True)
    config, lines = run / "middle.cfg", (f'if ($rU == "{user}") $du = "{hop}";' for user, hop in hops.items())
    config.write_text(CONFIG.read_text().replace("# HOPS", " ".join(lines)))
    listens = {address: free_udp_port() for address in dict.fromkeys((near, far))}
    sides = [f"{which}={address}:{listens[address]}" for which, address in (("NEAR", near), ("FAR", far))]
    process = start(
        require_peer("kamailio"), "-f", str(config), "-DD", "-E", *("-m", "256", "-M", "8", "-b", str(BUFFER)),
        *("-w", str(run), "-Y", str(run)),
        *("-A", sides[0], *(("-A", sides[1]) if far != near else ())), *(("-A", "WITH_TM") if stateful else ()),
        cwd=run,
    )  # fmt: skip
    return Kamailio(process, listens[near], listens["udp:127.0.0.1"])


def _answers(port: int) -> bool:
    deadline = time.monotonic() + within(5)
    with Phone(port) as phone:
        while time.monotonic() < deadline:
            try:
                phone.send(phone.call().request("OPTIONS").replace(b"sip:bob@", b"sip:up@", 1))
                if (reply := phone.receive(0.3)) is not None:
                    return reply.status == 200
            except ConnectionRefusedError:
                time.sleep(0.05)
    return False


def start_forwarding(
    start: Start, folder: Path, hops: Mapping[str, str], way: Way, options: Sequence[str] = ()
) -> Edge:
    """An edge with a route for each user, and no worker; what a callee sends goes back to its caller."""
    routes = [word for user, hop in hops.items() for word in ("--route", f"pass={hop} user={user}")]
    routes += ["--route", f"pass={next(iter(hops.values()))} user=alice"]
    listens = list(dict.fromkeys((way.near_listen, way.far_listen)))
    bus = free_bus_address("ipc", folder)
    return start_edge(start, new_keys(folder), bus, listens, (*routes, "--record-route", *options))
