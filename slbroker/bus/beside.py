"""A TCP port of the bus that passes from one process to another, while both are there (SO_REUSEPORT).

libzmq ends the connections of a listener with it, so the one that goes keeps its own until it ends; a filter of one
instruction has the kernel give new connections to the one that comes.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import zmq

if TYPE_CHECKING:
    from collections.abc import Iterable

    from slbroker.bus.address import BusAddress

BACKLOG: Final = 100  # libzmq's own
_ATTACH_FILTER: Final = 51  # SO_ATTACH_REUSEPORT_CBPF, for which Python has no name
_RETURN: Final = 0x06  # BPF_RET | BPF_K
_instruction: Final = struct.Struct("=HBBI")  # struct sock_filter
_program: Final = struct.Struct("@HP")  # struct sock_fprog


def listening(port: int) -> list[socket.socket]:
    """Return the sockets of this process that listen on a TCP port, libzmq's too, each once more: close them."""
    found = []
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - descriptors, not files
        with suppress(OSError):
            sock = socket.socket(fileno=os.dup(int(name)))
            is_ours = (
                sock.family in (socket.AF_INET, socket.AF_INET6)
                and sock.type == socket.SOCK_STREAM
                and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                and sock.getsockname()[1] == port
            )
            if is_ours:
                found.append(sock)
            else:
                sock.close()
    return found


def share(sockets: Iterable[socket.socket]) -> None:
    """Let another process of this user listen where these do."""
    for sock in sockets:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def bind_beside(router: zmq.Socket[bytes], address: BusAddress, others: Iterable[socket.socket]) -> None:
    """Bind where `others` listen, which are another process's: connections come here from now on.

    Raises OSError, zmq.ZMQError.
    """
    for other in others:
        with socket.socket(other.family, socket.SOCK_STREAM) as sock:
            if other.family == socket.AF_INET6:
                only = other.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.setblocking(False)
            sock.bind(other.getsockname())
            sock.listen(BACKLOG)
            _prefer(sock)
            router.set(zmq.USE_FD, sock.fileno())
            router.bind(f"tcp://{'[::]' if other.family == socket.AF_INET6 else '0.0.0.0'}:{address.port}")  # noqa: S104
            router.set(zmq.USE_FD, -1)
            sock.detach()  # it is libzmq's


def _prefer(sock: socket.socket) -> None:
    """Have all new connections come to this socket, the second one on its port; without the other it is as ever."""
    instruction = ctypes.create_string_buffer(_instruction.pack(_RETURN, 0, 0, 1))
    sock.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, _program.pack(1, ctypes.addressof(instruction)))
