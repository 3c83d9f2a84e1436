"""The SIP side of one edge process: what it listens on, and what it sends by, on one asyncio loop."""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from slbroker.bus.roster import MAX_WORKERS
from slbroker.descriptors import Room, make_room
from slbroker.errors import ConfigError
from slbroker.filewatch import Watch
from slbroker.listen import SECURE, parse_listen_address
from slbroker.proxy.flow import listener_id
from slbroker.proxy.forward import Hop
from slbroker.service import read_again
from slbroker.tls import client_context, server_context
from slbroker_edge.transports.binding import adopt_socket, open_socket
from slbroker_edge.transports.buffers import BufferWatch
from slbroker_edge.transports.connection import Connection
from slbroker_edge.transports.outgoing import Outgoing, address_of, source_for
from slbroker_edge.transports.pacing import PacedReader
from slbroker_edge.transports.pool import MAX_DIALLED, Pool
from slbroker_edge.transports.siblings import BATCH as HANDED
from slbroker_edge.transports.streams import EVENTS, Streams
from slbroker_edge.transports.tls import TlsConnections
from slbroker_edge.transports.udp import BATCH, UdpListener, listener_on
from slbroker_edge.ways import Way

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Collection, Iterator

    from slbroker.listen import ListenAddress
    from slbroker.proxy.flow import Flow
    from slbroker.settings.edge import EdgeSettings
    from slbroker_edge.destinations import Candidate, Destinations
    from slbroker_edge.edge import Edge
    from slbroker_edge.fdstore import FdStore
    from slbroker_edge.listener import Listener
    from slbroker_edge.takeover import Heirloom
    from slbroker_edge.transports.siblings import Sibling
    from slbroker_edge.transports.streams import MakeConnection
    from slbroker_edge.transports.websocket import WebSockets

logger = logging.getLogger(__name__)

PARTING_TIME: Final = 1.5  # seconds in which connections come to rest; requests on one that does not are cut off then
DRAIN_BATCHES: Final = 64  # batches still taken from each socket at the end: what its buffer holds, and no flood


class Sockets:
    """Sockets and connections; what comes by them is given to `edge`, and `on_turn` called behind it."""

    def __init__(
        self, settings: EdgeSettings, edge: Edge, on_turn: Callable[[], None], sibling: Sibling | None = None
    ) -> None:
        """`sibling` is this process among those of its edge. Raises ConfigError for TLS files that cannot be used."""
        self.settings = settings
        self._sibling = sibling
        self.destinations: Destinations | None = None  # who wants to know which next hops are not reached
        self._edge = edge
        self._on_turn = on_turn
        self._listeners: list[UdpListener] = []
        self._ping_listeners = self._listeners if settings.processes == 1 else []
        self._pool = Pool(self._make_streams, self._trust, self._not_reached)
        self.outgoing = Outgoing(self._listeners, self._standing, self._pool)
        self._ways_of_pings = Outgoing(self._ping_listeners, self._standing, self._pool)
        self._hears_errors = False  # of ICMP
        self._readers: list[PacedReader] = []
        self._stream_reader: PacedReader | None = None
        self._streams: Streams | None = None
        self.tls_watch = Watch(settings.tls.files if settings.tls else (), time.monotonic())
        self._tls = TlsConnections(server_context(settings.tls)) if settings.tls else None
        if settings.next_hop_tls.signers is not None:
            self._trust()  # what is wrong with it is said now
        self._websockets: WebSockets | None = None
        self._buffers: BufferWatch | None = None
        self._part_by = 0.0  # when connections are read no more, once we end
        self._has_parted = False

    # Listening --------------------------------------------------------------------------------------------------

    def listen(self, heirloom: Heirloom | FdStore | None = None) -> list[str]:
        """Bind everything; return the names, with the ports that they got; raise BindError, ConfigError.

        What `heirloom` has, of an edge whose sockets are taken over or were kept, is used as it is.
        """
        room = self._make_room()
        names = [self._listen(address, room, sock) for address, sock in self._open(heirloom)]
        self._open_ping_listeners()
        return names

    def read(self) -> None:
        """Read from now on."""
        loop, interval = asyncio.get_running_loop(), self.settings.gather
        for listener in {*self._listeners, *self._ping_listeners}:
            take = partial(self._on_datagrams, listener)
            self._readers.append(PacedReader(loop, listener.fileno(), take, most=BATCH, interval=interval))
        if self._streams is not None and self._stream_reader is None:  # a ping by TCP may have had it read already
            self._read_streams(self._streams)
        if self._sibling is not None:
            take = partial(self._on_handed, self._sibling)
            self._readers.append(PacedReader(loop, self._sibling.fileno(), take, most=HANDED, interval=interval))
        self._buffers = BufferWatch([listener.udp for listener in self._listeners])

    def _make_room(self) -> Room:
        has_streams = any(address.transport != "udp" for address in self.settings.listen)
        most = self.settings.streams.connections
        return make_room(MAX_WORKERS, most if has_streams else min(most, MAX_DIALLED))

    def _open(self, heirloom: Heirloom | FdStore | None) -> Iterator[tuple[ListenAddress, socket.socket]]:
        """Yield a socket for each address; several where more processes had one than there are now."""
        for address in self.settings.listen:
            found = heirloom.take(address) if heirloom is not None else []
            for sock in found:
                yield address, adopt_socket(address, sock)
            if not found:
                sharing = self.settings.processes > 1
                yield address, open_socket(address, share_port=sharing, freebind=self.settings.freebind)

    def _listen(self, address: ListenAddress, room: Room, sock: socket.socket) -> str:
        """Listen on one socket; return its name, with the port that it got."""
        if address.transport == "udp":
            self._listeners.append(listener_on(sock, address.advertised))
            return self._listeners[-1].name
        if self._streams is None:
            self._streams = Streams(self._edge, self.settings.streams, room.sip, self.settings.process)
        if address.transport in SECURE and self._tls is None:
            sock.close()
            raise ConfigError(f"{address} has no certificate: name it with --tls-cert FILE and --tls-key FILE")
        return self._streams.listen(address.transport, sock, self._maker(address.transport), address.advertised)

    def _maker(self, transport: str) -> MakeConnection:
        """Return what makes the connections of a listener."""
        if transport == "tcp":
            return Connection
        if transport == "tls":
            assert self._tls is not None
            return self._tls
        if self._websockets is None:
            from slbroker_edge.transports.websocket import WebSockets  # noqa: PLC0415 - it needs an extra's library

            self._websockets = WebSockets(self.settings.streams.origins, self._tls)
        return self._websockets.plain if transport == "ws" else self._websockets.secure

    def _open_ping_listeners(self) -> None:
        """Have pings leave from ports of their own where processes share theirs: the answers come to who has asked."""
        settings = self.settings
        if settings.processes > 1 and settings.groups.file is not None and settings.groups.ping_interval:
            for address in {each._replace(port=0) for each in settings.listen if each.transport == "udp"}:
                sock = open_socket(address, share_port=False, freebind=settings.freebind)
                self._ping_listeners.append(listener_on(sock))

    def _read_streams(self, streams: Streams) -> None:
        """Read from connections from now on."""
        loop, take = asyncio.get_running_loop(), partial(self._on_streams, streams)
        self._stream_reader = PacedReader(loop, streams.fileno(), take, most=EVENTS, interval=self.settings.gather)

    # Sending ----------------------------------------------------------------------------------------------------

    def way_of_ping(self, candidate: Candidate, now: float) -> Way | None:
        """Return how a ping leaves."""
        if self._ping_listeners is not self._listeners and candidate.place.transport == "udp":
            candidate = candidate._replace(socket="")  # which has another port
        return self._ways_of_pings.way_to(candidate, None, now)

    def _make_streams(self) -> Streams:
        """Return the connections of this process, where nothing listens for any, too: requests may leave by some."""
        if self._streams is None:
            self._streams = Streams(self._edge, self.settings.streams, MAX_DIALLED, self.settings.process)
            self._read_streams(self._streams)
        return self._streams

    def _trust(self) -> ssl.SSLContext:
        """Return how next hops are trusted; raises ConfigError."""
        hops, own = self.settings.next_hop_tls, self.settings.tls
        pair = (own.certificate, own.key) if own is not None else (None, None)
        return client_context(hops.signers, *pair, insecure=hops.insecure)

    def _not_reached(self, candidate: Candidate, now: float, why: str) -> None:
        if self.destinations is not None:
            self.destinations.failed(candidate, now, why)

    def elsewhere(self, flow: Flow) -> Way | None:
        """Return how to send by a connection that another process of this edge has; None where it is none of theirs."""
        if self._sibling is None or self._streams is None:
            return None
        names = self._streams.names(flow.transport, flow.host, partial(source_for, _when=0))
        name = next((each for each in names if listener_id(each) == flow.listener), names[0] if names else "")
        handing = self._sibling.listener(flow, name) if name else None
        address = address_of(flow.host, flow.port)
        if handing is None or address is None:
            return None
        return Way(handing, Hop(name, flow.host, flow.port, flow.connection), address)

    def _standing(self, name: bytes) -> Connection | None:
        return self._streams.standing(name) if self._streams is not None else None

    # Serving ----------------------------------------------------------------------------------------------------

    def _on_datagrams(self, listener: UdpListener) -> int:
        """Take a batch; return how many there were."""
        now = time.monotonic()
        count = listener.take(self._edge, now)
        if not count and self._hears_errors and self._read_errors(listener, now):
            count = listener.take(self._edge, now)  # an error had ended the batch
        if count:
            self._on_turn()
        return count

    def _on_handed(self, sibling: Sibling) -> int:
        """Send what other processes hand over; return how many there were."""
        handed, forwarding, now = sibling.receive(), self._edge.forwarding, time.monotonic()
        for flow, data in handed:
            if forwarding is not None:
                forwarding.take_over(flow, data, now)
        if handed:
            self._on_turn()
        return len(handed)

    def _on_streams(self, streams: Streams) -> int:
        """Take what connections have brought; return how many had something."""
        count = streams.serve(time.monotonic())
        if count:
            self._on_turn()
        return count

    def nudge(self) -> None:
        """Look now where many came the last time: replies have left, and who waited for them sends more."""
        for reader in self._readers:
            reader.nudge()
        if self._stream_reader is not None:
            self._stream_reader.nudge()

    def look(self, now: float) -> None:
        """Do what time brings."""
        if self._streams is not None:
            self._streams.sweep(now)
        if self._buffers is not None:
            self._buffers.look(now)

    def hear_errors(self, now: float) -> None:
        """Hear of ICMP errors from now on, and of those that are told already: who only answers has no use for them."""
        listeners = {*self._listeners, *self._ping_listeners}
        if not self._hears_errors:
            self._hears_errors = True
            for listener in listeners:
                listener.hear_errors()
        for listener in listeners:
            self._read_errors(listener, now)

    def _read_errors(self, listener: UdpListener, now: float) -> bool:
        """Hear which next hops ICMP says are gone; return whether it has said anything."""
        gone = listener.unreachable()
        if self.destinations is not None:
            for address in gone:
                self.destinations.unreachable(address[0], address[1], now)
        return bool(gone)

    def figures(self) -> dict[str, object]:
        """Return what the statistics have of connections, nothing where there are none."""
        if self._streams is None:
            return {}
        taken = [address.transport for address in self.settings.listen if address.transport != "udp"]
        open_now = {**dict.fromkeys(taken, 0), **self._streams.transports()}  # a 0 is a figure, too, and shown
        return {"connections": {**self._streams.figures(), **({"transports": open_now} if open_now else {})}}

    @property
    def dropped(self) -> int:
        """How many datagrams the kernel has dropped."""
        return self._buffers.dropped if self._buffers is not None else 0

    # Ending -----------------------------------------------------------------------------------------------------

    def reload_tls(self) -> None:
        """Read the TLS files again, for connections to come; on an error, which says which file, keep the old ones."""
        tls, files = self._tls, self.settings.tls
        self._pool.trust_anew()
        if tls is None or files is None:
            return
        self.tls_watch.look()

        def read() -> None:
            tls.context = server_context(files)

        if read_again(read):
            logger.info("certificate %s loaded again", files.certificate)

    def sockets(self) -> list[socket.socket]:
        """Return the sockets that are listened on."""
        streams = self._streams.sockets if self._streams is not None else []
        return [listener.udp.sock for listener in self._listeners] + streams

    def leave(self, sockets: Collection[socket.socket]) -> None:
        """Accept no connection at these any more: another process does."""
        if self._streams is not None:
            self._streams.leave(sockets)

    def listener_named(self, name: str) -> Listener | None:
        """Return the UDP listener of that name, one that has every address included; None where there is none."""
        host = parse_listen_address(name.partition(" ")[0]).host if name.startswith("udp:") else ""
        found = [listener.at(host) for listener in self._listeners] if host else []
        return next((each for each in found if each is not None and each.name == name), None)

    def stop(self, left: Collection[socket.socket] = ()) -> None:
        """Take what the kernel has for us already, and nothing more.

        What it has at the sockets that are `left` to another process, that one takes.
        """
        for reader in self._readers:
            reader.stop()
        if self._streams is not None:
            self._streams.leave(left)
        for listener in self._listeners:
            if listener.udp.sock in left:
                continue
            for _ in range(DRAIN_BATCHES):
                if not self._on_datagrams(listener):
                    break
        if self._streams is not None:
            for _ in range(DRAIN_BATCHES):
                if not self._on_streams(self._streams):
                    break
            self._streams.close_listeners()
        self._part_by = time.monotonic() + PARTING_TIME

    def part(self) -> bool:
        """Close connections behind their last reply; return whether all have stopped that have been read until now.

        One that is at rest for a moment is closed in that moment, right behind a look at what has come: whoever sends
        on it later is told at once, and connects to the edge behind us. One that never is takes no more in the end.
        """
        streams, now = self._streams, time.monotonic()
        if streams is None or self._has_parted:
            return True
        self._has_parted = streams.part(now) or now >= self._part_by
        self._on_turn()
        if self._has_parted:
            streams.stop()
        return self._has_parted

    @property
    def unsent(self) -> bool:
        """Return whether some peer has yet to read what was sent to it."""
        return self._streams is not None and self._streams.unsent

    def close(self) -> None:
        """Close everything."""
        for reader in self._readers:
            reader.stop()
        for listener in {*self._listeners, *self._ping_listeners}:
            listener.close()
        if self._stream_reader is not None:
            self._stream_reader.stop()
        if self._streams is not None:
            self._streams.close()
