"""A caller that sends INVITEs at a steady rate and keeps what became of each."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from slbroker.sip.response import Response, parse_response
from slbroker.testing import RequestFactory

TICK = 0.005  # seconds between two looks at what is to be sent
T1 = 0.5  # RFC 3261 17.1.1.1: what has no answer is sent again


@dataclass
class Call:
    """One request: its number, when it was first sent, and its answer."""

    number: str
    request: bytes
    sent: float = 0.0
    seconds: float | None = None
    response: Response | None = None


@dataclass
class Caller(asyncio.DatagramProtocol):
    """Calls by their Call-ID."""

    calls: dict[str, Call] = field(default_factory=dict)
    open: dict[str, Call] = field(default_factory=dict)

    def datagram_received(self, data: bytes, _addr: object) -> None:
        """Note the answer of the call that it belongs to."""
        response = parse_response(data)
        call = self.open.pop((response and response.first("Call-ID")) or "", None)
        if call is not None:
            call.response = response
            call.seconds = time.monotonic() - call.sent


async def make_calls(
    port: int, rate: int, seconds: float, method: str = "INVITE", *, patience: float = 20.0, again: bool = True
) -> list[Call]:
    """Send `rate` requests a second, to numbers counted from 0, and `again` each T1; return all calls."""
    loop = asyncio.get_running_loop()
    transport, caller = await loop.create_datagram_endpoint(Caller, remote_addr=("127.0.0.1", port))
    factory, begun, total = RequestFactory(), time.monotonic(), int(rate * seconds)
    repeat = begun + T1
    while (now := time.monotonic()) < begun + seconds + patience and (len(caller.calls) < total or caller.open):
        for number in range(len(caller.calls), min(total, int((now - begun) * rate) + 1)):
            call_id = f"load-{number}"
            data = factory.request(method, f"sip:{number}@example.com", {"Call-ID": call_id})
            caller.calls[call_id] = caller.open[call_id] = Call(str(number), data, now)
            transport.sendto(data)
        if again and now > repeat:
            repeat = now + T1
            for call in [call for call in caller.open.values() if now - call.sent > T1]:
                transport.sendto(call.request)
        await asyncio.sleep(TICK)
    transport.close()
    return list(caller.calls.values())
