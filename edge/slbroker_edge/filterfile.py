"""Where the memory of an edge's ACK filters is: a file beside the bus's socket file, shared by the edge's processes.

It outlives them, so that after a restart the ACKs to what was answered before are absorbed, too. Times in it are of the
system's monotonic clock, which begins anew when the machine does; so the file is of no use after that, nor kept.
"""

from __future__ import annotations

import hashlib
import logging
import mmap
import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from slbroker_edge.filtermemory import KEY_SIZE, FilterMemory, size_for

if TYPE_CHECKING:
    from slbroker.bus.address import BusAddress

logger = logging.getLogger(__name__)

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_VERSION: Final = b"slbroker filter memory 1"
_STAMP_SIZE: Final = 32  # says of what version, size and time since boot the file is
_HEAD: Final = 64  # the stamp, the key, and room, so that what follows is aligned


class FilterFile:
    """Memory for so many processes. Made before they are forked, each takes its part of it with `of_process`."""

    def __init__(self, bus: BusAddress, processes: int) -> None:
        """Use the file that belongs to `bus`, if that is a socket file; else memory that ends with the processes."""
        size = _HEAD + size_for(processes)
        self._mapped = _map_file(Path(f"{bus.path}.acks"), size) if bus.path else None
        if self._mapped is None:
            self._mapped = mmap.mmap(-1, size)
        stamp = _stamp(processes)
        if self._mapped[:_STAMP_SIZE] != stamp:
            self._mapped[_HEAD:] = bytes(size - _HEAD)
            self._mapped[:_HEAD] = (stamp + secrets.token_bytes(KEY_SIZE)).ljust(_HEAD, b"\0")

    def of_process(self, number: int) -> FilterMemory:
        """Return the memory as process `number` has it."""
        assert self._mapped is not None
        key = self._mapped[_STAMP_SIZE : _STAMP_SIZE + KEY_SIZE]
        return FilterMemory(memoryview(self._mapped)[_HEAD:], number, key)


def _stamp(processes: int) -> bytes:
    """Return what a file that can be used begins with."""
    try:
        boot = _BOOT.read_bytes()
    except OSError:
        boot = secrets.token_bytes(16)
    return hashlib.blake2b(b"%b %d %b" % (_VERSION, processes, boot), digest_size=_STAMP_SIZE).digest()


def _map_file(path: Path, size: int) -> mmap.mmap | None:
    """Return the file in memory, or None, and a line that says why not."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
                raise OSError(0, "it is not a file of ours alone")
            if found.st_size != size:
                os.ftruncate(descriptor, 0)
                os.ftruncate(descriptor, size)
            return mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)
    except OSError as error:
        logger.warning("ACKs to earlier replies are not known after a restart: %s: %s", path, error.strerror)
        return None
