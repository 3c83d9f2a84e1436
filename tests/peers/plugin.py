"""The plugin of these tests: its replies are its own, and say which worker made them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from slbroker import Handlers

if TYPE_CHECKING:
    from slbroker import Reply, Request
    from slbroker.plugin.reply import Drop

# The tests read these names, so that a reply that slbroker itself made cannot pass for one of this file.
WORKER = "X-Worker"
HERE = "Here"
NOBODY = "Nobody Of That Name"
NO_CHANGE = "No Change Of Media"
# Names the file that gets one line for each ACK that reaches a handler.
ACK_LOG = "PEER_TEST_ACK_LOG"

app = Handlers()


def signed(request: Request, status: int, reason: str, **headers: str) -> Reply:
    """A reply with the worker's pid in it."""
    return request.reply(status, reason, headers={WORKER: str(os.getpid()), **headers})


@app.on("OPTIONS")
def keepalive(request: Request) -> Reply:
    return signed(request, 200, HERE, Accept="application/sdp")


@app.on("REGISTER")
async def register(request: Request) -> Reply:
    return signed(request, 200, "Registered", Contact=request.headers["Contact"])


@app.on("INVITE")
def refuse(request: Request) -> Reply:
    return signed(request, 488, NO_CHANGE) if request.to_tag else signed(request, 404, NOBODY)


def note_ack(request: Request) -> Drop:
    with Path(os.environ[ACK_LOG]).open("a", encoding="utf-8") as log:
        log.write(f"{request.call_id}\n")
    return request.drop()


if ACK_LOG in os.environ:
    app.on("ACK")(note_ack)


@app.otherwise
def unknown(request: Request) -> Reply:
    return signed(request, 405, "Not For Peers")
