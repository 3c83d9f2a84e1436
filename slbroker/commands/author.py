"""`slbroker new`, `replay` and `explain`: for those who write handlers."""

from __future__ import annotations

import shlex
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from slbroker.commands import options, pluginoptions
from slbroker.errors import ConfigError, Drop, Exit, Reject

if TYPE_CHECKING:
    from slbroker.keys import KeyRing
    from slbroker.plugin import Handlers
    from slbroker.recording import Record

_file = click.Path(dir_okay=False, path_type=Path)
_against = options.option("--against", metavar="FILE.py|MODULE[:APP]", help="Another plugin to compare with.")
_source = options.option(
    "--source",
    default="192.0.2.1:5060",
    show_default=True,
    metavar="HOST:PORT",
    help="Where the request is to have come from; IPv6 in brackets.",
)
_to = options.option(
    "--to",
    default="udp:192.0.2.2:5060",
    show_default=True,
    metavar="PROTO:HOST:PORT",
    help="The edge's socket that it is to have come to.",
)


@click.command()
@options.config
@click.argument("file", type=_file)
@pluginoptions.plugin
@_against
@options.own_keys
@options.log_level
def replay(file: Path, plugin: str | None, against: str | None, keys: Path | None, log_level: str) -> int:
    """Run the requests in FILE, made by `slbroker record FILE`, through a plugin, and show its replies.

    With --against, show only where the replies of two plugins differ, and end with code 1 if they do.
    """
    from slbroker.logs import set_up_logging
    from slbroker.recording import read_file
    from slbroker.replay import Player, differences

    set_up_logging(log_level)
    ring = _ring(keys)
    played = different = 0
    with ExitStack() as stack:
        player = stack.enter_context(Player(_load(plugin), ring))
        other = stack.enter_context(Player(_load(against), ring)) if against is not None else None
        for played, record in enumerate(read_file(file), 1):
            run = player.play(record)
            if other is None:
                click.echo(f"{_title(played, record)}: {_short(run.replies)}")
            elif found := differences(run, other.play(record)):
                different += 1
                click.echo("\n    ".join((_title(played, record), *found)))
    if other is None:
        click.echo(f"{played} requests, {player.microseconds:.0f} us each")
    else:
        times = f"{player.microseconds:.0f} us | {other.microseconds:.0f} us each"
        click.echo(f"{played} requests, {different} answered differently; {times}")
    return Exit.FAILURE if different else Exit.OK


def _title(number: int, record: Record) -> str:
    from slbroker.bus.envelope import FILTERED_ACK
    from slbroker.sip.uri import printable, text

    message = record.message
    method = "absorbed ACK" if message.method == FILTERED_ACK else message.method.decode()
    return f"{number} {method} {printable(text(message.uri))} from {record.source.host}"


def _short(replies: tuple[bytes, ...]) -> str:
    from slbroker.sip.uri import printable, text

    lines = [printable(text(reply.partition(b"\r\n")[0].partition(b" ")[2])) for reply in replies]
    return ", ".join(lines) or "silence"


@click.command()
@options.config
@click.argument("file", type=click.File("rb"), default="-")
@pluginoptions.plugin
@options.own_keys
@_source
@_to
def explain(file: IO[bytes], plugin: str | None, keys: Path | None, source: str, to: str) -> int:
    """Show what becomes of one request: its route, handler, time and reply. FILE holds it as on the wire; - is stdin.

    It may be a line of a recording, too. Line ends without CR are understood.
    """
    from slbroker.replay import Player

    record = _read_one(file.read(), source, to)
    with Player(_load(plugin), _ring(keys)) as player:
        for subject, words in player.explain(record):
            click.echo(f"{subject:<8} {words}")
    return Exit.OK


def _read_one(data: bytes, source: str, to: str) -> Record:
    """Return the request that a person has given; raises ConfigError."""
    from slbroker.recording import Record, read_record, read_request
    from slbroker.sip.message import Source
    from slbroker.sip.via import stamp_top

    host, colon, port = source.rpartition(":")
    if not (colon and port.isascii() and port.isdigit()):
        raise ConfigError(f"--source {source!r}: write HOST:PORT")
    try:
        if data.lstrip().startswith(b"{"):
            return read_record(data.decode())
        message = read_request(_with_line_ends(data))
        connected = not to.startswith("udp:")
        assert isinstance(message.headers, list)
        stamp_top(message.headers, host.strip("[]"), int(port), connected=connected)  # as the edge does
        return Record(0.0, Source(host.strip("[]"), int(port), to), message)
    except (Drop, Reject) as error:
        raise ConfigError(f"the request cannot be explained: no edge hands this to a handler: {error}") from None
    except ValueError as error:
        raise ConfigError(f"the request cannot be explained: {error}") from None


def _with_line_ends(data: bytes) -> bytes:
    """Return a request whose head was written in an editor as it goes over the wire."""
    if b"\r\n" in data:
        return data
    head, _, body = data.partition(b"\n\n")
    return head.strip(b"\n").replace(b"\n", b"\r\n") + b"\r\n\r\n" + body


@click.command()
@click.argument("name")
def new(name: str) -> int:
    """Write a small plugin project into a new folder NAME: a plugin, a test, a rule file, a README."""
    from importlib.util import find_spec

    from slbroker.commands.naming import own_name
    from slbroker.commands.skeleton import write_project

    for path in write_project(Path(name)):
        click.echo(path)
    us = own_name()
    pytest = f"{shlex.quote(sys.executable)} -m pytest"
    test = f"{pytest} && " if find_spec("pytest") else ""
    click.echo(
        f"now: cd {shlex.quote(name)} && {test}{us} run --plugin {Path(name).name.replace('-', '_')}.py --reload"
    )
    if not test:
        click.echo(f"its tests want pytest, which is not here: {shlex.quote(sys.executable)} -m pip install pytest")
    return Exit.OK


def _load(plugin: str | None) -> Handlers:
    from slbroker_handlers.loader import BUNDLED, load_plugin, warn

    app = load_plugin(plugin or BUNDLED)
    warn(plugin or BUNDLED, app)
    return app


def _ring(path: Path | None) -> KeyRing:
    from slbroker import keys

    return keys.KeyRing.generate() if path is None else keys.load(path)
