"""`slbroker new`, `replay` and `explain`: for those who write handlers."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from slbroker.commands import options
from slbroker.errors import ConfigError, Drop, Exit, Reject
from slbroker.option import also, frozen, option, part
from slbroker.settings.handler import PluginChoice, plugin_or_bundled
from slbroker.settings.run import RunSettings

if TYPE_CHECKING:
    from slbroker.keys import KeyRing
    from slbroker.plugin import Handlers
    from slbroker.recording import Record


# fmt: off
@frozen(kw_only=True)
class ReplaySettings:
    """Which plugin is to answer what was recorded, and with what to compare it."""

    plugin: str = part(PluginChoice, plugin_or_bundled)
    against: str | None = option("--against", str, default=None, help="Another plugin to compare with.",
        metavar="FILE.py|MODULE[:APP]", example="answers-2.py")
    keys: Path | None = also(RunSettings, "keys")
    log_level: str = also(options.CommonSettings, "log_level")


@frozen(kw_only=True)
class ExplainSettings:
    """Which plugin is to answer a request, and where this has come from and to."""

    plugin: str = part(PluginChoice, plugin_or_bundled)
    keys: Path | None = also(RunSettings, "keys")
    source: str = option("--source", str, default="192.0.2.1:5060", metavar="HOST:PORT",
        help="Where the request is to have come from; IPv6 in brackets.")
    to: str = option("--to", str, default="udp:192.0.2.2:5060", metavar="PROTO:HOST:PORT",
        help="The edge's socket that it is to have come to.")
# fmt: on


@options.command(ReplaySettings, click.Argument(["file"], type=click.Path(dir_okay=False, path_type=Path)))
def replay(file: Path, settings: ReplaySettings) -> int:
    """Run the requests in FILE, made by `slbroker record FILE`, through a plugin, and show its replies.

    With --against, show only where the replies of two plugins differ, and end with code 1 if they do.
    """
    from slbroker.commands.progress import Progress
    from slbroker.logs import set_up_logging
    from slbroker.recording import count_records, read_file
    from slbroker.replay import Player, differences

    set_up_logging(settings.log_level)
    ring = _ring(settings.keys)
    played = different = 0
    with ExitStack() as stack:
        player = stack.enter_context(Player(_load(settings.plugin), ring))
        other = stack.enter_context(Player(_load(settings.against), ring)) if settings.against is not None else None
        # Lines that scroll by are progress enough.
        is_seen = other is None and sys.stdout.isatty()
        progress = None if is_seen else stack.enter_context(Progress("replay", count_records(file)))
        for played, record in enumerate(read_file(file), 1):
            run = player.play(record)
            words = ""
            if other is None:
                words = f"{_title(played, record)}: {run.onward or _short(run.replies)}"
            elif found := differences(run, other.play(record)):
                different += 1
                words = "\n    ".join((_title(played, record), *found))
            if words:
                if progress is not None and sys.stdout.isatty():
                    progress.clear()
                click.echo(words)
            if progress is not None:
                progress.reach(played)
    if other is None:
        click.echo(f"{played} requests, {player.microseconds:.0f} us each")
    else:
        times = f"{player.microseconds:.0f} us | {other.microseconds:.0f} us each"
        click.echo(f"{played} requests, {different} answered differently; {times}")
    return Exit.FAILURE if different else Exit.OK


def _title(number: int, record: Record) -> str:
    from slbroker.bus.envelope import FILTERED_ACK, FORWARDED_REPLY
    from slbroker.sip.uri import printable, text

    message = record.message
    method = {FILTERED_ACK: "absorbed ACK", FORWARDED_REPLY: "reply"}.get(message.method) or message.method.decode()
    return f"{number} {method} {printable(text(message.uri))} from {record.source.host}"


def _short(replies: tuple[bytes, ...]) -> str:
    from slbroker.sip.uri import printable, text

    lines = [printable(text(reply.partition(b"\r\n")[0].partition(b" ")[2])) for reply in replies]
    return ", ".join(lines) or "silence"


@options.command(ExplainSettings, click.Argument(["file"], type=click.File("rb"), default="-"))
def explain(file: IO[bytes], settings: ExplainSettings) -> int:
    """Show what becomes of one request: its route, handler, time and reply. FILE holds it as on the wire; - is stdin.

    It may be a line of a recording, too. Line ends without CR are understood.
    """
    from slbroker.replay import Player

    record = _read_one(file.read(), settings.source, settings.to)
    with Player(_load(settings.plugin), _ring(settings.keys)) as player:
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
    import shlex
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


def _load(plugin: str) -> Handlers:
    from slbroker_handlers.loader import load_plugin, warn

    app = load_plugin(plugin)
    warn(plugin, app)
    return app


def _ring(path: Path | None) -> KeyRing:
    from slbroker import keys

    return keys.KeyRing.generate() if path is None else keys.load(path)
