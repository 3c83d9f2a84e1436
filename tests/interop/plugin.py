"""Answers as the number that is called says, or the user that registers; notes each request in the file INTEROP_LOG.

There is a letter behind each dash, or JsSIP takes the number for a telephone's and sends 5032 for 503-2.

Numbers: 404, 486; 302 (to 404-moved); 503-wait2 (Retry-After: 2); 401-MD5, 407-SHA256_MD5 (challenges, in that order,
then 404); 420-timer (Unsupported); 200, 200-hold488 (a re-INVITE gets 488), 200-bare (no Contact); 180 (then nothing).
Users: reg-MD5, reg-SHA256_MD5 (challenges, then 200); 302; 503-wait3; bare (200 without Contact).
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from slbroker import Handlers, Reply, Request
from slbroker.plugin import Digest
from tests.interop.sdp import answer
from tests.interop.words import PASSWORD, REALM

if TYPE_CHECKING:
    from slbroker.plugin import Decision

LOG: Final = Path(os.environ["INTEROP_LOG"])

app = Handlers()


def note(request: Request, **more: Any) -> None:
    """Write down a request: a line, which is appended whole, whichever worker writes it."""
    line = {
        "at": time.time(),
        "method": request.method,
        "number": request.uri.user,
        "user": request.from_uri.user,
        "transport": request.source.transport,
        "in_dialog": not request.is_initial,
        "cseq": request.cseq,
        "agent": request.user_agent,
        "leaves": leaves(request),
        "credentials": "Authorization" in request.headers or "Proxy-Authorization" in request.headers,
        **more,
    }
    with LOG.open("a", encoding="utf-8") as file:
        file.write(f"{json.dumps(line)}\n")


def leaves(request: Request) -> bool:
    """Whether a REGISTER takes its contacts away."""
    return request.expires == 0 or any(contact.params.get("expires") == "0" for contact in request.contacts)


def noted(request: Request, decision: Decision) -> Decision:
    note(request, answered=getattr(decision, "status", None))
    return decision


def challenge(words: str, *, proxy: bool) -> Digest:
    algorithms = words.replace("SHA256", "SHA-256").split("_")
    return Digest(REALM, lambda _name: PASSWORD, algorithms=algorithms, proxy=proxy)


@app.on("INVITE")
def call(request: Request) -> Decision:
    kind, _, rest = request.uri.user.partition("-")
    return noted(request, called(request, kind, rest))


def called(request: Request, kind: str, rest: str) -> Decision:
    match kind:
        case "401" | "407":
            return challenge(rest, proxy=kind == "407").check(request).reply or request.reply(404)
        case "302":
            return request.redirect(request.contact("404-moved"))
        case "503":
            return request.reply(503, headers={"Retry-After": rest.removeprefix("wait")})
        case "420":
            return request.reply(420, headers={"Unsupported": rest})
        case "200" if request.is_initial:
            return accept(request, bare=rest == "bare")
        case "200":
            return request.reply(int(rest.removeprefix("hold") or 200))
    return request.reply(int(kind))


def accept(request: Request, *, bare: bool) -> Reply:
    headers = {"Content-Type": "application/sdp", "Allow": "INVITE, ACK, BYE, CANCEL, OPTIONS"}
    if not bare:
        headers["Contact"] = request.contact()
    return request.reply(200, headers=headers, body=answer(request.body))


@app.on("REGISTER")
def register(request: Request) -> Decision:
    kind, _, rest = request.to_uri.user.partition("-")
    return noted(request, registered(request, kind, rest))


def registered(request: Request, kind: str, rest: str) -> Decision:
    match kind:
        case "reg":
            return challenge(rest, proxy=False).check(request).reply or request.registered()
        case "302":
            return request.redirect(request.contact("elsewhere"))
        case "503":
            return request.reply(503, headers={"Retry-After": rest.removeprefix("wait")})
        case "bare":
            return request.reply(200)
    return request.registered()


@app.on("BYE", "CANCEL", "OPTIONS")
def fine(request: Request) -> Decision:
    return noted(request, request.reply(200))


@app.on("ACK")
def passed(request: Request) -> Decision:
    note(request, absorbed=False)
    return request.drop()


@app.filtered_ack
def absorbed(request: Request) -> Decision:
    note(request, absorbed=True)
    return request.drop()


@app.otherwise
def other(request: Request) -> Decision:
    return noted(request, request.reply(501))
