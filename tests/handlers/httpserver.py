"""An HTTP server on a free port of loopback that knows every number: `/numbers/N` says `sip:N@gw.example.com`."""

from __future__ import annotations

import asyncio
import sys


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while head := await reader.readuntil(b"\r\n\r\n"):
        target = b"sip:%b@gw.example.com" % head.split(b" ")[1].rpartition(b"/")[2]
        await asyncio.sleep(0.005)  # as a database behind it would take
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(target), target))


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1_024)
    port = server.sockets[0].getsockname()[1]
    sys.stderr.write(f"serving port {port}\n")
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
