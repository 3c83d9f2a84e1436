"""`slbroker keys new`, `rotate` and `show`."""

from __future__ import annotations

import time
from pathlib import Path

import click


@click.group()
def keys() -> None:
    """Make, rotate and show the key ring that signs To-tags; make the keys that encrypt the bus."""


_key_file = click.argument("file", type=click.Path(path_type=Path))


@keys.command("new")
@_key_file
def new_ring(file: Path) -> None:
    """Make a key ring FILE, for this user alone."""
    from slbroker import keys as keyring

    click.echo(keyring.describe(keyring.create(file), time.time()))


@keys.command("rotate")
@_key_file
def rotate_ring(file: Path) -> None:
    """Let the next key in FILE sign from now on; edges and handlers see that it has changed."""
    from slbroker import keys as keyring

    now = time.time()
    click.echo(keyring.describe(keyring.rotate_file(file, now), now))
    click.echo("every edge and handler that reads this file takes it up by itself; carry it to where there are copies")


@keys.command("show")
@_key_file
def show_ring(file: Path) -> None:
    """Show the keys in FILE, without their secrets."""
    from slbroker import keys as keyring

    click.echo(keyring.describe(keyring.load(file), time.time()))


@keys.command("bus")
@click.argument("name")
def new_bus_keys(name: str) -> None:
    """Make a key pair for the bus: NAME.key for the other end, NAME.key_secret for this user alone."""
    from slbroker.bus import curve

    public, secret = curve.file_names(name)
    pair = curve.create(name)
    click.echo(f"{secret}  secret: stays on this machine, for --bus-key")
    click.echo(f"{public}  public: {pair.public.decode()}")
    click.echo(f"an edge's: copy {public} to its workers, for --bus-server-key")
    click.echo(f"a worker's: copy {public} into the --bus-clients directory of its edges ")
