"""Bus addresses, `ipc:///path` and `tcp://host:port`, and the addresses of an edge's further processes."""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path
from typing import NamedTuple

from slbroker.errors import ConfigError

_match_tcp = re.compile(r"tcp://(\[[0-9A-Fa-f:.%\w]+\]|\*|[\w.-]+):([0-9]{1,5})", re.ASCII).fullmatch
# No surrogates: they stand for bytes that are not UTF-8, which ZeroMQ's Python binding cannot pass on.
_match_ipc = re.compile(r"ipc://(/[^\x00\ud800-\udfff]+)").fullmatch

_find_schemes = re.compile(r"(?:ipc|tcp)://").findall

MAX_IPC_PATH = 107  # bytes in sockaddr_un.sun_path less its NUL


class BusAddress(NamedTuple):
    """An address of the bus: a socket file's `path`, or `host` and `port`."""

    path: str
    host: str
    port: int

    def __str__(self) -> str:
        """Return the address as ZeroMQ takes it."""
        return f"ipc://{self.path}" if self.path else f"tcp://{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Return whether only this machine can reach it."""
        if self.path or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host.strip("[]").partition("%")[0]).is_loopback
        except ValueError:
            return False

    def of_process(self, number: int) -> BusAddress:
        """Return where process `number` of an edge has its bus: the port that much higher, or `.number` at the path."""
        if not number:
            return self
        return self._replace(path=f"{self.path}.{number}") if self.path else self._replace(port=self.port + number)


def parse_bus_address(text: str) -> BusAddress:
    """Return the address that `text` writes; raise ConfigError when it is neither ipc:// nor tcp://."""
    if len(_find_schemes(text)) > 1:
        raise ConfigError(f"bus address {text!r}: those are several, and one is wanted here")
    if found := _match_ipc(text):
        if len(found[1].encode()) > MAX_IPC_PATH:
            raise ConfigError(f"bus address {text}: the path of a socket file has at most {MAX_IPC_PATH} bytes")
        return BusAddress(found[1], "", 0)
    found = _match_tcp(text)
    if found is None or not 0 < int(found[2]) < 65_536:
        raise ConfigError(f"bus address {text!r}: write ipc:///path/of/socket or tcp://host:port")
    return BusAddress("", found[1], int(found[2]))


def default_bus() -> BusAddress:
    """Return the bus of an edge and handlers of one user on one machine: a socket file in a directory of that user.

    Raises ConfigError on a machine without any directory for temporary files.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime:
        return parse_bus_address(f"ipc://{Path(runtime) / 'slbroker'}/bus")
    import tempfile  # noqa: PLC0415 - it loads ten modules more, and every command loads this one

    try:
        temporary = tempfile.gettempdir()
    except OSError:  # FileNotFoundError: none can be written to
        raise ConfigError("no directory for the bus's socket file: name one, --bus ipc:///run/slbroker/bus") from None
    return parse_bus_address(f"ipc://{Path(temporary) / f'slbroker-{os.getuid()}'}/bus")
