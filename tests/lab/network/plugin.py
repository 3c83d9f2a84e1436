"""The plugin of these tests: a reply says which host's worker made it; a REGISTER blocks its worker for a while."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from slbroker import Handlers

if TYPE_CHECKING:
    from slbroker import Reply, Request

HOST = "NETWORK_TEST_HOST"  # the variable that names the host
WORKER = "X-Worker"
BLOCK = "X-Block"  # seconds

app = Handlers()


def signed(request: Request) -> Reply:
    return request.reply(200, "Here", headers={WORKER: os.environ[HOST]})


@app.on("OPTIONS")
def answer(request: Request) -> Reply:
    return signed(request)


@app.on("REGISTER")
def block(request: Request) -> Reply:
    time.sleep(float(request.headers[BLOCK]))
    return signed(request)
