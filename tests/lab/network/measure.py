"""The figures of docs/network.md: `python -m tests.lab.network.measure` prints them (as root, some minutes)."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.network.hosts import Network
from tests.lab.network.scenarios import crash, cut, steady
from tests.lab.network.site import Keys, Site

if TYPE_CHECKING:
    from tests.lab.network.scenarios import Outcome

DELAY, JITTER = 0.05, 0.01  # seconds


def say(what: str, outcome: Outcome) -> None:
    caller = outcome.caller
    answered = sum(call.status == 200 for call in caller.calls)
    print(
        f"{what}: {len(caller.calls)} requests, unanswered {caller.unanswered}, 503 {outcome.figures['shed']}", end=""
    )
    if outcome.broken:
        print(f", stuck {len(outcome.stuck)}, noticed {outcome.noticed:.2f} s, back {outcome.back:.2f} s", end="")
        print(f", start {outcome.start:.2f} s" if outcome.start else "")
        return
    seconds = max(call.answered for call in caller.calls) - caller.calls[0].sent
    median, high, highest = (1000 * caller.quantile(share) for share in (0.5, 0.99, 1.0))
    there = len(caller.answers_of("there", 0.0)) / len(caller.calls)
    print(f", {answered / seconds:.0f}/s, ms {median:.0f} {high:.0f} {highest:.0f}, there {there:.0%}")


def breaks(keys: Keys) -> None:
    for seconds in (3.0, 8.0, 14.0):
        with Network() as network:
            site = Site(network, keys)
            site.start()
            say(f"cut for {seconds:g} s", cut(site, seconds))
    for direction in ("up", "down"):
        with Network() as network:
            site = Site(network, keys)
            site.start()
            say(f"cut {direction} for 3 s", cut(site, 3.0, getattr(site.there.cable, direction)))
    with Network() as network:
        site = Site(network, keys)
        site.start()
        restart = lambda: site.start_worker(site.there)  # noqa: E731
        say("worker's host away for 3 s", crash(site, 3.0, site.there, restart, "handler started"))
    with Network() as network:
        site = Site(network, keys)
        site.start()
        say("edge's host away for 3 s", crash(site, 3.0, site.edge, site.start_edge, "edge ready"))


def links(keys: Keys) -> None:
    for loss in (0.0, 0.02, 0.05):
        for rate in (100.0, 300.0):
            with Network() as network:
                site = Site(network, keys)
                site.there.cable.worsen(DELAY, JITTER, loss)
                site.start(site.there)
                say(f"loss {loss:.0%}, {rate:g}/s, alone", steady(site, 15.0, rate=rate))
        with Network() as network:
            site = Site(network, keys)
            site.there.cable.worsen(DELAY, JITTER, loss)
            site.start()
            say(f"loss {loss:.0%}, 300/s, with a near one", steady(site, 10.0))
    for credit in (32, 128, 512):
        with Network() as network:
            site = Site(network, keys)
            site.there.cable.worsen(DELAY)
            site.start(site.there, handler=("--credit", str(credit)))
            say(f"credit {credit}", steady(site, 8.0, window=credit + credit // 2))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        keys = Keys(Path(folder))
        keys.make()
        for part in (breaks, links):
            if part.__name__ in (sys.argv[1:] or (part.__name__,)):
                part(keys)


if __name__ == "__main__":
    main()
