"""In front of a proxy: refuses what that need not see, sends some calls to a trunk, and lets the rest go on.

slbroker run --plugin forward.py --pass sip:10.0.0.5:5060
"""

import os

from slbroker import Forward, Handlers, Reply, Request
from slbroker.plugin import Amended, ForwardedReply

TRUNK = os.environ.get("TRUNK", "sip:trunk.example.com;transport=tcp")

app = Handlers()


@app.on("INVITE", user="900*")
def premium(request: Request) -> Reply:
    return request.reply(403, "No Premium Numbers")


# An INVITE, its CANCEL and its ACK have to go the same way, so they are decided by what they have in common.
@app.on("INVITE", "CANCEL", "ACK", user="0*")
def outbound(request: Request) -> Forward:
    number = request.uri.user.removeprefix("0")
    return request.forward(TRUNK, uri=f"sip:+49{number}@trunk.example.com", remove="X-Internal", record_route=True)


# Other CANCELs and ACKs go where --pass leads, as these do.
@app.otherwise
def onward(request: Request) -> Forward:
    return request.forward()


@app.on_reply
def hide_the_trunk(reply: ForwardedReply) -> Amended:
    if reply.status == 503:  # what is meant for us: a phone would ask nobody for a while (RFC 3261 16.7)
        return reply.forward(500, "Server Internal Error", remove="Retry-After")
    return reply.forward(remove="Server")
