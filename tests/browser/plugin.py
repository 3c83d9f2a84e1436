"""Answers for a phone in a browser."""

from __future__ import annotations

from slbroker import Handlers, Reply, Request

app = Handlers()


@app.on("REGISTER")
def registered(request: Request) -> Reply:
    """Confirm the binding that the phone asks for; nothing is kept."""
    return request.registered()


@app.on("OPTIONS")
def alive(request: Request) -> Reply:
    source = request.source
    return request.reply(200, "OK", headers={"Subject": f"{source.transport} {source.host}"})


@app.otherwise
def unknown(request: Request) -> Reply:
    return request.reply(404, "Nobody Here")
