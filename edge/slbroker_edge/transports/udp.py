"""SIP over UDP (RFC 3261 18): one socket for each listen address, drained and filled in batches.

A socket on all addresses of this machine takes each datagram's own with it: the reply leaves from the address that was
asked, since a peer behind NAT, or with a connected socket, takes it from no other.
"""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING, Final

from slbroker.proxy.flow import listener_id
from slbroker_edge.transports.binding import is_everywhere, name_of, open_socket
from slbroker_edge.transports.buffers import Udp
from slbroker_edge.transports.datagrams import MAPPED, asked_for, receive_asked, receive_batch, send_asked, send_batch
from slbroker_edge.transports.errorqueue import tell_errors, unreachable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slbroker.listen import ListenAddress
    from slbroker.sip.reading import Address
    from slbroker_edge.edge import Edge

BATCH: Final = 128  # datagrams taken in one turn of the loop; the next turn takes the next
MAX_ASKED: Final = 1_024  # addresses of ours remembered; a machine can have whole networks, most have a handful


class UdpListener:
    """A UDP socket that requests come in on and replies leave from.

    `scope` is the link that a link-local address of ours is on, as `recvfrom` has it (RFC 4007); 0 of all others.
    """

    def __init__(self, sock: socket.socket, advertised: str = "") -> None:
        self._socket = sock
        self._advertised = advertised
        host, port, *rest = sock.getsockname()
        self.name = name_of("udp", host, port, advertised)
        self.host: str = host
        self.scope: int = rest[1] if rest else 0

    connection = b""
    stands = True

    @staticmethod
    def open(address: ListenAddress, *, share_port: bool, freebind: bool = False) -> UdpListener:
        """Listen on `address`; the rest is as `open_socket` has it. Raise BindError."""
        return listener_on(open_socket(address, share_port=share_port, freebind=freebind), address.advertised)

    @property
    def udp(self) -> Udp:
        """The socket and its name."""
        return Udp(self.name, self._socket)

    def fileno(self) -> int:
        """Return the descriptor, for the loop."""
        return self._socket.fileno()

    def take(self, edge: Edge, now: float) -> int:
        """Give the datagrams that are waiting, at most a batch, to `edge`; return how many there were."""
        datagrams = self.receive()
        if datagrams:
            edge.take(datagrams, self, now)
        return len(datagrams)

    def receive(self) -> list[tuple[bytes, Address]]:
        """Return the datagrams that are waiting, at most a batch."""
        return receive_batch(self._socket, BATCH)

    def at(self, host: str) -> UdpListener | AskedAddress | None:
        """Return what sends from an address of ours, None where this socket is on another one."""
        return self if host == self.host else None

    def of_id(self, wanted: bytes) -> UdpListener | AskedAddress | None:
        """Return what has this `flow.listener_id`, None where nothing here has it."""
        return self if listener_id(self.name) == wanted else None

    def hear_errors(self) -> None:
        """Have the kernel keep what ICMP says of datagrams of ours, for `unreachable`, which is to be called then."""
        tell_errors(self._socket)

    def unreachable(self) -> list[Address]:
        """Return the addresses that datagrams of ours have not reached."""
        return unreachable(self._socket)

    def send(self, replies: Sequence[tuple[bytes, Address]]) -> int:
        """Send each reply to its address; return how many the kernel took."""
        return send_batch(self._socket, replies)

    def finish(self) -> None:
        """There is no connection to close."""

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class EverywhereListener(UdpListener):
    """A UDP socket on all addresses of this machine, of one family. Each of them that is asked is a listener."""

    def __init__(self, sock: socket.socket, advertised: str = "") -> None:
        super().__init__(sock, advertised)
        self._port = sock.getsockname()[1]
        self._asked: dict[bytes, AskedAddress] = {}
        self._by_id: dict[bytes, AskedAddress] = {}

    def take(self, edge: Edge, now: float) -> int:
        """Give the datagrams that are waiting to `edge`, those for each address of ours together."""
        count = 0
        for asked, datagrams in receive_asked(self._socket, BATCH):
            edge.take(datagrams, self._at(asked), now)
            count += len(datagrams)
        return count

    def at(self, host: str) -> UdpListener | AskedAddress | None:
        """Return what sends from an address of ours."""
        return self._at(asked_for(host.partition("%")[0]))

    def of_id(self, wanted: bytes) -> UdpListener | AskedAddress | None:
        """Return what has this id, None where it has not been asked yet."""
        return self._by_id.get(wanted)

    def _at(self, asked: bytes) -> UdpListener | AskedAddress:
        if not asked:  # multicast: the kernel chooses what the reply leaves from
            return self
        known = self._asked.get(asked)
        if known is None:
            if len(self._asked) >= MAX_ASKED:
                self._asked.clear()
                self._by_id.clear()
            name = name_of("udp", host_of(asked), self._port, self._advertised)
            known = self._asked[asked] = AskedAddress(self._socket, asked, name)
            self._by_id[listener_id(name)] = known
        return known


class AskedAddress:
    """One address of ours that was asked, as the listener of the requests that it got."""

    __slots__ = ("_asked", "_socket", "name", "scope")
    connection = b""
    stands = True

    def __init__(self, sock: socket.socket, asked: bytes, name: str) -> None:
        self._socket = sock
        self._asked = asked
        self.name = name
        self.scope = scope_of(asked)

    def send(self, replies: Sequence[tuple[bytes, Address]]) -> int:
        """Send each reply to its address, from ours; return how many the kernel took."""
        return send_asked(self._socket, replies, self._asked)

    def finish(self) -> None:
        """There is no connection to close."""


def listener_on(sock: socket.socket, advertised: str = "") -> UdpListener:
    """Return the listener for a socket that `open_socket` gave."""
    return EverywhereListener(sock, advertised) if is_everywhere(sock) else UdpListener(sock, advertised)


def host_of(asked: bytes) -> str:
    """Return the host of an address that `datagrams.receive_asked` gave: of struct in_pktinfo, or in6_pktinfo."""
    if len(asked) == 12:
        return socket.inet_ntop(socket.AF_INET, asked[4:8])
    if asked[:12] == MAPPED:
        return socket.inet_ntop(socket.AF_INET, asked[12:16])
    return socket.inet_ntop(socket.AF_INET6, asked[:16])


def scope_of(asked: bytes) -> int:
    """Return the link that a link-local address is on, of struct in6_pktinfo; 0 of all others."""
    return int.from_bytes(asked[16:20], sys.byteorder)
