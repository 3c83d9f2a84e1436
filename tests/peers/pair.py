"""Two servers that run one KEMI script, Kamailio and slbroker: the requests they get, and their replies to compare.

What may differ: the To-tag, Server, a nonce, and the spelling of what both copy from the request: compact header names,
and where in the top Via received and rport stand.
"""

from __future__ import annotations

import re
import socket
import subprocess
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from slbroker.sip.grammar import canonical_name
from slbroker_handlers.kemi.release import read_release
from tests.peers.brokers import Edge, free_bus_address, new_keys, start_edge
from tests.peers.phone import Phone
from tests.support.peers import free_udp_port, missing_peer, require_peer
from tests.support.processes import Process, slbroker
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.conftest import Start

SCRIPTS = Path(__file__).with_name("kemi")
ALIAS = "core.alias=example.com"


class Case(NamedTuple):
    """A request: what is not said is as in most; None leaves a header out."""

    method: str
    uri: str = "sip:bob@example.com"
    headers: Sequence[tuple[str, str]] = ()
    without: Sequence[str] = ()
    body: str = ""


# What is sent and what comes back -------------------------------------------------------------------------------


def write(case: Case, port: int, number: int) -> bytes:
    """The request's bytes, from a client at `port`."""
    usual = {
        "Via": f"SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK-kemi-{number};rport",
        "From": "<sip:alice@example.org>;tag=from",
        "To": "<sip:bob@example.com>",
        "Call-ID": f"kemi-{number}",
        "CSeq": f"{number} {case.method}",
        "Max-Forwards": "70",
        "Contact": "<sip:alice@127.0.0.1>",
    }
    lines = [f"{name}: {value}" for name, value in usual.items() if name not in case.without]
    lines += [f"{name}: {value}" for name, value in case.headers]
    head = [f"{case.method} {case.uri} SIP/2.0", *lines, f"Content-Length: {len(case.body)}", "", ""]
    return "\r\n".join(head).encode() + case.body.encode()


def exchange(port: int, case: Case, client: socket.socket, number: int) -> list[str]:
    """The lines of all replies to a request, in a form in which two servers' can be compared.

    An OPTIONS goes behind it: its answer tells that all others have come. Both servers work one request off at a time.
    """
    server = ("127.0.0.1", port)
    own = client.getsockname()[1]
    client.settimeout(within(5))
    client.sendto(write(case, own, number), server)
    client.sendto(write(Case("OPTIONS", headers=[("Call-ID", "marker")], without=["Call-ID"]), own, number), server)
    replies: list[str] = []
    while True:
        reply = client.recv(65_535).decode()
        if "Call-ID: marker\r\n" in reply:
            return replies
        replies += comparable(reply)


def comparable(reply: str) -> list[str]:
    """A reply in lines, without what may differ."""
    head, _, body = reply.partition("\r\n\r\n")
    start, *lines = head.split("\r\n")
    kept = []
    for line in lines:
        name, _, value = line.partition(":")
        title = canonical_name(name.encode()).decode()
        if title == "server":
            continue
        if title == "to":
            value = re.sub(r";tag=(?:s1[0-9a-f]{4}-[0-9a-f]{24}|[0-9a-f]{32}\.[0-9a-f]{8})$", ";tag=*", value)
        if title == "via":
            value = ";".join(sorted(value.split(";")))
        value = re.sub(r'nonce="[^"]*"', "nonce=*", value)
        kept.append(f"{title}: {value.strip()}")
    return [start, *kept, "", *body.split("\r\n")]


@contextmanager
def client() -> Iterator[socket.socket]:
    """A caller's socket: the same for both servers, since its port is in what they reply."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
        caller.bind(("127.0.0.1", 0))
        yield caller


# The two servers ------------------------------------------------------------------------------------------------


def require_module(name: str, package: str) -> None:
    """Without this module of Kamailio's the test is skipped, or fails where peers are required."""
    if not any(Path("/usr").glob(f"lib*/*/kamailio/modules/{name}.so")):
        missing_peer(f"Kamailio's {name} is not installed (Debian: apt-get install {package})")


def installed_version() -> str:
    """The version of the Kamailio that is installed, such as "5.6.3": what slbroker's --kemi-version is to say."""
    program = require_peer("kamailio")
    said = subprocess.run([program, "-v"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"^version: kamailio (\S+)", said, re.MULTILINE)
    assert found is not None, said
    return found[1]


def installed_release() -> tuple[int, int]:
    """The release that it belongs to."""
    return read_release(installed_version())


def start_kamailio_with(start: Start, script: Path, folder: Path, *defines: str) -> int:
    """Start a Kamailio that runs `script`; return its port once it answers."""
    program = require_peer("kamailio")
    require_module("app_python3", "kamailio-python3-modules")
    for attempt in range(2):  # once in some dozens of starts it comes up and answers nothing
        run = folder / f"kamailio-{attempt}"
        run.mkdir(parents=True)
        port = free_udp_port()
        process = start(
            program,
            *("-f", str(SCRIPTS / "kamailio.cfg"), "-DD", "-E", "-m", "16", "-M", "8", "-w", str(run), "-Y", str(run)),
            *("-A", f"LISTEN=udp:127.0.0.1:{port}", "-A", f'SCRIPT="{script}"'),
            *("-A", f'ADDRESSES="{SCRIPTS / "address.list"}"'),
            *(word for define in defines for word in ("-A", define)),
            cwd=run,
        )
        try:
            with Phone(port) as phone:
                phone.wait_for_server()
        except AssertionError:
            if attempt:
                raise AssertionError(str(process)) from None
            process.stop()
        else:
            return port
    raise AssertionError("unreachable")


def start_slbroker_with(start: Start, script: Path, folder: Path, *options: str) -> Edge:
    """Start an edge, and a handler that runs `script`; return the edge once they know each other."""
    keys, bus = new_keys(folder), free_bus_address("ipc", folder)
    edge = start_edge(start, keys, bus)
    handler = start("handler", "--bus", bus, "--keys", str(keys), "--kemi", str(script), *options)
    handler.wait_for("handler ready")
    return edge


@dataclass(frozen=True)
class Servers:
    """Starts what is stopped when the module's tests have ended."""

    folder: Path
    stack: ExitStack

    def program(self, *words: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Process:
        """Start any program."""
        return self.stack.enter_context(Process(*words, env=env, cwd=cwd))

    def slbroker(self, *words: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Process:
        """Start a command of slbroker's."""
        return self.stack.enter_context(slbroker(*words, env=env, cwd=cwd))

    def both(self, name: str, script: Path, *options: str, defines: Sequence[str] = ()) -> tuple[int, int]:
        """Start both with a script, `options` for slbroker and `defines` for Kamailio; return their ports.

        slbroker follows the release of the Kamailio that is installed.
        """
        folder = self.folder / name
        folder.mkdir()
        kamailio = start_kamailio_with(self.program, script, folder / "theirs", *defines)
        follow = ("--kemi-version", installed_version())
        return kamailio, start_slbroker_with(self.slbroker, script, folder, *follow, *options).port
