"""A worker is served as soon as it is connected, whichever came first: no tick of a clock is waited for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from slbroker_edge import service
from slbroker_handlers import worker as worker_module
from tests.edge.test_service import Peer, Site, eventually, name_of, names_of_workers, run

if TYPE_CHECKING:
    from pathlib import Path

SELDOM = 2.4  # seconds; a dealer that is silent for 5 s is replaced


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site whose workers look at the clock seldom."""
    monkeypatch.setattr(worker_module, "TICK", SELDOM)
    return Site(tmp_path)


def test_a_worker_greets_the_edge_that_is_there(site: Site) -> None:
    async def play() -> None:
        async with site.edge() as edge, site.worker(edge):
            with Peer(name_of(edge)) as peer:
                assert (await peer.ask("OPTIONS")).status == 200

    run(play())


def test_a_worker_greets_the_edge_that_comes_later(site: Site) -> None:
    async def play() -> None:
        async with site.worker():
            await asyncio.sleep(0.3)
            async with site.edge() as edge:
                await eventually(lambda: names_of_workers(edge), seconds=1.0)
                with Peer(name_of(edge)) as peer:
                    assert (await peer.ask("OPTIONS")).status == 200

    run(play())


def test_an_edge_started_again_is_greeted_by_who_is_there(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "TICK", 0.1)
    monkeypatch.setattr(service, "TICK", SELDOM)  # it asks nobody by itself

    async def play() -> None:
        async with site.edge() as first, site.worker(first) as worker:
            name = worker._hello["name"]
            first.close()
            await asyncio.sleep(0.3)
            async with site.edge() as second:
                await eventually(lambda: name in names_of_workers(second), seconds=1.0)

    run(play())
