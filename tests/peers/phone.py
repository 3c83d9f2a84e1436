"""A caller made of one UDP socket, for the tests that want to see every byte."""

from __future__ import annotations

import itertools
import re
import socket
import time
from dataclasses import dataclass, field, replace
from typing import Self

from tests.support.timing import within

T1 = 0.5  # seconds, RFC 3261 17.1.1.1
_numbers = itertools.count(1)
_rport = re.compile(r";rport=(\d+)")
_tag = re.compile(r";tag=([^;>\s]+)")


@dataclass(frozen=True)
class Reply:
    """A reply in parts. `headers` are in the order of the wire, names as written."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, datagram: bytes) -> Reply:
        """Take a datagram apart; fails when it is no reply."""
        start, *lines = datagram.decode().partition("\r\n\r\n")[0].split("\r\n")
        version, status, reason = start.split(" ", 2)
        assert version == "SIP/2.0", f"not a reply: {datagram!r}"
        headers = tuple((name.strip(), value.strip()) for name, _, value in (x.partition(":") for x in lines))
        return cls(int(status), reason, headers)

    def all(self, name: str) -> list[str]:
        """Every value of the header called `name`, in order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def __getitem__(self, name: str) -> str:
        (value,) = self.all(name)
        return value

    @property
    def to_tag(self) -> str:
        """The tag of To."""
        found = _tag.search(self["To"])
        assert found, f"no To-tag in {self}"
        return found[1]

    @property
    def rport(self) -> int:
        """The port in the topmost Via's rport."""
        found = _rport.search(self.all("Via")[0])
        assert found, f"no rport in {self}"
        return int(found[1])


@dataclass(frozen=True)
class Call:
    """What the requests of one transaction have in common. Every one that is made is a new one."""

    port: int  # of the caller
    number: int = field(default_factory=lambda: next(_numbers))
    to: str = "<sip:bob@example.com>"

    @property
    def call_id(self) -> str:
        """The Call-ID."""
        return f"call-{self.number}-{self.port}@127.0.0.1"

    def request(self, method: str) -> bytes:
        """The request, or its ACK or CANCEL: the same branch for all (RFC 3261 9.1, 17.1.1.3)."""
        lines = (
            f"{method} sip:bob@example.com SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bK-{self.number}-{self.port};rport",
            "Max-Forwards: 70",
            f"From: <sip:alice@example.com>;tag=from-{self.number}",
            f"To: {self.to}",
            f"Call-ID: {self.call_id}",
            f"CSeq: 7 {method}",
            f"Contact: <sip:alice@127.0.0.1:{self.port}>",
            "Content-Length: 0",
        )
        return "\r\n".join((*lines, "", "")).encode()

    def inside_a_dialog(self) -> Call:
        """The same, with a tag in To that is the other end's own: a re-INVITE."""
        return replace(self, to=f"<sip:bob@example.com>;tag=theirs-{self.number}")

    def ack(self, to: str) -> bytes:
        """The ACK; `to` is the reply's."""
        return replace(self, to=to).request("ACK")


class Phone:
    """A caller on loopback. It hears only the server at `port` of `host`, an address of this machine."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.connect((host, port))
        self.port: int = self._socket.getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._socket.close()

    def call(self) -> Call:
        """A new call, outside of any dialog."""
        return Call(self.port)

    def send(self, datagram: bytes) -> None:
        """Send once."""
        self._socket.send(datagram)

    def receive(self, seconds: float = 5.0) -> Reply | None:
        """The next reply that is there within so many seconds (scaled); None if there is none."""
        self._socket.settimeout(within(seconds))
        try:
            return Reply.read(self._socket.recv(65_535))
        except TimeoutError:
            return None

    def ask(self, datagram: bytes) -> Reply:
        """Send once and return the final reply."""
        self.send(datagram)
        while True:
            reply = self.receive()
            assert reply is not None, f"no reply to {datagram!r}"
            if reply.status >= 200:
                return reply

    def wait_for_server(self, seconds: float = 10.0) -> None:
        """Send OPTIONS until one is answered 200, then hear the rest out."""
        deadline = time.monotonic() + within(seconds)
        while time.monotonic() < deadline:
            try:
                self.send(self.call().request("OPTIONS"))
                reply = self.receive(T1)
            except ConnectionRefusedError:  # nobody has that port yet
                time.sleep(0.05)
                continue
            if reply is not None and reply.status == 200:
                break
        else:
            raise AssertionError(f"OPTIONS was not answered 200 within {within(seconds):g} s")
        while self.receive(0.05) is not None:
            pass
