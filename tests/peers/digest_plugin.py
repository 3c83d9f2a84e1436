"""The plugin of the tests with credentials: a registrar asks with 401, a proxy with 407."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slbroker import Handlers
from slbroker.plugin import Digest

if TYPE_CHECKING:
    from slbroker import Reply, Request

USERS = {"alice": "wonderland"}

app = Handlers()
registrar = Digest("example.com", USERS.get)
proxy = Digest("example.com", USERS.get, proxy=True)


@app.on("REGISTER")
@registrar.required
def register(request: Request) -> Reply:
    return request.reply(200, headers={"Contact": request.headers["Contact"]})


@app.on("INVITE")
@proxy.required
def call(request: Request) -> Reply:
    return request.reply(486)
