"""One KEMI script lets requests go on, in Kamailio and here: the same calls return the same, and the same leaves.

What may differ: the branch and the flow of our Via, the token in our Record-Route and Path, where rport stands.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import pytest

from slbroker.sip.message import Source
from slbroker.sip.response import Response, parse_response
from slbroker.testing import Client
from slbroker.testing.downstream import Forwarded
from slbroker_handlers.kemi.script import load_script
from tests.peers.kemi.forwarded import CASES as FORWARDED
from tests.peers.kemi.forwarded import REPLIES, Case
from tests.peers.kemi.relayed import RELAYED
from tests.peers.pair import ALIAS, SCRIPTS, Servers, installed_version, start_kamailio_with
from tests.peers.test_forward import comparable
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

pytestmark = [pytest.mark.peer, pytest.mark.timeout(within(120))]

HOST = "127.0.0.1"
CASES = FORWARDED | RELAYED


class Outcome(NamedTuple):
    """What the script was told, where the request went, "" for nowhere, and what arrived there."""

    told: list[str]
    where: str
    data: bytes


@dataclass
class Rig:
    """Kamailio at a port; a caller in front of it, and two servers behind it that are UDP sockets."""

    port: int
    sockets: Mapping[str, socket.socket]
    ours: Client
    came: list[bytes] = field(default_factory=list)  # to the caller, since Kamailio was asked before

    def fill(self, text: str) -> str:
        """A text with the addresses of this rig in it."""
        for name, one in self.sockets.items():
            port = one.getsockname()[1]
            text = text.replace(f"{{{name}}}", f"{HOST}:{port}").replace(f"{{{name}~}}", f"{HOST}~{port}")
            text = text.replace(f"{{{name}:}}", str(port))
        return text.replace("{us}", f"{HOST}:{self.port}")

    def write(self, name: str, case: Case, number: int) -> bytes:
        """The request of a case."""
        usual = {
            "Via": f"SIP/2.0/UDP {{caller}};branch=z9hG4bK-{number}",
            "From": "<sip:alice@example.org>;tag=ft",
            "To": "<sip:bob@example.com>",
            "Call-ID": f"forward-{number}",
            "CSeq": f"1 {case.method}",
            "Max-Forwards": "70",
            "Contact": "<sip:alice@192.0.2.9:5062;ob>;expires=5",
        }
        lines = [f"{title}: {value}" for title, value in {**usual, **case.headers}.items() if value is not None]
        lines += [*case.lines, f"X-Do: {name}", f"Content-Length: {len(case.body)}"]
        return self.fill("\r\n".join((f"{case.method} {case.uri} SIP/2.0", *lines, "", case.body))).encode()

    def through_kamailio(self, data: bytes) -> Outcome:
        """What Kamailio does with a request."""
        self.sockets["caller"].sendto(data, (HOST, self.port))
        told = self.ask_kamailio()  # it works one off after the other: what was sent has arrived
        where, arrived = "", b""
        for name in ("hop", "other"):
            for found in waiting(self.sockets[name]):
                assert not where, f"it went to {where} and {name}: {arrived!r}, {found!r}"
                where, arrived = name, found
        return Outcome(told, where, arrived)

    def ask_kamailio(self) -> list[str]:
        """What its script was told."""
        self.sockets["caller"].sendto(self.write("told", Case(method="OPTIONS"), 0), (HOST, self.port))
        self.came.clear()
        while not (reply := self.sockets["caller"].recv(65_535)).startswith(b"SIP/2.0 299 Told"):
            self.came.append(reply)
        return lines_of(reply)

    def ask_here(self) -> list[str]:
        """What our script was told."""
        (reply,) = self.ours.exchange(self.write("told", Case(method="OPTIONS"), 0), self.source("caller"))
        return lines_of(reply)

    def here(self, data: bytes) -> Outcome:
        """What slbroker does with it."""
        source = self.source("caller")
        self.ours.exchange(data, source)
        sent = self.ours.forwarded  # None again where nothing went on
        told = self.ask_here()
        if sent is None:
            return Outcome(told, "", b"")
        ports = {one.getsockname()[1]: name for name, one in self.sockets.items()}
        return Outcome(told, ports.get(sent.sender.port, str(sent.sender)), sent.data)

    def source(self, name: str) -> Source:
        """Where something comes from."""
        return Source(HOST, self.sockets[name].getsockname()[1], f"udp:{HOST}:{self.port}")


def _routes(case: Case) -> tuple[tuple[str, list[str]], ...]:
    return ("request", case.steps), ("reply", case.on_reply), ("onsend", case.on_send), ("branch", case.on_branch)


def waiting(one: socket.socket) -> Iterator[bytes]:
    """The datagrams that have arrived at a socket."""
    with one.dup() as now, contextlib.suppress(BlockingIOError):
        now.setblocking(False)
        while True:
            yield now.recv(65_535)


def lines_of(reply: bytes) -> list[str]:
    """What a reply tells."""
    return reply.partition(b"\r\n\r\n")[2].decode().split("\n")


@pytest.fixture(scope="module")
def rig(servers: Servers) -> Iterator[Rig]:
    with ExitStack() as stack:
        sockets = {
            name: stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            for name in ("caller", "hop", "other")
        }
        for one in sockets.values():
            one.bind((HOST, 0))
            one.settimeout(within(5))
        made = Rig(0, sockets, None)  # type: ignore[arg-type]  # Kamailio's port is not known yet
        folder = servers.folder / "forwarding"
        folder.mkdir()
        script = folder / "forwarding.py"
        shutil.copy(SCRIPTS / "forwarding.py", script)
        steps = {name: {route: steps for route, steps in _routes(case) if steps} for name, case in CASES.items()}
        script.with_name("forwarding.json").write_text(made.fill(json.dumps(steps)))
        made.port = start_kamailio_with(servers.program, script, folder / "theirs")
        script.with_name("forwarding.json").write_text(made.fill(json.dumps(steps)))
        made.ours = Client(load_script(f"kemi:{script}?param={ALIAS}&version={installed_version()}&relay=stateless"))
        yield made


@pytest.mark.parametrize("name", CASES)
def test_the_same_is_told_and_the_same_leaves(name: str, rig: Rig) -> None:
    case = CASES[name]
    data = rig.write(name, case, list(CASES).index(name) + 1)
    theirs, ours = rig.through_kamailio(data), rig.here(data)
    if case.relays and theirs.where:
        rig.sockets[theirs.where].sendto(Forwarded("", theirs.data, rig.source("hop")).reply(404), (HOST, rig.port))
    assert ours.told == theirs.told
    assert ours.where == theirs.where
    assert alike(ours.data) == alike(theirs.data)
    assert (theirs.where != "") == case.leaves


@pytest.mark.parametrize("status", [200, 180, 404])
@pytest.mark.parametrize("name", REPLIES)
def test_the_same_comes_back(name: str, status: int, rig: Rig) -> None:
    """What the element behind both replies, when the script's reply route has looked at it."""
    number = 1_000 + 10 * list(REPLIES).index(name) + status // 100
    data = rig.write(f"reply: {name}", REPLIES[name], number)
    headers = [("X-Do", f"reply: {name}"), ("X-R", "r"), ("Contact", "<sip:bob@10.0.0.9:5070>")]
    headers.append(("Content-Type", "text/plain"))
    theirs = rig.through_kamailio(data)
    said = Forwarded("", theirs.data, rig.source("hop")).reply(status, None, headers, b"abc")
    rig.sockets["hop"].sendto(said, (HOST, rig.port))
    told = rig.ask_kamailio()
    back = [parse_response(one) for one in rig.came]
    rig.ours.exchange(data, rig.source("caller"))
    response = rig.ours.forwarded_reply(status, None, headers, b"abc")
    assert of_reply(rig.ask_here()) == of_reply(told)
    assert (response and in_short(response)) == (back[0] and in_short(back[0]) if back else None)
    assert len(back) <= 1 or name.startswith("sl_forward_reply")


def in_short(response: Response) -> tuple[object, ...]:
    """What is compared of a reply."""
    headers = [(key, value) for key, value in response.headers if key != "via"]
    return response.status, response.reason, headers, response.body


def of_reply(told: list[str]) -> list[str]:
    """What a script was told in the route of a reply."""
    return [line for line in told if line.startswith("reply: ")]


def alike(data: bytes) -> list[str]:
    """A message without what may differ, in lines."""
    return comparable(data).decode(errors="backslashreplace").split("\r\n") if data else []
