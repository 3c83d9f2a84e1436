"""A plugin for mutants: it reads all that there is a reader for, and repeats the peer's words where a plugin may."""

from __future__ import annotations

from slbroker import Handlers, Reply, Request

MAX_WORDS = 4_096  # characters: the request is repeated too, and all of it has to fit into a datagram

app = Handlers()


@app.on("OPTIONS")
def keepalive(request: Request) -> Reply:
    return request.reply(200, "OK", headers={"Accept": "application/sdp"})


@app.otherwise
def echo(request: Request) -> Reply:
    parts = [request.to_address.display, request.uri.user, *(str(contact.uri) for contact in request.contacts)]
    parts += [via.host for via in request.vias]
    if credentials := request.authorization or request.proxy_authorization:
        parts += credentials.params.values()
    words = " ".join(parts)[:MAX_WORDS]
    try:
        return request.reply(480, words or None, headers={"X-Words": words})
    except ValueError:  # words that would begin a line
        return request.reply_error()
