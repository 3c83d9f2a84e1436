"""Callers over TCP or TLS that hear what becomes of each of their requests, as `load` does over UDP.

Each has a connection and sends on it at its own pace; when the edge closes it, it connects again. A request that was on
its way on a connection that closes is told apart: its caller gets no answer, and cannot know whether it was read.
"""

from __future__ import annotations

import asyncio
import re
import select
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ssl

PATIENCE: Final = 5.0  # seconds that an answer may take
REQUEST: Final = (
    "OPTIONS sip:bob@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{transport} 127.0.0.1;rport;branch=z9hG4bK-{name}\r\n"
    "Max-Forwards: 70\r\nFrom: <sip:fire@127.0.0.1>;tag=1\r\nTo: <sip:bob@127.0.0.1>\r\n"
    "Call-ID: {name}@fire\r\nCSeq: 1 OPTIONS\r\nContact: <sip:fire@127.0.0.1>\r\nContent-Length: 0\r\n\r\n"
)
_status_and_id: Final = re.compile(rb"SIP/2\.0 (\d+) .*?\r\nCall-ID: ([^\r]*)", re.DOTALL)


@dataclass
class Seen:
    """What all callers saw. Latencies are in seconds."""

    sent: int = 0
    answered: int = 0  # with 200
    cut: int = 0  # on their way when the connection closed
    silent: int = 0  # no answer, and the connection stands
    wrong: list[bytes] = field(default_factory=list)  # another answer, or somebody else's
    refused: list[str] = field(default_factory=list)  # connections that could not be had
    connections: int = 0
    latencies: list[float] = field(default_factory=list)


class Callers:
    """So many of them, so many requests a second together, until they are stopped."""

    def __init__(self, port: int, context: ssl.SSLContext | None, count: int, rate: float) -> None:
        self.seen = Seen()
        self._port, self._context = port, context
        self._count, self._pause = count, count / rate
        self._is_over = False

    def run(self) -> Seen:
        """Call; in a thread of its own."""
        asyncio.run(self._run())
        return self.seen

    def stop(self) -> None:
        """Have them end behind the answers to come."""
        self._is_over = True

    async def _run(self) -> None:
        calls = [asyncio.ensure_future(self._call(number)) for number in range(self._count)]
        while not self._is_over and not all(call.done() for call in calls):
            await asyncio.sleep(0.05)
        _done, stuck = await asyncio.wait(calls, timeout=2 * PATIENCE)
        for call in stuck:
            self.seen.refused.append(f"a caller does not end: {call}")
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    async def _call(self, number: int) -> None:
        await asyncio.sleep(self._pause * number / self._count)
        requests = 0
        while not self._is_over:
            try:
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", self._port, ssl=self._context, server_hostname="127.0.0.1" if self._context else None
                )
            except OSError as error:
                self.seen.refused.append(str(error))
                await asyncio.sleep(0.1)
                continue
            self.seen.connections += 1
            try:
                while not self._is_over and not await self._is_closed(reader, writer):
                    requests += 1
                    if not await self._ask(reader, writer, f"{number}x{requests}"):
                        break
                    await self._rest(reader)
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()

    async def _is_closed(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the edge has closed it: known to the kernel, though this loop is busy with others' handshakes."""
        sock = writer.get_extra_info("socket")
        while not reader.at_eof() and sock is not None and sock.fileno() >= 0 and select.select([sock], [], [], 0)[0]:
            await asyncio.sleep(0.001)  # until asyncio has read it, too
            sock = writer.get_extra_info("socket")
        return reader.at_eof()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str) -> bool:
        """Send a request and wait for its answer; return whether the connection stands."""
        seen = self.seen
        seen.sent += 1
        begun = time.monotonic()
        transport = "TLS" if self._context else "TCP"
        try:
            writer.write(REQUEST.format(transport=transport, name=name).encode())
            reply = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
        except TimeoutError:
            seen.silent += 1
            return False
        except (OSError, asyncio.IncompleteReadError):
            seen.cut += 1
            return False
        seen.latencies.append(time.monotonic() - begun)
        found = _status_and_id.match(reply)
        if found is None or found[1] != b"200" or found[2] != f"{name}@fire".encode():
            seen.wrong.append(reply)
        else:
            seen.answered += 1
        return True

    async def _rest(self, reader: asyncio.StreamReader) -> None:
        """Wait until the next request is due, or the edge closes the connection."""
        end = time.monotonic() + self._pause
        while not reader.at_eof() and (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(left, 0.005))
