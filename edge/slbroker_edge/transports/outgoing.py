"""How requests, and replies on their way back, leave an edge: by which of its sockets, to which address."""

from __future__ import annotations

import socket
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from slbroker.proxy.forward import Hop
from slbroker.sip.networks import in_networks, read_networks
from slbroker_edge.reader import is_answerable
from slbroker_edge.transports.udp import AskedAddress, UdpListener
from slbroker_edge.ways import Way

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from slbroker.sip.reading import Address
    from slbroker_edge.destinations import Candidate
    from slbroker_edge.listener import Listener
    from slbroker_edge.transports.connection import Connection
    from slbroker_edge.transports.pool import Pool

MAX_WAYS: Final = 4_096  # remembered; what leaves goes to few peers, or back to many
LOOK_AGAIN: Final = 10.0  # seconds between two looks at the kernel's routes to a host
_LINK_LOCAL: Final = read_networks(["fe80::/10"])


class Outgoing:
    """The UDP sockets of an edge, and its connections, as what messages leave by."""

    def __init__(
        self, listeners: Sequence[UdpListener], standing: Callable[[bytes], Connection | None], pool: Pool
    ) -> None:
        """`standing` returns a connection by its name, `pool` makes some; `listeners` may become more."""
        self._listeners = listeners
        self._standing = standing
        self._pool = pool

    def way_to(self, candidate: Candidate, near: Listener | None, now: float, prefer: bytes = b"") -> Way | None:
        """Return how to send to a candidate; None where there is no such way, or no room.

        `near` is where the message came in, which it leaves by, too, where that can be, None for one of our own; before
        it comes the listener whose `flow.listener_id` is `prefer`.
        """
        place = candidate.place
        address = address_of(place.host, place.port)
        if address is None:
            return None
        if place.transport != "udp":
            address = on_link(address, self._link_of(near))
            made = self._pool.connection(candidate, address, now)
            return None if made is None else Way(made, Hop(made.name, place.host, place.port, made.connection), address)
        listener = self._choose(candidate.socket, place.host, near, now, prefer)
        if listener is None:
            return None
        return Way(listener, Hop(listener.name, place.host, place.port), on_link(address, listener.scope))

    def standing(self, connection: bytes) -> Way | None:
        """Return how to send on a connection, by its name; None where it no longer stands."""
        found = self._standing(connection)
        if found is None:
            return None
        host, port = found.address[:2]
        return Way(found, Hop(found.name, host, port, connection), found.address)

    def _link_of(self, near: Listener | None) -> int:
        """Return the link that a message came by, else the one on which we have an address; 0 for none."""
        came: int = getattr(near, "scope", 0)
        return came or next((each.scope for each in self._listeners if each.scope), 0)

    def _choose(
        self, wanted: str, host: str, near: Listener | None, now: float, prefer: bytes
    ) -> UdpListener | AskedAddress | None:
        if wanted:
            at = host_of_name(wanted)
            found_there = [found for each in self._reaching(host) if (found := each.at(at)) is not None]
            return next((found for found in found_there if found.name.partition(" ")[0] == wanted), None)
        if prefer:
            for each in self._reaching(host):
                found = each.of_id(prefer)
                if found is not None:
                    return found
        if isinstance(near, (UdpListener, AskedAddress)) and can_reach(near.name, host):
            return near
        own = source_for(host, int(now / LOOK_AGAIN))
        reaching = self._reaching(host)
        exact = (found for each in reaching if own and (found := each.at(own)) is not None)
        return next(exact, None) or next((each for each in reaching if can_reach(each.name, host)), None)

    def _reaching(self, host: str) -> list[UdpListener]:
        return [each for each in self._listeners if is_family_of(each.name, host)]


def is_family_of(name: str, host: str) -> bool:
    """Return whether a socket's name is of the same family as a numeric address."""
    return (":[" in name.partition(" ")[0]) is (":" in host)


@lru_cache(maxsize=MAX_WAYS)
def can_reach(name: str, host: str) -> bool:
    """Return whether a socket with this name reaches a host.

    One on the loopback reaches nothing else; and a link-local host without its link is reached by what is on one.
    """
    own = host_of_name(name)
    if not is_family_of(name, host) or (wants_link(host) and not wants_link(own)):
        return False
    return is_loopback(own) is is_loopback(host) or own == host


def host_of_name(name: str) -> str:
    """Return the host in a socket's name, without brackets."""
    return name.partition(" ")[0].partition(":")[2].rpartition(":")[0].strip("[]")


def is_loopback(host: str) -> bool:
    """Return whether a numeric address is this machine's own for itself."""
    return host.startswith("127.") or host == "::1"


@lru_cache(maxsize=MAX_WAYS)
def wants_link(host: str) -> bool:
    """Return whether a numeric address is known only with the link it is on, and comes without: fe80::1."""
    return "%" not in host and in_networks(host, _LINK_LOCAL)


def on_link(address: Address, scope: int) -> Address:
    """Return what the kernel calls an address, a link-local one on this link where it comes without."""
    if len(address) == 4 and not address[3] and wants_link(address[0]):
        return (*address[:3], scope)
    return address


@lru_cache(maxsize=MAX_WAYS)
def source_for(host: str, _when: int) -> str:
    """Return the address of ours that the kernel's routes have what goes to a host leave from, "" where there is none.

    `_when` changes when it is time to look again.
    """
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((host, 9))  # nothing is sent
            return str(probe.getsockname()[0])
    except OSError:
        return ""


@lru_cache(maxsize=MAX_WAYS)
def address_of(host: str, port: int) -> Address | None:
    """Return what the kernel calls a numeric address and port, in the form that `recvfrom` has.

    None for no such, and for one that is not one peer's: nobody has us speak to whole networks.
    """
    try:
        if not is_answerable(host, port):
            return None
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)
    except (OSError, ValueError):  # UnicodeError among them
        return None
    return found[0][4]  # type: ignore[return-value]
