"""The bus on real ZeroMQ sockets, served by the asyncio loop: the only module here that does I/O."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

import zmq

from slbroker.bus.envelope import MAX_ENVELOPE
from slbroker.errors import BindError, ConfigError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from slbroker.bus.address import BusAddress

MAX_PER_TURN: Final = 64  # messages taken before the loop may look at other sockets
OLDEST_LIBZMQ: Final = (4, 3, 4)  # earlier ones let a peer crash or exhaust the process before authentication
HANDSHAKE_MS: Final = 5_000
RECONNECT_MS: Final = 50
MAX_RECONNECT_MS: Final = 500  # a worker is back within a second of its edge
DEAD_HOST_MS: Final = 5_000  # a TCP peer that acknowledges nothing for so long has lost its power or its network
PARTING_MS: Final = 1_000  # how long last words may take after close


def _new_socket(context: zmq.Context[zmq.Socket[bytes]], kind: int) -> zmq.Socket[bytes]:
    if zmq.zmq_version_info() < OLDEST_LIBZMQ:
        raise ConfigError(f"libzmq {zmq.zmq_version()} is too old, slbroker wants 4.3.4: pip install -U pyzmq")
    made = context.socket(kind)
    made.set(zmq.LINGER, PARTING_MS)
    made.set(zmq.MAXMSGSIZE, MAX_ENVELOPE)
    made.set(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
    made.set(zmq.TCP_MAXRT, DEAD_HOST_MS)
    made.set(zmq.IPV6, 1)
    return made


def bind_router(context: zmq.Context[zmq.Socket[bytes]], address: BusAddress) -> zmq.Socket[bytes]:
    """Return an edge's socket, bound to `address`; raise BindError when that is taken or cannot be had."""
    if address.path:
        _prepare_path(Path(address.path))
    router = _new_socket(context, zmq.ROUTER)
    router.set(zmq.ROUTER_MANDATORY, 1)  # a send to a worker that has gone fails, instead of vanishing
    umask = os.umask(0o177)  # the socket file is for us alone from its first moment
    try:
        router.bind(str(address))
    except zmq.ZMQError as error:
        router.close(0)
        raise BindError(f"bus {address}: {error.strerror}; choose another address with --bus") from error
    finally:
        os.umask(umask)
    return router


def connect_dealer(context: zmq.Context[zmq.Socket[bytes]], address: BusAddress) -> zmq.Socket[bytes]:
    """Return a worker's socket, connecting to `address` for as long as it takes."""
    dealer = _new_socket(context, zmq.DEALER)
    dealer.set(zmq.IMMEDIATE, 1)  # nothing piles up for an edge that is not there
    dealer.set(zmq.RECONNECT_IVL, RECONNECT_MS)
    dealer.set(zmq.RECONNECT_IVL_MAX, MAX_RECONNECT_MS)
    try:
        dealer.connect(str(address))
    except zmq.ZMQError as error:
        dealer.close(0)
        raise ConfigError(f"bus {address}: {error.strerror}") from error
    return dealer


def _prepare_path(path: Path) -> None:
    """Make the directory, for us alone; refuse a path where another edge is listening: ZeroMQ would take it over."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_directory(path.parent)
        is_free = _is_free(path)
    except OSError as error:
        raise BindError(f"bus ipc://{path}: {error.strerror}; choose another path with --bus") from error
    if not is_free:
        raise BindError(f"bus ipc://{path}: another edge is listening there; stop it or choose another path with --bus")


def _check_directory(directory: Path) -> None:
    """Refuse a directory where somebody else could put another socket in place of ours."""
    found = directory.stat()
    is_open = found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX
    if is_open or found.st_uid not in (0, os.geteuid()):
        raise BindError(f"bus: {directory} is in the hands of others; choose a directory of your own with --bus")


def _is_free(path: Path) -> bool:
    """Return whether nobody listens at `path`: there is nothing, or the socket of an edge that has ended."""
    if not path.is_socket():
        if path.exists():
            raise BindError(f"bus ipc://{path}: there is a file of another kind; choose another path with --bus")
        return True
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)  # an edge that is stopped accepts nobody, but is there
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return True
        except BlockingIOError:
            pass
    return False


class BusSocket:
    """A ZeroMQ socket on the loop. ZeroMQ's descriptor tells of *changes*, so each turn reads until nothing is left."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        zsocket: zmq.Socket[bytes],
        on_message: Callable[[list[bytes]], None],
        on_turn: Callable[[], None],
    ) -> None:
        """`on_message` is called for each message, `on_turn` after the last one of a turn."""
        self._loop = loop
        self._socket = zsocket
        self._on_message = on_message
        self._on_turn = on_turn
        self._scheduled = False
        self._descriptor = int(zsocket.get(zmq.FD))
        loop.add_reader(self._descriptor, self._read)
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._read_again)

    def _read_again(self) -> None:
        self._scheduled = False
        if not self._socket.closed:
            self._read()

    def _read(self) -> None:
        receive = self._socket.recv_multipart
        taken = 0
        drained = False
        try:
            while taken < MAX_PER_TURN:
                self._on_message(receive(zmq.NOBLOCK))
                taken += 1
        except zmq.Again:
            drained = True
        finally:
            if not drained:  # nor when `on_message` raised: the descriptor would not tell of the rest
                self._schedule()
        if taken:
            self._on_turn()

    def send(self, messages: Sequence[list[bytes]]) -> list[list[bytes]]:
        """Send without ever blocking; return what could not be sent: there is no such peer, or its queue is full."""
        if not messages or self._socket.closed:
            return list(messages)
        refused: list[list[bytes]] = []
        for frames in messages:
            try:
                self._socket.send_multipart(frames, zmq.NOBLOCK)
            except zmq.ZMQError:
                refused.append(frames)
        if int(self._socket.get(zmq.EVENTS)) & zmq.POLLIN:  # the send may have swallowed the descriptor's signal
            self._schedule()
        return refused

    def close(self) -> None:
        """Close the socket; what was sent has a second to leave."""
        self._loop.remove_reader(self._descriptor)
        self._socket.close()
