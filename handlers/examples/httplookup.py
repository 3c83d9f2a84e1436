"""Ask an HTTP server where a number is: GET {LOOKUP}/NUMBER says a SIP URI, or 404. Many calls wait at once.

LOOKUP=http://127.0.0.1:8000/numbers slbroker run --plugin httplookup.py

HTTP is spoken in a few lines of asyncio, so that nothing has to be installed: a connection for each question. With
aiohttp or httpx, make the session in @app.startup and close it in @app.shutdown.
"""

import asyncio
import os
from urllib.parse import quote, urlsplit

from slbroker import Handlers, Reply, Request

LOOKUP = os.environ.get("LOOKUP", "http://127.0.0.1:8000/numbers")

app = Handlers(on_timeout=Reply(504))


async def get(url: str) -> tuple[int, str]:
    """Return the status and text that a server has for `url`; raise OSError when it cannot be asked."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
    try:
        writer.write(f"GET {parts.path} HTTP/1.0\r\nHost: {parts.netloc}\r\n\r\n".encode())
        await writer.drain()
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
    words = head.split(b" ", 2)
    if len(words) < 3 or not words[1].isdigit():
        raise OSError(f"{url} answers no HTTP")
    return int(words[1]), body.decode().strip()


@app.on("INVITE", timeout=2.0, limit=100)
async def where(request: Request) -> Reply:
    try:
        status, target = await get(f"{LOOKUP}/{quote(request.uri.decoded_user, safe='')}")
    except OSError:
        return request.reply(503, headers={"Retry-After": "5"})
    if status != 200:
        return request.reply(404)
    return request.redirect(target)


@app.on("OPTIONS")
def keepalive(request: Request) -> Reply:
    return request.reply(200)
