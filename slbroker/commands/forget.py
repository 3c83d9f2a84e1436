"""`slbroker forget`: have an edge forget what it would say again in place of its workers."""

from __future__ import annotations

import click

from slbroker.bus.address import BusAddress
from slbroker.commands import options
from slbroker.commands.stats import StatsSettings
from slbroker.errors import Exit
from slbroker.option import also, frozen, option, part
from slbroker.settings.bus import BusSecurity, client_security
from slbroker.settings.edge import EdgeSettings


# fmt: off
@frozen(kw_only=True)
class ForgetSettings:
    """Whom to tell, and of which pool; `timeout` is in seconds."""

    bus: BusAddress = also(EdgeSettings, "bus")
    security: BusSecurity | None = part(BusSecurity, client_security, without=("clients",))
    pool: str = option(
        "--of", str, default="", param="pool", metavar="POOL", example="premium",
        help="What was decided in this pool alone; in all without it.",
    )
    timeout: float = also(StatsSettings, "timeout")
# fmt: on


@options.command(ForgetSettings)
def forget(settings: ForgetSettings) -> int:
    """Have an edge forget what its workers' handlers have decided, so that they are asked again.

    For what a plugin goes by has changed before its time: a number was ported, a block was lifted.
    """
    from slbroker.query import forget

    answers, silent = forget(settings.bus, settings.timeout, settings.security, settings.pool)
    for address in silent:
        click.echo(f"slbroker: no answer from {address}", err=True)
    for answer in answers:
        click.echo(f"{answer['name']}: {answer['forgotten']} decisions forgotten")
    return Exit.FAILURE if silent else Exit.OK
