"""The edge process: sockets, bus and timer around an `Edge`, on one asyncio loop."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from slbroker import twins
from slbroker.authnonce import NonceKeys
from slbroker.bus.choice import DEFAULT_POOL
from slbroker.bus.dispatcher import Dispatcher
from slbroker.bus.keycheck import Labels
from slbroker.bus.roster import MAX_WORKERS
from slbroker.descriptors import Room, make_room
from slbroker.errors import ConfigError
from slbroker.filewatch import Watch
from slbroker.listen import SECURE
from slbroker.proxy.flow import Seals
from slbroker.ringfile import RingFile
from slbroker.service import DRAIN_MARGIN, LAST_MARGIN, BusService, read_again
from slbroker.tls import client_context, server_context
from slbroker.totag import Signer
from slbroker_edge.ackfilter import AckFilter
from slbroker_edge.brokerlinks import BrokerLinks, load_keys
from slbroker_edge.edge import Edge
from slbroker_edge.filterfile import FilterFile
from slbroker_edge.nexthops import NextHops
from slbroker_edge.onward import Forwarding
from slbroker_edge.transports.binding import open_socket
from slbroker_edge.transports.buffers import BufferWatch
from slbroker_edge.transports.connection import Connection
from slbroker_edge.transports.outgoing import Outgoing
from slbroker_edge.transports.pacing import PacedReader
from slbroker_edge.transports.pool import MAX_DIALLED, Pool
from slbroker_edge.transports.streams import EVENTS, Streams
from slbroker_edge.transports.tls import TlsConnections
from slbroker_edge.transports.udp import BATCH, UdpListener, listener_on

if TYPE_CHECKING:
    import ssl

    from slbroker.bus.jobs import Job
    from slbroker.bus.sockets import BusSocket
    from slbroker.listen import ListenAddress
    from slbroker.settings.edge import EdgeSettings
    from slbroker_edge.destinations import Candidate
    from slbroker_edge.filtermemory import FilterMemory
    from slbroker_edge.onward import Way
    from slbroker_edge.rules import RuleFile
    from slbroker_edge.transports.streams import MakeConnection
    from slbroker_edge.transports.websocket import WebSockets

logger = logging.getLogger(__name__)

TICK: Final = 0.05  # seconds between two looks at what time brings
DRAIN_BATCHES: Final = 64  # batches still taken from each socket then: what its buffer holds, and no flood
PARTING_TIME: Final = 0.1  # seconds that workers have to read GOODBYE; ZeroMQ discards what is unread when we hang up


class EdgeService(BusService):
    """One edge process. `start`, then `drain` and `close`; `reload` reads key ring, TLS files and bus keys again."""

    def __init__(self, settings: EdgeSettings, memory: FilterMemory | None = None) -> None:
        """`memory` is this process's part of what an edge of several processes shares."""
        self.settings = settings
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self._ring_file = RingFile(settings.keys)
        signer = self._make_signer()
        dispatcher: Dispatcher[Job] = Dispatcher(
            self.name, secrets.randbits(62), settings.dispatch, {"processes": settings.processes, "forwards": True}
        )
        memory = memory or FilterFile(settings.bus, 1).of_process(0)
        ack_filter = AckFilter(signer, settings.ack_window, memory)
        self.edge = Edge(dispatcher, ack_filter, settings.policies, settings.checks)
        self._tell_keys()
        self._listeners: list[UdpListener] = []
        self._pool = Pool(self._make_streams, self._trust, self._not_reached)
        outgoing = Outgoing(self._listeners, self._standing, self._pool)
        self._ping_listeners = self._listeners if settings.processes == 1 else []
        self._ways_of_pings = Outgoing(self._ping_listeners, self._standing, self._pool)
        self._hops = NextHops(settings.groups, settings.hops, self._way_of_ping, self._turn)
        self.edge.forwarding = self._forwarding = Forwarding(
            settings.forwarding,
            self._make_seals(),
            settings.checks,
            self._hops.destinations,
            outgoing,
            self._hops.pinger.heard,
        )
        self._hears_errors = False  # of ICMP
        self._groups_watch = Watch((self._hops.file,) if self._hops.file else (), time.monotonic())
        self._forwarding.is_used |= bool(settings.hops) or settings.groups.file is not None
        self._rules = self._load_rules(signer)
        self.edge.rules = self._rules
        self._readers: list[PacedReader] = []
        self._stream_reader: PacedReader | None = None
        self._streams: Streams | None = None
        self._tls_watch = Watch(settings.tls.files if settings.tls else (), time.monotonic())
        self._tls = TlsConnections(server_context(settings.tls)) if settings.tls else None
        self._websockets: WebSockets | None = None
        super().__init__(TICK, settings.security)  # what can go wrong before leaves no context behind
        self._bus: BusSocket | None = None
        self._links: BrokerLinks | None = None
        if settings.brokers.addresses:
            self._links = BrokerLinks(dispatcher, self._on_envelope, self._on_bus, ticks=TICK)
        self._buffers: BufferWatch | None = None

    def _make_signer(self) -> Signer:
        ring = self._ring_file.ring
        return Signer(ring.current, ring.accepted(time.time()))

    def _load_rules(self, signer: Signer) -> RuleFile | None:
        if self.settings.rules is None:
            return None
        from slbroker_edge.rules import RuleFile  # noqa: PLC0415 - it brings along what runs plugins

        return RuleFile(self.settings.rules, signer, self._make_nonces())

    def _make_nonces(self) -> NonceKeys:
        ring = self._ring_file.ring
        return NonceKeys(ring.current, ring.accepted(time.time()))

    def _make_seals(self) -> Seals:
        ring = self._ring_file.ring
        return Seals(ring.current, ring.accepted(time.time()), ring.all_keys())

    def _tell_keys(self) -> None:
        self.edge.dispatcher.use_keys(Labels.of(self._ring_file.ring, time.time()).keys, time.monotonic())

    # Beginning --------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Bind everything and begin to serve; raise BindError when something cannot be bound."""
        settings = self.settings
        loop = asyncio.get_running_loop()
        room = self._make_room()
        if settings.next_hop_tls.signers is not None:
            self._trust()  # what is wrong with it is said now
        names = [self._listen(address, room) for address in settings.listen]
        for name in names:
            self._forwarding.is_ours(name)
        bus = settings.bus.of_process(settings.process)
        self._bus = self.bind(bus, self._on_envelope, self._on_bus, self._on_revoked)
        self.follow(self._ring_file.watch, self._take_ring)
        self.follow(self._tls_watch, self._reload_tls)
        if self._rules is not None:
            self.follow(Watch((self._rules.path,), time.monotonic()), self._rules.load_again)
        if self._links is not None:
            brokers = load_keys(settings.brokers, settings.security)
            self._links.open(self._context, brokers, self._pools())
        self._open_ping_listeners()
        for listener in {*self._listeners, *self._ping_listeners}:
            take = partial(self._on_datagrams, listener)
            self._readers.append(PacedReader(loop, listener.fileno(), take, most=BATCH, interval=settings.gather))
        if self._streams is not None:
            self._read_streams(self._streams)
        if self._hops.file is not None:
            self.follow(self._groups_watch, self._hops.reload)
        self._buffers = BufferWatch([listener.udp for listener in self._listeners])
        self.begin()
        logger.info("edge ready: listening on %s, bus %s, %s", ", ".join(names), bus, twins.WORDS)

    def _make_room(self) -> Room:
        has_streams = any(address.transport != "udp" for address in self.settings.listen)
        most = self.settings.streams.connections
        return make_room(MAX_WORKERS, most if has_streams else min(most, MAX_DIALLED))

    def _listen(self, address: ListenAddress, room: Room) -> str:
        """Bind one address; return its name, with the port that it got."""
        sock = open_socket(address, share_port=self.settings.processes > 1, freebind=self.settings.freebind)
        if address.transport == "udp":
            self._listeners.append(listener_on(sock, address.advertised))
            return self._listeners[-1].name
        if self._streams is None:
            self._streams = Streams(self.edge, self.settings.streams, room.sip)
        if address.transport in SECURE and self._tls is None:
            sock.close()
            raise ConfigError(f"{address} has no certificate: name it with --tls-cert FILE and --tls-key FILE")
        return self._streams.listen(address.transport, sock, self._maker(address.transport), address.advertised)

    def _open_ping_listeners(self) -> None:
        """Have pings leave from ports of their own where processes share theirs: the answers come to who has asked."""
        settings = self.settings
        if settings.processes > 1 and settings.groups.file is not None and settings.groups.ping_interval:
            udp = {address._replace(port=0) for address in settings.listen if address.transport == "udp"}
            for address in udp:
                sock = open_socket(address, share_port=False, freebind=settings.freebind)
                self._ping_listeners.append(listener_on(sock))

    def _way_of_ping(self, candidate: Candidate, now: float) -> Way | None:
        """Return how a ping leaves."""
        if self._ping_listeners is not self._listeners and candidate.place.transport == "udp":
            candidate = candidate._replace(socket="")  # which has another port
        return self._ways_of_pings.way_to(candidate, None, now)

    def _read_streams(self, streams: Streams) -> None:
        """Read from connections from now on."""
        loop, take = asyncio.get_running_loop(), partial(self._on_streams, streams)
        self._stream_reader = PacedReader(loop, streams.fileno(), take, most=EVENTS, interval=self.settings.gather)

    def _make_streams(self) -> Streams:
        """Return the connections of this process, where nothing listens for any, too: requests may leave by some."""
        if self._streams is None:
            self._streams = Streams(self.edge, self.settings.streams, MAX_DIALLED)
            self._read_streams(self._streams)
        return self._streams

    def _trust(self) -> ssl.SSLContext:
        """Return how next hops are trusted; raises ConfigError."""
        hops, own = self.settings.next_hop_tls, self.settings.tls
        pair = (own.certificate, own.key) if own is not None else (None, None)
        return client_context(hops.signers, *pair, insecure=hops.insecure)

    def _not_reached(self, candidate: Candidate, now: float, why: str) -> None:
        self._hops.destinations.failed(candidate, now, why)

    def _standing(self, name: bytes) -> Connection | None:
        return self._streams.standing(name) if self._streams is not None else None

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

    # Serving ----------------------------------------------------------------------------------------------------

    def _on_datagrams(self, listener: UdpListener) -> int:
        """Take a batch; return how many there were."""
        now = time.monotonic()
        count = listener.take(self.edge, now)
        if count:
            self._turn()
        elif self._hears_errors:
            self._read_errors(listener, now)
        return count

    def _read_errors(self, listener: UdpListener, now: float) -> None:
        """Hear which next hops ICMP says are gone."""
        for address in listener.unreachable():
            self._hops.destinations.unreachable(address[0], address[1], now)

    def _hear_errors(self, now: float) -> None:
        """Hear of ICMP errors from the first request on that has gone on: who only answers has no use for them."""
        listeners = {*self._listeners, *self._ping_listeners}
        if not self._hears_errors:
            self._hears_errors = True
            for listener in listeners:
                listener.hear_errors()
        for listener in listeners:
            self._read_errors(listener, now)

    def _on_streams(self, streams: Streams) -> int:
        """Take what connections have brought; return how many had something."""
        count = streams.serve(time.monotonic())
        if count:
            self._turn()
        return count

    def _on_envelope(self, frames: list[bytes]) -> None:
        self.edge.answer(frames[0], frames[1:], time.monotonic())

    def _pools(self) -> set[str]:
        """Return the pools whose workers are looked for at the brokers."""
        shadow = self.settings.policies.shadow
        return {DEFAULT_POOL, *self.edge.routes.pools, *((shadow[0],) if shadow else ())}

    def _on_revoked(self, identity: bytes) -> None:
        self.edge.dispatcher.lose(identity, time.monotonic(), "its key was taken away")

    def _on_bus(self) -> None:
        """End a turn in which workers spoke."""
        self._turn()
        for reader in self._readers:
            reader.nudge()
        if self._stream_reader is not None:
            self._stream_reader.nudge()

    def _turn(self) -> None:
        """End a turn of the loop: replies to the network, requests to the workers."""
        now = time.monotonic()
        edge, dispatcher = self.edge, self.edge.dispatcher
        edge.flush(now)
        if dispatcher.asked or dispatcher.forgets:
            self._tell_figures()
        assert self._bus is not None
        outgoing = dispatcher.send(now)
        if self._links is not None:
            outgoing = self._links.send(outgoing, now)
        refused = self._bus.send([[identity, *frames] for identity, frames in outgoing])
        for frames in refused:
            dispatcher.refuse(frames[0], now)

    def look(self, now: float) -> None:
        """Do what time brings."""
        if self._streams is not None:
            self._streams.sweep(now)
        if self._links is not None:
            self._links.tick(now)
        if self._buffers is not None:
            self._buffers.look(now)
        if pause := self._pauses.note(now):
            self.edge.dispatcher.make_up(pause, now)
        if self._forwarding.is_used:
            self._hear_errors(now)
            self._hops.look(now)
        self.edge.expire(now)
        self._turn()

    def _tell_figures(self) -> None:
        dispatcher = self.edge.dispatcher
        figures = self.figures()
        for identity in dispatcher.asked:
            dispatcher.tell(identity, figures)
        dispatcher.asked.clear()
        forgets, dispatcher.forgets = dispatcher.forgets, []
        for identity, pool in forgets:
            memory = self.edge.remembered
            forgotten = memory.forget(time.monotonic(), pool or None) if memory is not None else 0
            logger.info("forgotten: %d decisions of %s", forgotten, f"pool {pool}" if pool else "all pools")
            dispatcher.tell(identity, {"name": self.name, "processes": self.settings.processes, "forgotten": forgotten})

    def figures(self) -> dict[str, object]:
        """Return the statistics of this process."""
        dispatcher, ring, now = self.edge.dispatcher, self._ring_file.ring, time.monotonic()
        return {
            "name": self.name,
            **self.life(),
            **self.edge.fates.figures(self.edge.in_flight),
            **({"replies": self._forwarding.figures()} if self._forwarding.is_used else {}),
            **({"groups": groups} if (groups := self._hops.figures()) else {}),
            **self.edge.figures(),
            "kernel_drops": self._buffers.dropped if self._buffers is not None else 0,
            "send_failures": self.edge.send_failures,
            "bad_answers": self.edge.bad_answers,
            "late_answers": dispatcher.late,
            "garbage": dispatcher.garbage,
            "retried": dispatcher.retried,
            "lost_workers": dispatcher.lost,
            **({"shadow": self.edge.shadow.figures()} if self.edge.shadow is not None else {}),
            **({"memory": self.edge.remembered.figures()} if self.edge.remembered is not None else {}),
            "pools": {name: pool.figures() | pool.demand(now) for name, pool in dispatcher.pools.items()},
            "batches": dispatcher.batches.figures(),
            "keys": {"signs": ring.current.label, "known": sorted(Labels.of(ring, time.time()).keys or ())},
            "brokers": [str(address) for address in self.settings.brokers.addresses],
            **({"connections": self._connections()} if self._streams is not None else {}),
            "inner": twins.KIND,
            "processes": self.settings.processes,
            "workers": dispatcher.figures(),
        }

    def _connections(self) -> dict[str, object]:
        assert self._streams is not None
        return {**self._streams.figures(), "transports": dict(self._streams.transports())}

    # Ending -----------------------------------------------------------------------------------------------------

    def reload(self) -> None:
        """Read the key ring again; raise KeyFileError, and keep the old one, when it cannot be read."""
        self._reload_tls()
        self.reload_clients()
        self._groups_watch.look()
        read_again(self._hops.reload)
        if self._rules is not None:
            self._rules.load_again()
        self._take_ring()

    def _take_ring(self) -> None:
        self.reloads += 1
        self._ring_file.load_again()
        signer = self._make_signer()
        signer.count_on(self.edge.ack_filter.signer)
        self.edge.ack_filter.signer = signer
        self._forwarding.use_keys(self._make_seals())
        if self._rules is not None:
            self._rules.use_keys(self.edge.ack_filter.signer, self._make_nonces())
        self._tell_keys()

    def _reload_tls(self) -> None:
        """Read the TLS files again, for connections to come; on an error, which says which file, keep the old ones."""
        tls, files = self._tls, self.settings.tls
        if tls is None or files is None:
            return
        self._tls_watch.look()

        def read() -> None:
            tls.context = server_context(files)
            self._pool.trust_anew()

        if read_again(read):
            logger.info("certificate %s loaded again", files.certificate)

    async def drain(self) -> None:
        """Take no more datagrams, and wait until what was taken has been answered."""
        if notice := self.settings.policies.drain_notice:
            logger.info("serving on for %g s; OPTIONS gets 503, so that dispatchers look elsewhere", notice)
            self.edge.draining = True
            await asyncio.sleep(notice)
        for reader in self._readers:
            reader.stop()
        for listener in self._listeners:
            for _ in range(DRAIN_BATCHES):  # what the kernel had for us already
                if not self._on_datagrams(listener):
                    break
        streams = self._streams
        if streams is not None:
            for _ in range(DRAIN_BATCHES):
                if not self._on_streams(streams):
                    break
            streams.stop()
        open_time = self.settings.dispatch.handler_timeout + DRAIN_MARGIN
        await self.until(lambda: not (self.edge.in_flight or (streams and streams.unsent)), open_time)
        self.edge.dispatcher.leave()
        self._turn()
        await asyncio.sleep(PARTING_TIME)

    def patience(self) -> float:
        """Return for how many seconds the end may be waited for."""
        return self.settings.policies.drain_notice + self.settings.dispatch.handler_timeout + DRAIN_MARGIN + LAST_MARGIN

    def waits_for(self) -> str:
        """Return what an end waits for."""
        return f"the answers to {self.edge.in_flight} requests"

    def close(self) -> None:
        """Close everything; log what became of the messages."""
        for reader in self._readers:
            reader.stop()
        for listener in {*self._listeners, *self._ping_listeners}:
            listener.close()
        self._hops.close()
        if self._stream_reader is not None:
            self._stream_reader.stop()
        if self._streams is not None:
            self._streams.close()
        if self._links is not None:
            self._links.close()
        if not self.end():  # never started: the error that goes up says why
            return
        self.edge.shedding.tell()
        figures = self.edge.fates.figures(self.edge.in_flight)
        logger.info("edge stopped: %s", ", ".join(f"{name} {value}" for name, value in figures.items() if value))
