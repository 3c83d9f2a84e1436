"""The monitor's HTTP server: who connects and says nothing, or not enough, takes nobody's place for long."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from slbroker.monitor import service
from slbroker.monitor.service import Protocol, Server
from tests.support.timing import within

if TYPE_CHECKING:
    import pytest
    from starlette.requests import Request

STREAM = b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99\r\n\r\n{"
SHORT = 0.3


async def answer(request: Request) -> Response:
    await request.body()
    return PlainTextResponse("well")


async def answer_late(_: Request) -> Response:
    await asyncio.sleep(4 * SHORT)
    return PlainTextResponse("late")


async def answer_much(_: Request) -> Response:
    return PlainTextResponse("much" * 4_000_000)


async def end_of(port: int, *said: bytes) -> bytes:
    """What comes back until the server hangs up on somebody who says this, in pieces."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    reading = asyncio.create_task(reader.read())
    for piece in said:
        if reading.done():
            break
        writer.write(piece)
        await asyncio.sleep(SHORT / 4)
    try:
        return await asyncio.wait_for(reading, within(10))
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def serve(*peers: tuple[bytes, ...]) -> list[bytes]:
    app = Starlette(routes=[Route("/", answer, methods=["GET", "POST"]), Route("/slow", answer_late)])
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="off", ws="none", http=Protocol)
    server = Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port: int = server.servers[0].sockets[0].getsockname()[1]
    try:
        return await asyncio.gather(*(end_of(port, *each) for each in peers))
    finally:
        server.should_exit = True
        await task


def test_a_request_is_there_within_some_seconds_or_its_connection_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "REQUEST_WITHIN", SHORT)
    monkeypatch.setattr(service, "KEEP_ALIVE", 0.0)
    drip: tuple[bytes, ...] = tuple(b"GET / HTTP/1.1\r\nHost: h\r\nX: "[at : at + 1] for at in range(30))
    whole = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
    peers: list[Any] = [(b"",), (b"GET / HT",), drip, (POST,), (whole,), (whole, POST), (STREAM,)]
    silent, half, dripping, body, kept, second, slow = asyncio.run(serve(*peers))
    assert [silent, half, dripping, body] == [b""] * 4
    assert kept.count(b"well") == 1
    assert second.count(b"well") in (0, 1), "reset: what had come may be lost with the connection"
    assert slow.endswith(b"late"), "what is served takes the time that it takes"


def test_who_reads_nothing_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "TAKEN_WITHIN", SHORT)

    async def run() -> None:
        app = Starlette(routes=[Route("/much", answer_much)])
        server = Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off", ws="none", http=Protocol))
        task = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        _, writer = await asyncio.open_connection("127.0.0.1", server.servers[0].sockets[0].getsockname()[1])
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"GET /much HTTP/1.1\r\nHost: h\r\n\r\n")
        while not server.server_state.connections:
            await asyncio.sleep(0.01)
        async with asyncio.timeout(within(10 * SHORT)):
            while server.server_state.connections:
                await asyncio.sleep(0.01)
        writer.close()
        server.should_exit = True
        await task

    asyncio.run(run())
