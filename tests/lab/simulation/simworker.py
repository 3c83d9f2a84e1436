"""A worker in the simulation: the real Membership, around it a model of what a worker process does with its time."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any

from slbroker.bus.membership import Membership
from slbroker.bus.packing import LONG, as_words
from slbroker.bus.sockets import MAX_PER_TURN
from slbroker_handlers.trackrecord import Spell, TrackRecord
from slbroker_handlers.turns import HOLD_REPLIES
from slbroker_handlers.worker import TICK
from tests.support.bus import ANSWER

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tests.lab.simulation.agenda import Agenda
    from tests.lab.simulation.scenario import Service


class SimWorker:
    """One worker process, from its start to its end; one that is started again is another SimWorker.

    Blocking, it runs one request after the other and neither reads nor writes meanwhile, but for the answers that
    have waited longer than HOLD_REPLIES. Async, it runs all at once.
    """

    def __init__(
        self,
        agenda: Agenda,
        rng: Random,
        hello: dict[str, Any],
        service: Service,
        is_async: bool,
        say: Callable[[bytes, list[bytes]], None],
        begin: Callable[[int], None],
    ) -> None:
        """`say` carries an envelope to the edge; `begin` is told the id of each request when its handler starts."""
        self.identity = hello["name"].encode()  # what the edge's socket calls the connection
        self.membership = Membership(hello)
        self.is_up = True
        self.busy = 0.0  # seconds spent in handlers that have ended
        self._agenda = agenda
        self._rng = rng
        self._service = service
        self._is_async = is_async
        self._say = say
        self._begin = begin
        self._inbox: deque[list[bytes]] = deque()
        self._held: deque[int] = deque()
        self._hello = hello
        self._track_record = TrackRecord()
        self._in_turn = False
        self._taken = 0
        self._held_since = 0.0
        self._tick()

    def deliver(self, frames: list[bytes]) -> None:
        """Take what the link brings. It waits in the socket while a handler blocks."""
        if not self.is_up:
            return
        self._inbox.append(frames)
        if not self._in_turn:
            self._in_turn = True
            self._taken = 0
            self._go_on()

    def end(self) -> None:
        """Do nothing any more, as after SIGKILL or SIGSTOP."""
        self.is_up = False

    def _tick(self) -> None:
        if self.is_up:
            self._agenda.after(TICK, self._tick)
            if not self._in_turn:
                self._tell_record()
                self._flush()

    def _tell_record(self) -> None:
        record = self._track_record.news(1)
        if record is not None:
            self._hello |= as_words(record)
            self.membership.offer()

    def _flush(self) -> None:
        for frames in self.membership.send(self._agenda.now):
            self._say(self.identity, frames)

    def _go_on(self) -> None:
        """Run what is held, then read on; at the end of a turn send the answers."""
        while not self._held and self._inbox:
            if self._taken == MAX_PER_TURN:
                self._flush()
                self._taken = 0
            self._taken += 1
            self._read(self._inbox.popleft())
        if self._held:
            self._run(self._held.popleft())
        else:
            self._in_turn = False
            self._flush()

    def _read(self, frames: list[bytes]) -> None:
        numbers = [number for number, _message, _source in self.membership.receive(frames, self._agenda.now)]
        self._held_since = self._agenda.now
        if self._is_async:
            for number in numbers:
                self._start(number, self._finish_async)
        else:
            self._held += numbers

    def _run(self, number: int) -> None:
        self._start(number, self._finish_blocking)

    def _start(self, number: int, finish: Callable[[int], None]) -> None:
        self._begin(number)
        seconds = self._service(self._rng)
        if seconds < math.inf:
            self.busy += seconds
            spell = Spell()
            if seconds > LONG:
                spell.note(seconds)
            spell.slow |= self._is_async
            self._track_record.note(1, seconds, spell)
            if spell.slow:
                self._tell_record()  # the answers of its turn leave with it, or later
            self._agenda.after(seconds, lambda: finish(number))

    def _finish_async(self, number: int) -> None:
        if self.is_up:
            self.membership.answer(number, ANSWER)
            self._flush()

    def _finish_blocking(self, number: int) -> None:
        if not self.is_up:
            return
        self.membership.answer(number, ANSWER)
        if self._agenda.now - self._held_since > HOLD_REPLIES:
            self._held_since = self._agenda.now
            self._flush()
        self._go_on()
