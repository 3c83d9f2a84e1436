"""`slbroker record`: what edges push, into a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from slbroker.bus.address import BusAddress
from slbroker.bus.routes import RECORDERS
from slbroker.commands import options
from slbroker.commands.serve import plan_handlers
from slbroker.option import also, frozen, part, shared
from slbroker.settings.bus import BusSecurity, client_security
from slbroker.settings.handler import HandlerSettings

if TYPE_CHECKING:
    from collections.abc import Callable


POOL: Final = RECORDERS  # no option: in a pool that serves, its share of the requests would stay unanswered


@frozen(kw_only=True)
class RecordSettings:
    """What a handler that answers nothing is told."""

    bus: tuple[BusAddress, ...] = also(HandlerSettings, "bus")
    security: BusSecurity | None = part(BusSecurity, client_security, without=("clients",))
    insecure_bus: bool = also(HandlerSettings, "insecure_bus")
    keys: Path = also(HandlerSettings, "keys")
    alive_file: Path | None = also(HandlerSettings, "alive_file")
    credit: int = also(HandlerSettings, "credit")


@options.command(RecordSettings, click.Argument(["file"], type=click.Path(dir_okay=False, path_type=Path)), serves=True)
def record(file: Path, settings: RecordSettings) -> Callable[[], int]:
    """Append to FILE the requests that edges copy to the pool `record`, for: slbroker replay. It answers none.

    Start the edge with --shadow record, or --shadow record:10 for one call in ten. FILE holds names and credentials.
    """
    silent = "slbroker_handlers.silent"
    return plan_handlers(shared(HandlerSettings, settings, plugin=silent, pool=POOL, record=file))
