"""A live edge and a worker, as processes of their own, and the peer that sends mutants to them."""

from __future__ import annotations

import os
import re
import select
import socket
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tests.lab.fuzz import memory
from tests.lab.fuzz.mutator import MAX_SIZE
from tests.peers.brokers import Edge, free_bus_address, new_keys, start_edge
from tests.support.processes import Process, slbroker
from tests.support.sip import ReadReply, read_reply, request
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.fuzz.memory import Usage

PLUGIN: Final = Path(__file__).with_name("plugin.py")
PATIENCE: Final = 2.0  # seconds that a good OPTIONS may take on a machine busy with other things
MAX_WAITING: Final = 65_536  # bytes in the kernel's buffer beyond which the sender waits, so that nothing is lost
ADDED: Final = 512  # bytes that a reply may be longer than its request
COMPLAINT: Final = re.compile(r"Traceback|ERROR|error:")


@dataclass(frozen=True)
class Live:
    """The two processes."""

    edge: Edge
    worker: Process

    def usage(self) -> dict[str, Usage]:
        """What they use now, by name."""
        return {"edge": memory.read_usage(self.edge.process.pid), "worker": memory.read_usage(self.worker.pid)}

    def socket(self) -> SocketState:
        """The kernel's view of the edge's socket."""
        for _ in range(3):  # read while other sockets come and go, the table may lack a line
            for line in Path("/proc/net/udp").read_text().splitlines()[1:]:
                columns = line.split()
                if columns[1] == f"0100007F:{self.edge.port:04X}":
                    return SocketState(int(columns[4].partition(":")[2], 16), int(columns[-1]))
        raise AssertionError(f"no socket on port {self.edge.port}: {self.edge.process}")


class SocketState(NamedTuple):
    """Bytes of buffer in use, datagrams dropped because it was full."""

    waiting: int
    lost: int


@contextmanager
def live() -> Iterator[Live]:
    """Start both; at the end both have to stop well, and have no error logged."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)

        def start(*words: str, env: Any = None, cwd: Any = None) -> Process:
            return stack.enter_context(slbroker(*words, env=env, cwd=cwd))

        keys, bus = new_keys(folder), free_bus_address("ipc", folder)
        edge = start_edge(start, keys, bus)
        worker = start("handler", "--bus", bus, "--keys", str(keys), "--plugin", str(PLUGIN))
        worker.wait_for("handler ready")
        yield Live(edge, worker)
        for process in (worker, edge.process):
            assert process.stop() == 0, process
            assert not COMPLAINT.search(process.log), process


class Peer:
    """The sender, on a loopback address of its own: a mutant's Via may name any port, and that is then on this one."""

    def __init__(self, subject: Live) -> None:
        self._subject = subject
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        pid = os.getpid()
        self._socket.bind((f"127.{64 + pid % 64}.{pid >> 6 & 0xFF}.{1 + (pid >> 14) % 254}", 0))
        self._socket.connect(("127.0.0.1", subject.edge.port))
        self._pings = 0
        self.sent = 0
        self.huge = 0  # datagrams so long that the reply may not fit into one
        self.replies = 0

    def send(self, data: bytes) -> None:
        """Send one datagram; wait first if it is long and the edge is behind."""
        if len(data) > MAX_WAITING // 8:
            self.wait_for_edge()
        self._socket.send(data)
        self.sent += 1
        self.huge += len(data) > MAX_SIZE - ADDED

    def wait_for_edge(self) -> None:
        """Wait until the edge has read nearly all that was sent."""
        while self._subject.socket().waiting > MAX_WAITING:
            self.collect(0.001)

    def collect(self, seconds: float, until: bytes = b"") -> bool:
        """Take replies for so long, or until one with this Call-ID has come; return whether it has. ACK them."""
        deadline = time.monotonic() + seconds
        while select.select([self._socket], [], [], max(deadline - time.monotonic(), 0.0))[0]:
            reply = read_reply(self._socket.recv(65_535))  # raises for what no strict peer would take
            self.replies += 1
            if (ack := ack_to(reply)) is not None:
                self.send(ack)
            if until and reply.all(b"Call-ID") == [until]:
                assert (reply.status, reply.reason) == (200, "OK")
                return True
        return False

    def ping(self) -> float:
        """Send a good OPTIONS; return the seconds until its 200. Fails when there is none."""
        self._pings += 1
        call_id = b"good-%d@192.0.2.1" % self._pings
        begun = time.monotonic()
        self.send(request(via="SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bKgood", call_id=call_id))
        assert self.collect(within(PATIENCE), call_id), f"good OPTIONS {self._pings} was not answered"
        return time.monotonic() - begun

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def ack_to(reply: ReadReply) -> bytes | None:
    """The ACK that a client sends when its INVITE is refused (RFC 3261 17.1.1.3); None to other replies."""
    repeated = {name: reply.all(name) for name in (b"From", b"To", b"Call-ID", b"CSeq")}
    if reply.status < 300 or not all(repeated.values()) or not repeated[b"CSeq"][0].endswith(b" INVITE"):
        return None
    from_, to, call_id, cseq = (values[0] for values in repeated.values())
    cseq = cseq.removesuffix(b"INVITE") + b"ACK"
    return request("ACK", via=reply.all(b"Via")[0], from_=from_, to=to, call_id=call_id, cseq=cseq)
