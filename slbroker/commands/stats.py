"""`slbroker stats`: what became of the messages, who the workers are, and whether the counters add up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from slbroker.bus.address import BusAddress
from slbroker.commands import options
from slbroker.errors import Exit
from slbroker.option import Number, also, frozen, option, part
from slbroker.settings.bus import BusSecurity, client_security
from slbroker.settings.edge import EdgeSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


_WIDTH: Final = 24  # of a counter's name
# Tables among the figures, and what their rows are called: "dropped: keepalive".
_TABLES: Final = {
    "dropped": "dropped:", "connections": "connections", "closed": "closed:", "shadow": "shadow",
    "memory": "memory", "replies": "replies", "replies dropped": "replies dropped:",
}  # fmt: skip


# fmt: off
@frozen(kw_only=True)
class StatsSettings:
    """Whom to ask, for how long, and how to show what they say; `timeout` is in seconds."""

    bus: BusAddress = also(EdgeSettings, "bus")
    security: BusSecurity | None = part(BusSecurity, client_security, without=("clients",))
    timeout: float = option("--timeout", Number(0.01, 3600, "s"), default=5.0, help="Seconds to wait for an answer.")
    as_json: bool = option("--json", bool, default=False, param="as_json", help="As JSON.")
# fmt: on


@options.command(StatsSettings)
def stats(settings: StatsSettings) -> int:
    """Show what became of the messages that an edge received, and its workers.

    Fails when the counters of a process do not add up: every message received has one fate, or is in flight.
    """
    from slbroker.query import survey

    processes, silent = survey(settings.bus, settings.timeout, settings.security)
    for address in silent:
        click.echo(f"slbroker: no answer from {address}", err=True)
    if settings.as_json:
        import json

        click.echo(json.dumps({"edges": processes, "silent": [str(address) for address in silent]}, indent=2))
    else:
        for figures in processes:
            for line in describe(figures):
                click.echo(line)
    wrong = [
        figures for figures in processes if figures.get("unaccounted") or figures.get("replies", {}).get("unaccounted")
    ]
    for figures in wrong:
        click.echo(f"slbroker: {figures['name']} does not add up; please report it as a bug", err=True)
    return Exit.FAILURE if wrong else Exit.OK


def describe(figures: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines that show the figures of one process."""
    yield f"{figures.get('kind', 'edge')} {figures['name']}"
    for name, value in figures.items():
        if name in _TABLES:
            yield from _describe_table(name, value)
        elif name not in ("name", "kind", "pools", "edges", "workers", "groups"):
            yield f"  {name:<{_WIDTH}} {value}"
    for name, pool in figures.get("pools", {}).items():
        yield f"  pool {name}: {pool['workers']} workers, {pool['open']} open, {pool['waiting']} waiting"
    for group, members in figures.get("groups", {}).items():
        for member in members:
            yield f"  group {group} {_words(member)}"
    for edge in figures.get("edges", ()):
        yield f"  edge {_words(edge)}"
    for worker in figures.get("workers", ()):
        yield f"  worker {_words(worker)}"


def _describe_table(name: str, table: Mapping[str, Any]) -> Iterator[str]:
    for what, value in table.items():
        if isinstance(value, dict):
            yield from _describe_table(f"{name} {what}" if f"{name} {what}" in _TABLES else what, value)
        else:
            yield f"  {f'{_TABLES.get(name, name)} {what}':<{_WIDTH}} {value}"


def _words(row: Mapping[str, Any]) -> str:
    """Return one row as words: its name, then the rest."""
    words = {name: " ".join(value) if isinstance(value, list | tuple) else value for name, value in row.items()}
    return f"{row['name']}: " + ", ".join(f"{name} {value}" for name, value in words.items() if name != "name")
