"""`slbroker record`: what edges push, into a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from slbroker.bus.routes import RECORDERS
from slbroker.commands import busoptions, options
from slbroker.commands.serve import plan_handlers

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.bus.address import BusAddress
    from slbroker.config import BusSecurity

POOL: Final = RECORDERS  # no option: in a pool that serves, its share of the requests would stay unanswered


@click.command()
@options.config
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@options.buses
@busoptions.client
@busoptions.insecure
@options.keys
@options.credit
@options.serving
def record(
    file: Path,
    bus: tuple[BusAddress, ...],
    security: BusSecurity | None,
    insecure_bus: bool,
    keys: Path,
    credit: int,
) -> Callable[[], int]:
    """Append to FILE the requests that edges copy to the pool `record`, for: slbroker replay. It answers none.

    Start the edge with --shadow record, or --shadow record:10 for one call in ten. FILE holds names and credentials.
    """
    from slbroker.bus.address import default_bus
    from slbroker.config import HandlerSettings

    settings = HandlerSettings(
        bus or (default_bus(),), keys, "slbroker_handlers.silent", credit, POOL, security, record=file
    )
    return plan_handlers(settings, insecure_bus=insecure_bus)
