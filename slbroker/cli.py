"""The `slbroker` command. It alone knows edge and handlers, and imports them when a command wants them."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from slbroker import checkoptions, options
from slbroker.errors import ConfigError, Exit, PluginError, UserError

if TYPE_CHECKING:
    import tempfile
    from collections.abc import Callable

    from slbroker.bus.address import BusAddress
    from slbroker.config import EdgeSettings, HandlerSettings, ListenAddress, StreamSettings, TlsSettings
    from slbroker.sip.validate import Checks


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="slbroker")
def cli() -> None:
    """Answer SIP requests statelessly: a light edge, your Python handlers, a message queue between them."""


def main() -> None:
    """Run the command; a problem that the user can mend is one line and a named exit code (`slbroker.errors.Exit`)."""
    try:
        sys.exit(cli.main(prog_name="slbroker", standalone_mode=False))
    except UserError as error:
        _fail(str(error), error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(Exit.USAGE)
    except click.ClickException as error:
        _fail(" ".join(error.format_message().split()), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(Exit.FAILURE)
    except BrokenPipeError:  # `slbroker stats | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes
        sys.exit(Exit.FAILURE)


def _fail(message: str, code: int) -> None:
    click.echo(f"slbroker: {message}", err=True)
    sys.exit(code)


# Serving --------------------------------------------------------------------------------------------------------


@cli.command()
@options.config
@options.listen
@options.plugin
@options.workers(2)
@options.own_keys
@options.credit
@options.ack_window
@options.connections
@checkoptions.checks
@options.log_level
def run(
    listen: tuple[ListenAddress, ...],
    plugin: str | None,
    workers: int,
    keys: Path | None,
    credit: int,
    ack_window: float,
    streams: StreamSettings,
    tls: TlsSettings | None,
    checks: Checks,
    log_level: str,
) -> int:
    """Start an edge and its handlers in one go."""
    from slbroker import keys as keyring
    from slbroker import process
    from slbroker.bus.address import parse_bus_address
    from slbroker.config import EdgeSettings, HandlerSettings, parse_listen_address
    from slbroker.supervisor import Supervisor
    from slbroker.tls import try_files

    process.set_up_logging(log_level)
    listen = listen or tuple(parse_listen_address(f"{transport}:127.0.0.1:5060") for transport in ("udp", "tcp"))
    plugin = plugin or _bundled()
    if code := _try_plugin(plugin):
        return code
    try_files(listen, tls)
    _try_listen(listen)
    with _private_directory() as directory:
        bus = parse_bus_address(f"ipc://{directory}/bus")
        if keys is None:
            keys = Path(directory) / "keys"
            keyring.create(keys)
        keyring.load(keys)
        handler_settings = HandlerSettings((bus,), keys, plugin, credit)
        edge_settings = EdgeSettings(listen, bus, keys, ack_window, streams=streams, tls=tls, checks=checks)
        programs = [_edge_program(edge_settings)]
        programs += [_handler_program(handler_settings, number) for number in range(workers)]
        _say_hello(listen, workers, plugin)
        return Supervisor(programs).run()


def _private_directory() -> tempfile.TemporaryDirectory[str]:
    """Return a directory of mode 0700 that goes when we do; raises ConfigError."""
    import tempfile

    try:
        return tempfile.TemporaryDirectory(prefix="slbroker-")
    except OSError as error:
        raise ConfigError(f"no directory for temporary files: {error.strerror}; set TMPDIR to one") from error


def _say_hello(listen: tuple[ListenAddress, ...], workers: int, plugin: str) -> None:
    names = ", ".join(str(address) for address in listen)
    click.echo(f"slbroker: {names}; {workers} workers with {plugin}; Ctrl-C stops")
    transport, _, address = str(listen[0]).partition(":")
    if listen[0].port:
        uri = f"sip:{address}" if transport == "udp" else f"'sip:{address};transport={transport}'"
        click.echo(f"try: slbroker ping {uri}")


@cli.command()
@options.config
@options.listen
@options.bus
@options.insecure_bus
@options.keys
@options.processes
@options.ack_window
@options.connections
@checkoptions.checks
@options.log_level
def edge(
    listen: tuple[ListenAddress, ...],
    bus: BusAddress | None,
    insecure_bus: bool,
    keys: Path,
    processes: int,
    ack_window: float,
    streams: StreamSettings,
    tls: TlsSettings | None,
    checks: Checks,
    log_level: str,
) -> int:
    """Start an edge: SIP on one side, handlers on the other."""
    from slbroker import keys as keyring
    from slbroker import process
    from slbroker.config import MAX_PORT, EdgeSettings, default_bus
    from slbroker.supervisor import Supervisor
    from slbroker.tls import try_files

    process.set_up_logging(log_level)
    keyring.load(keys)
    if not listen:
        raise click.UsageError("where to listen? such as --listen udp:127.0.0.1:5060")
    if processes > 1 and any(not address.port for address in listen):
        raise click.UsageError("--processes share a port, so it cannot be 0")
    bus = bus or default_bus()
    if bus.of_process(processes - 1).port > MAX_PORT:
        raise ConfigError(f"bus {bus}: process n of {processes} has its bus n ports higher, beyond {MAX_PORT}")
    if not (bus.is_loopback or insecure_bus):
        raise ConfigError(f"bus {bus} is open to other machines and unencrypted; say --insecure-bus if that is wanted")
    try_files(listen, tls)
    all_settings = [
        EdgeSettings(listen, bus, keys, ack_window, processes, number, streams=streams, tls=tls, checks=checks)
        for number in range(processes)
    ]
    if processes == 1:
        _edge_program(all_settings[0])[1](None)
        return Exit.OK
    _try_listen(listen, share_port=True)
    return Supervisor([_edge_program(settings) for settings in all_settings]).run()


@cli.command()
@options.config
@options.buses
@options.plugin
@options.keys
@options.workers(1)
@options.credit
@options.log_level
def handler(
    bus: tuple[BusAddress, ...], plugin: str | None, keys: Path, workers: int, credit: int, log_level: str
) -> int:
    """Start handler workers: your plugin, answering what the edges hand over."""
    from slbroker import keys as keyring
    from slbroker import process
    from slbroker.config import HandlerSettings, default_bus
    from slbroker.supervisor import Supervisor

    process.set_up_logging(log_level)
    keyring.load(keys)
    settings = HandlerSettings(bus or (default_bus(),), keys, plugin or _bundled(), credit)
    if workers == 1:
        _handler_program(settings)[1](None)
        return Exit.OK
    if code := _try_plugin(settings.plugin):
        return code
    return Supervisor([_handler_program(settings, number) for number in range(workers)]).run()


def _bundled() -> str:
    from slbroker_handlers.loader import BUNDLED

    return BUNDLED


def _edge_program(settings: EdgeSettings) -> tuple[str, Callable[[int | None], None]]:
    def program(lifeline: int | None) -> None:
        from slbroker.process import run_service
        from slbroker_edge.service import EdgeService

        run_service(EdgeService(settings), lifeline)

    return f"edge {settings.process}", program


def _handler_program(settings: HandlerSettings, number: int = 0) -> tuple[str, Callable[[int | None], None]]:
    def program(lifeline: int | None) -> None:
        from slbroker.process import run_service
        from slbroker_handlers.loader import load_plugin
        from slbroker_handlers.worker import Worker

        run_service(Worker(settings, load_plugin(settings.plugin)), lifeline)

    return f"handler {number}", program


def _try_plugin(plugin: str) -> int:
    """Return the exit code of loading `plugin` elsewhere: what is wrong with it is said once, not by each worker."""
    from slbroker.supervisor import preflight

    code = preflight(lambda: _load(plugin))
    if code < 0:
        raise PluginError(f"plugin {plugin}: its import was ended by signal {-code}")
    return code


def _try_listen(listen: tuple[ListenAddress, ...], *, share_port: bool = False) -> None:
    """Raise BindError for an address that cannot be had, before there are children that would start and stop for it."""
    from slbroker_edge.transports.binding import open_socket

    with ExitStack() as opened:
        for address in listen:
            opened.enter_context(open_socket(address, share_port=share_port))


def _load(plugin: str) -> None:
    from slbroker_handlers.loader import load_plugin

    load_plugin(plugin)


# Keys -----------------------------------------------------------------------------------------------------------


@cli.group()
def keys() -> None:
    """Make, rotate and show the key ring that signs To-tags."""


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
    """Let the next key in FILE sign from now on; then SIGHUP the edges and handlers."""
    from slbroker import keys as keyring

    now = time.time()
    click.echo(keyring.describe(keyring.rotate_file(file, now), now))
    click.echo("now send SIGHUP to every edge and handler; before the next rotation, too")


@keys.command("show")
@_key_file
def show_ring(file: Path) -> None:
    """Show the keys in FILE, without their secrets."""
    from slbroker import keys as keyring

    click.echo(keyring.describe(keyring.load(file), time.time()))


# Looking --------------------------------------------------------------------------------------------------------


@cli.command()
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


@cli.command()
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


@cli.command()
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
    _try_listen((address,))
    return f"{address} is free"
