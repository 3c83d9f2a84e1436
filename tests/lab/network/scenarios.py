"""What happens to the network while calls come in, and when slbroker noticed: for the tests, and for `measure`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tests.support.timing import until, within

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.network.caller import Call, Caller
    from tests.lab.network.hosts import Host
    from tests.lab.network.site import Site
    from tests.lab.network.wire import Way
    from tests.support.processes import Process

RATE: Final = 300.0  # requests a second
_STUCK: Final = 0.25  # seconds; on this network an answer that takes longer has had to wait for something


@dataclass
class Outcome:
    """What became of the calls; moments are of the monotonic clock."""

    caller: Caller
    figures: dict[str, Any]
    broken: float = 0.0  # the moment when something broke
    mended: float = 0.0  # ... and when that was over: the link whole again, the process back and ready
    start: float = 0.0  # seconds that a process that came back took to be ready

    @property
    def stuck(self) -> list[Call]:
        """The requests that waited for it to be noticed."""
        return [call for call in self.caller.calls if call.replies and call.took > _STUCK]

    @property
    def noticed(self) -> float:
        """Seconds after which the last of them was answered, by whichever host."""
        return max((call.answered for call in self.stuck), default=self.broken) - self.broken

    @property
    def back(self) -> float:
        """Seconds from the mending until a request sent after it was answered by the worker that had been away."""
        return self.caller.answers_of("there", self.mended)[0].answered - self.mended


def _call(site: Site, happen: Callable[[Outcome], None], patience: float = 12.0) -> Outcome:
    """Call at an even rate while things happen, until the worker over there answers again and a little longer."""
    with site.caller(rate=RATE, patience=patience) as caller:
        outcome = Outcome(caller, {})
        until(lambda: caller.answers_of("there", 0.0), what="an answer from there")
        happen(outcome)
        until(lambda: caller.answers_of("there", outcome.mended), 15, what="an answer from there after the mending")
        time.sleep(within(0.5))
    outcome.figures = site.check_fates()
    return outcome


def cut(site: Site, seconds: float, *ways: Way) -> Outcome:
    """Cut the link to one worker's host, or some of its ways, and mend it after so long."""

    def happen(outcome: Outcome) -> None:
        outcome.broken = time.monotonic()
        for way in ways or (site.there.cable.up, site.there.cable.down):
            way.cut = True
        time.sleep(within(seconds))
        site.there.cable.mend()
        outcome.mended = time.monotonic()

    return _call(site, happen)


def crash(site: Site, seconds: float, host: Host, restart: Callable[[], Process], ready: str) -> Outcome:
    """Let a host lose its power and come back after so long, with the same address."""

    def happen(outcome: Outcome) -> None:
        outcome.broken = time.monotonic()
        host.crash()
        time.sleep(within(seconds))
        host.boot()
        begun = time.monotonic()
        restart().wait_for(ready)
        outcome.mended = time.monotonic()
        outcome.start = outcome.mended - begun

    return _call(site, happen, patience=1.0 if host is site.edge else 12.0)  # what came meanwhile gets no answer


def steady(site: Site, seconds: float, *, rate: float = RATE, window: int = 0) -> Outcome:
    """Call for so long over the network as it is: at a rate; or with `window` requests open, from the edge's host."""
    caller = site.caller(site.edge, window=window) if window else site.caller(rate=rate)
    with caller:
        time.sleep(within(seconds))
    return Outcome(caller, site.check_fates())


def blocked(site: Site, seconds: float) -> Outcome:
    """Let a handler block its worker for so long; the first of the calls is the one that does."""
    caller = site.caller(rate=RATE)
    caller.send(block=seconds)
    with caller:
        time.sleep(within(seconds + 0.5))
    return Outcome(caller, site.check_fates())
