"""The worker process: requests from every edge, through the plugin, and back."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final

from slbroker import twins
from slbroker.bus import curve
from slbroker.bus.envelope import FORWARDED_REPLY
from slbroker.bus.losses import Losses
from slbroker.bus.membership import HANDLER_TIMEOUT, LEAVES, UNFIT, Standing
from slbroker.bus.memo import Kept
from slbroker.bus.packing import LONG
from slbroker.bus.packing import as_words as words_of
from slbroker.bus.pauses import Pauses
from slbroker.bus.reach import warn_of_client_port
from slbroker.plugin.responder import Responder
from slbroker.service import DRAIN_MARGIN, BusService, unique_name
from slbroker_handlers.calls import Calls
from slbroker_handlers.generation import Generation
from slbroker_handlers.keeper import PluginKeeper
from slbroker_handlers.keys import Keys
from slbroker_handlers.link import Link
from slbroker_handlers.pace import Pace
from slbroker_handlers.recorded import Recorded
from slbroker_handlers.spent import Spent
from slbroker_handlers.tenure import Tenure
from slbroker_handlers.trackrecord import Stopwatch, TrackRecord
from slbroker_handlers.turns import HOLD_REPLIES, LONG_TURN, Turns

if TYPE_CHECKING:
    from typing import Any

    import zmq

    from slbroker.bus.address import BusAddress
    from slbroker.bus.curve import ClientKeys
    from slbroker.bus.envelope import Answered
    from slbroker.bus.items import Item
    from slbroker.plugin import Handlers
    from slbroker.settings.handler import HandlerSettings
    from slbroker.supervisor import Parent
    from slbroker_handlers.loader import PluginSource

logger = logging.getLogger(__name__)

TICK: Final = 0.1  # seconds between two looks at whether HELLO or HEARTBEAT is due
HOOKS_TIME: Final = 10.0  # seconds for a plugin's startup, reload and shutdown hooks when the worker stops
PARTING_TIME: Final = 1.0  # seconds that an edge has to say GOODBYE when nothing is open
MAX_EDGE_PROCESSES: Final = 64  # that an edge may say it has


class Worker(BusService):
    """One worker process. `start`, then `drain` and `close`; `reload` reads key ring and plugin again."""

    def __init__(
        self,
        settings: HandlerSettings,
        app: Handlers,
        source: PluginSource | None = None,
        parent: Parent | None = None,
    ) -> None:
        """`source` is where `app` comes from; without it a reload leaves the plugin as it is.

        A `parent` is told when this process is ready, and when it has served for long enough.
        """
        self.settings = settings
        self._tenure = Tenure(settings.max_requests, parent)
        self._losses = Losses(logger)
        self._keys = Keys(settings.keys, self._losses)
        self.responder = Responder(app, *self._keys.make())
        self.responder.unattended = True
        self._recorded = Recorded(settings.record)
        self._keeper = PluginKeeper(
            self.responder,
            source,
            watch=settings.reload,
            open_tasks=lambda: self._calls.tasks,
            swapped=self._on_swap,
        )
        self._generation = Generation(source)
        offer = {"pool": settings.pool, "credit": settings.credit, "takes": app.takes}
        self._hello: dict[str, Any] = {"name": unique_name(), **offer}
        self.responder.serve_as(self._hello["name"])
        self._hello |= self._generation.words(self.responder.remembers)
        self._hello |= self._keys.words
        self._bus_keys = curve.load_client(settings.security, settings.bus) if settings.security else {}
        # What can go wrong before leaves no context behind. A handler that blocks is a pause, and told elsewhere.
        super().__init__(TICK, pauses=Pauses(logging.DEBUG), clock=lambda: time.monotonic())
        self._pace = Pace(settings.credit)
        self._track_record = TrackRecord()
        self._edges = 1  # that share our time
        self._links: dict[BusAddress | tuple[BusAddress, str], Link] = {}  # those with a name are being replaced
        self._calls = Calls(self._losses, self.responder.name_of, self._give_up)
        self._spent = Spent()
        self._turns = Turns(self._calls, self.responder, self._overhear, self._keep_pace, self._spent)

    # Beginning --------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Call the plugin's startup hooks; connect to every edge; those not there yet are met when they come."""
        await self._keeper.start()
        self.follow(self._keys.watch, self._take_keys)
        self._turns.begin(asyncio.get_running_loop())
        for address in self.settings.bus:
            warn_of_client_port(address)
            self._connect(address, self._bus_keys.get(address))
        self.begin()
        logger.info("handler started: plugin %s, %s", self.settings.plugin, twins.WORDS)

    def _connect(self, address: BusAddress, keys: ClientKeys | None) -> None:
        if address not in self._links:
            self._links[address] = Link(self, address, keys, self._hello, credit=self.settings.credit, ticks=TICK)

    def look(self, now: float) -> None:
        """Do what time brings."""
        self._overhear(now, 0.0)
        for place, link in list(self._links.items()):
            link.tick(now)
            if link.membership.is_followed and link.membership.is_over:
                link.close()
                del self._links[place]
        self._calls.look(now, min(self._timeouts()))
        self._keys.look(now)
        members = sum(link.membership.standing is Standing.MEMBER for link in self._links.values())
        self._edges = members or 1
        self._tenure.look(now, members, len(self._links))
        self._keeper.tick(now)
        self._tell_record()
        if self.responder.remembers != self._generation.methods:  # a handler has said so first when it was called
            self._offer_remembering()

    def _overhear(self, now: float, blocked: float) -> None:
        """Let no edge seem silent because nobody listened: for so many seconds, or since the last look at the clock."""
        pause = self._pauses.note(now)
        for link in self._links.values():
            link.membership.make_up(blocked or pause)
        if pause and not blocked:  # a handler that blocks pauses us alone, and edges count on
            self._calls.make_up(pause, now)

    def meet(self, link: Link) -> None:
        """Say that an edge, or one started again, has welcomed us; connect to the further processes it tells of.

        One that says WELCOME again, with something new in it, is the same edge.
        """
        before, edge = link.known, link.membership.edge
        link.known = edge
        if edge == before:
            return
        if edge.get("edge") != before.get("edge"):
            logger.info("handler ready: %s", link.name)
        self._keys.compare(link)
        if FORWARDED_REPLY in self._hello["takes"] and not link.membership.forwards:
            logger.warning("%s forwards nothing, so @app.on_reply is asked of no reply there", link.name)
        processes = edge.get("processes", 1)
        if link.address in self.settings.bus and isinstance(processes, int):
            for number in range(1, min(processes, MAX_EDGE_PROCESSES)):
                self._connect(link.address.of_process(number), link.keys)
        if edge.get("successor") and not link.membership.is_followed:
            self._follow(link)

    def _follow(self, link: Link) -> None:
        """Greet the edge that takes the place of one; what that has given us is answered on its own connection."""
        logger.info("%s is followed by another process at its address", link.name)
        link.membership.is_followed = True
        del self._links[link.address]
        self._links[link.address, str(link.known.get("edge"))] = link
        self._connect(link.address, link.keys)

    def part(self, link: Link, parted: str, now: float) -> None:
        """Take note that an edge has gone, `parted` says how; one that only leaves takes answers until it does."""
        self._keys.forget(link)
        if parted != LEAVES:
            self._calls.tell_of_gone(link, f"{link.name} {parted}", now)

    @property
    def context(self) -> zmq.Context[zmq.Socket[bytes]]:
        """Return what sockets are made in."""
        return self._context

    def tell(self) -> None:
        """Tell the plugin of replies that have left."""
        if self.responder.sent:
            self.responder.tell()

    # Serving ----------------------------------------------------------------------------------------------------

    def take(self, link: Link, frames: list[bytes]) -> None:
        """Run the plugin on the requests of one envelope; answers leave together, but none waits long for another."""
        membership, now = link.membership, time.monotonic()
        items = membership.receive(frames, now)
        respond = self.responder.answering(items)
        self._tenure.served += len(items)
        if items and self._recorded.is_on:
            self._recorded.add(items)
        done = begun = 0
        last, watch = now, Stopwatch()
        answers: list[Answered] = []
        for item in items:
            try:
                answer = respond(item)
            except BaseException:
                logger.exception("a bug in slbroker; please report it")
                answer = UNFIT
            if isinstance(answer, (bytes, tuple)) or answer is None:
                answers.append((item.number, answer))
                done += 1
            elif isinstance(answer, (Kept, dict)):
                answers.append((item.number, *link.words_of(item, answer, self.responder)))
                done += 1
            else:
                self._turns.finish_later(link, item, answer, now)
                begun += 1
            later = time.monotonic()
            if later - last > LONG:
                watch.see(later - last)
            last = later
            if later - now > HOLD_REPLIES:
                membership.answer_all(answers)
                answers.clear()
                self._account(later, now, done, item)
                self._note_quickness(done, 0, watch, later - now)
                now, done = later, 0
                link.flush(now)
        membership.answer_all(answers)
        if items:
            self._note_quickness(done, begun, watch, later - now)
        if done and not begun:
            self._account(later, now, done, item)

    def _account(self, now: float, since: float, done: int, item: Item) -> None:
        """Note what blocking handlers have taken of a turn."""
        self._turns.leave_out(now)
        if now - since > LONG_TURN:
            self._overhear(now, now - since)
        if done:
            self._keep_pace(now - since, done)
        if now - since > LONG_TURN and now - since > (limit := min(self._timeouts())):
            self._losses.request(
                "kept", now, item.method, item.message.call_id,
                "handler %s took %.3g s; its edge waits for %.3g s, then another worker gets it, and what waited here",
                self.responder.name_of(item), now - since, limit,
                happened="request-kept", handler=self.responder.name_of(item), duration=now - since,
            )  # fmt: skip

    def _timeouts(self) -> list[float]:
        """Return after how many seconds each edge gives an open request to another worker."""
        return [link.membership.handler_timeout for link in list(self._links.values())] or [HANDLER_TIMEOUT]

    def _keep_pace(self, seconds: float, count: float) -> None:
        """Ask for as many requests at once as can be answered soon, now that `count` have taken so long."""
        if self._pace.note(seconds, count, self._edges):
            self._hello["credit"] = self._pace.credit
            logger.info(
                "a request takes %.3g ms here: credit %d, of --credit %d",
                self._pace.time * 1e3, self._pace.credit, self.settings.credit,
            )  # fmt: skip
            self._offer()

    def _note_quickness(self, done: int, begun: int, watch: Stopwatch, seconds: float) -> None:
        """Note how many requests were slow; edges are told at once, before answers let them give us more.

        Those that have only `begun` await something: they are slow, whatever they take of our time.
        """
        watch.slow += begun
        self.responder.tidy()
        self._track_record.note(done + begun, seconds, watch)
        self._spent.take(done, seconds, watch.times)
        if watch.slow:
            self._tell_record()
        watch.clear()

    def figures(self) -> dict[str, Any]:
        """Return what statistics say of this worker."""
        hello = self._hello
        return {
            "name": hello["name"],
            **self.life(),
            "inner": twins.KIND,
            "plugin": str(self.settings.plugin),
            "served": self._tenure.served,
            **self.responder.figures(),
            "open": self._open_requests(),
            "edges": self._edges,
            "keys": {"signs": hello.get("signs", ()), "known": hello.get("keys", ())},
            "seconds": self._spent.figures(),
        }

    def _tell_record(self) -> None:
        record = self._track_record.news(self._edges)
        if record is not None:
            self._hello |= words_of(record)
            self._offer()

    def _forget_record(self) -> None:
        """Have requests spread until it is seen how quick this version of the plugin is."""
        self._track_record = TrackRecord()
        if self._hello.pop("record", None):
            self._offer()

    def _offer(self) -> None:
        """Tell every edge that the map of our HELLO has changed."""
        for link in self._links.values():
            link.membership.offer()
            link.flush(time.monotonic())

    def _give_up(self, link: Link, number: int) -> None:
        """Give the credit of a request back that its edge has answered, or is to answer 500."""
        link.membership.answer(number, UNFIT)
        self._turns.flush_soon(link)

    # Loading again ----------------------------------------------------------------------------------------------

    def reload(self) -> None:
        """Read key ring and plugin again; raise KeyFileError or PluginError, and keep the old, for what cannot be.

        The file of `--record` is opened again before all that: logrotate has given the old one another name.
        """
        self._recorded.open_again()
        self._take_keys()
        self._keeper.reload()

    def _take_keys(self) -> None:
        """Read the key ring again, sign with it, and tell the edges; raise KeyFileError, and keep the old, if bad."""
        self.reloads += 1
        self._keys.load_again()
        self.responder.use_keys(*self._keys.make())
        if self._keys.changed():
            for key in ("signs", "keys"):
                self._hello.pop(key, None)
            self._hello |= self._keys.words
            for link in filter(lambda link: link.known, self._links.values()):
                self._keys.compare(link)
            self._offer()

    def _on_swap(self, app: Handlers) -> None:
        self._generation.loaded_again()
        self._forget_record()
        if app.takes != self._hello["takes"] or self._generation.methods or self.responder.remembers:
            self._hello["takes"] = app.takes
            self._offer_remembering()

    def _offer_remembering(self) -> None:
        """Tell the edges which decisions they may remember now, and of which version of the plugin."""
        for link in self._links.values():
            link.membership.strip_memos()
        for key in ("remembers", "generation"):
            self._hello.pop(key, None)
        self._hello |= self._generation.words(self.responder.remembers)
        self._offer()

    # Ending -----------------------------------------------------------------------------------------------------

    async def drain(self) -> None:
        """Say GOODBYE to every edge, answer what it had given us, and let the plugin end."""
        await self._answer_all()
        await self._keeper.stop()

    async def _answer_all(self) -> None:
        for link in self._links.values():
            link.membership.leave()
        begun = time.monotonic()

        def is_done() -> bool:
            now = time.monotonic()
            for link in self._links.values():
                link.flush(now)
            # An edge that has gone itself says no GOODBYE.
            is_left = now - begun > PARTING_TIME and not self._open_requests()
            return is_left or all(link.membership.is_over for link in self._links.values())

        if not await self.until(is_done, max(self._timeouts()) + DRAIN_MARGIN):
            still_open = self._open_requests()
            logger.warning("handler stops with %d requests open; their edges will try another worker", still_open)

    def patience(self) -> float:
        """Return for how many seconds the end may be waited for: open requests, then the plugin's hooks."""
        return max(self._timeouts()) + DRAIN_MARGIN + HOOKS_TIME

    def waits_for(self) -> str:
        """Return what an end waits for."""
        return self._keeper.busy_with or f"{self._open_requests()} open requests"

    def _open_requests(self) -> int:
        return sum(link.membership.open for link in self._links.values())

    def close(self) -> None:
        """Close everything."""
        self._calls.tell_of_stop(time.monotonic())
        self._calls.close()
        self._turns.close()
        self._keeper.close()
        self._recorded.close()
        for link in self._links.values():
            link.close()
        if self.end():  # else it never started: the error that goes up says why
            logger.info("handler stopped")
