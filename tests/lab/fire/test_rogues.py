"""A worker that sends garbage, forges answers, floods, takes all and gives nothing: the edge and the others carry on.

One edge, two good workers and a steady stream of OPTIONS see them all, one after the other.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final

import pytest

from slbroker.bus.address import parse_bus_address
from tests.lab.fire.acts import ACTS, HANDLER_TIMEOUT, LASTS, Seen
from tests.lab.fire.checks import spread, summary
from tests.lab.fire.lines import calls, lost_requests
from tests.lab.fire.rogue import Rogue
from tests.lab.fire.site import RATE, Site, after
from tests.lab.fuzz.memory import read_usage
from tests.support.figures import ask_figures
from tests.support.timing import TIME, within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.fire.conftest import Report
    from tests.lab.fire.records import Record, Result
    from tests.peers.brokers import Edge

RETRY: Final = 0.5  # seconds for what a rogue held and another worker gets then
UNAFFECTED: Final = 0.5  # seconds that an OPTIONS takes at most which no rogue has got
MAX_GROWTH: Final = 96 * 1024  # kB: 16 envelopes of 4 MiB wait at the edge at most; it unpacks one at a time
MOST_HELD: Final = 20  # requests that one gets which answers none, whatever credit it names
PAUSE: Final = 0.3  # seconds between two acts; the edge notices within 0.25 s that a worker is gone

pytestmark = pytest.mark.alone  # how much a rogue gets hold of depends on how far the others are behind


class Watch:
    """The most memory that a process has had."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._done = Event()
        self.before = self.most = read_usage(pid).rss
        self._thread = Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        while not self._done.wait(0.02):
            self.most = max(self.most, read_usage(self._pid).rss)

    def end(self) -> None:
        self._done.set()
        self._thread.join()


@dataclass
class Scene:
    """One act, and what it did to the rest."""

    name: str
    began: float
    seen: Seen
    ended: float
    figures: dict[str, int]  # by how much the edge's counters grew
    watch: Watch
    records: list[Record] = field(default_factory=list)


@dataclass
class Play:
    """All of it."""

    scenes: dict[str, Scene]
    result: Result
    figures: dict[str, Any]
    log: str  # of the edge


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    site = Site(tmp_path_factory.mktemp("play"))
    try:
        edge = site.edge("--handler-timeout", str(HANDLER_TIMEOUT), "--overload-budget", "100000")
        site.workers(2)
        load = site.load(edge, rate=RATE / 5, method="OPTIONS", linger=HANDLER_TIMEOUT * 3)
        scenes = {name: perform(name, edge) for name in ACTS}
        result = load.stop()
        for scene in scenes.values():
            scene.records = result.between(scene.began, scene.ended)
        yield Play(scenes, result, edge.wait_for_figures(in_flight=0), edge.process.log)
    finally:
        site.end()


def perform(name: str, edge: Edge) -> Scene:
    after(PAUSE)
    before, watch = counters(edge), Watch(edge.process.pid)
    with Rogue(edge.bus) as rogue:
        began = time.monotonic()
        try:
            seen = ACTS[name](rogue)
        finally:
            watch.end()
        ended = time.monotonic()
        now = counters(edge)
    return Scene(name, began, seen, ended, {key: now[key] - before[key] for key in now}, watch)


def counters(edge: Edge) -> dict[str, int]:
    (figures,) = ask_figures(parse_bus_address(edge.bus), within(5.0))
    return {key: value for key, value in figures.items() if type(value) is int}


@pytest.mark.timeout(120 * TIME)  # the whole play is its set-up
def test_everything_is_answered_once_by_who_should(play: Play) -> None:
    result = play.result
    assert not result.unanswered, summary(result)
    assert result.duplicates == result.stray == 0, summary(result)
    assert play.figures["received"] == len(result), play.figures
    assert play.figures["replied"] == result.statuses[200], play.figures
    assert play.figures["failed"] == result.statuses[500], play.figures


def test_each_request_has_a_line_with_who_has_answered_it_and_none_was_a_rogue_that_lied(play: Play) -> None:
    told = {call.call_id: call for call in calls(play.log)}
    assert len(told) == len(play.result)
    for number, record in enumerate(play.result):
        call = told[play.result.call_id(number)]
        assert call.status == record.status
        assert call.worker
        assert bool(call.handler) != call.worker.startswith("rogue-"), "a good worker names its handler, a rogue nobody"


def test_the_log_tells_what_the_rogues_had(play: Play) -> None:
    told = [each for each in lost_requests(play.log) if each.worker.startswith("rogue-")]
    assert {each.outcome for each in told} == {"it goes to another one"}
    reasons = {each.why for each in told}
    assert f"has had it for {HANDLER_TIMEOUT:g} s" in reasons, "it took all and answered nothing"
    for act in (name for name in ACTS if name.startswith("garbage")):
        assert play.scenes[act].seen.held <= len([each for each in told if each.why.startswith("is lost (")])
    banned = re.findall(r"worker (rogue-\w+) is not listened to any more until it connects again: \S", play.log)
    assert len(set(banned)) >= sum(name.startswith("garbage") for name in ACTS)


@pytest.mark.parametrize("name", ACTS)
def test_rogue(play: Play, report: Report, name: str) -> None:
    scene = play.scenes[name]
    seen, watch = scene.seen, scene.watch
    late = [record for record in scene.records if record.latency > within(UNAFFECTED)]
    report("p50 / p99 / slowest", spread(scene.records))
    report("OPTIONS, held by the rogue, late", f"{len(scene.records)}, {seen.held}, {len(late)}", "late: few, and held")
    report("edge memory before, at most", f"{watch.before / 1024:.1f}, {watch.most / 1024:.1f} MB")
    if seen.envelopes:
        report("envelopes a second", f"{seen.envelopes / LASTS:,.0f}")
    assert {record.status for record in scene.records} == {200}
    assert len(late) <= min(seen.held, len(scene.records) // 10)
    assert all(record.latency < within(HANDLER_TIMEOUT + RETRY) for record in late)
    assert watch.most - watch.before < MAX_GROWTH
    assert not seen.again
    if name.startswith("garbage"):
        assert scene.figures["garbage"] >= 1
        assert not late  # its account is closed at once: nobody has to wait for the handler timeout
    if name.startswith("takes all"):
        assert seen.held <= MOST_HELD
    if name in ("invents", "repeats"):
        assert scene.figures["late_answers"] == seen.made_up > 0
