"""`slbroker run`, `edge` and `handler`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from slbroker.commands import checkoptions, options
from slbroker.errors import ConfigError, Exit, PluginError

if TYPE_CHECKING:
    import tempfile
    from collections.abc import Callable

    from slbroker.bus.address import BusAddress
    from slbroker.config import EdgeSettings, HandlerSettings, ListenAddress, StreamSettings, TlsSettings
    from slbroker.sip.validate import Checks


@click.command()
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
    try_listen(listen)
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


@click.command()
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
    try_listen(listen, share_port=True)
    return Supervisor([_edge_program(settings) for settings in all_settings]).run()


@click.command()
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


def try_listen(listen: tuple[ListenAddress, ...], *, share_port: bool = False) -> None:
    """Raise BindError for an address that cannot be had, before there are children that would start and stop for it."""
    from slbroker_edge.transports.binding import open_socket

    with ExitStack() as opened:
        for address in listen:
            opened.enter_context(open_socket(address, share_port=share_port))


def _load(plugin: str) -> None:
    from slbroker_handlers.loader import load_plugin

    load_plugin(plugin)
