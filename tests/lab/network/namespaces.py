"""Network namespaces: each is a host with a network stack of its own, on this one machine.

A namespace has its owner in its name, so that those of a test run that was killed are found and removed by the next.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import signal
import struct
import subprocess
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Final, TypeVar

from tests.support.peers import missing_peer, require_peer

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

FOLDER: Final = Path("/run/netns")  # where `ip netns` keeps the names
TUN_DEVICE: Final = Path("/dev/net/tun")
_CLONE_NEWNET: Final = 0x40000000  # linux/sched.h
_TUNSETIFF: Final = 0x400454CA  # linux/if_tun.h, as the two below
_IFF_TAP: Final = 0x0002
_IFF_NO_PI: Final = 0x1000
_match_name = re.compile(r"slbroker-(\d+)-(\d+)-\w+").fullmatch


def require_namespaces() -> None:
    """Skip the test, or let it fail where peers are required, when this machine cannot make hosts."""
    require_peer("ip")
    if os.geteuid():
        missing_peer("network namespaces want root")
    if not TUN_DEVICE.exists():
        missing_peer(f"no {TUN_DEVICE}: the kernel has no TAP devices, or this container may not use them")
    name = owned_name("probe")
    try:
        make(name)
    except subprocess.CalledProcessError as error:
        missing_peer(f"no network namespaces here: {error.stderr.strip()}")
    remove(name)


def ip(*words: str, script: str = "") -> None:
    """Run `ip`; raises CalledProcessError, which has what it said."""
    subprocess.run([require_peer("ip"), *words], input=script, check=True, capture_output=True, text=True)


def owned_name(host: str) -> str:
    """The name of this process's namespace for `host`: pids come back, so with the moment that it began at."""
    return f"slbroker-{os.getpid()}-{_began(os.getpid())}-{host}"


def _began(pid: int) -> int:
    """When that process began, in clock ticks since the machine did (proc(5), field 22); 0 if there is none."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return 0


def make(name: str) -> None:
    """Make a namespace; it has a loopback."""
    ip("netns", "add", name)
    ip("-n", name, "link", "set", "lo", "up")


def remove(name: str) -> None:
    """End what still runs in a namespace and remove it; nothing happens if there is none."""
    if not (FOLDER / name).exists():
        return
    inside = subprocess.run([require_peer("ip"), "netns", "pids", name], capture_output=True, text=True, check=False)
    for pid in inside.stdout.split():
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    with suppress(subprocess.CalledProcessError):  # somebody else was faster
        ip("netns", "del", name)


def remove_leftovers() -> list[str]:
    """Remove the namespaces of test runs that are no more; return their names."""
    names = [path.name for path in FOLDER.glob("slbroker-*")]
    owners = {name: found for name in names if (found := _match_name(name))}
    dead = [name for name, found in owners.items() if _began(int(found[1])) != int(found[2])]
    for name in dead:
        remove(name)
    return dead


def inside(name: str, action: Callable[[], T]) -> T:
    """Return what `action` does in a namespace: what it opens there stays there. Only its thread changes places."""
    done: list[T] = []
    failed: list[BaseException] = []

    def enter() -> None:
        try:
            with (FOLDER / name).open() as namespace:
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), name)
            done.append(action())
        except BaseException as error:  # it is raised where it is of use
            failed.append(error)

    thread = Thread(target=enter)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return done[0]


def open_tap(name: str, interface: str) -> int:
    """Make a network interface in a namespace; return the descriptor whose frames it sends and receives.

    The interface goes when the descriptor is closed, so also when this process dies.
    """

    def open_there() -> int:
        tap = os.open(TUN_DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.ioctl(tap, _TUNSETIFF, struct.pack("16sH22x", interface.encode(), _IFF_TAP | _IFF_NO_PI))
        return tap

    return inside(name, open_there)
