"""Hosts on a network: a namespace each, with an address, a cable to the switch, and the programs that run there.

    with Network() as network:
        edge, worker = network.host("edge"), network.host("worker")
        edge.slbroker("edge", "--listen", f"udp:{edge.address}:5060", ...)
        worker.cable.cut()

The hosts know each other's hardware address from the start, so that an unreachable one is not found out by ARP: nobody
is told anything of another one's end, as where there are routers between them.
"""

from __future__ import annotations

import socket
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from tests.lab.network import namespaces
from tests.lab.network.wire import Cable, Switch
from tests.support.peers import require_peer
from tests.support.processes import Process

if TYPE_CHECKING:
    from collections.abc import Mapping

INTERFACE: Final = "eth0"
MOST_HOSTS: Final = 9


def _address(number: int) -> str:
    return f"10.0.0.{number}"


def _mac(number: int) -> str:
    return f"02:00:00:00:00:{number:02x}"


def _set_kernel() -> None:
    """Make the stack the same everywhere: without IPv6's talk, and with Reno, the congestion control that all have."""
    for setting, value in (("ipv6/conf/default/disable_ipv6", "1"), ("ipv4/tcp_congestion_control", "reno")):
        (Path("/proc/sys/net") / setting).write_text(value)


class Host:
    """One host. `address` and `cable` stay the same when it goes and comes back."""

    def __init__(self, name: str, number: int, switch: Switch) -> None:
        self.name = name
        self.address = _address(number)
        self.cable = Cable()
        self._number = number
        self._switch = switch
        self._namespace = namespaces.owned_name(name)
        self._processes: list[Process] = []
        self.boot()

    def boot(self) -> None:
        """Begin, or begin again after `crash`, with nothing left of the life before; the cable is whole."""
        name = self._namespace
        namespaces.make(name)
        namespaces.inside(name, _set_kernel)
        tap = namespaces.open_tap(name, INTERFACE)
        self._switch.plug(tap, bytes.fromhex(_mac(self._number).replace(":", "")), self.cable)
        neighbours = [
            f"neigh add {_address(other)} lladdr {_mac(other)} dev {INTERFACE} nud permanent"
            for other in range(1, MOST_HOSTS + 1)
            if other != self._number
        ]
        script = [
            f"link set {INTERFACE} address {_mac(self._number)}",
            f"addr add {self.address}/24 dev {INTERFACE}",
            f"link set {INTERFACE} up",
            *neighbours,
        ]
        namespaces.ip("-n", name, "-batch", "-", script="\n".join(script))
        self.cable.mend()

    def crash(self) -> None:
        """Lose the power: nobody hears a last word, and neither process nor connection is left."""
        self.cable.cut()
        for process in self._processes:
            process.kill()
        self._processes.clear()
        self._switch.unplug(bytes.fromhex(_mac(self._number).replace(":", "")))
        namespaces.remove(self._namespace)

    def remove(self) -> None:
        """Stop its programs in order, and remove it."""
        with ExitStack() as stack:
            stack.callback(self.crash)
            for process in self._processes:
                stack.callback(process.stop)

    def program(self, *command: str, env: Mapping[str, str] | None = None) -> Process:
        """Start a program on this host; it ends with it."""
        ip = require_peer("ip")
        self._processes.append(Process(ip, "netns", "exec", self._namespace, *command, env=env))
        return self._processes[-1]

    def slbroker(self, *words: str, env: Mapping[str, str] | None = None) -> Process:
        """Start `slbroker WORDS` on this host, from this tree."""
        return self.program(sys.executable, "-m", "slbroker", *words, env=env)

    def udp_socket(self) -> socket.socket:
        """A UDP socket of this test that is on that host's network."""
        return namespaces.inside(self._namespace, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))


class Network:
    """Hosts and the switch between them; as a context manager they are removed at the end, whatever happened."""

    def __init__(self) -> None:
        namespaces.remove_leftovers()
        self._switch = Switch()
        self._hosts: list[Host] = []

    def host(self, name: str) -> Host:
        """A new host; `name` is of letters and digits."""
        self._hosts.append(Host(name, len(self._hosts) + 1, self._switch))
        return self._hosts[-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        with ExitStack() as stack:
            stack.callback(self._switch.close)
            for host in self._hosts:
                stack.callback(host.remove)
