"""A whole call through one KEMI script that lets it go on: Kamailio does with it what an edge and a handler do."""

from __future__ import annotations

import json
import shutil
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.peers.pair import ALIAS, SCRIPTS, Servers
from tests.peers.test_forward import comparable
from tests.support.forwarding import headers, reply_to
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.peer, pytest.mark.timeout(within(60))]

HOST = "127.0.0.1"
COUNT = "KSR.maxfwd.process_maxfwd(10)"
FORWARD = "KSR.forward()"
STEPS = {
    "begin": {
        "request": [
            COUNT, "KSR.rr.loose_route()", "KSR.rr.add_rr_param(';nat=yes')", "KSR.rr.record_route()",
            r"KSR.hdr.append('X-Source: %s\r\n' % KSR.pv.get('$si'))", "KSR.nathelper.set_contact_alias()",
            "KSR.setuser('carol')", "KSR.setdsturi('sip:{callee}')", FORWARD,
        ],
        "reply": [
            "KSR.pv.get('$rs')", "KSR.is_INVITE()", "KSR.siputils.is_reply()", "KSR.nathelper.set_contact_alias()",
            r"KSR.hdr.append('X-Seen: %d\r\n' % KSR.pv.get('$rs'))",
        ],
    },
    "on": {
        "request": [
            COUNT, "KSR.siputils.has_totag()", "KSR.rr.loose_route()", "KSR.rr.check_route_param('nat=yes')",
            "KSR.rr.is_direction('downstream')", "KSR.isdsturiset()", "KSR.nathelper.handle_ruri_alias()", FORWARD,
        ],
        "reply": [
            "KSR.textopsx.change_reply_status(299, 'Done')", "KSR.pv.get('$rs')",
        ],
    },
    "refuse": {"request": [COUNT, "KSR.sl.sl_send_reply(403, 'No')"]},
    "stop": {"request": ["KSR.tm.t_check_trans()", COUNT, "KSR.setdsturi('sip:{callee}')", FORWARD]},
}  # fmt: skip


class Ends:
    """Who calls and who is called, and the servers between them, one after the other."""

    def __init__(self, stack: ExitStack) -> None:
        self.caller, self.callee = (
            stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2)
        )
        for end in (self.caller, self.callee):
            end.bind((HOST, 0))
            end.settimeout(within(5))

    def fill(self, text: str) -> str:
        """A text with their addresses in it."""
        caller, callee = (f"{HOST}:{end.getsockname()[1]}" for end in (self.caller, self.callee))
        return text.replace("{caller}", caller).replace("{callee}", callee)

    def call(self, port: int) -> list[object]:
        """Go through a call by way of a server; return what arrived, without what may differ, and what was told."""
        seen: list[object] = []
        server = (HOST, port)

        def pass_on(data: str, sender: socket.socket, receiver: socket.socket) -> bytes:
            sender.sendto(self.fill(data).encode(), server)
            arrived = receiver.recv(65_535)
            seen.append(comparable(arrived).replace(b"%b:%d" % (HOST.encode(), port), b"US").split(b"\r\n"))
            return arrived

        def answer(data: bytes, status: int, reason: bytes, do: str) -> bytes:
            said = reply_to(data, status, reason, b"callee" if do == "begin" else b"").replace(
                b"\r\n", self.fill(f"\r\nX-Do: {do}\r\nContact: <sip:carol@{{callee}}>\r\n").encode(), 1
            )
            self.callee.sendto(said, server)
            arrived = self.caller.recv(65_535)
            seen.append(comparable(arrived).replace(b"%b:%d" % (HOST.encode(), port), b"US").split(b"\r\n"))
            return arrived

        invite = pass_on(write("INVITE", "begin", "sip:bob@example.net"), self.caller, self.callee)
        answer(invite, 180, b"Ringing", "begin")
        ok = answer(invite, 200, b"OK", "begin")
        record = [line.partition(b": ")[2].decode() for line in headers(ok, b"record-route")]
        inside: dict[str, Any] = {"to": "<sip:bob@example.com>;tag=callee", "routes": record}
        pass_on(write("ACK", "on", "sip:carol@{callee}", branch="z9hG4bKack", **inside), self.caller, self.callee)
        update = pass_on(write("UPDATE", "on", "sip:carol@{callee}", number=2, **inside), self.caller, self.callee)
        answer(update, 200, b"OK", "on")
        back: dict[str, Any] = {
            "from_": "<sip:bob@example.com>;tag=callee",
            "to": "<sip:alice@example.org>;tag=ft",
            "routes": record,
        }
        pass_on(write("BYE", "on", "sip:alice@{caller}", end="{callee}", **back), self.callee, self.caller)
        pass_on(write("CANCEL", "stop", "sip:bob@example.net", number=3), self.caller, self.callee)
        refused = pass_on(write("INVITE", "refuse", "sip:bob@example.net", number=4), self.caller, self.caller)
        assert refused.startswith(b"SIP/2.0 403 No\r\n")
        self.caller.sendto(self.fill(write("OPTIONS", "told", "sip:bob@example.net", number=5)).encode(), server)
        return [*seen[:-1], self.caller.recv(65_535).partition(b"\r\n\r\n")[2].decode().split("\n")]


def write(
    method: str, do: str, uri: str, *, from_: str = "<sip:alice@example.org>;tag=ft", to: str = "<sip:bob@example.com>",
    routes: list[str] | None = None, number: int = 1, branch: str = "", end: str = "{caller}",
) -> str:  # fmt: skip
    """A request."""
    lines = [
        f"{method} {uri} SIP/2.0", f"Via: SIP/2.0/UDP {end};branch={branch or f'z9hG4bK{number}'}",
        *(f"Route: {route}" for route in routes or ()), "Max-Forwards: 70", f"From: {from_}", f"To: {to}",
        "Call-ID: dialog", f"CSeq: {number} {method}", f"Contact: <sip:alice@{end}>", f"X-Do: {do}",
        "Content-Length: 0", "", "",
    ]  # fmt: skip
    return "\r\n".join(lines)


@pytest.fixture(scope="module")
def ends() -> Iterator[Ends]:
    with ExitStack() as stack:
        yield Ends(stack)


def test_a_call_goes_through_both_alike(servers: Servers, ends: Ends) -> None:
    folder = servers.folder / "call"
    folder.mkdir()
    script = folder / "forwarding.py"
    shutil.copy(SCRIPTS / "forwarding.py", script)
    script.with_name("forwarding.json").write_text(ends.fill(json.dumps(STEPS)))
    kamailio, ours = servers.both("dialog", script, "--kemi-param", ALIAS)
    theirs = ends.call(kamailio)
    assert ends.call(ours) == theirs
    assert [line for line in theirs[-1] if line.endswith(("= -1", "None"))] == [  # type: ignore[attr-defined]
        "request: KSR.rr.loose_route() = -1",
        "request: KSR.rr.is_direction('downstream') = -1",
        "request: KSR.tm.t_check_trans() = -1",
    ]
