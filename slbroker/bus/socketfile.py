"""The socket file of a bus: made for us alone, one edge for each path, and made again when somebody removes it."""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import zmq

from slbroker.errors import BindError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slbroker.bus.address import BusAddress

logger = logging.getLogger(__name__)

LOOK_INTERVAL: Final = 1.0  # seconds between two looks at whether the file is still ours

_ELSEWHERE: Final = "choose another path with --bus"


def bind(router: zmq.Socket[bytes], address: BusAddress, *, takes_over: bool = False) -> None:
    """Bind to the path of `address`; make its directory, for us alone; raise BindError.

    A path where another edge is listening is refused, unless this one `takes_over`, which is what ZeroMQ does.
    """
    path = Path(address.path)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_directory(path.parent)
        with _only_one(path):
            if not _is_free(path) and not takes_over:
                raise BindError(f"bus {address}: another edge is listening there; stop it or {_ELSEWHERE}")
            umask = os.umask(0o177)  # the socket file is for us alone from its first moment
            try:
                router.bind(str(address))
            finally:
                os.umask(umask)
    except OSError as error:
        raise BindError(f"bus {address}: {error.strerror}; {_ELSEWHERE}") from error


@contextmanager
def for_one_run(usual: BusAddress, private: BusAddress) -> Iterator[BusAddress]:
    """Give the bus of one `slbroker run`: the usual socket file, where stats looks, else a private one.

    The usual one is taken by one run at a time, for as long as the `with` lasts; one that an edge has, or that cannot
    be had, is left alone.
    """
    taken = None
    address = private
    try:
        path = Path(usual.path)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_directory(path.parent)
        taken = os.open(f"{path}.run", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        fcntl.flock(taken, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_free(path):
            address = usual
    except (OSError, BindError) as error:
        logger.debug("a private bus in place of the usual one: %s", error)
    try:
        yield address
    finally:
        if taken is not None:
            os.close(taken)


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """Keep two edges that start at once from both finding `path` free; the kernel takes the lock from one that dies."""
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BindError(f"bus ipc://{path}: another edge is starting there; {_ELSEWHERE}") from None
        yield
    finally:
        os.close(lock)


def _check_directory(directory: Path) -> None:
    """Refuse a directory where somebody else could put another socket in place of ours."""
    found = directory.stat()
    is_open = found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX
    if is_open or found.st_uid not in (0, os.geteuid()):
        raise BindError(
            f"bus: {directory} is in the hands of others; choose a directory of your own with --bus,"
            f" such as ipc://{directory}/slbroker/bus, which is made"
        )


def _is_free(path: Path) -> bool:
    """Return whether nobody listens at `path`: there is nothing, or the socket of an edge that has ended."""
    if not path.is_socket():
        if path.exists():
            raise BindError(f"bus ipc://{path}: there is a file of another kind; {_ELSEWHERE}")
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


class SocketFile:
    """Looks after a bound socket file. What cleans up /tmp may remove it: those connected stay, and nobody finds us."""

    def __init__(self, router: zmq.Socket[bytes], address: BusAddress) -> None:
        """`router` is bound to `address`, of whatever kind that is; there is something to look after at a path only."""
        self._router = router
        self._address = address
        self._inode = _inode(address.path)
        self._next_look = 0.0
        self._trouble = ""

    def look(self, now: float) -> None:
        """Bind again if the file has gone; called often, with `now` in seconds, monotonic. What cannot be is logged."""
        if now < self._next_look or not self._address.path:
            return
        self._next_look = now + LOOK_INTERVAL
        if (inode := _inode(self._address.path)) == self._inode:
            return
        try:
            # Bound beside the old one: unbinding would end the connections that came by it.
            bind(self._router, self._address)
        except (BindError, zmq.ZMQError) as error:
            trouble = str(error)
            if trouble != self._trouble:
                logger.error("the socket file of the bus is no longer ours, and new handlers cannot come: %s", trouble)
            self._trouble = trouble
            return
        self._inode = _inode(self._address.path)
        self._trouble = ""
        was = "has been removed" if inode is None else "has been replaced"
        logger.warning("the socket file of the bus %s %s; it is there again", self._address, was)


def _inode(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - every second: without a Path
    except OSError:
        return None
    return found.st_dev, found.st_ino
