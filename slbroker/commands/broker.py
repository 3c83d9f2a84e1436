"""`slbroker broker`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from slbroker.commands import options
from slbroker.errors import Exit, UsageError
from slbroker.settings.broker import BrokerSettings
from slbroker.settings.bus import refuse_open

if TYPE_CHECKING:
    from collections.abc import Callable


@options.command(BrokerSettings, serves=True)
def broker(settings: BrokerSettings) -> Callable[[], int]:
    """Start a broker: one address for many edges, and one for many handlers. Run several; none is needed alone."""
    addresses = [each for each in (settings.edges, settings.handlers) if each]
    refuse_open(addresses, settings.security, insecure=settings.insecure_bus)
    if len(addresses) < 2:
        raise options.NotSaid("where to be found? such as --edges tcp://127.0.0.1:5591 --handlers tcp://127.0.0.1:5592")
    if settings.edges == settings.handlers:
        raise UsageError("--edges and --handlers are two addresses: whoever connects is known by where")
    return partial(_serve, settings)


def _serve(settings: BrokerSettings) -> int:
    from slbroker import process
    from slbroker.broker.service import BrokerService

    process.run_service(BrokerService(settings), alive_file=settings.alive_file)
    return Exit.OK
