"""The bus: its addresses, the keys that encrypt it, and where an edge finds brokers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from slbroker.bus.address import BusAddress, parse_bus_address
from slbroker.errors import ConfigError
from slbroker.option import File, Word, frozen, option

if TYPE_CHECKING:
    from collections.abc import Iterable

ADDRESS: Final = Word("ipc:///path|tcp://host:port", parse_bus_address)


# fmt: off
@frozen()
class BusSecurity:
    """The key files of an encrypted bus. Who binds knows its clients' keys, who connects knows its servers'.

    `server_keys` are one for all that we connect to, or one for each, in their order.
    """

    key: Path = option("--bus-key", File(),
        help="Encrypt the bus: our own NAME.key_secret, made by: slbroker keys bus NAME.", example="edge.key_secret")
    clients: Path | None = option("--bus-clients", File(), default=None,
        help="Public keys (*.key) of those who may connect to our bus: a directory, or one file."
        " What changes there is taken up.",
        example="clients")
    server_keys: tuple[Path, ...] = option("--bus-server-key", File(), default=(),
        help="Public key (NAME.key) of the edge at the other end: one for all --bus, or one for each in their order.",
        many=True, example="edge.key")


@frozen()
class BrokerAccess:
    """Where an edge finds brokers, and their public keys: one for all, or one for each in their order."""

    addresses: tuple[BusAddress, ...] = option("--broker", ADDRESS, default=(),
        help="Address at which a broker takes edges (its --edges); repeatable: give all of them.",
        many=True, example="tcp://127.0.0.1:5591")
    keys: tuple[Path, ...] = option("--broker-key", File(), default=(),
        help="Public key (NAME.key) of the broker: one for all --broker, or one for each in their order.",
        many=True, example="broker.key")
# fmt: on


def server_security(key: Path | None, clients: Path | None) -> BusSecurity | None:
    """Return the settings of one who binds, None without keys; raise ConfigError when one option is missing."""
    if key is None and clients is None:
        return None
    if key is None:
        raise ConfigError("--bus-clients needs --bus-key FILE, the edge's own; make one: slbroker keys bus edge")
    if clients is None:
        raise ConfigError("--bus-key needs --bus-clients DIRECTORY: the public keys of those who may connect")
    return BusSecurity(key, clients)


def client_security(key: Path | None, server_keys: tuple[Path, ...]) -> BusSecurity | None:
    """Return the settings of one who connects, None without keys; raise ConfigError when one option is missing."""
    if key is None and not server_keys:
        return None
    if key is None:
        raise ConfigError("--bus-server-key needs --bus-key FILE, our own; make one: slbroker keys bus worker")
    if not server_keys:
        raise ConfigError("--bus-key needs --bus-server-key FILE: the edge's public key, NAME.key")
    return BusSecurity(key, None, server_keys)


def any_security(key: Path | None, clients: Path | None, server_keys: tuple[Path, ...]) -> BusSecurity | None:
    """Return the settings of one who looks at the files of either end, None without keys; raise ConfigError."""
    if key is None and (clients or server_keys):
        raise ConfigError("--bus-key FILE is missing: keys of others are of no use without our own")
    return BusSecurity(key, clients, server_keys) if key else None


def broker_access(addresses: tuple[BusAddress, ...], keys: tuple[Path, ...]) -> BrokerAccess:
    """Return where to find brokers, each once; raise ConfigError for keys of none."""
    if keys and not addresses:
        raise ConfigError("--broker-key needs --broker ADDRESS: whose key is it?")
    return BrokerAccess(tuple(dict.fromkeys(addresses)), keys)


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
