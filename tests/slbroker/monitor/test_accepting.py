"""Connections are taken in turn; who says nothing at a handshake, or comes beyond all places, keeps nobody out."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, ClassVar

from slbroker.monitor import accepting
from slbroker.monitor.accepting import Accepting
from slbroker.monitor.gate import IN_HAND, SHARE, Allowance, Gate
from slbroker.settings.connections import TlsSettings
from slbroker.tls import server_context
from tests.support.certificates import Authority
from tests.support.timing import within

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from pathlib import Path

    import pytest


class Greeting(asyncio.Protocol):
    """Says hello, and is counted while it is there."""

    there: ClassVar[set[Greeting]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.there.add(self)
        transport.write(b"hello")

    def connection_lost(self, exc: Exception | None) -> None:
        self.there.discard(self)


@asynccontextmanager
async def serving(gate: Gate | None = None, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    Greeting.there.clear()
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        made = Accepting(sock, gate or Gate(), Greeting, Greeting.there, lambda: context)
        task = asyncio.create_task(made.run())
        yield sock.getsockname()[1]
        task.cancel()
        await asyncio.wait((task,))


async def hears(port: int, context: ssl.SSLContext | None = None) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        return await asyncio.wait_for(reader.read(5), within(5.0))
    finally:
        writer.close()


def test_beyond_all_places_a_connection_is_closed_and_the_next_one_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accepting, "MOST_OPEN", 2)

    async def run() -> None:
        async with serving() as port:
            kept = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
            assert [await reader.readexactly(5) for reader, _ in kept] == [b"hello"] * 2
            assert await hears(port) == b""
            kept[0][1].close()
            await kept[0][1].wait_closed()
            while len(Greeting.there) > 1:
                await asyncio.sleep(0.01)
            assert await hears(port) == b"hello"
            kept[1][1].close()

    asyncio.run(run())


def test_who_says_nothing_at_the_handshake_makes_room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(accepting, "MOST_UNPROVEN", 3)
    authority = Authority(tmp_path)
    pair = authority.issue("localhost")
    context = server_context(TlsSettings(certificate=pair.certificate, key=pair.key))

    async def run() -> None:
        async with serving(context=context) as port:
            silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(10)]
            client = authority.client()
            assert await asyncio.wait_for(hears_tls(port, client), within(5.0)) == b"hello"
            ended = [reader for reader, _ in silent if reader.at_eof() or await is_over(reader)]
            assert len(ended) >= 7
            for _, writer in silent:
                writer.close()

    async def hears_tls(port: int, client: ssl.SSLContext) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname="localhost")
        try:
            return await reader.read(5)
        finally:
            writer.close()

    async def is_over(reader: asyncio.StreamReader) -> bool:
        try:
            return not await asyncio.wait_for(reader.read(1), 0.2)
        except TimeoutError:
            return False
        except OSError:
            return True

    asyncio.run(run())


def test_a_connection_waits_for_its_turn() -> None:
    async def run() -> None:
        work = 0.0
        gate = Gate(Allowance(worked=lambda: work))
        work = IN_HAND + SHARE * 0.4  # nothing is answered for 0.4 seconds
        loop = asyncio.get_running_loop()
        async with serving(gate) as port:
            begun = loop.time()
            assert await hears(port) == b"hello"
            assert loop.time() - begun > 0.3

    asyncio.run(run())
