"""The options by which an edge finds brokers."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from slbroker.commands import busoptions
from slbroker.commands.options import BusType, option
from slbroker.config import BrokerAccess
from slbroker.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.bus.address import BusAddress
    from slbroker.config import BusSecurity

_broker = option(
    "--broker",
    type=BusType(),
    multiple=True,
    help="Address at which a broker takes edges (its --edges); repeatable: give all of them.",
)
_broker_key = option(
    "--broker-key",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Public key (NAME.key) of the broker: one for all --broker, or one for each in their order.",
)


def brokers(function: Callable[..., Any]) -> Any:
    """Add the options; the command gets them as `brokers`."""

    @_broker
    @_broker_key
    @functools.wraps(function)
    def gather(*, broker: tuple[BusAddress, ...], broker_key: tuple[Path, ...], **rest: Any) -> Any:
        if broker_key and not broker:
            raise ConfigError("--broker-key needs --broker ADDRESS: whose key is it?")
        return function(**rest, brokers=BrokerAccess(tuple(dict.fromkeys(broker)), broker_key))

    return gather


def check(brokers: BrokerAccess, security: BusSecurity | None, *, insecure: bool) -> None:
    """Raise ConfigError for brokers that cannot be spoken to, or that others could overhear."""
    from slbroker_edge.brokerlinks import load_keys

    if brokers.keys and security is None:
        raise ConfigError("--broker-key needs --bus-key FILE, the edge's own; make one: slbroker keys bus edge")
    if len(brokers.keys) not in (0, 1, len(brokers.addresses)):
        counts = f"{len(brokers.keys)} --broker-key for {len(brokers.addresses)} --broker"
        raise ConfigError(f"{counts}: give one for all, or one for each in order")
    busoptions.refuse_open(brokers.addresses, security if brokers.keys else None, insecure=insecure)
    load_keys(brokers, security)
