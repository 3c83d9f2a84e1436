"""The edge process: sockets, bus and timer around an `Edge`, on one asyncio loop."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import time
from typing import TYPE_CHECKING, Any, Final

from slbroker import twins
from slbroker.authnonce import NonceKeys
from slbroker.bus.choice import DEFAULT_POOL
from slbroker.bus.dispatcher import Dispatcher
from slbroker.bus.envelope import Kind
from slbroker.bus.keycheck import Labels
from slbroker.logline import event, lines_of
from slbroker.logs import tell_calls
from slbroker.proxy.flow import Seals
from slbroker.proxy.nexthop import NextHop
from slbroker.ringfile import RingFile
from slbroker.service import DRAIN_MARGIN, LAST_MARGIN, read_again
from slbroker.sip.tracing import call_id_of
from slbroker.totag import Signer
from slbroker_edge.ackfilter import AckFilter
from slbroker_edge.brokerlinks import BrokerLinks, load_keys
from slbroker_edge.edge import Edge
from slbroker_edge.filterfile import FilterFile
from slbroker_edge.handover import Handover
from slbroker_edge.inherited import Inherited
from slbroker_edge.nexthops import NextHops
from slbroker_edge.onward import Forwarding
from slbroker_edge.sockets import Sockets
from slbroker_edge.successive import Successive
from slbroker_edge.takeover import path_of
from slbroker_edge.tracing import MOST_LOGGED, Tracing

if TYPE_CHECKING:
    from slbroker.bus.jobs import Job
    from slbroker.bus.sockets import BusSocket
    from slbroker.settings.edge import EdgeSettings
    from slbroker.sip.tracing import Wanted
    from slbroker.upgrade import Upgrade
    from slbroker_edge.capture.tap import Tap
    from slbroker_edge.rules import RuleFile
    from slbroker_edge.takeover import Takeover
    from slbroker_edge.transports.siblings import Sibling

logger = logging.getLogger(__name__)

TICK: Final = 0.05  # seconds between two looks at what time brings
PARTING_TIME: Final = 0.1  # seconds that workers have to read GOODBYE; ZeroMQ discards what is unread when we hang up


class EdgeService(Successive):
    """One edge process. `start`, then `drain` and `close`; `reload` reads key ring, TLS files and bus keys again."""

    def __init__(
        self,
        settings: EdgeSettings,
        filters: FilterFile | None = None,
        sibling: Sibling | None = None,
        takeover: Takeover | None = None,
    ) -> None:
        """`filters` is the memory that the processes of its edge share, `sibling` is this one's way to the others.

        `takeover` is the edge that is there, and whose place it takes.
        """
        self.settings = settings
        self.processes = settings.processes
        self.gives = True  # to an edge that takes our place, if one comes
        self.upgrade: Upgrade | None = None
        self._takeover = takeover
        self._heirloom = takeover.of_process(settings.process) if takeover is not None else None
        self._handover: Handover | None = None
        self._inherited: Inherited | None = None
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self._ring_file = RingFile(settings.keys)
        signer = self._make_signer()
        dispatcher: Dispatcher[Job] = Dispatcher(
            self.name, secrets.randbits(62), settings.dispatch, {"processes": settings.processes, "forwards": True}
        )
        number = settings.process if filters is not None else 0
        filters = filters or FilterFile(settings.bus, 1, takeover.memory if takeover is not None else -1)
        self.memory = -1 if settings.bus.path else filters.descriptor
        ack_filter = AckFilter(signer, settings.ack_window, filters.of_process(number))
        self.edge = self._make_edge(dispatcher, ack_filter)
        self._tracing = Tracing(settings.logs, _log_messages)
        self._tell_keys()
        self._sockets = Sockets(settings, self.edge, self._turn, sibling)
        self._hops = NextHops(settings.groups, settings.hops, settings.listen, self._sockets.way_of_ping, self._turn)
        places = self._sockets.destinations = self._hops.destinations
        self.edge.forwarding = self._forwarding = Forwarding(
            settings.forwarding, self._make_seals(), settings.checks, places, self._sockets.outgoing,
            self._hops.pinger.heard, [hop for hop in settings.hops if isinstance(hop, NextHop)],
        )  # fmt: skip
        self._forwarding.elsewhere = self._sockets.elsewhere
        self._forwarding.is_used |= bool(settings.hops) or settings.groups.file is not None
        self._rules = self._load_rules(signer)
        self.edge.rules = self._rules
        self._tap = self._make_tap()
        self._show_messages()
        super().__init__(TICK, settings.security)  # what can go wrong before leaves no context behind
        self._bus: BusSocket | None = None
        self._links: BrokerLinks | None = None
        if settings.brokers.addresses:
            self._links = BrokerLinks(dispatcher, self._on_envelope, self._on_bus, ticks=TICK)

    def _make_signer(self) -> Signer:
        ring = self._ring_file.ring
        return Signer(ring.current, ring.accepted(time.time()))

    def _make_edge(self, dispatcher: Dispatcher[Job], ack_filter: AckFilter) -> Edge:
        policies, checks = self.settings.policies, self.settings.checks
        if not self.settings.logs.calls:
            return Edge(dispatcher, ack_filter, policies, checks)
        from slbroker_edge.calls import LoggedEdge  # noqa: PLC0415 - few edges have a use for it

        return LoggedEdge(dispatcher, ack_filter, policies, checks, tell_calls)

    def _show_messages(self) -> None:
        """Let traces see what passes, while there are any, and the capture, where there is one."""
        self._tracing.behind = self._tap
        tap = self._tracing if self._tracing.is_used else self._tap
        self.edge.tap = self._forwarding.tap = self._hops.pinger.tap = tap

    def _load_rules(self, signer: Signer) -> RuleFile | None:
        if self.settings.rules is None:
            return None
        from slbroker_edge.rules import RuleFile  # noqa: PLC0415 - it brings along what runs plugins

        return RuleFile(self.settings.rules, signer, self._make_nonces())

    def _make_tap(self) -> Tap | None:
        if not self.settings.capture.is_used:
            return None
        from slbroker_edge.capture.tap import Tap  # noqa: PLC0415 - few edges have a use for it

        return Tap(self.settings.capture, self.settings.process)

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
        heirloom = self._heirloom
        names = self._sockets.listen(heirloom or self.store)
        for name in names:
            self._forwarding.is_ours(name)
        bus = settings.bus.of_process(settings.process)
        self._bus = self.bind(
            bus,
            self._on_envelope,
            self._on_bus,
            self._on_revoked,
            beside=heirloom.bus if heirloom is not None else None,
        )
        self.follow(self._ring_file.watch, self._take_ring)
        self.follow(self._sockets.tls_watch, self._sockets.reload_tls)
        if self._rules is not None:
            self.follow(self._rules.watch, self._rules.load_again)
        if self._links is not None:
            brokers = load_keys(settings.brokers, settings.security)
            self._links.open(self._context, brokers, self._pools())
        if self._hops.file is not None:
            self.follow(self._hops.watch, self._hops.reload)
        if self._tap is not None:
            self._tap.look(time.monotonic())
        self.begin()
        await self.wait_for_workers(heirloom)
        if heirloom is not None and heirloom.channel is not None:
            loop, named = asyncio.get_running_loop(), self._sockets.listener_named
            self._inherited = Inherited(loop, heirloom.channel, self.edge, named)
        self._sockets.read()
        path = path_of(settings, settings.process)
        if self.gives and path is not None and not self.is_interim:
            self._handover = Handover(asyncio.get_running_loop(), path, self)
            self._handover.open()
        await self.have_place()
        logger.info("edge ready: listening on %s, bus %s, %s", ", ".join(dict.fromkeys(names)), bus, twins.WORDS)

    # Serving ----------------------------------------------------------------------------------------------------

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
        self._sockets.nudge()

    def _turn(self) -> None:
        """End a turn of the loop: replies to the network, requests to the workers."""
        now = time.monotonic()
        edge, dispatcher = self.edge, self.edge.dispatcher
        edge.flush(now)
        if dispatcher.asked or dispatcher.forgets or dispatcher.traces:
            self._tell_figures()
        if edge.tap is self._tracing:
            self._tell_messages(now)
        assert self._bus is not None
        outgoing = dispatcher.send(now)
        if self._links is not None:
            outgoing = self._links.send(outgoing, now)
        refused = self._bus.send([[identity, *frames] for identity, frames in outgoing])
        for frames in refused:
            dispatcher.refuse(frames[0], now)
            self._tracing.lose(frames[0])
        if self._tap is not None:
            self._tap.flush()

    def look(self, now: float) -> None:
        """Do what time brings."""
        self._sockets.look(now)
        if self.upgrade is not None:
            self.upgrade.look()
        if self._handover is not None:
            self._handover.look(now)
            if self.heir:
                self._handover.tell_still_open(self.edge.open_jobs)
        if self._links is not None:
            self._links.tick(now)
        if pause := self._pauses.note(now):
            self.edge.dispatcher.make_up(pause, now)
        if self._forwarding.is_used:
            self._sockets.hear_errors(now)
            self._hops.look(now)
        self.edge.expire(now)
        if self._tap is not None:
            self._tap.look(now)
        self._turn()

    def _tell_figures(self) -> None:
        dispatcher, now = self.edge.dispatcher, time.monotonic()
        figures = self.figures()
        for identity in dispatcher.asked:
            since = dispatcher.lookers.pop(identity, None)
            recent = {} if since is None else {"recent": self.edge.tell_recent(since, now)}
            dispatcher.tell(identity, figures | recent)
        dispatcher.asked.clear()
        forgets, dispatcher.forgets = dispatcher.forgets, []
        for identity, pool in forgets:
            memory = self.edge.remembered
            forgotten = memory.forget(time.monotonic(), pool or None) if memory is not None else 0
            logger.info("forgotten: %d decisions of %s", forgotten, f"pool {pool}" if pool else "all pools")
            dispatcher.tell(identity, {"name": self.name, "processes": self.settings.processes, "forgotten": forgotten})
        traces, dispatcher.traces = dispatcher.traces, []
        for identity, info in traces:
            fault = self._tracing.ask(identity, info, time.monotonic())
            begun = {"messages": (), "left_out": 0, "ended": fault, "refused": bool(fault)}
            self._tell_of_trace(identity, begun)
        if traces:
            self._show_messages()

    def _tell_messages(self, now: float) -> None:
        for identity, news in self._tracing.news(now):
            self._tell_of_trace(identity, news)
        if not self._tracing.is_used:
            self._show_messages()

    def _tell_of_trace(self, identity: bytes, news: dict[str, Any]) -> None:
        about = {"name": self.name, "processes": self.settings.processes}
        self.edge.dispatcher.tell(identity, about | news, Kind.TRACED)

    def figures(self) -> dict[str, object]:
        """Return the statistics of this process."""
        dispatcher, ring, now = self.edge.dispatcher, self._ring_file.ring, time.monotonic()
        return {
            "name": self.name,
            **self.life(),
            **self.edge.fates.figures(self.edge.in_flight),
            **({"replies": self._forwarding.figures()} if self._forwarding.is_used else {}),
            **({"hops": hops} if (hops := self._forwarding.departures.figures()) else {}),
            **({"groups": groups} if (groups := self._hops.figures()) else {}),
            **self.edge.figures(),
            "kernel_drops": self._sockets.dropped,
            "send_failures": self.edge.send_failures,
            "bad_answers": self.edge.bad_answers,
            "late_answers": dispatcher.late,
            "garbage": dispatcher.garbage,
            "retried": dispatcher.retried,
            "lost_workers": dispatcher.lost,
            **({"shadow": self.edge.shadow.figures()} if self.edge.shadow is not None else {}),
            **({"memory": self.edge.remembered.figures()} if self.edge.remembered is not None else {}),
            **self.edge.staffing(now),
            "batches": dispatcher.batches.figures(),
            "keys": {"signs": ring.current.label, "known": sorted(Labels.of(ring, time.time()).keys or ())},
            "brokers": [str(address) for address in self.settings.brokers.addresses],
            **self._sockets.figures(),
            **({"capture": self._tap.figures()} if self._tap is not None else {}),
            "inner": twins.KIND,
            "processes": self.settings.processes,
            "workers": dispatcher.figures(),
        }

    # Ending -----------------------------------------------------------------------------------------------------

    def reload(self) -> None:
        """Read the key ring again; raise KeyFileError, and keep the old one, when it cannot be read."""
        self._sockets.reload_tls()
        self.reload_clients()
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

    async def drain(self) -> None:
        """Take no more datagrams, and wait until what was taken has been answered."""
        self._is_ending = True
        notice = self.settings.policies.drain_notice
        if notice and not self.heir:
            logger.info("serving on for %g s; OPTIONS gets 503, so that dispatchers look elsewhere", notice)
            self.edge.draining = True
            await self.until(lambda: bool(self.heir), notice)
        self.stop_reading()
        if self.heir and self._handover is not None:
            self._handover.tell_open(self.edge.open_jobs.values())
        open_time = self.settings.dispatch.handler_timeout + DRAIN_MARGIN
        await self.until(lambda: self._sockets.part() and not (self.edge.in_flight or self._sockets.unsent), open_time)
        self.edge.dispatcher.leave()
        for identity, news in self._tracing.stop():
            self._tell_of_trace(identity, news)
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
        if self._inherited is not None:
            self._inherited.close()
        if self._handover is not None:
            self._handover.close()
        self._sockets.close()
        self._hops.close()
        if self._links is not None:
            self._links.close()
        has_begun = self.end()
        if self._tap is not None:  # last: it waits, and nobody would read the bus meanwhile
            self._tap.close()
        if not has_begun:  # the error that goes up says why
            return
        self.edge.shedding.tell()
        figures = self.edge.fates.figures(self.edge.in_flight)
        logger.info("edge stopped: %s", ", ".join(f"{name} {value}" for name, value in figures.items() if value))


def _log_messages(wanted: Wanted, news: dict[str, Any]) -> None:
    """Log what a trace of --trace has to tell: each message behind a line that says where it went."""
    for _at, is_sent, name, host, port, data in news["messages"]:
        happened, way = ("message-sent", "to") if is_sent else ("message-received", "from")
        about = event(happened, call_id=call_id_of(data), source=f"{host}:{port}")
        logger.info(
            "trace %s: %s by %s, %s %s port %d, %d bytes", wanted, happened, name, way, host, port, len(data),
            extra=about | {"counted": True, "behind": lines_of(data)},
        )  # fmt: skip
    if news["left_out"]:
        logger.warning("trace %s: %d messages were left out: too many at once", wanted, news["left_out"])
    if news["ended"]:
        logger.info("trace %s has ended: that were %d messages", wanted, MOST_LOGGED, extra=event("trace-ended"))
