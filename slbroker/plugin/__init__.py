"""What a plugin author imports: `Handlers` routes requests to functions, which turn a `Request` into a `Reply`.

`responder` runs them: it is what a worker and the test client are made of.
"""

from slbroker.plugin.handlers import Decision, Handlers
from slbroker.plugin.reply import DROP, Reply
from slbroker.plugin.request import Request

__all__ = ["DROP", "Decision", "Handlers", "Reply", "Request"]
