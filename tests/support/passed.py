"""What systemd does for a unit with stored descriptors: `PATH WORD...` runs slbroker with those that PATH gives it.

PATH is a UNIX socket at which one packet with the descriptors is waiting, and in it what they are called.
"""

from __future__ import annotations

import fcntl
import os
import socket
import sys

FIRST = 3
ASIDE = 100


def main(path: str, *words: str) -> None:
    """Become slbroker."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.connect(path)
        names, passed, _flags, _ = socket.recv_fds(sock, 4096, 64)
    aside = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, ASIDE) for descriptor in passed]
    for descriptor in passed:
        os.close(descriptor)
    for number, descriptor in enumerate(aside):
        os.dup2(descriptor, FIRST + number)
        os.close(descriptor)
    told = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(passed)), "LISTEN_FDNAMES": names.decode()}
    os.execve(sys.executable, [sys.executable, "-m", "slbroker", *words], os.environ | told)


if __name__ == "__main__":
    main(*sys.argv[1:])
