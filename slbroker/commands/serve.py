"""`slbroker run`, `edge` and `handler`."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from slbroker.commands import (
    brokeroptions,
    busoptions,
    checkoptions,
    connectionoptions,
    dispatchoptions,
    options,
    pluginoptions,
)
from slbroker.errors import ConfigError, Exit, PluginError

if TYPE_CHECKING:
    import tempfile
    from collections.abc import Callable

    from slbroker.bus.address import BusAddress
    from slbroker.bus.routes import Route
    from slbroker.config import (
        BrokerAccess,
        BusSecurity,
        DispatchSettings,
        EdgeSettings,
        HandlerSettings,
        ListenAddress,
        Policies,
        StreamSettings,
        TlsSettings,
    )
    from slbroker.sip.validate import Checks
    from slbroker.supervisor import Parent
    from slbroker_edge.filtermemory import FilterMemory

# Where to reach a listener that has every address.
_LOOPBACKS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


@click.command()
@options.config
@options.listen
@options.advertise
@options.freebind
@options.run_bus
@pluginoptions.plugin
@options.reload
@options.workers(2)
@options.max_requests
@options.own_keys
@options.credit
@options.ack_window
@options.gather
@dispatchoptions.dispatching
@connectionoptions.connections
@checkoptions.checks
@options.serving
def run(
    listen: tuple[ListenAddress, ...],
    advertised: tuple[str, ...],
    freebind: bool,
    bus: BusAddress | None,
    plugin: str | None,
    reload: bool,
    workers: int,
    max_requests: int,
    keys: Path | None,
    credit: int,
    ack_window: float,
    gather: float,
    dispatch: DispatchSettings,
    policies: Policies,
    streams: StreamSettings,
    tls: TlsSettings | None,
    checks: Checks,
) -> Callable[[], int]:
    """Start an edge and its handlers in one go."""
    from slbroker.config import EdgeSettings, HandlerSettings, advertise, parse_listen_address
    from slbroker.supervisor import Supervisor
    from slbroker.tls import try_files

    listen = listen or tuple(parse_listen_address(f"{transport}:127.0.0.1:5060") for transport in ("udp", "tcp"))
    listen = advertise(listen, advertised)
    try_files(listen, tls)
    if bus is not None:
        busoptions.refuse_open([bus], None, insecure=False)

    def serve() -> int:
        name = plugin or _bundled()
        if code := _try_plugin(name):
            return code
        try_listen(listen, freebind=freebind)
        with _private_directory() as directory, ExitStack() as stack:
            address = bus or stack.enter_context(_usual_bus(directory))
            ring = _ring_of_run(keys, directory)
            edge_settings = EdgeSettings(
                listen, address, ring, ack_window,
                dispatch=dispatch, policies=policies, streams=streams, tls=tls, checks=checks, gather=gather,
                freebind=freebind,
            )  # fmt: skip
            handler_settings = HandlerSettings((address,), ring, name, credit, reload=reload, max_requests=max_requests)
            programs = [_edge_program(edge_settings)]
            programs += [_handler_program(handler_settings, number) for number in range(workers)]
            _say_hello(listen, workers, name)
            return Supervisor(programs, _stop_time(dispatch, policies)).run()

    return serve


def _ring_of_run(keys: Path | None, directory: str) -> Path:
    """Return the key ring's file, made for this run where none is named; raise KeyFileError for an unusable one."""
    from slbroker import keys as keyring

    if keys is None:
        keys = Path(directory) / "keys"
        keyring.create(keys)
    keyring.load(keys)
    return keys


def _usual_bus(directory: str) -> AbstractContextManager[BusAddress]:
    """Give the bus of a run that is told none: where `slbroker stats` looks, or one in its own `directory`."""
    from slbroker.bus.address import default_bus, parse_bus_address
    from slbroker.bus.socketfile import for_one_run

    private = parse_bus_address(f"ipc://{directory}/bus")
    try:
        usual = default_bus()
    except ConfigError:  # its path is too long: only ours has room
        return nullcontext(private)
    return for_one_run(usual, private)


def _stop_time(dispatch: DispatchSettings, policies: Policies) -> float:
    """Return for how many seconds processes may drain before the supervisor kills them."""
    from slbroker.supervisor import STOP_TIME

    return STOP_TIME + dispatch.handler_timeout + policies.drain_notice


def _private_directory() -> tempfile.TemporaryDirectory[str]:
    """Return a directory of mode 0700 that goes when we do; raises ConfigError."""
    import tempfile

    try:
        return tempfile.TemporaryDirectory(prefix="slbroker-")
    except OSError as error:
        raise ConfigError(f"no directory for temporary files: {error.strerror}; set TMPDIR to one") from error


def _say_hello(listen: tuple[ListenAddress, ...], workers: int, plugin: str) -> None:
    from slbroker.commands.naming import own_name

    names = ", ".join(str(address) for address in listen)
    click.echo(f"slbroker: {names}; {workers} workers with {plugin}; Ctrl-C stops")
    if listen[0].port:
        click.echo(f"try: {own_name()} ping {_ping_words(listen[0])}")


def _ping_words(listen: ListenAddress) -> str:
    """Return what `slbroker ping` needs to reach an address of this machine."""
    from slbroker.config import SECURE

    here = listen._replace(host=_LOOPBACKS.get(listen.host, listen.host))
    transport, _, address = str(here).partition(":")
    uri = f"sip:{address}" if transport == "udp" else f"'sip:{address};transport={transport}'"
    return f"{uri} --insecure" if transport in SECURE else uri


@click.command()
@options.config
@options.listen
@options.advertise
@options.freebind
@options.bus
@busoptions.server
@busoptions.insecure
@brokeroptions.brokers
@options.keys
@options.processes
@options.ack_window
@options.gather
@dispatchoptions.dispatching
@dispatchoptions.routing
@connectionoptions.connections
@checkoptions.checks
@options.serving
def edge(
    listen: tuple[ListenAddress, ...],
    advertised: tuple[str, ...],
    freebind: bool,
    bus: BusAddress | None,
    insecure_bus: bool,
    security: BusSecurity | None,
    brokers: BrokerAccess,
    keys: Path,
    processes: int,
    ack_window: float,
    gather: float,
    dispatch: DispatchSettings,
    policies: Policies,
    routes: tuple[Route, ...],
    shadow: tuple[str, float] | None,
    streams: StreamSettings,
    tls: TlsSettings | None,
    checks: Checks,
) -> Callable[[], int]:
    """Start an edge: SIP on one side, handlers on the other."""
    from slbroker.bus.address import default_bus
    from slbroker.bus.zap import ZapHandler
    from slbroker.config import MAX_PORT, EdgeSettings, advertise
    from slbroker.tls import try_files

    bus = bus or default_bus()
    if bus.of_process(processes - 1).port > MAX_PORT:
        raise ConfigError(f"bus {bus}: process n of {processes} has its bus n ports higher, beyond {MAX_PORT}")
    busoptions.refuse_open([bus], security, insecure=insecure_bus)
    if security is not None:
        ZapHandler(security)  # what is wrong with the keys is said once, not by each process
    brokeroptions.check(brokers, security, insecure=insecure_bus)
    if not listen:
        raise options.NotSaid("where to listen? such as --listen udp:127.0.0.1:5060")
    listen = advertise(listen, advertised)
    if processes > 1 and any(not address.port for address in listen):
        raise click.UsageError("--processes share a port, so it cannot be 0")
    try_files(listen, tls)
    _check_routes(routes, listen)
    policies = replace(policies, routes=routes, shadow=shadow)
    settings = EdgeSettings(
        listen, bus, keys, ack_window, processes,
        dispatch=dispatch, policies=policies, streams=streams, tls=tls, checks=checks, security=security,
        brokers=brokers, gather=gather, freebind=freebind,
    )  # fmt: skip
    return partial(_serve_edge, settings)


def _serve_edge(settings: EdgeSettings) -> int:
    """Run an edge's processes until they are stopped; return the exit code."""
    from slbroker import keys as keyring
    from slbroker.supervisor import Supervisor

    keyring.load(settings.keys)
    if settings.processes == 1:
        _edge_program(settings)[1](None)
        return Exit.OK
    try_listen(settings.listen, share_port=True, freebind=settings.freebind)
    from slbroker_edge.filterfile import FilterFile

    shared = FilterFile(settings.bus, settings.processes)
    programs = [
        _edge_program(replace(settings, process=number), shared.of_process(number))
        for number in range(settings.processes)
    ]
    return Supervisor(programs, _stop_time(settings.dispatch, settings.policies)).run()


def _may_be_asked(wanted: str, name: str) -> bool:
    """Return whether requests to the socket `name` can ask the address `wanted`."""
    from slbroker.bus.routes import stands_for

    return wanted == name or stands_for(name, wanted)


def _check_routes(routes: tuple[Route, ...], listen: tuple[ListenAddress, ...]) -> None:
    """Raise ConfigError for a route that can never match: there is no such socket."""
    names = [str(address) for address in listen]
    for route in routes:
        if route.listen is not None and not any(_may_be_asked(route.listen, name) for name in names):
            raise ConfigError(f"route listen={route.listen}: the edge listens on {', '.join(names)}")


@click.command()
@options.config
@options.buses
@busoptions.client
@busoptions.insecure
@pluginoptions.plugin
@options.reload
@options.record
@options.keys
@options.workers(1)
@options.max_requests
@options.credit
@options.pool
@options.serving
def handler(
    bus: tuple[BusAddress, ...],
    security: BusSecurity | None,
    insecure_bus: bool,
    plugin: str | None,
    reload: bool,
    record: Path | None,
    keys: Path,
    workers: int,
    max_requests: int,
    credit: int,
    pool: str,
) -> Callable[[], int]:
    """Start handler workers: your plugin, answering what the edges hand over."""
    from slbroker.bus.address import default_bus
    from slbroker.config import HandlerSettings

    settings = HandlerSettings(
        bus or (default_bus(),), keys, plugin or _bundled(), credit, pool, security,
        reload=reload, record=record, max_requests=max_requests,
    )  # fmt: skip
    return plan_handlers(settings, workers, insecure_bus=insecure_bus)


def plan_handlers(settings: HandlerSettings, workers: int = 1, *, insecure_bus: bool) -> Callable[[], int]:
    """Return what runs workers until they are stopped, and then returns the exit code; raises ConfigError."""
    from slbroker.bus.curve import load_client

    busoptions.refuse_open(settings.bus, settings.security, insecure=insecure_bus)
    if settings.security is not None:
        load_client(settings.security, settings.bus)  # what is wrong with the keys is said once, not by each worker
    return partial(_serve_handlers, settings, workers)


def _serve_handlers(settings: HandlerSettings, workers: int) -> int:
    from slbroker import keys as keyring
    from slbroker.bus.membership import LONGEST_TIMEOUT
    from slbroker.supervisor import Supervisor

    keyring.load(settings.keys)
    if workers == 1:
        _handler_program(settings)[1](None)
        return Exit.OK
    if code := _try_plugin(settings.plugin):
        return code
    # How long an edge waits for an answer, only the workers are told: they bound their own end.
    return Supervisor([_handler_program(settings, number) for number in range(workers)], LONGEST_TIMEOUT).run()


def _bundled() -> str:
    from slbroker_handlers.loader import BUNDLED

    return BUNDLED


def _edge_program(
    settings: EdgeSettings, memory: FilterMemory | None = None
) -> tuple[str, Callable[[Parent | None], None]]:
    def program(parent: Parent | None) -> None:
        from slbroker.process import run_service
        from slbroker_edge.service import EdgeService

        run_service(EdgeService(settings, memory), parent.lifeline if parent else None)

    return f"edge {settings.process}", program


def _handler_program(settings: HandlerSettings, number: int = 0) -> tuple[str, Callable[[Parent | None], None]]:
    def program(parent: Parent | None) -> None:
        from slbroker.process import run_service
        from slbroker_handlers.loader import PluginSource
        from slbroker_handlers.worker import Worker

        source = PluginSource(settings.plugin, number)
        run_service(Worker(settings, source.load(), source, parent), parent.lifeline if parent else None)

    return f"handler {number}", program


def _try_plugin(plugin: str) -> int:
    """Return the exit code of loading `plugin` elsewhere: what is wrong with it is said once, not by each worker."""
    from slbroker.supervisor import preflight

    code = preflight(lambda: _load(plugin))
    if code < 0:
        raise PluginError(f"plugin {plugin}: its import was ended by signal {-code}")
    return code


def try_listen(listen: tuple[ListenAddress, ...], *, share_port: bool = False, freebind: bool = False) -> None:
    """Raise BindError for an address that cannot be had, before there are children that would start and stop for it."""
    from slbroker_edge.transports.binding import open_socket

    with ExitStack() as opened:
        for address in listen:
            opened.enter_context(open_socket(address, share_port=share_port, freebind=freebind))


def _load(plugin: str) -> None:
    from slbroker_handlers.loader import load_plugin

    load_plugin(plugin)
