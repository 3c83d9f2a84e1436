"""The SIP programs of other people that tests run beside slbroker."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import socket
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

DEBIAN_PACKAGES = {
    "sipp": "sip-tester", "ip": "iproute2", "baresip": "baresip-core", "linphonec": "linphone-cli",
    "promtool": "prometheus",
}  # fmt: skip

# Debian keeps kamailio where an ordinary user's PATH does not look.
_SYSTEM_PATH = "/usr/sbin:/sbin"

# Below those that Linux gives to whoever binds port 0, so that no client of another test can come in between.
PORTS: Final = range(12_000, 32_000)


def require_peer(program: str) -> str:
    """The path of `program`; without it the test is skipped, or fails where SLBROKER_REQUIRE_PEERS=1."""
    path = shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:{_SYSTEM_PATH}")
    if path is None:
        missing_peer(f"{program} is not installed (Debian: apt-get install {DEBIAN_PACKAGES.get(program, program)})")
    return path


def require_mounts() -> None:
    """Mounts that only the processes of a test see; in a chroot whose root is no mount itself there are none."""
    tried = subprocess.run([require_peer("unshare"), "--mount", "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        missing_peer(f"no mounts of a test's own here: {tried.stderr.strip()}")


def missing_peer(reason: str) -> NoReturn:
    """Skip the test for `reason`, or let it fail where SLBROKER_REQUIRE_PEERS=1."""
    if os.environ.get("SLBROKER_REQUIRE_PEERS") == "1":
        pytest.fail(f"{reason} and SLBROKER_REQUIRE_PEERS=1", pytrace=False)
    pytest.skip(reason, allow_module_level=True)


def free_udp_port(host: str = "127.0.0.1") -> int:
    """A UDP port nobody on `host` uses now, for programs that have to be told one (SIPp, Kamailio).

    slbroker itself is given port 0 and says what it got. A port is handed out once only, to one process of those that
    test on this machine, and is this process's until it ends. Nobody has it for TCP either.
    """
    return _free_port(host)


def free_tcp_port(host: str = "127.0.0.1") -> int:
    """The same for TCP."""
    return _free_port(host)


def sipp_ports() -> tuple[str, ...]:
    """SIPp's ports beside SIP's: for commands, and for media, of which it takes two from 6000 on where there are none.

    It gives up after a hundred tries, so that of many beside each other the last ones end at once. Who tells it the one
    for audio tells it the one for video, too: that is two above, and without it SIPp ends.
    """
    return ("-cp", str(free_udp_port()), "-mp", str(_free_port("127.0.0.1", (0, 2))))


def _free_port(host: str, above: Sequence[int] = (0,)) -> int:
    """A port that is free, and so are those so far above it."""
    while True:
        port = random.choice(PORTS)
        if all(_reserve(port + more) and _is_free(host, port + more) for more in above):
            return port


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(family, kind) as probe:
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True


_reserved: set[int] = set()


def _reserve(port: int) -> bool:
    """Lock byte `port` of a file that all test processes share; the kernel unlocks it when this one ends."""
    if port in _reserved:  # its own lock stops no process
        return False
    try:
        fcntl.lockf(_register(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except BlockingIOError:
        return False
    _reserved.add(port)
    return True


@cache
def _register() -> int:
    """That file. It is never closed: that would unlock all."""
    path = Path(tempfile.gettempdir()) / f"slbroker-test-ports-{os.getuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
