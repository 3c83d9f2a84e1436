"""Real workers with quick handlers, and with slow ones among them: who is woken, and who waits."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

import pytest

from tests.handlers.load import Call, make_calls
from tests.peers.brokers import free_bus_address, new_keys, start_edge
from tests.support.timing import within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start

WORKERS: Final = 6
RATE: Final = 1_500  # requests/s, in bursts of five milliseconds
SLOW: Final = 0.02  # seconds

PLUGIN: Final = """
import asyncio, os, time
from pathlib import Path
from slbroker import Handlers

app = Handlers(keepalive=False)
TURNED = Path(os.environ["TURNED"])
PID = str(os.getpid())

@app.otherwise
{word} answer(request):
    {body}
    return request.reply(200, headers={{"X-Worker": PID}})
"""
KINDS: Final = {
    "quick": ("def", "pass"),
    "half of them block": ("def", 'time.sleep(0.002 * (int(request.uri.user) % 2))'),
    "all block": ("def", "time.sleep(0.002)"),
    "all await": ("async def", "await asyncio.sleep(0.002)"),
    "one worker turns slow": ("def", f'TURNED.exists() and TURNED.read_text() == PID and time.sleep({SLOW})'),
}  # fmt: skip


class Site:
    """An edge and workers with one plugin; `through` a broker or not."""

    def __init__(self, start: Start, folder: Path, kind: str, through: str = "") -> None:
        word, body = KINDS[kind]
        plugin = folder / "answers.py"
        plugin.write_text(PLUGIN.format(word=word, body=body))
        self.turned = folder / "turned"
        ring, bus = new_keys(folder), free_bus_address("ipc", folder)
        to_edge: tuple[str, ...] = ()
        if through:
            workers_at = free_bus_address("tcp", folder)
            edges_at = free_bus_address("tcp", folder)
            broker = start("broker", "--edges", edges_at, "--handlers", workers_at)
            broker.wait_for("broker ready")
            bus, to_edge = workers_at, ("--broker", edges_at)
            self.edge = start_edge(start, ring, free_bus_address("ipc", folder), options=to_edge)
        else:
            self.edge = start_edge(start, ring, bus)
        env = {"TURNED": str(self.turned)}
        words = ("handler", "--bus", bus, "--plugin", str(plugin), "--keys", str(ring))
        for worker in [start(*words, env=env) for _ in range(WORKERS)]:
            worker.wait_for("handler ready")

    def load(self, seconds: float) -> list[Call]:
        """Send requests; all are answered: again what a full socket has dropped."""
        calls = asyncio.run(make_calls(self.edge.port, RATE, seconds, "OPTIONS"))
        assert {call.response.status if call.response else 0 for call in calls} == {200}
        figures = self.edge.figures()
        assert figures["received"] == figures["replied"] + sum(figures["dropped"].values())
        assert figures["retried"] == 0
        return calls


def workers_of(calls: list[Call]) -> Counter[str]:
    return Counter(str(call.response.first("X-Worker")) for call in calls if call.response)


@pytest.mark.timeout(within(60))
@pytest.mark.parametrize("through", ["", "broker"])
def test_quick_workers_are_packed_once_they_are_known(start_slbroker: Start, tmp_path: Path, through: str) -> None:
    site = Site(start_slbroker, tmp_path, "quick", through)
    first = workers_of(site.load(0.5))
    assert len(first) == WORKERS  # nobody knows yet
    site.load(2.5)
    shares = workers_of(site.load(1.5)).most_common(WORKERS // 2)
    assert sum(count for _pid, count in shares) > 0.57 * 1.5 * RATE  # spread, it is 0.5


@pytest.mark.timeout(within(60))
@pytest.mark.parametrize("kind", ["half of them block", "all block", "all await"])
def test_slow_requests_are_spread_and_so_are_those_among_them(start_slbroker: Start, tmp_path: Path, kind: str) -> None:
    site = Site(start_slbroker, tmp_path, kind)
    site.load(2.0)
    shares = workers_of(site.load(1.0))
    assert len(shares) == WORKERS
    assert min(shares.values()) > RATE / WORKERS / 2


@pytest.mark.timeout(within(60))
@pytest.mark.alone
def test_a_worker_that_turns_slow_is_noticed_within_a_few_requests(start_slbroker: Start, tmp_path: Path) -> None:
    site = Site(start_slbroker, tmp_path, "one worker turns slow")
    site.load(3.0)
    ((busiest, _count),) = workers_of(site.load(0.5)).most_common(1)
    site.turned.write_text(busiest)
    calls = site.load(2.0)
    shares = workers_of(calls)
    late = sorted(call.seconds or 0.0 for call in calls)[-shares[busiest] :]
    print(shares, shares[busiest], [f"{seconds:.3f}" for seconds in late])
    assert 1 <= shares[busiest] < 2.0 / SLOW
    assert sum(seconds > 2 * SLOW for seconds in late) <= 16 * within(1)
