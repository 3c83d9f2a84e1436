"""The options that encrypt the bus: who we are, who may connect to us, whom we connect to."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from slbroker.commands.options import option
from slbroker.config import BusSecurity
from slbroker.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from slbroker.bus.address import BusAddress

_path = click.Path(path_type=Path)
_bus_key = option(
    "--bus-key", type=_path, help="Encrypt the bus: our own NAME.key_secret, made by: slbroker keys bus NAME."
)
_bus_clients = option(
    "--bus-clients",
    type=_path,
    help="Public keys (*.key) of those who may connect to our bus: a directory, or one file. SIGHUP reads them again.",
)
_bus_server_key = option(
    "--bus-server-key",
    type=_path,
    multiple=True,
    help="Public key (NAME.key) of the edge at the other end: one for all --bus, or one for each in their order.",
)
insecure = option(
    "--insecure-bus",
    is_flag=True,
    help="Take a TCP bus that other machines can reach without --bus-key: on a network that nobody else reaches.",
)


def server(function: Callable[..., Any]) -> Any:
    """Add the options of a command that binds a bus; it gets them as `security`."""

    @_bus_key
    @_bus_clients
    @functools.wraps(function)
    def gather(*, bus_key: Path | None, bus_clients: Path | None, **rest: Any) -> Any:
        return function(**rest, security=server_security(bus_key, bus_clients))

    return gather


def client(function: Callable[..., Any]) -> Any:
    """Add the options of a command that connects to a bus; it gets them as `security`."""

    @_bus_key
    @_bus_server_key
    @functools.wraps(function)
    def gather(*, bus_key: Path | None, bus_server_key: tuple[Path, ...], **rest: Any) -> Any:
        return function(**rest, security=client_security(bus_key, bus_server_key))

    return gather


def both(function: Callable[..., Any]) -> Any:
    """Add the options of a command that looks at the files of either end; it gets them as `security`."""

    @_bus_key
    @_bus_clients
    @_bus_server_key
    @functools.wraps(function)
    def gather(*, bus_key: Path | None, bus_clients: Path | None, bus_server_key: tuple[Path, ...], **rest: Any) -> Any:
        if bus_key is None and (bus_clients or bus_server_key):
            raise ConfigError("--bus-key FILE is missing: keys of others are of no use without our own")
        security = BusSecurity(bus_key, bus_clients, bus_server_key) if bus_key else None
        return function(**rest, security=security)

    return gather


def server_security(key: Path | None, clients: Path | None) -> BusSecurity | None:
    """Return the settings of one who binds, None without keys; raise ConfigError when one option is missing."""
    if key is None and clients is None:
        return None
    if key is None:
        raise ConfigError("--bus-clients needs --bus-key FILE, the edge's own; make one: slbroker keys bus edge")
    if clients is None:
        raise ConfigError("--bus-key needs --bus-clients DIRECTORY: the public keys of those who may connect")
    return BusSecurity(key, clients)


def client_security(key: Path | None, servers: tuple[Path, ...]) -> BusSecurity | None:
    """Return the settings of one who connects, None without keys; raise ConfigError when one option is missing."""
    if key is None and not servers:
        return None
    if key is None:
        raise ConfigError("--bus-server-key needs --bus-key FILE, our own; make one: slbroker keys bus worker")
    if not servers:
        raise ConfigError("--bus-key needs --bus-server-key FILE: the edge's public key, NAME.key")
    return BusSecurity(key, None, servers)


def refuse_open(addresses: Iterable[BusAddress], security: BusSecurity | None, *, insecure: bool) -> None:
    """Raise ConfigError for an address that other machines can reach when nothing keeps them out of the bus."""
    if security is not None or insecure:
        return
    for address in addresses:
        if not address.is_loopback:
            raise ConfigError(
                f"bus {address} is open to other machines and unencrypted; give it keys (--bus-key, see"
                " docs/security.md), or say --insecure-bus if that is wanted"
            )
