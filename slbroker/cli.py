"""The `slbroker` command. It alone knows edge and handlers, and imports them when a command wants them."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from slbroker import options
from slbroker.errors import ConfigError, Exit, UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.bus.address import BusAddress
    from slbroker.config import EdgeSettings, HandlerSettings, ListenAddress


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
@options.log_level
def run(
    listen: tuple[ListenAddress, ...],
    plugin: str | None,
    workers: int,
    keys: Path | None,
    credit: int,
    ack_window: float,
    log_level: str,
) -> int:
    """Start an edge and its handlers in one go."""
    import tempfile

    from slbroker import keys as keyring
    from slbroker import process
    from slbroker.bus.address import parse_bus_address
    from slbroker.config import EdgeSettings, HandlerSettings, parse_listen_address

    process.set_up_logging(log_level)
    listen = listen or (parse_listen_address("udp:127.0.0.1:5060"),)
    with tempfile.TemporaryDirectory(prefix="slbroker-") as directory:  # mode 0700
        bus = parse_bus_address(f"ipc://{directory}/bus")
        if keys is None:
            keys = Path(directory) / "keys"
            keyring.create(keys)
        keyring.load(keys)
        edge_settings = EdgeSettings(listen, bus, keys, ack_window)
        handler_settings = HandlerSettings((bus,), keys, plugin or _bundled(), credit)
        names = ", ".join(str(address) for address in listen)
        click.echo(f"slbroker: {names}; {workers} workers with {handler_settings.plugin}; Ctrl-C stops")
        click.echo(f"try: slbroker ping sip:{str(listen[0]).partition(':')[2]}")
        return _supervise([_edge_program(edge_settings)], handler_settings, workers)


@cli.command()
@options.config
@options.listen
@options.bus
@options.insecure_bus
@options.keys
@options.processes
@options.ack_window
@options.log_level
def edge(
    listen: tuple[ListenAddress, ...],
    bus: BusAddress | None,
    insecure_bus: bool,
    keys: Path,
    processes: int,
    ack_window: float,
    log_level: str,
) -> int:
    """Start an edge: SIP on one side, handlers on the other."""
    from slbroker import keys as keyring
    from slbroker import process
    from slbroker.config import EdgeSettings, default_bus

    process.set_up_logging(log_level)
    keyring.load(keys)
    if not listen:
        raise click.UsageError("where to listen? such as --listen udp:127.0.0.1:5060")
    if processes > 1 and any(not address.port for address in listen):
        raise click.UsageError("--processes share a port, so it cannot be 0")
    bus = bus or default_bus()
    if not (bus.is_loopback or insecure_bus):
        raise ConfigError(f"bus {bus} is open to other machines and unencrypted; say --insecure-bus if that is wanted")
    all_settings = [
        EdgeSettings(listen, bus, keys, ack_window, processes=processes, process=number) for number in range(processes)
    ]
    if processes == 1:
        _edge_program(all_settings[0])[1](None)
        return Exit.OK
    return _supervise([_edge_program(settings) for settings in all_settings], None, 0)


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

    process.set_up_logging(log_level)
    keyring.load(keys)
    settings = HandlerSettings(bus or (default_bus(),), keys, plugin or _bundled(), credit)
    if workers == 1:
        _handler_program(settings)[1](None)
        return Exit.OK
    return _supervise([], settings, workers)


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


def _supervise(
    edges: list[tuple[str, Callable[[int | None], None]]], settings: HandlerSettings | None, workers: int
) -> int:
    """Run edges and workers as child processes; a plugin that cannot be loaded is said once, not by each worker."""
    from slbroker.supervisor import Supervisor, preflight

    programs = list(edges)
    if settings is not None:
        code = preflight(lambda: _load(settings.plugin))
        if code:
            return code
        programs += [_handler_program(settings, number) for number in range(workers)]
    return Supervisor(programs).run()


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
@click.option("--count", type=click.IntRange(1, 1_000_000), default=1, show_default=True, help="How many, 1 s apart.")
@options.timeout
def ping(uri: str, count: int, timeout: float) -> None:
    """Send a SIP OPTIONS to URI (sip:host:port) over UDP and show the answer and the round-trip time."""
    from slbroker.ping import Pinger

    with Pinger(uri) as pinger:
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
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
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
        for name, value in [*figures.items(), *((f"dropped: {cause}", n) for cause, n in dropped.items())]:
            click.echo(f"  {name:<20} {value}")
        for worker in workers:
            click.echo("  worker {name}: {answered} answered, {open} open of {credit}".format(**worker))


@cli.command()
@options.config
@options.plugin
@options.own_keys
@options.listen
def check(plugin: str | None, keys: Path | None, listen: tuple[ListenAddress, ...]) -> None:
    """Check this installation, and the plugin, key ring and listen addresses that are given."""
    from slbroker.check import checks

    failed: UserError | None = None
    for subject, examine in checks(plugin, keys, listen, _describe_plugin):
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


if __name__ == "__main__":
    main()
