"""What a plugin author imports: `Handlers` routes requests to functions, which turn a `Request` into a `Reply`.

`responder` runs them: it is what a worker and the test client are made of.
"""

from slbroker.auth import Ha1
from slbroker.plugin.contact import escape
from slbroker.plugin.digest import Digest, Outcome, Verdict
from slbroker.plugin.handlers import Handlers
from slbroker.plugin.kinds import Decision
from slbroker.plugin.onreply import ForwardedReply
from slbroker.plugin.pieces import judge, keepalive, maintenance, screen
from slbroker.plugin.rate import RateLimit
from slbroker.plugin.registration import Binding, bindings
from slbroker.plugin.reply import DROP, Reply
from slbroker.plugin.request import Request
from slbroker.proxy.decision import Amended, Forward
from slbroker.sip.slerrors import SlError

__all__ = [
    "DROP",
    "Amended",
    "Binding",
    "Decision",
    "Digest",
    "Forward",
    "ForwardedReply",
    "Ha1",
    "Handlers",
    "Outcome",
    "RateLimit",
    "Reply",
    "Request",
    "SlError",
    "Verdict",
    "bindings",
    "escape",
    "judge",
    "keepalive",
    "maintenance",
    "screen",
]
