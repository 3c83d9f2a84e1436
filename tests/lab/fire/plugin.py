"""What the workers of these tests run. The user part of the Request-URI says how long a request takes, and how."""

from __future__ import annotations

import asyncio
import os
import time

from slbroker import Handlers, Reply, Request

SERVICE = 0.005  # seconds that `block` and `wait` take
ME = str(os.getpid())  # in the reply, so that one of the edge cannot pass for one of a worker

app = Handlers()


class Held:
    """How many handlers have begun and not ended."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> None:
        self.count += 1

    def __exit__(self, *_: object) -> None:
        self.count -= 1


held = Held()


def reply(request: Request) -> Reply:
    return request.reply(200, headers={"X-Worker": ME, "X-Held": str(held.count)})


@app.on("MESSAGE", user="block")
def block(request: Request) -> Reply:
    with held:
        time.sleep(SERVICE)
        return reply(request)


@app.on("MESSAGE", user="wait")
async def wait(request: Request) -> Reply:
    with held:
        await asyncio.sleep(SERVICE)
        return reply(request)


@app.otherwise
def answer(request: Request) -> Reply:
    return reply(request)
