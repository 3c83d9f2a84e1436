"""`slbroker ping` and `check`."""

from __future__ import annotations

import errno
import os
import time
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from slbroker.commands import options
from slbroker.commands.configfile import commands_of
from slbroker.commands.stats import StatsSettings
from slbroker.errors import BindError, Exit, NoAnswerError, PluginError, UsageError, UserError
from slbroker.listen import SECURE, ListenAddress
from slbroker.logline import escaped
from slbroker.option import Whole, also, frozen, option, part
from slbroker.settings.bus import BusSecurity, any_security
from slbroker.settings.connections import TlsSettings, tls_settings
from slbroker.settings.edge import EdgeSettings
from slbroker.settings.handler import KEMI, PluginChoice, plugin_name
from slbroker.settings.run import RunSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from slbroker.check import Examination, Look
    from slbroker.ping import Pinger, Tally


# fmt: off
@frozen(kw_only=True)
class PingSettings:
    """How often to ask, for how long to wait in seconds, and the certificates for TLS."""

    count: int = option("--count", Whole(1, 1_000_000), default=1, help="How many, 1 s apart.")
    timeout: float = also(StatsSettings, "timeout")
    tls_cert: Path | None = also(TlsSettings, "certificate")
    tls_key: Path | None = also(TlsSettings, "key")
    tls_ca: Path | None = also(TlsSettings, "clients")
    insecure: bool = option("--insecure", bool, default=False, help="Ping a TLS server whatever its certificate.")
    any_answer: bool = option("--any-answer", bool, default=False,
        help="End with 0 for any answer: whether somebody is there, and no more.")
    ready: bool = option("--ready", bool, default=False,
        help="End with 0 for any answer but 5xx: whether a handler answers. An edge that has none says 503.")


@frozen(kw_only=True)
class CheckSettings:
    """What is to be looked at."""

    config: Path | None = also(options.CommonSettings, "config",
        help="TOML file with options, to be checked: what stands in it for every command.")
    plugin: str | None = part(PluginChoice, plugin_name)
    keys: Path | None = also(RunSettings, "keys")
    listen: tuple[ListenAddress, ...] = also(EdgeSettings, "listen")
    freebind: bool = also(EdgeSettings, "freebind")
    tls: TlsSettings | None = part(TlsSettings, tls_settings)
    security: BusSecurity | None = part(BusSecurity, any_security)
# fmt: on


@options.command(PingSettings, click.Argument(["uri"]))
def ping(uri: str, settings: PingSettings) -> int:
    """Send a SIP OPTIONS to URI and show the answer and the round-trip time.

    URI is sip:host:port for UDP; ;transport=tcp, tls, ws or wss behind it chooses another, as does sips:host:port.

    \b
    The exit code is 0 for 2xx, 7 for another answer such as 503, 6 for none.
    """
    from slbroker.ping import NO_STATUS, NOT_2XX, SERVER_FAILURES, Pinger, Tally
    from slbroker.tls import client_context

    if settings.any_answer and settings.ready:
        raise UsageError("--any-answer and --ready: which one?")
    tally = Tally(NO_STATUS if settings.any_answer else SERVER_FAILURES if settings.ready else NOT_2XX)
    context = client_context(settings.tls_ca, settings.tls_cert, settings.tls_key, insecure=settings.insecure)
    with Pinger(uri, context) as pinger:
        try:
            for number in range(settings.count):
                if number:
                    time.sleep(1)
                _ping_once(pinger, settings.timeout, tally, alone=settings.count == 1)
        finally:  # also at Ctrl-C
            if settings.count > 1:
                click.echo(str(tally))
    return tally.exit_code


def _ping_once(pinger: Pinger, timeout: float, tally: Tally, *, alone: bool) -> None:
    """Ask once, and say what came; raises NoAnswerError where there is no other time."""
    from slbroker.sip.uri import printable

    try:
        pong = pinger.ping(timeout)
    except NoAnswerError as error:
        if alone:
            raise
        click.echo(str(error), err=True)
        tally.unanswered()
        return
    tally.answered(pong)
    repeats = f", sent {pong.sent} times" if pong.sent > 1 else ""
    reason = printable(pong.response.reason)
    click.echo(f"{pong.response.status} {reason} from {pinger.uri} in {pong.seconds * 1000:.2f} ms{repeats}")


def _commands_beside(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in commands_of(ctx) if name.startswith(incomplete) and name != ctx.info_name]


_LINE = click.Argument(
    ["line"], nargs=-1, type=click.UNPROCESSED, metavar="[COMMAND ...]", shell_complete=_commands_beside
)


@options.command(CheckSettings, _LINE)
def check(line: tuple[str, ...], settings: CheckSettings) -> None:
    """Check this installation, and the plugin, key ring, listen addresses, TLS files and bus keys that are given.

    Of a --config file, all that stands in it, for every command: keys, values, and what these name. COMMAND is one
    of the others with the words that you would start it with: slbroker check edge --config slbroker.toml.

    Where all is well, it shows what is in force, and where each value is from: command line, variable, line of the
    file, default; and how a proxy hands requests over to this edge.

    A note names a Python or a library that is known to misbehave, or a variable that is no option; it is no failure.
    """
    from slbroker import knownfaults
    from slbroker.commands.checkline import InForce
    from slbroker.commands.variables import unknown_variables

    ctx = click.get_current_context()
    for library, words in knownfaults.found():
        click.echo(f"note {library:<8} {words}")
    for words in unknown_variables(ctx.find_root().command, os.environ):
        click.echo(f"note {'variable':<8} {words}")
    shown = InForce(ctx, line, settings.config)
    code = _examine(chain(shown.misreadings(), _of_options(settings), _of_file(shown.path)))
    code = code or _examine(shown.examinations(_looks_of_file()))
    if code:
        raise click.exceptions.Exit(code)
    for words in shown.lines():
        click.echo(words)


check.allow_interspersed_args = False  # what stands behind COMMAND is its own


def _examine(examinations: Iterable[tuple[str, Examination]]) -> int:
    """Say what each has found; return the exit code of the first that has failed, else 0."""
    failed: UserError | None = None
    for subject, examine in examinations:
        try:
            click.echo(f"ok   {subject:<8} {examine()}")
        except UserError as error:
            first, *rest = str(error).split("\n")  # some have lines of their own; none moves a cursor
            click.echo("\n".join([f"BAD  {subject:<8} {escaped(first)}", *map(escaped, rest)]))
            failed = failed or error
    return failed.exit_code if failed else Exit.OK


def _of_options(settings: CheckSettings) -> Iterator[tuple[str, Examination]]:
    """Yield the examinations of this installation, then those of what the command line names."""
    from slbroker.check import installation, looks
    from slbroker.tls import try_files

    yield from installation()
    look_at = looks(_describe_plugin, _describe_listen)
    named: list[tuple[str, str, object]] = [("keys", "keys", settings.keys)]
    if (security := settings.security) is not None:
        named += [("bus", "bus-key", security.key), ("bus", "bus-clients", security.clients)]
        named += [("bus", "bus-server-key", path) for path in security.server_keys]
    for subject, name, value in (*named, ("plugin", "plugin", settings.plugin)):
        if value is not None:
            yield subject, partial(look_at[name], value, {})
    if settings.tls is not None or any(address.transport in SECURE for address in settings.listen):
        yield "tls", partial(try_files, settings.listen, settings.tls)
    for address in settings.listen:
        yield "listen", partial(look_at["listen"], address, {"freebind": settings.freebind})


def _of_file(path: Path | None) -> Iterator[tuple[str, Examination]]:
    """Return the examinations of what a file says, none without one."""
    from slbroker.commands import configcheck

    if path is None:
        return iter(())
    return configcheck.examinations(path, commands_of(click.get_current_context()), _looks_of_file())


def _looks_of_file() -> dict[str, Look]:
    """Return how to look at what a file names, or a command line: an address in use may be that of its own edge."""
    from slbroker.check import looks

    return {**looks(_describe_plugin, _describe_own), "kemi": _look_at_script}


def _look_at_script(script: str, beside: Mapping[str, object]) -> str:
    from slbroker.check import is_on

    params = beside.get("kemi-param", [])
    version = beside.get("kemi-version")
    name = plugin_name(
        None,
        script,
        tuple(map(str, params if isinstance(params, list) else [params])),
        None if version is None else str(version),
        allow_missing=is_on(beside.get("kemi-allow-missing")),
        relay=None if beside.get("kemi-relay") is None else str(beside["kemi-relay"]),
    )
    assert name is not None
    return _describe_script(name)


def _describe_own(address: ListenAddress, *, freebind: bool) -> str:
    """Return whether an address can be had; that it is in use, perhaps by the edge whose file it is, is no mistake."""
    try:
        return _describe_listen(address, freebind=freebind)
    except BindError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EADDRINUSE:
            return f"{address} is in use now"
        raise


def _describe_plugin(name: str) -> str:
    from slbroker_handlers.loader import load_plugin

    if name.startswith(KEMI):
        return _describe_script(name)
    app = load_plugin(name)
    for slip in app.slips:
        click.echo(f"note {'plugin':<8} {slip}")
    methods = [method.decode() for method in app.methods]
    return f"{name}: handlers for {', '.join(methods) or 'no method of its own'}; pings (OPTIONS) get {app.pings}"


def _describe_script(name: str) -> str:
    """Return what of a KEMI script works here; raise PluginError with it when some of it does not."""
    from slbroker_handlers.kemi.script import describe, examine
    from slbroker_handlers.loader import load_plugin

    text = describe(name, examine(name))
    try:
        load_plugin(name)
    except PluginError as error:
        raise PluginError(f"{error}\n{text}") from error
    return text


def _describe_listen(address: ListenAddress, *, freebind: bool) -> str:
    from slbroker_edge.transports.binding import open_socket
    from slbroker_edge.transports.buffers import Udp, enlarge, shortage

    with open_socket(address, share_port=False, freebind=freebind) as sock:
        if address.transport == "udp":
            enlarge(sock, may_force=False)  # a service is not root
            if words := shortage([Udp(str(address), sock)]):
                click.echo(f"note {'listen':<8} {words}")
    return f"{address} is free"
