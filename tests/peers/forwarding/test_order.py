"""What comes in a turn leaves in its order, whether it is plain or not: no BYE overtakes its ACK."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.peers.forwarding.sockets import Between, hear
from tests.support.forwarding import reply_to
from tests.support.sip import request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.conftest import Start

pytestmark = pytest.mark.peer

PATTERNS = ["010", "101", "0011", "0110", "1001"]  # 1: with a folded header, which takes the long way
METHODS = ("ACK", "INVITE", "BYE", "INFO")


def folded(data: bytes, odd: str) -> bytes:
    return data.replace(b"Call-ID:", b"Subject: a\r\n b\r\nCall-ID:") if odd == "1" else data


def send_at_once(between: Between, send: Callable[[bytes], None], messages: Sequence[bytes]) -> None:
    """The edge stands still meanwhile, and then finds all of them."""
    between.edge.process.send(signal.SIGSTOP)
    time.sleep(0.05)
    for message in messages:
        send(message)
    between.edge.process.send(signal.SIGCONT)


def test_nothing_overtakes_what_was_sent_before_it(start_slbroker: Start, tmp_path: Path) -> None:
    with Between(start_slbroker, tmp_path) as between:
        via = f"SIP/2.0/UDP 127.0.0.1:{between.port};rport;branch=z9hG4bK"
        for pattern in PATTERNS:
            methods = METHODS[: len(pattern)]
            asked = [
                folded(request(method, to="<sip:b@x>;tag=1", via=f"{via}{pattern}{method}", call_id=pattern), odd)
                for method, odd in zip(methods, pattern, strict=True)
            ]
            send_at_once(between, between.send, asked)
            came = [hear(between.server) for _ in asked]
            assert [data.split(b" ")[0].decode() for data in came] == list(methods), pattern
            replies = [
                folded(reply_to(data, 200 + at), odd) for at, (data, odd) in enumerate(zip(came, pattern, strict=True))
            ]
            send_at_once(between, between.answer, replies)
            assert [int(hear(between.client)[8:11]) - 200 for _ in came] == list(range(len(came))), pattern
