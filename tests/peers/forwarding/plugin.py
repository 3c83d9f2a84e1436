"""A plugin for tests that forward: which next hop each user has, and whom it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

REFUSED: Final = "900123"
PLUGIN: Final = """\
from slbroker import Handlers

app = Handlers()
HOPS = {hops!r}


@app.on("INVITE", user="900*")
def premium(request):
    return request.reply(403, "Forbidden")


@app.on("OPTIONS", user="bob")
def alive(request):
    return request.reply(200)


@app.otherwise
def on(request):
    return request.forward(HOPS.get(request.uri.user, ""))
"""


def write_plugin(folder: Path, hops: Mapping[str, str]) -> Path:
    """Write it into `folder`; users that are not named go where the edge sends what nobody names a next hop for."""
    file = folder / "forwarding_plugin.py"
    file.write_text(PLUGIN.format(hops=dict(hops)))
    return file
