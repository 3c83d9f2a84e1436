"""`slbroker alive`: whether a process works on, asked by who may start it again."""

from __future__ import annotations

from pathlib import Path

import click

from slbroker.commands import options
from slbroker.errors import Exit, NoAnswerError, UsageError
from slbroker.herald import PATIENCE
from slbroker.option import Number, also, frozen, option
from slbroker.settings.edge import EdgeSettings


# fmt: off
@frozen(kw_only=True)
class AliveSettings:
    """Where to look, and for how many seconds a process may be silent."""

    alive_file: Path | None = also(EdgeSettings, "alive_file")
    within: float = option("--within", Number(1, 3600, "s"), default=PATIENCE,
        help="Seconds for which it may have been silent; more than your slowest handler blocks.")
# fmt: on


@options.command(AliveSettings)
def alive(settings: AliveSettings) -> int:
    """Tell whether the edge, handler or broker that touches --alive-file works on.

    \b
    The exit code is 0 if so, 6 if not. Whether calls are answered is another question: slbroker ping URI --ready.
    """
    import time

    from slbroker.herald import age

    if settings.alive_file is None:
        raise UsageError("which file? name the one that edge, handler or broker was given as --alive-file")
    silent = age(settings.alive_file, time.time())
    if silent is None:
        raise NoAnswerError(f"nobody touches {settings.alive_file}: not started yet, or ended")
    if silent > settings.within:
        raise NoAnswerError(f"silent for {silent:.0f} s: {settings.alive_file}")
    click.echo(f"alive {silent:.0f} s ago: {settings.alive_file}")
    return Exit.OK
