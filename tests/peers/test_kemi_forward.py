"""One KEMI script lets requests go on, in Kamailio and here: the same calls return the same, and the same leaves.

What may differ: the branch and the flow of our Via, the token in our Record-Route and Path, where rport stands.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import pytest

from slbroker.sip.message import Source
from slbroker.testing import Client
from slbroker_handlers.kemi.script import load_script
from tests.peers.kemi.forwarded import CASES, Case
from tests.peers.pair import ALIAS, SCRIPTS, Servers, installed_version, start_kamailio_with
from tests.peers.test_forward import comparable
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

pytestmark = [pytest.mark.peer, pytest.mark.timeout(within(120))]

HOST = "127.0.0.1"


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

    def fill(self, text: str) -> str:
        """A text with the addresses of this rig in it."""
        for name, one in self.sockets.items():
            port = one.getsockname()[1]
            text = text.replace(f"{{{name}}}", f"{HOST}:{port}").replace(f"{{{name}~}}", f"{HOST}~{port}")
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
        while not (reply := self.sockets["caller"].recv(65_535)).startswith(b"SIP/2.0 299 "):
            pass
        return lines_of(reply)

    def here(self, data: bytes) -> Outcome:
        """What slbroker does with it."""
        source = self.source("caller")
        self.ours.exchange(data, source)
        sent = self.ours.forwarded  # None again where nothing went on
        (reply,) = self.ours.exchange(self.write("told", Case(method="OPTIONS"), 0), source)
        if sent is None:
            return Outcome(lines_of(reply), "", b"")
        ports = {one.getsockname()[1]: name for name, one in self.sockets.items()}
        return Outcome(lines_of(reply), ports.get(sent.sender.port, str(sent.sender)), sent.data)

    def source(self, name: str) -> Source:
        """Where something comes from."""
        return Source(HOST, self.sockets[name].getsockname()[1], f"udp:{HOST}:{self.port}")


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
        steps = {
            name: {route: steps for route, steps in (("request", case.steps), ("reply", case.on_reply)) if steps}
            for name, case in CASES.items()
        }
        script.with_name("forwarding.json").write_text(made.fill(json.dumps(steps)))
        made.port = start_kamailio_with(servers.program, script, folder / "theirs")
        script.with_name("forwarding.json").write_text(made.fill(json.dumps(steps)))
        made.ours = Client(load_script(f"kemi:{script}?param={ALIAS}&version={installed_version()}"))
        yield made


@pytest.mark.parametrize("name", CASES)
def test_the_same_is_told_and_the_same_leaves(name: str, rig: Rig) -> None:
    case = CASES[name]
    data = rig.write(name, case, list(CASES).index(name) + 1)
    theirs, ours = rig.through_kamailio(data), rig.here(data)
    assert ours.told == theirs.told
    assert ours.where == theirs.where
    assert alike(ours.data) == alike(theirs.data)
    assert (theirs.where != "") == case.leaves


def alike(data: bytes) -> list[str]:
    """A message without what may differ, in lines."""
    return comparable(data).decode(errors="backslashreplace").split("\r\n") if data else []
