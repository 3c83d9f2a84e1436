"""An edge that is killed in the moment in which its first reply has left: `FOLDER PORT TO` are its arguments.

The folder has its ring and the memory of its ACK filter; the reply to an INVITE goes to that port of 127.0.0.1.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from slbroker import Handlers, keys
from slbroker.bus.address import parse_bus_address
from slbroker.totag import Signer
from slbroker_edge.ackfilter import AckFilter
from slbroker_edge.edge import Edge
from slbroker_edge.filterfile import FilterFile
from tests.support import edge as rigs
from tests.support.sip import request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slbroker.sip.reading import Address


class LastWords(rigs.FakeListener):
    """A socket whose owner does not outlive its first system call."""

    def send(self, replies: Sequence[tuple[bytes, Address]]) -> int:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for reply, address in replies:
                sock.sendto(reply, address)
            os.kill(os.getpid(), signal.SIGKILL)
        return 0


def main(folder: Path, port: int, to: str) -> None:
    """Answer an INVITE."""
    ring = keys.load(folder / "ring")
    rigs.SIGNER = Signer(ring.current, ring.accepted(time.time()))
    memory = FilterFile(parse_bus_address(f"ipc://{folder}/bus"), 1).of_process(0)
    app = Handlers()
    app.on("INVITE")(lambda request: request.reply(488))
    acks = AckFilter(rigs.SIGNER, 32.0, memory)
    rig = rigs.Rig(make_edge=lambda dispatcher, _, policies: Edge(dispatcher, acks, policies))
    rig.now = time.monotonic()
    rig.listener = LastWords()
    rig.join(app)
    rig.receive(request("INVITE", via="SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK1", to=to), source=("127.0.0.1", port))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
