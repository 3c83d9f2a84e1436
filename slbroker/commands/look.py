"""`slbroker ping`, `stats` and `check`."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import click

from slbroker.commands import options
from slbroker.commands.serve import try_listen
from slbroker.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from slbroker.bus.address import BusAddress
    from slbroker.config import ListenAddress, TlsSettings


@click.command()
@click.argument("uri")
@options.config
@options.count
@options.timeout
@options.tls_cert
@options.tls_key
@options.tls_ca
@options.insecure
def ping(
    uri: str,
    count: int,
    timeout: float,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_ca: Path | None,
    insecure: bool,
) -> None:
    """Send a SIP OPTIONS to URI and show the answer and the round-trip time.

    URI is sip:host:port for UDP; ;transport=tcp, tls, ws or wss behind it chooses another, as does sips:host:port.
    """
    from slbroker.ping import Pinger
    from slbroker.tls import client_context

    with Pinger(uri, client_context(tls_ca, tls_cert, tls_key, insecure=insecure)) as pinger:
        for number in range(count):
            if number:
                time.sleep(1)
            pong = pinger.ping(timeout)
            repeats = f", sent {pong.sent} times" if pong.sent > 1 else ""
            reason = pong.response.reason.decode(errors="replace")
            click.echo(f"{pong.response.status} {reason} from {pinger.uri} in {pong.seconds * 1000:.2f} ms{repeats}")


@click.command()
@options.config
@options.bus
@options.timeout
@options.as_json
def stats(bus: BusAddress | None, timeout: float, as_json: bool) -> None:
    """Show what became of the messages that an edge received, and its workers."""
    from slbroker.config import default_bus
    from slbroker.query import ask_figures

    edges = ask_figures(bus or default_bus(), timeout)
    if as_json:
        click.echo(json.dumps({"edges": edges}, indent=2))
        return
    for figures in edges:
        click.echo(f"edge {figures.pop('name')}")
        workers, dropped = figures.pop("workers"), figures.pop("dropped")
        connections = figures.pop("connections", {})
        closed = connections.pop("closed", {})
        for name, value in [
            *figures.items(),
            *((f"dropped: {cause}", n) for cause, n in dropped.items()),
            *((f"connections {what}", n) for what, n in connections.items()),
            *((f"closed: {cause}", n) for cause, n in closed.items()),
        ]:
            click.echo(f"  {name:<20} {value}")
        for worker in workers:
            click.echo("  worker {name}: {answered} answered, {open} open of {credit}".format(**worker))


@click.command()
@options.config
@options.plugin
@options.own_keys
@options.listen
@options.tls
def check(plugin: str | None, keys: Path | None, listen: tuple[ListenAddress, ...], tls: TlsSettings | None) -> None:
    """Check this installation, and the plugin, key ring, listen addresses and TLS files that are given."""
    from slbroker.check import checks

    failed: UserError | None = None
    for subject, examine in checks(plugin, keys, listen, tls, _describe_plugin, _describe_listen):
        try:
            click.echo(f"ok   {subject:<8} {examine()}")
        except UserError as error:
            click.echo(f"BAD  {subject:<8} {error}")
            failed = failed or error
    if failed is not None:
        raise click.exceptions.Exit(failed.exit_code)


def _describe_plugin(name: str) -> str:
    from slbroker_handlers.loader import load_plugin

    methods = [method.decode() for method in load_plugin(name).methods]
    return f"{name}: handlers for {', '.join(methods) or 'no method of its own'}"


def _describe_listen(address: ListenAddress) -> str:
    try_listen((address,))
    return f"{address} is free"
