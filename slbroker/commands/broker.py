"""`slbroker broker`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from slbroker.commands import busoptions, options

if TYPE_CHECKING:
    from slbroker.bus.address import BusAddress
    from slbroker.config import BusSecurity

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
@options.log_level
def broker(
    edges: BusAddress | None,
    handlers: BusAddress | None,
    security: BusSecurity | None,
    insecure_bus: bool,
    log_level: str,
) -> None:
    """Start a broker: one address for many edges, and one for many handlers. Run several; none is needed alone."""
    from slbroker import process
    from slbroker.broker.service import BrokerService
    from slbroker.config import BrokerSettings
    from slbroker.logs import set_up_logging

    set_up_logging(log_level)
    if edges is None or handlers is None:
        raise click.UsageError(
            "where to be found? such as --edges tcp://127.0.0.1:5591 --handlers tcp://127.0.0.1:5592"
        )
    if edges == handlers:
        raise click.UsageError("--edges and --handlers are two addresses: whoever connects is known by where")
    busoptions.refuse_open([edges, handlers], security, insecure=insecure_bus)
    process.run_service(BrokerService(BrokerSettings(edges, handlers, security=security)))
