"""`slbroker broker`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from slbroker.commands import busoptions, options
from slbroker.errors import Exit

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.bus.address import BusAddress
    from slbroker.config import BrokerSettings, BusSecurity

_edges = options.option(
    "--edges", type=options.BusType(), help="Address to bind for edges, which are told it as --broker."
)
_handlers = options.option(
    "--handlers", type=options.BusType(), help="Address to bind for handlers, which are told it as --bus."
)


@click.command()
@options.config
@_edges
@_handlers
@busoptions.server
@busoptions.insecure
@options.serving
def broker(
    edges: BusAddress | None,
    handlers: BusAddress | None,
    security: BusSecurity | None,
    insecure_bus: bool,
) -> Callable[[], int]:
    """Start a broker: one address for many edges, and one for many handlers. Run several; none is needed alone."""
    from slbroker.config import BrokerSettings

    busoptions.refuse_open([each for each in (edges, handlers) if each], security, insecure=insecure_bus)
    if edges is None or handlers is None:
        raise options.NotSaid("where to be found? such as --edges tcp://127.0.0.1:5591 --handlers tcp://127.0.0.1:5592")
    if edges == handlers:
        raise click.UsageError("--edges and --handlers are two addresses: whoever connects is known by where")
    return partial(_serve, BrokerSettings(edges, handlers, security=security))


def _serve(settings: BrokerSettings) -> int:
    from slbroker import process
    from slbroker.broker.service import BrokerService

    process.run_service(BrokerService(settings))
    return Exit.OK
