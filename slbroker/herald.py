"""Signs of life, for whoever started this process and may start it again: it serves, its loop turns, it ends.

He is systemd (sd_notify(3), `Type=notify` and `WatchdogSec=`), the parent of several processes, or somebody who looks
at a file: a container engine's probe, which has no other way into a handler. With none of them nothing is done.
"""

from __future__ import annotations

import logging
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

logger = logging.getLogger(__name__)

BEAT: Final = 5.0  # seconds between two signs of life, where nobody wants them oftener
PATIENCE: Final = 30.0  # seconds without one after which a process hangs; more than the slowest handler should block


class Herald(Protocol):
    """Whom we tell."""

    @property
    def interval(self) -> float:
        """Return the seconds between two beats, 0.0 where nobody listens for them."""

    def begun(self) -> None:
        """Say that we serve."""

    def beat(self) -> None:
        """Say that the loop turns."""

    def ends(self) -> None:
        """Say that we have been told to stop; until the end is there, beats go on."""

    def hand_on(self, process: int) -> None:
        """Say that from now on that process is in our place, and nothing more of ourselves."""

    def ended(self) -> None:
        """Say no more."""


class Outside:
    """Tells systemd and the file, as far as there are such."""

    def __init__(self, environment: Mapping[str, str], file: Path | None = None) -> None:
        """`environment` is what systemd has set, if it has: NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID."""
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._file = file
        self._is_said = False  # that it cannot be written
        self.patience = PATIENCE if file else 0.0
        watched = environment.get("WATCHDOG_USEC", "")
        if self._address and watched.isdecimal() and environment.get("WATCHDOG_PID", "") in ("", str(os.getpid())):
            self.patience = int(watched) / 1e6
        self.interval = min(BEAT, self.patience / 4)

    def begun(self) -> None:
        """Say that we serve."""
        self._tell("READY=1")
        self.beat()

    def beat(self) -> None:
        """Say that the loop turns."""
        if self.interval:
            self._tell("WATCHDOG=1")
        if self._file is not None:
            try:
                self._file.touch(0o600)
                os.utime(self._file)
            except OSError as error:  # a full disk is no reason to end; that the file grows old says it, too
                if not self._is_said:
                    logger.warning(
                        "--alive-file %s: %s; whoever looks at it takes us for dead", self._file, error.strerror
                    )
                self._is_said = True
            else:
                self._is_said = False

    def ends(self) -> None:
        """Say that we have been told to stop."""
        self._tell("STOPPING=1")

    def hand_on(self, process: int) -> None:
        """Say that from now on that process is in our place, and nothing more: the file is its own, too.

        systemd believes that of the main process alone, so it is said by that and not by the new one.
        """
        if process > 0:  # else it is in another container
            self._tell(f"MAINPID={process}\nSTATUS=")
        self._address, self._file = "", None

    def status(self, words: str) -> None:
        """Say what `systemctl status` is to show beside all this, "" for nothing."""
        self._tell(f"STATUS={words}")

    def keep(self, name: str, descriptors: Sequence[int]) -> bool:
        """Have systemd keep these for the next start; return False where there is none.

        It does where the unit says FileDescriptorStoreMax=, and never says whether it has.
        """
        # FDPOLL: a socket on which ICMP has told of an error is none that has ended.
        self._tell(f"FDSTORE=1\nFDNAME={name}\nFDPOLL=0", descriptors)
        return bool(self._address)

    def forget(self, name: str) -> None:
        """Have it keep them no more."""
        self._tell(f"FDSTOREREMOVE=1\nFDNAME={name}")

    def ended(self) -> None:
        """Say no more: who is gone in order leaves no file that grows old."""
        if self._file is not None:
            with suppress(OSError):
                self._file.unlink()

    def _tell(self, words: str, descriptors: Sequence[int] = ()) -> None:
        if self._address[:1] not in ("/", "@"):
            return
        # A socket each time: seldom needed, and one that is kept has to be told of systemd's new one.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.setblocking(False)
            sock.connect(self._address.replace("@", "\0", 1) if self._address[0] == "@" else self._address)
            if descriptors:
                socket.send_fds(sock, [words.encode()], descriptors)
            else:
                sock.send(words.encode())


def age(file: Path, now: float) -> float | None:
    """Return for how many seconds nothing was heard of the process that touches `file`, None where there is none.

    `now` is in unix seconds.
    """
    try:
        return max(0.0, now - file.stat().st_mtime)
    except OSError:
        return None
