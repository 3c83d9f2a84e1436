"""The worker: batches through a plugin and back; no sockets, but for the keys that it reads."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from slbroker import Handlers, Reply, Request, keys
from slbroker.bus import envelope
from slbroker.bus.address import parse_bus_address
from slbroker.bus.envelope import Kind
from slbroker.bus.membership import Membership
from slbroker.errors import KeyFileError
from slbroker.settings.handler import HandlerSettings
from slbroker.sip.message import Message, Source
from slbroker_handlers.link import Link
from slbroker_handlers.worker import Worker
from tests.support.bus import encode_requests
from tests.support.sip import read_reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slbroker.plugin import Decision

SOURCE = Source("192.0.2.1", 5060, "udp:192.0.2.7:5060")


class FakeLink(Link):
    """Keeps the envelopes that would go to the edge."""

    def __init__(self, hello: dict[str, Any] | None = None) -> None:
        self.membership = Membership(hello or {"name": "w"})
        self.known = {"edge": "e"}
        self.sent: list[list[tuple[int, envelope.Answer]]] = []
        self.offers: list[tuple[object, int]] = []  # credit of each HELLO, and how many batches of answers came before

    def flush(self, now: float) -> None:
        for frames in self.membership.send(now):
            kind = envelope.decode_head(frames).kind
            if kind is Kind.REPLIES:
                self.sent.append(envelope.decode_replies(frames[1]))
            elif kind is Kind.HELLO:
                self.offers.append((envelope.decode_info(frames[1]).get("credit"), len(self.sent)))

    def tick(self, now: float) -> None:
        self.flush(now)

    def statuses(self) -> list[list[tuple[int, int | None]]]:
        """Number and status of each answer, by envelope."""
        return [[(number, status(answer)) for number, answer in batch] for batch in self.sent]


def status(answer: envelope.Answer) -> int | None:
    return read_reply(answer).status if isinstance(answer, bytes) else None


def batch(*methods: str) -> list[bytes]:
    """An envelope with one request for each method; their numbers are 0, 1, 2..."""
    headers = (b"via", b"SIP/2.0/UDP 192.0.2.1", b"from", b"<sip:a@h>;tag=f", b"to", b"<sip:b@h>", b"call-id", b"c")
    message = Message(b"", b"sip:b@h", headers, b"", b"c", b"f", b"", 1)
    items = [(number, message._replace(method=method.encode()), SOURCE) for number, method in enumerate(methods)]
    return encode_requests(items)


gates: list[asyncio.Event] = []
app = Handlers()


@app.on("OPTIONS")
def answer(request: Request) -> Reply:
    return request.reply(200)


@app.on("INVITE")
async def wait(request: Request) -> Reply:
    gate = asyncio.Event()
    gates.append(gate)
    await gate.wait()
    return request.reply(404)


@app.on("SUBSCRIBE")
def drop(request: Request) -> Decision:
    return request.drop()


@app.on("MESSAGE")
def fail(request: Request) -> Reply:
    raise RuntimeError("no luck")


@app.on("REFER")
def unbuildable(request: Request) -> Reply:
    reply = request.reply(200)
    reply.body = {"not": "bytes"}  # type: ignore[assignment]
    return reply


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    keys.create(tmp_path / "ring")
    return tmp_path / "ring"


@pytest.fixture
def worker(ring: Path) -> Iterator[Worker]:
    made = Worker(HandlerSettings((parse_bus_address(f"ipc://{ring}.bus"),), ring, "app", 128), app)
    gates.clear()
    yield made
    made.context.term()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The worker's clock, which stands still: seconds, in a list of one."""
    seconds = [0.0]
    monkeypatch.setattr("slbroker_handlers.worker.time", SimpleNamespace(monotonic=lambda: seconds[0], time=time.time))
    return seconds


async def turn() -> None:
    """Let everything run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.usefixtures("clock")
def test_a_batch_is_answered_together(worker: Worker) -> None:
    link = FakeLink()
    worker.take(link, batch("OPTIONS", "SUBSCRIBE", "OPTIONS"))
    link.flush(0.0)  # the end of the turn
    assert link.statuses() == [[(0, 200), (1, None), (2, 200)]]
    assert link.membership.open == 0


@pytest.mark.usefixtures("clock")
def test_no_request_takes_its_neighbours_with_it(worker: Worker) -> None:
    link = FakeLink()
    worker.take(link, batch("OPTIONS", "MESSAGE", "REFER", "OPTIONS"))
    link.flush(0.0)
    assert link.statuses() == [[(0, 200), (1, 500), (2, 500), (3, 200)]]
    assert worker.responder.errors == 2


def test_garbage_from_an_edge_is_passed_over(worker: Worker) -> None:
    link = FakeLink()
    worker.take(link, [b"\xc1", b"\xc1"])
    worker.take(link, [b"one frame"])
    worker.take(link, batch("OPTIONS"))
    link.flush(0.0)
    assert link.statuses() == [[(0, 200)]]


def test_answers_do_not_wait_for_a_slow_one(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100))  # every look at it, a second has gone by
    monkeypatch.setattr("slbroker_handlers.worker.time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    link = FakeLink()
    worker.take(link, batch("OPTIONS", "OPTIONS", "OPTIONS"))
    assert link.statuses() == [[(0, 200)], [(1, 200)], [(2, 200)]]


def test_who_is_slow_asks_for_less_while_it_still_has_a_batch(
    worker: Worker, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    """Before the answers that give credit back, and to every edge."""
    slow = Handlers()

    @slow.otherwise
    def block(request: Request) -> Reply:
        clock[0] += 0.05
        return request.reply(200)

    worker.responder.use_app(slow)
    caplog.set_level("INFO")
    links = FakeLink(worker._hello), FakeLink(worker._hello)
    for number, link in enumerate(links):
        link.membership.receive(envelope.encode(Kind.WELCOME, {"edge": "e"}), 0.0)
        worker._links[parse_bus_address(f"ipc:///tmp/e{number}")] = link

    async def play() -> None:
        worker._tick()
        worker.take(links[0], batch(*["OPTIONS"] * 8))

    asyncio.run(play())
    assert [link.offers for link in links] == [[(5, 3)], [(5, 0)]]  # the two share what is 10 for one
    assert caplog.messages == ["a request takes 50 ms here: credit 5, of --credit 128"]


def test_who_waits_for_others_keeps_its_credit(worker: Worker, clock: list[float]) -> None:
    async def play() -> None:
        link = FakeLink()
        for _ in range(10):
            gates.clear()
            worker.take(link, batch(*["INVITE"] * 8))
            await turn()
            clock[0] += 3.0
            for gate in gates:
                gate.set()
            await turn()
        assert len(link.sent) == 10

    asyncio.run(play())
    assert worker._hello["credit"] == 128


@pytest.mark.usefixtures("clock")
def test_an_asynchronous_handler_leaves_the_worker_free(worker: Worker) -> None:
    async def play() -> None:
        link = FakeLink()
        worker.take(link, batch("INVITE", "OPTIONS", "INVITE"))
        link.flush(0.0)
        assert link.statuses() == [[(1, 200)]]
        await turn()
        assert link.membership.open == 2
        for gate in gates:
            gate.set()
        await turn()
        assert link.statuses() == [[(1, 200)], [(0, 404), (2, 404)]]  # those that finish together leave together
        assert link.membership.open == 0

    asyncio.run(play())


def test_a_late_handler_answers_its_own_edge(worker: Worker) -> None:
    async def play() -> None:
        links = FakeLink(), FakeLink()
        for link in links:
            worker.take(link, batch("INVITE"))
        await turn()
        gates[1].set()
        await turn()
        assert [link.statuses() for link in links] == [[], [[(0, 404)]]]
        gates[0].set()
        await turn()
        assert [link.statuses() for link in links] == [[[(0, 404)]], [[(0, 404)]]]

    asyncio.run(play())


def test_draining_waits_for_what_is_open(worker: Worker) -> None:
    async def play() -> None:
        link = FakeLink()
        link.membership.receive(envelope.encode(Kind.WELCOME, {"edge": "e"}), 0.0)
        worker._links[parse_bus_address("ipc:///tmp/e")] = link
        worker.take(link, batch("INVITE"))
        await turn()
        draining = asyncio.ensure_future(worker.drain())
        await turn()
        worker.take(link, envelope.encode(Kind.GOODBYE))
        await turn()
        assert not draining.done()
        gates[0].set()
        await draining
        assert link.statuses() == [[(0, 404)]]

    asyncio.run(play())


# The key ring ---------------------------------------------------------------------------------------------------


def tag_of(worker: Worker) -> Any:
    link = FakeLink()
    worker.take(link, batch("OPTIONS"))
    link.flush(0.0)
    ((_number, reply),) = link.sent[0]
    assert isinstance(reply, bytes)
    return read_reply(reply).one(b"To")


def test_a_reload_signs_with_the_new_key(worker: Worker, ring: Path) -> None:
    before = tag_of(worker)
    keys.rotate_file(ring, 1_000.0)
    assert tag_of(worker) == before
    worker.reload()
    assert tag_of(worker) != before


def test_a_broken_ring_leaves_the_old_one_in_use(worker: Worker, ring: Path) -> None:
    before = tag_of(worker)
    ring.write_text("garbled")
    with pytest.raises(KeyFileError):
        worker.reload()
    assert tag_of(worker) == before


def test_without_a_ring_there_is_no_worker(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError):
        Worker(HandlerSettings((), tmp_path / "none", "app", 128), app)


def test_two_workers_have_two_names_though_host_and_process_are_one(worker: Worker, ring: Path) -> None:
    """As in two containers on one host's network, where each worker is process 1."""
    other = Worker(worker.settings, app)
    other.context.term()
    assert worker._hello["name"] != other._hello["name"]


# Recording ------------------------------------------------------------------------------------------------------


def test_a_recording_that_cannot_go_on_stops_no_answer(ring: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = HandlerSettings((), ring, "app", 128, record=Path("/dev/full"))
    full = Worker(settings, app)
    link = FakeLink()
    for _ in range(2):
        full.take(link, batch("OPTIONS"))
    link.flush(0.0)
    full.close()
    assert link.statuses() == [[(0, 200), (0, 200)]] or link.statuses() == [[(0, 200)], [(0, 200)]]
    assert caplog.messages == ["recording /dev/full: No space left on device; nothing more is recorded"]


def test_what_comes_is_recorded(ring: Path, tmp_path: Path) -> None:
    settings = HandlerSettings((), ring, "app", 128, record=tmp_path / "requests")
    recording = Worker(settings, app)
    recording.take(FakeLink(), batch("OPTIONS", "MESSAGE"))
    recording.close()
    lines = [json.loads(line) for line in (tmp_path / "requests").read_text().splitlines()]
    assert [line["request"].partition("\r\n")[0] for line in lines] == [
        "OPTIONS sip:b@h SIP/2.0", "MESSAGE sip:b@h SIP/2.0",
    ]  # fmt: skip
    assert [line["source"] for line in lines] == [list(SOURCE)] * 2
