"""A registrar without a location table: who has no good password is challenged, who has one is told that all is well.

USERS=users.txt slbroker run --plugin registrar.py        # users.txt: name:password, a line each

The nonce is signed: any worker checks what another has challenged, and there is nothing to share but the key ring. MD5
is what every phone can answer; docs/handlers.md says which phones can do more. Nothing is kept of who has registered;
where somebody has to find them again, write `bindings(request)` into a database of yours, as `register` is about to.
"""

import logging
import os

from slbroker import Handlers, Reply, Request
from slbroker.plugin import Decision, Digest, RateLimit, bindings
from slbroker.plugin.users import UserFile

REALM = os.environ.get("REALM", "example.com")

app = Handlers()
users = Digest(REALM, UserFile(os.environ.get("USERS", "users.txt"), REALM))
app.before(RateLimit(50, 10.0))  # who guesses passwords is not to guess fast

logger = logging.getLogger(__name__)


@app.on("REGISTER")
def register(request: Request) -> Decision:
    verdict = users.check(request)
    if verdict.reply is not None:
        return verdict.reply
    if verdict.username != request.to_uri.decoded_user:
        return request.reply(403, "Not Your Number")
    for contact, seconds in bindings(request):
        logger.info("%s is at %s for %d s", verdict.username, contact, seconds)
    return request.registered()


@app.on("OPTIONS")
def keepalive(request: Request) -> Reply:
    return request.reply(200)


@app.otherwise
def unknown(request: Request) -> Reply:
    return request.reply(404)
