"""A plugin that answers 200 to all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slbroker import Handlers

if TYPE_CHECKING:
    from slbroker import Request
    from slbroker.plugin import Reply

app = Handlers()


@app.otherwise
def answer(request: Request) -> Reply:
    return request.reply(200)
