"""`slbroker top`: what goes on at this moment, in the terminal."""

from __future__ import annotations

import time
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any, Final

from slbroker.bus.address import BusAddress
from slbroker.commands import options
from slbroker.commands.stats import StatsSettings
from slbroker.errors import ConfigError, Exit, NoAnswerError
from slbroker.option import also, frozen, part
from slbroker.settings.bus import BusSecurity, client_security
from slbroker.settings.monitor import MonitorSettings

if TYPE_CHECKING:
    from rich.console import Group

    from slbroker.query import Survey


WIDTH: Final = 200  # columns where there is no terminal


# fmt: off
@frozen(kw_only=True)
class TopSettings:
    """Whom to ask, and how often; `timeout` is in seconds."""

    bus: tuple[BusAddress, ...] = also(MonitorSettings, "bus")
    security: BusSecurity | None = part(BusSecurity, client_security, without=("clients",))
    interval: float = also(MonitorSettings, "interval")
    timeout: float = also(StatsSettings, "timeout")
# fmt: on


@options.command(TopSettings)
def top(settings: TopSettings) -> int:
    """Show live what edges, brokers and workers do: rates, latency, pools, replies. Ctrl-C ends it."""
    try:
        from rich.console import Console
        from rich.live import Live
    except ModuleNotFoundError as error:
        raise ConfigError(f"top needs {error.name}: pip install 'slbroker[top]'") from error

    before: list[dict[str, Any]] = []
    then = 0.0
    found, faults = _ask(settings)
    if not found:
        raise NoAnswerError("; ".join(faults))
    console = Console()
    has_screen = console.is_terminal and not console.is_dumb_terminal
    screen = Live(console=console, screen=True, auto_refresh=False) if has_screen else nullcontext()
    with suppress(KeyboardInterrupt), screen as live:
        while True:
            now = time.monotonic()
            seen = render(found, before, now - then if then else 0.0, faults)
            if live is not None:
                live.update(seen, refresh=True)
            else:  # a pipe, or a terminal that does no more than print: one look below the other
                console.print(seen, width=None if console.is_terminal else WIDTH)
            before, then = found, now
            time.sleep(settings.interval)
            found, faults = _ask(settings)
    return Exit.OK


def _ask(settings: TopSettings) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the figures of all that answer, and in words who does not."""
    from slbroker.query import survey

    found: list[dict[str, Any]] = []
    faults = []
    for place in settings.bus:
        try:
            answer: Survey = survey(place, settings.timeout, settings.security)
        except NoAnswerError as error:
            faults.append(str(error))
            continue
        known = {each["id"] for each in found if "id" in each}  # one process may have several addresses
        found += [each for each in answer.answers if each.get("id") not in known]
        faults += [f"no answer from {address}" for address in answer.silent]
    return found, faults


def render(now: list[dict[str, Any]], before: list[dict[str, Any]], seconds: float, faults: list[str]) -> Group:
    """Return the tables for the terminal."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from slbroker.metrics.overview import overview

    parts: list[Any] = [Text(fault, style="bold red") for fault in faults]
    for each in overview(now, before, seconds):
        table = Table(title=each.title, title_justify="left", title_style="bold", box=None, pad_edge=False)
        for number, column in enumerate(each.columns):
            table.add_column(column, justify="left" if number == 0 else "right", no_wrap=True)
        for row in each.rows:
            table.add_row(*map(Text, row))
        parts += [table, Text("")]
    return Group(*parts)
