"""The corpus through a real edge and worker: `slbroker run`, its UDP, IPv6 and TCP sockets, and what comes back.

One change is made to a message for UDP: `;rport` goes behind its top Via's sent-by. A reply goes to the address of the
source but to the Via's port (RFC 3261 18.2.2), 5060 where none is said, which cannot be bound for each message; with
rport it goes to the source's port (RFC 3581 4). Over TCP nothing is changed.
"""

from __future__ import annotations

import json
import re
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from tests.support.processes import run_slbroker, slbroker
from tests.support.sip import request
from tests.support.timing import within

if TYPE_CHECKING:
    from typing import Any

    from tests.support.processes import Process

PROBE: Final = b"probe@torture.example"
PATIENCE: Final = 5.0  # seconds until an answer that must come has come
LOOPBACKS: Final = {"udp": "127.0.0.1", "udp6": "::1", "tcp": "127.0.0.1"}

_sent_by = re.compile(
    rb"(\r\n(?:via|v)[ \t]*:\s*SIP\s*/[^/]+/\s*\S+\s+(?:\[[^\]]*\]|[^\s;,:]+)(?::\d+)?)", re.IGNORECASE
)


class Answers(NamedTuple):
    """The replies to one message, in order; over TCP, whether the edge closed the connection."""

    replies: list[bytes]
    closed: bool = False

    @property
    def statuses(self) -> list[int]:
        """The status codes."""
        return [int(reply[8:11]) for reply in self.replies]


class Live:
    """A running edge with one worker, so that answers come in the order of the requests."""

    def __init__(self, *options: str) -> None:
        """`options` are further ones of `slbroker run`."""
        listen = [f"--listen=udp:{host}:0" for host in (LOOPBACKS["udp"], *(["[::1]"] if has_ipv6() else []))]
        self._process: Process = slbroker("run", *listen, "--listen=tcp:127.0.0.1:0", "--workers=1", *options)

    def __enter__(self) -> Self:
        self._process.__enter__()
        ready = self._process.wait_for("edge ready")
        self._process.wait_for("handler ready")
        found = re.findall(r"(udp|tcp):(127\.0\.0\.1|\[::1\]):(\d+)", ready)
        self.ports = {("udp6" if host == "[::1]" else name): int(port) for name, host, port in found}
        self._bus = ready.partition("bus ")[2].partition(",")[0]
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.__exit__(*exc_info)

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self._process.running

    def figures(self) -> dict[str, Any]:
        """What `slbroker stats` says of it now."""
        asked = run_slbroker("stats", "--bus", self._bus, "--json")
        assert asked.wait() == 0, asked
        (edge,) = json.loads(asked.output)["edges"]
        figures: dict[str, Any] = edge
        return figures

    def ask(self, data: bytes, transport: str = "udp") -> Answers:
        """Send one message and return the replies that came before the answer to a good OPTIONS sent behind it."""
        return self._over_tcp(data) if transport == "tcp" else Answers(self._over_udp(data, transport))

    def _over_udp(self, data: bytes, transport: str) -> list[bytes]:
        host = LOOPBACKS[transport]
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((host, 0))
            sock.settimeout(within(PATIENCE))
            sock.connect((host, self.ports[transport]))
            sock.send(with_rport(data))
            sock.send(probe())
            replies: list[bytes] = []
            while PROBE not in (reply := sock.recv(65_535)):
                replies.append(reply)
        assert reply.startswith(b"SIP/2.0 200 "), reply
        return replies

    def _over_tcp(self, data: bytes) -> Answers:
        """Send byte by byte, then the probe, and read to its answer or to the end of the connection."""
        with socket.create_connection((LOOPBACKS["tcp"], self.ports["tcp"]), within(PATIENCE)) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with suppress(ConnectionError):  # the edge has closed it: what it said before can still be read
                for byte in data:
                    sock.send(bytes((byte,)))
                sock.sendall(probe())
                sock.shutdown(socket.SHUT_WR)
            received, answered = bytearray(), False
            with suppress(ConnectionError):
                while not answered and (part := sock.recv(65_535)):
                    received += part
                    answered = any(PROBE in reply and reply[8:11] == b"200" for reply in split(bytes(received)))
        return Answers([reply for reply in split(bytes(received)) if PROBE not in reply], closed=not answered)


def has_ipv6() -> bool:
    """Whether this machine has an IPv6 loopback address."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


def with_rport(data: bytes) -> bytes:
    """Ask for the reply where the message comes from; a message without a Via stays as it is."""
    return _sent_by.sub(rb"\1;rport", data, count=1)


def probe() -> bytes:
    """A request that is answered 200."""
    return request("OPTIONS", via="SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bKprobe", call_id=PROBE)


def split(stream: bytes) -> list[bytes]:
    """Cut a stream into whole replies, none of which has a body here."""
    *replies, _rest = stream.split(b"\r\n\r\n")
    assert all(reply.endswith(b"Content-Length: 0") for reply in replies)
    return replies
