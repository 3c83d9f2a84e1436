"""Sockets bound to listen addresses, and what to tell the user when one cannot be had."""

from __future__ import annotations

import errno
import socket
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from slbroker.errors import BindError, ConfigError
from slbroker.listen import EVERYWHERE, STREAMS, WEBSOCKETS, ListenAddress
from slbroker_edge.transports.buffers import enlarge
from slbroker_edge.transports.datagrams import PKTINFO

if TYPE_CHECKING:
    from collections.abc import Callable

HINTS: Final = {
    errno.EADDRINUSE: "; is something else listening there?",
    errno.EADDRNOTAVAIL: "; is it an address of this machine? --freebind listens there before it is one",
    errno.EACCES: "; ports below 1024 need CAP_NET_BIND_SERVICE",
}
# Linux's options (ip(7), ipv6(7)), for which Python has no names: bind to an address that is not there yet.
FREEBIND: Final = {socket.AF_INET: (socket.IPPROTO_IP, 15), socket.AF_INET6: (socket.IPPROTO_IPV6, 78)}
WAITING: Final = 4_096  # connections not accepted yet: what Linux allows by default, so that a restart loses none


def open_socket(address: ListenAddress, *, share_port: bool, freebind: bool = False) -> socket.socket:
    """Return a non-blocking socket on `address`, listening if it is one of connections; raise BindError.

    `share_port` lets our other processes have the same port (SO_REUSEPORT); `freebind` allows an address that this
    machine has not, or not yet (IP_FREEBIND). Raises ConfigError where a library that the transport needs is not
    installed.
    """
    if address.transport in WEBSOCKETS:
        _load_websockets(address)
    try:
        return _open(address, share_port, freebind)
    except OSError as error:
        hint = HINTS.get(error.errno or 0, "")
        raise BindError(f"cannot listen on {address}: {error.strerror}{hint}") from error


def adopt_socket(address: ListenAddress, sock: socket.socket) -> socket.socket:
    """Return a socket that another edge had on `address`, as `open_socket` would have made it.

    Raises ConfigError as that does.
    """
    if address.transport in WEBSOCKETS:
        _load_websockets(address)
    sock.setblocking(False)
    if sock.type == socket.SOCK_DGRAM:
        enlarge(sock)
        if is_everywhere(sock):
            tell_asked(sock)
    return sock


def where_of(address: ListenAddress) -> tuple[socket.AddressFamily, socket.SocketKind, tuple[object, ...]]:
    """Return family, kind and address of the socket for a listen address; raise BindError for an unknown host."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    kind = socket.SOCK_STREAM if address.transport in STREAMS else socket.SOCK_DGRAM
    try:
        return family, kind, socket.getaddrinfo(address.host, address.port, family, kind)[0][4]
    except UnicodeError as error:
        raise BindError(f"cannot listen on {address}: no host can have that name") from error
    except OSError as error:
        raise BindError(f"cannot listen on {address}: {error.strerror}") from error


def _load_websockets(address: ListenAddress) -> None:
    """See whether the library is there that WebSocket takes; few edges need it, so it is no dependency of all."""
    try:
        import websockets.server  # noqa: F401, PLC0415
    except ImportError as error:
        raise ConfigError(f"{address} needs the websockets library: pip install 'slbroker[ws]'") from error


def _open(address: ListenAddress, share_port: bool, freebind: bool) -> socket.socket:
    family, kind, where = where_of(address)
    sock = socket.socket(family, kind)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if share_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if freebind:
            sock.setsockopt(*FREEBIND[family], 1)
        sock.setblocking(False)
        if kind == socket.SOCK_STREAM:
            _listen(sock, where)
        else:
            enlarge(sock)
            if where[0] in EVERYWHERE:  # before it is bound: no datagram comes without its own address
                tell_asked(sock)
            sock.bind(where)
    except OSError:
        sock.close()
        raise
    return sock


def _listen(sock: socket.socket, where: tuple[object, ...]) -> None:
    """Bind and listen; what is set here, the accepted sockets inherit."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of our last life may still be fading
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a turn's replies are written at once, and are all
    sock.bind(where)
    sock.listen(WAITING)


def tell_asked(sock: socket.socket) -> None:
    """Have the kernel tell with each datagram which address of ours it asked (`datagrams.receive_asked`)."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        sock.setsockopt(*PKTINFO, 1)


def is_everywhere(sock: socket.socket) -> bool:
    """Return whether a socket is bound to all addresses of its family."""
    return sock.getsockname()[0] in EVERYWHERE


@lru_cache(maxsize=1_024)
def name_of(transport: str, host: str, port: int, advertised: str = "") -> str:
    """Return the name of a socket or connection of ours in Kamailio's form; one object for each, as many share it.

    `advertised` is where peers reach it, if that is elsewhere; without a port of its own, at the same one.
    """
    name = str(ListenAddress(transport, host, port))
    if not advertised:
        return name
    has_port = not advertised.endswith("]") and ":" in advertised
    return f"{name} advertise {advertised}" if has_port else f"{name} advertise {advertised}:{port}"


def namer(transport: str, listener: socket.socket, advertised: str = "") -> Callable[[socket.socket], str]:
    """Return what names the connections of a listener: after their own address of ours, where it is on all of them."""
    if is_everywhere(listener):
        return lambda sock: name_of(transport, *sock.getsockname()[:2], advertised)
    name = name_of(transport, *listener.getsockname()[:2], advertised)
    return lambda _sock: name
