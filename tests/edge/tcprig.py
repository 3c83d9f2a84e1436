"""What the tests over TCP have in common: handlers, a rig with a worker that runs them, and requests to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from slbroker import Handlers, Reply, Request
from tests.edge.streamrig import StreamRig
from tests.support.sip import read_reply, request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slbroker.config import StreamSettings
    from tests.edge.streamrig import Phone

VIA = "SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bK776asdhds;rport"
OPTIONS = request(via=VIA)

app = Handlers()


@app.on("INVITE")
def refuse(request: Request) -> Reply:
    return request.reply(404, "Nobody Here")


@app.on("SUBSCRIBE")
def busy(request: Request) -> list[Reply]:
    return [request.reply(100), request.reply(489)]


@app.otherwise
def answer(request: Request) -> Reply:
    source = request.source
    return request.reply(200, "OK", headers={"Subject": f"{source.transport} {source.host} {source.port}"})


def served(settings: StreamSettings | None = None, **more: int) -> StreamRig:
    """A rig with a worker."""
    rig = StreamRig(settings, **more)  # type: ignore[arg-type]
    rig.join(app)
    return rig


@pytest.fixture
def rig() -> Iterator[StreamRig]:
    """The same. A test module that says `rig = tcprig.rig` has it."""
    with served() as made:
        yield made


def numbered(number: int, method: str = "OPTIONS") -> bytes:
    return request(method, via=VIA, call_id=f"call-{number}")


def series(count: int) -> bytes:
    """Return so many OPTIONS of one length, each a request of its own."""
    return b"".join(request(via=VIA, call_id=f"call-{number:04x}") for number in range(count))


def is_served(phone: Phone) -> bool:
    """Ask; whether the answer is 200."""
    phone.say(OPTIONS)
    return read_reply(phone.hear()).status == 200
