"""A plugin that asks an HTTP server over a pool of connections that each worker opens as it starts."""

from __future__ import annotations

import asyncio
import os
from typing import TypeAlias

from slbroker import Handlers, Reply, Request

CONNECTIONS = 64
HOST, PORT = "127.0.0.1", int(os.environ["HTTP_PORT"])

Connection: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]

app = Handlers(timeout=5.0)
pool: asyncio.Queue[Connection] = asyncio.Queue()


@app.startup
async def connect() -> None:
    for _ in range(CONNECTIONS):
        pool.put_nowait(await asyncio.open_connection(HOST, PORT))


@app.shutdown
async def disconnect() -> None:
    while not pool.empty():
        pool.get_nowait()[1].close()


@app.on("INVITE")
async def where(request: Request) -> Reply:
    reader, writer = await pool.get()
    writer.write(f"GET /numbers/{request.uri.user} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    target = (await reader.readexactly(length)).decode()
    pool.put_nowait((reader, writer))
    return request.redirect(target)
