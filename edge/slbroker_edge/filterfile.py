"""Where the memory of an edge's ACK filters is: a file beside the bus's socket file, shared by the edge's processes.

It outlives them, so that after a restart the ACKs to what was answered before are absorbed, too; and an edge that takes
over the sockets of another one (`takeover`) has it beside that one. Times in it are of the system's monotonic clock,
which begins anew when the machine does; so the file is of no use after that, nor kept.

Each process writes a region of its own. Which are in use, locks on the file's first bytes say, one for each region:
they end with those who have them.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import mmap
import os
import secrets
import stat
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final

from slbroker_edge.filtermemory import KEY_SIZE, FilterMemory, size_for

if TYPE_CHECKING:
    from slbroker.bus.address import BusAddress

logger = logging.getLogger(__name__)

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_VERSION: Final = b"slbroker filter memory 2"
_STAMP_SIZE: Final = 32  # says of what version and time since boot the file is
_HEAD: Final = 64  # the stamp, the key, and room, so that what follows is aligned
_MOST_REGIONS: Final = 256  # two edges of as many processes as there can be, and again
_LOCK: Final = struct.Struct("@hhqqi0q")  # struct flock: kind, whence, first byte, how many


class FilterFile:
    """Memory for so many processes. Made before they are forked, each takes its part of it with `of_process`."""

    def __init__(self, bus: BusAddress, processes: int, inherited: int = -1) -> None:
        """Use the file that belongs to `bus`, if that is a socket file; else memory that ends with the processes.

        `inherited` is the descriptor of such memory of an edge whose sockets are taken over, and is closed here.
        """
        opened = _open_file(Path(f"{bus.path}.acks")) if bus.path else -1
        if opened < 0:
            opened = _open_memory(inherited)
        if inherited >= 0:
            os.close(inherited)
        self.descriptor = opened  # for whoever takes over from us
        self._first = _claim(opened, processes)
        found = os.fstat(opened).st_size
        size = max(found, _HEAD + size_for(self._first + processes))
        if found < size:
            os.ftruncate(opened, size)  # never shorter: another edge may use it
        self._mapped = mmap.mmap(opened, size)
        stamp = _stamp()
        if self._mapped[:_STAMP_SIZE] != stamp:
            self._mapped[_HEAD : max(found, _HEAD)] = bytes(max(found - _HEAD, 0))
            self._mapped[:_HEAD] = (stamp + secrets.token_bytes(KEY_SIZE)).ljust(_HEAD, b"\0")

    def of_process(self, number: int) -> FilterMemory:
        """Return the memory as process `number` has it."""
        key = self._mapped[_STAMP_SIZE : _STAMP_SIZE + KEY_SIZE]
        return FilterMemory(memoryview(self._mapped)[_HEAD:], self._first + number, key)


def _stamp() -> bytes:
    """Return what a file that can be used begins with."""
    try:
        boot = _BOOT.read_bytes()
    except OSError:
        boot = secrets.token_bytes(16)
    return hashlib.blake2b(b"%b %b" % (_VERSION, boot), digest_size=_STAMP_SIZE).digest()


def _claim(descriptor: int, count: int) -> int:
    """Return the first of so many regions that nobody else uses, which are ours while the file is open here."""
    for first in range(_MOST_REGIONS):
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, first, count, 0))
        except (BlockingIOError, PermissionError):
            continue
        except OSError:  # a file system without locks: no two edges at once there
            break
        return first
    return 0


def _open_memory(inherited: int) -> int:
    """Return the descriptor of memory, of that which another edge has where one is given."""
    if inherited < 0:
        return os.memfd_create("slbroker-acks")
    return os.open(f"/proc/self/fd/{inherited}", os.O_RDWR | os.O_CLOEXEC)  # opened anew: locks of our own


def _open_file(path: Path) -> int:
    """Return the file's descriptor, or -1, and a line that says why not."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            os.close(descriptor)
            raise OSError(0, "it is not a file of ours alone")
    except OSError as error:
        logger.warning("ACKs to earlier replies are not known after a restart: %s: %s", path, error.strerror)
        return -1
    return descriptor
