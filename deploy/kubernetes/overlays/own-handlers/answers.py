"""Yours: 486 to INVITE, and what the bundled handlers say to the rest."""

from slbroker import Handlers, Reply, Request

app = Handlers()


@app.on("INVITE")
def busy(request: Request) -> Reply:
    """Say that nobody can come."""
    return request.reply(486)
