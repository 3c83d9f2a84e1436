"""UDP sockets for tests of the datagrams' two twins."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from slbroker_edge.transports.binding import tell_asked

if TYPE_CHECKING:
    from contextlib import ExitStack


def udp(stack: ExitStack, host: str, *, dual: bool = False, asked: bool = False) -> socket.socket:
    """Return a bound socket that does not block; skip the test where there is none at `host`.

    One of IPv6 takes IPv4, too, where it is `dual`; `asked`: it tells which address of ours a datagram asked.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        sock = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual)
        if asked:
            tell_asked(sock)
        sock.bind((host, 0))
    except OSError as error:
        pytest.skip(f"no socket at {host} here: {error}")
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    return sock
