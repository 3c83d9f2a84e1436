"""`slbroker stats`: what became of the messages, who the workers are, and whether the counters add up."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import click

from slbroker.bus.address import BusAddress
from slbroker.commands import options
from slbroker.commands.describe import describe
from slbroker.errors import Exit, NoAnswerError
from slbroker.logline import escaped
from slbroker.metrics.model import mapping, maps
from slbroker.option import Number, also, frozen, option, part
from slbroker.settings.bus import BusSecurity, client_security
from slbroker.settings.edge import EdgeSettings
from slbroker.settings.monitor import MonitorSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slbroker.query import Survey

TELLING: Final = 0.3  # seconds that workers have to tell their figures when nobody had asked before


# fmt: off
@frozen(kw_only=True)
class StatsSettings:
    """Whom to ask, for how long, and how to show what they say; `timeout` is in seconds."""

    bus: BusAddress = also(EdgeSettings, "bus")
    security: BusSecurity | None = part(BusSecurity, client_security, without=("clients",))
    timeout: float = option("--timeout", Number(0.01, 3600, "s"), default=5.0, help="Seconds to wait for an answer.")
    as_json: bool = option("--json", bool, default=False, param="as_json",
        help="As JSON, with all that there is; with --watch a line each time.")
    watch: bool = option("--watch", bool, default=False, help="Again and again, with what has changed; Ctrl-C ends it.")
    interval: float = also(MonitorSettings, "interval")
# fmt: on


@options.command(StatsSettings)
def stats(settings: StatsSettings) -> int:
    """Show what became of the messages that an edge received, and its workers.

    Fails when the counters of a process do not add up: every message received has one fate, or is in flight.
    """
    if not settings.watch:
        return _show(settings, {})
    import time

    before: dict[str, Mapping[str, Any]] = {}
    code: int | None = None
    with suppress(KeyboardInterrupt):  # that is how it ends
        while True:
            if not settings.as_json and sys.stdout.isatty():
                click.clear()
            try:
                code = _show(settings, before)
            except NoAnswerError as error:  # it may be about to start again
                if code is None:
                    raise
                click.echo(f"slbroker: {error}", err=True)
                code = error.exit_code
            time.sleep(settings.interval)
    return code or Exit.OK


def _show(settings: StatsSettings, before: dict[str, Mapping[str, Any]]) -> int:
    """Show the figures once, and what has changed since `before`, which is brought up to date."""
    processes, silent = _survey(settings)
    for address in silent:
        click.echo(f"slbroker: no answer from {address}", err=True)
    if settings.as_json:
        import json

        answer = {"edges": processes, "silent": [str(address) for address in silent]}
        click.echo(json.dumps(answer, indent=None if settings.watch else 2))
    else:
        for figures in processes:
            for line in describe(figures, before.get(str(figures.get("name")))):
                click.echo(escaped(line))  # a worker names itself, and its handlers
    before.clear()
    before.update((str(figures.get("name")), figures) for figures in processes)
    wrong = [
        figures
        for figures in processes
        if figures.get("unaccounted") or mapping(figures.get("replies")).get("unaccounted")
    ]
    for figures in wrong:
        click.echo(f"slbroker: {figures.get('name')} does not add up; please report it as a bug", err=True)
    return Exit.FAILURE if wrong else Exit.OK


def _survey(settings: StatsSettings) -> Survey:
    """Ask; and once more where that had workers tell their own figures, which nobody waits for."""
    import time

    from slbroker.query import survey

    found = survey(settings.bus, settings.timeout, settings.security)
    rows = [row for figures in found.answers for row in maps(figures.get("workers")) if not row.get("broker")]
    if settings.watch or all("told" in row for row in rows):
        return found
    time.sleep(TELLING)
    return survey(settings.bus, settings.timeout, settings.security)
