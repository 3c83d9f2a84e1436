"""slbroker on every transport, with a plugin that notes what it is sent; and a network where phones find it."""

from __future__ import annotations

import ctypes
import json
import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tests.lab.network import namespaces
from tests.support.certificates import Authority
from tests.support.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.conftest import Start
    from tests.support.processes import Process

PLUGIN: Final = Path(__file__).with_name("plugin.py")
TRANSPORTS: Final = ("udp", "tcp", "tls", "ws", "wss")
SERVER: Final = "10.79.0.1"  # in the namespace of `make interop`
_CLONE_NEWNET: Final = 0x40000000  # linux/sched.h

Event: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Lab:
    """A running slbroker: where it listens, and the file in which its plugin notes what came."""

    addresses: dict[str, str]
    log: Path
    process: Process

    def mark(self) -> int:
        """Return where the log ends now."""
        return self.log.stat().st_size

    def since(self, mark: int) -> list[Event]:
        """Return what was noted since then, in order."""
        with self.log.open("rb") as file:
            file.seek(mark)
            return sorted((json.loads(line) for line in file), key=lambda event: float(event["at"]))


def start_lab(
    start: Start,
    folder: Path,
    host: str = "127.0.0.1",
    *,
    plugin: Path = PLUGIN,
    env: Mapping[str, str] | None = None,
) -> Lab:
    """Start slbroker on ports that are free and return it once it serves."""
    log, pair = folder / "requests.jsonl", Authority(folder).issue("server")
    log.touch()
    words = [word for transport in TRANSPORTS for word in ("--listen", f"{transport}:{host}:0")]
    tls = ["--tls-cert", str(pair.certificate), "--tls-key", str(pair.key)]
    run = start("run", "--plugin", str(plugin), *words, *tls, env={"INTEROP_LOG": str(log), **(env or {})}, cwd=ROOT)
    ready = run.wait_for("edge ready")
    run.wait_for("handler ready", times=2)
    return Lab(dict(re.findall(r"\b(udp|tcp|tls|wss|ws):([0-9.]+:[0-9]+)", ready)), log, run)


@contextmanager
def own_network() -> Iterator[None]:
    """Move this process, and what it starts, to a namespace with one interface and a default route.

    linphone says nothing where there is no route to the world. Traffic between the host's own addresses stays in it.
    """
    name = namespaces.owned_name("interop")
    namespaces.make(name)
    tap = namespaces.open_tap(name, "eth0")
    try:
        namespaces.ip(
            "-n", name, "-batch", "-",
            script=f"addr add {SERVER}/24 dev eth0\nlink set eth0 up\nroute add default via 10.79.0.254\n",
        )  # fmt: skip
        with (namespaces.FOLDER / name).open() as there, Path("/proc/self/ns/net").open() as here:
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(here.fileno())
    finally:
        os.close(tap)
        namespaces.remove(name)


def _enter(descriptor: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
