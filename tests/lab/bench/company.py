"""What stands beside an edge while it is loaded: a monitor in good or bad health, somebody who takes HEP.

Usage: company.py scraped|dead|hung|flooded BUS, company.py deaf|keen udp|tcp PORT; it says "company ready", and ends
with SIGTERM. All of it but the monitor runs only when nobody else wants to: in earnest it is on another machine.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import NoReturn

SCRAPED_EVERY: Final = 1.0  # seconds
STREAMS: Final = 100  # that are opened and never read
CALLERS: Final = 32  # that ask again as soon as they are answered
GET: Final = b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n"
_ready: Final = re.compile(rb"monitor ready: http://127\.0\.0\.1:(\d+)")


@contextlib.contextmanager
def monitor(bus: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Inside, a monitor of that bus serves on the port that is given with it."""
    argv = [sys.executable, "-m", "slbroker", "monitor", "--http", "127.0.0.1:0", "--bus", bus]
    with tempfile.TemporaryFile() as log:
        # A session of its own, as systemd's services have: between sessions `nice` alone counts for nothing.
        process = subprocess.Popen(argv, stderr=log, start_new_session=True)
        try:
            while True:
                log.seek(0)
                if found := _ready.search(log.read()):
                    break
                if process.poll() is not None:
                    sys.exit(f"the monitor ended with code {process.returncode}")
                time.sleep(0.05)
            yield process, int(found[1])
        finally:
            process.kill()
            process.wait()


def give_way() -> None:
    """Run only where a processor would be idle."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def scrape(port: int) -> None:
    """Ask for all metrics as Prometheus does, once."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5.0) as peer:
        peer.sendall(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") % b"/metrics")
        while peer.recv(65_536):
            pass


def scraped(bus: str) -> NoReturn:
    """Scrape a monitor again and again."""
    with monitor(bus) as (_process, port):
        scrape(port)
        say_ready()
        while True:
            time.sleep(SCRAPED_EVERY)
            scrape(port)


def struck(bus: str, number: signal.Signals) -> NoReturn:
    """Send a monitor at work that signal, and leave it so."""
    with monitor(bus) as (process, port):
        scrape(port)
        process.send_signal(number)
        say_ready()
        while True:
            signal.pause()


def flooded(bus: str) -> NoReturn:
    """Have a crowd ask a monitor as fast as it answers, and open streams which nobody reads."""
    with monitor(bus) as (_process, port):
        give_way()
        idle = [connect(port, b"/events") for _ in range(STREAMS)]
        selector = selectors.DefaultSelector()
        for _ in range(CALLERS):
            selector.register(connect(port, b"/metrics"), selectors.EVENT_READ)
        say_ready()
        while True:
            for key, _events in selector.select():
                peer = key.fileobj
                assert isinstance(peer, socket.socket)
                data = b""
                with contextlib.suppress(OSError):
                    data = peer.recv(1 << 20)
                if not data:
                    selector.unregister(peer)
                    peer.close()
                    selector.register(connect(port, b"/metrics"), selectors.EVENT_READ)
                elif data.endswith(b"\n") and len(idle) == STREAMS:  # the whole of it, most of the time
                    with contextlib.suppress(OSError):
                        peer.sendall(GET % b"/metrics")


def connect(port: int, path: bytes) -> socket.socket:
    """Return a connection on which that path was asked for."""
    peer = socket.create_connection(("127.0.0.1", port))
    peer.sendall(GET % path)
    peer.settimeout(1.0)
    return peer


def collector(transport: str, port: int, *, reads: bool) -> NoReturn:
    """Be who takes HEP there; read it, or never."""
    give_way()
    is_udp = transport == "udp"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if is_udp else socket.SOCK_STREAM) as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        own.bind(("127.0.0.1", port))
        if not is_udp:
            own.listen()
        say_ready()
        kept = []
        while not is_udp:
            peer = own.accept()[0]
            kept.append(peer)  # or it would be closed
            if reads:
                threading.Thread(target=read_all, args=(peer,), daemon=True).start()
        while reads:
            own.recv(65_536)
        while True:
            signal.pause()


def read_all(peer: socket.socket) -> None:
    """Read until there is nothing more."""
    while peer.recv(1 << 20):
        pass


def say_ready() -> None:
    """Tell who has started this that the load may begin."""
    print("company ready", flush=True)


def main(what: str, *words: str) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    acts: dict[str, Callable[[], None]] = {
        "scraped": lambda: scraped(*words),
        "dead": lambda: struck(words[0], signal.SIGKILL),
        "hung": lambda: struck(words[0], signal.SIGSTOP),
        "flooded": lambda: flooded(*words),
        "deaf": lambda: collector(words[0], int(words[1]), reads=False),
        "keen": lambda: collector(words[0], int(words[1]), reads=True),
    }
    acts[what]()


if __name__ == "__main__":
    main(*sys.argv[1:])
