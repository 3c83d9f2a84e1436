"""The plugin that runs when none is named: 200 to OPTIONS, so that dispatchers see us alive; 404 to the rest."""

from slbroker import Handlers, Reply, Request

app = Handlers()


@app.on("OPTIONS")
def keepalive(request: Request) -> Reply:
    """Answer the ping of a Kamailio or OpenSIPS dispatcher (RFC 3261 11.2)."""
    return request.reply(200, "OK", headers={"Accept": "application/sdp"})


@app.otherwise
def unknown(request: Request) -> Reply:
    """Know nobody."""
    return request.reply(404, "Not Found")
