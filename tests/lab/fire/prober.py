"""One OPTIONS after the other, for as long as it takes: when is service back?"""

from __future__ import annotations

import re
import secrets
import socket
import time
from typing import TYPE_CHECKING

from tests.support.sip import request
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Iterator

PAUSE = 0.02  # seconds that an answer may take before the next is sent
STEADY = 10  # good answers in a row that make service steady

_match_status = re.compile(rb"SIP/2\.0 (\d{3}) ").match


def ask(port: int, patience: float = PAUSE) -> tuple[int, bool]:
    """Send one OPTIONS; return the status, 0 for none, and whether a worker of these tests gave it."""
    call_id = secrets.token_hex(8).encode() + b"@prober"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port))
        sock.settimeout(patience)
        try:
            sock.send(request(call_id=call_id, via="SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK" + secrets.token_hex(8)))
            data = sock.recv(65_535)
        except (TimeoutError, ConnectionRefusedError):
            return 0, False
    found = _match_status(data)
    assert found, data
    assert call_id in data
    return int(found[1]), b"\r\nX-Worker: " in data


def _moments(port: int) -> Iterator[tuple[float, bool]]:
    while True:
        begun = time.monotonic()
        status, by_worker = ask(port)
        yield begun, status == 200 and by_worker
        time.sleep(max(begun + PAUSE / 2 - time.monotonic(), 0.0))


def wait_until_back(port: int, patience: float = 10.0) -> float:
    """Return when the first of some OPTIONS in a row was sent that workers all answered; fail if that never comes."""
    deadline = time.monotonic() + within(patience)
    since, good = 0.0, 0
    for moment, is_good in _moments(port):
        if is_good:
            since, good = (moment, 1) if not good else (since, good + 1)
            if good == STEADY:
                break
        else:
            good = 0
            assert moment < deadline, f"port {port} is not served within {within(patience):g} s"
    return since
