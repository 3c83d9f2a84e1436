"""Settings: frozen, built once by the command line and passed down; and the addresses that people write."""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from slbroker.bus.address import BusAddress, parse_bus_address
from slbroker.bus.dispatcher import DispatchSettings
from slbroker.errors import ConfigError

DEFAULT_SIP_PORT = 5060
TRANSPORTS = ("udp",)

_match_listen = re.compile(r"([a-z]+):(\[[0-9A-Fa-f:.%\w]+\]|[^:\[\]]+)(?::([0-9]{1,5}))?", re.ASCII).fullmatch


class ListenAddress(NamedTuple):
    """Where to listen, in Kamailio's form `proto:host:port`; `host` is without brackets."""

    transport: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport}:{host}:{self.port}"


def parse_listen_address(text: str) -> ListenAddress:
    """Return the address that `text` writes; raise ConfigError for any other form. `*` is every IPv4 address."""
    found = _match_listen(text)
    port = int(found[3]) if found and found[3] else DEFAULT_SIP_PORT
    if found is None or port > 65_535:
        raise ConfigError(f"listen address {text!r}: write proto:host:port, such as udp:127.0.0.1:5060, udp:[::1]:5060")
    if found[1] not in TRANSPORTS:
        raise ConfigError(f"listen address {text!r}: transport {found[1]} is none of {', '.join(TRANSPORTS)}")
    host = found[2].strip("[]")
    return ListenAddress(found[1], "0.0.0.0" if host == "*" else host, port)  # noqa: S104 - asked for by name


def default_bus() -> BusAddress:
    """Return the bus of an edge and handlers of one user on one machine: a socket file in a directory of that user."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    base = Path(runtime) / "slbroker" if runtime else Path(tempfile.gettempdir()) / f"slbroker-{os.getuid()}"
    return parse_bus_address(f"ipc://{base}/bus")


@dataclass(frozen=True, slots=True)
class EdgeSettings:
    """What one edge process needs to know; times in seconds."""

    listen: tuple[ListenAddress, ...]
    bus: BusAddress
    keys: Path
    ack_window: float
    processes: int = 1
    process: int = 0  # which of them this one is
    dispatch: DispatchSettings = field(default_factory=DispatchSettings)


@dataclass(frozen=True, slots=True)
class HandlerSettings:
    """What one handler process needs to know."""

    bus: tuple[BusAddress, ...]
    keys: Path
    plugin: str
    credit: int
    pool: str = "default"
