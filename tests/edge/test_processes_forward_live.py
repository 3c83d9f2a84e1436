"""An edge of several processes that forwards: what is for a connection finds it, whichever process the kernel asks."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

from slbroker.keys import create as create_keys
from tests.support.forwarding import headers, reply_to, vias
from tests.support.peers import free_udp_port
from tests.support.processes import run_slbroker
from tests.support.sip import request
from tests.support.timing import within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start

PHONES = 12


def test_replies_and_requests_find_the_process_that_has_the_connection(start_slbroker: Start, tmp_path: Path) -> None:
    create_keys(tmp_path / "ring")
    port, bus = free_udp_port(), f"ipc://{tmp_path}/bus"
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        server.bind(("127.0.0.1", 0))
        server.settimeout(within(3.0))
        edge = start_slbroker(
            "edge", "--listen", f"udp:127.0.0.1:{port}", "--listen", f"tcp:127.0.0.1:{port}", "--bus", bus,
            "--keys", str(tmp_path / "ring"), "--processes", "3", "--record-route",
            "--route", f"pass=sip:127.0.0.1:{server.getsockname()[1]}",
        )  # fmt: skip
        edge.wait_for("edge ready", times=3)
        for number in range(PHONES):
            phone = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=within(3.0)))
            via = f"SIP/2.0/TCP phone.invalid;branch=z9hG4bK{number}"
            phone.sendall(request("INVITE", via=via, call_id=f"call {number}"))
            came, source = server.recvfrom(65_535)
            reply = reply_to(came, tag=b"uas")
            server.sendto(reply, source)
            assert phone.recv(65_535) == reply.replace(vias(came)[0] + b"\r\n", b"", 1)
            routes = b", ".join(line.partition(b": ")[2] for line in headers(came, b"record-route"))
            server.sendto(
                request(
                    "BYE", "sip:alice@phone.invalid;transport=tcp", from_="<sip:bob@example.com>;tag=uas",
                    to="<sip:alice@example.org>;tag=1928301774", call_id=f"call {number}", route=routes,
                    via=f"SIP/2.0/UDP 127.0.0.1:{server.getsockname()[1]};branch=z9hG4bKb{number}",
                ),
                source,
            )  # fmt: skip
            bye = phone.recv(65_535)
            assert bye.startswith(b"BYE sip:alice@phone.invalid")
            assert vias(bye)[0].startswith(b"Via: SIP/2.0/TCP 127.0.0.1:%d;" % port)
            answer = reply_to(bye)
            phone.sendall(answer)
            assert server.recv(65_535) == answer.replace(vias(bye)[0] + b"\r\n", b"", 1)
        edges = json.loads(run_slbroker("stats", "--json", "--bus", bus).output)["edges"]
    assert len(edges) == 3
    assert sum(each["forwarded"] for each in edges) == 2 * PHONES
    assert sum(each.get("replies", {}).get("forwarded", 0) for each in edges) == 2 * PHONES
    assert all(each["unaccounted"] == 0 == each.get("replies", {}).get("unaccounted", 0) for each in edges)
    assert sum(each["received"] > 0 for each in edges) > 1
