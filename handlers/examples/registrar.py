"""Stand before a registrar: who has no good password is challenged here, who has one is sent on to it (RFC 3261 10.3).

USERS=users.txt REGISTRAR=sip:10.0.0.5 slbroker run --plugin registrar.py        # users.txt: name:password, a line each

The nonce is signed: any worker checks what another has challenged, and there is nothing to share but the key ring.
"""

import os

from slbroker import Handlers, Reply, Request
from slbroker.plugin import Decision, Digest, RateLimit
from slbroker.plugin.users import UserFile

REALM = os.environ.get("REALM", "example.com")
REGISTRAR = os.environ.get("REGISTRAR", "sip:127.0.0.1:5080")

app = Handlers()
users = Digest(REALM, UserFile(os.environ.get("USERS", "users.txt"), REALM), algorithms=("SHA-256", "MD5"))
app.before(RateLimit(50, 10.0))  # who guesses passwords is not to guess fast


@app.on("REGISTER")
def register(request: Request) -> Decision:
    verdict = users.check(request)
    if verdict.reply is not None:
        return verdict.reply
    if verdict.username != request.to_uri.user:
        return request.reply(403, "Not Your Number")
    return request.redirect(REGISTRAR)


@app.on("OPTIONS")
def keepalive(request: Request) -> Reply:
    return request.reply(200)


@app.otherwise
def unknown(request: Request) -> Reply:
    return request.reply(404)
