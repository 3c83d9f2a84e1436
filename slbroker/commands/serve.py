"""`slbroker run`, `edge` and `handler`."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from slbroker.bus.routes import stands_for
from slbroker.commands import options
from slbroker.errors import ConfigError, Exit, PluginError, UsageError
from slbroker.herald import Outside
from slbroker.listen import SECURE, advertise, parse_listen_address
from slbroker.option import shared
from slbroker.settings.bus import refuse_open
from slbroker.settings.capture import check_capture
from slbroker.settings.edge import EdgeSettings
from slbroker.settings.forwarding import check_passing
from slbroker.settings.handler import KEMI, HandlerSettings
from slbroker.settings.run import RunSettings
from slbroker.sip.grammar import MAX_PORT
from slbroker.upgrade import Upgrade

if TYPE_CHECKING:
    import tempfile
    from collections.abc import Callable

    from slbroker.bus.address import BusAddress
    from slbroker.bus.routes import Route
    from slbroker.listen import ListenAddress
    from slbroker.settings.bus import BrokerAccess, BusSecurity
    from slbroker.supervisor import Parent
    from slbroker_edge.fdstore import FdStore
    from slbroker_edge.filterfile import FilterFile
    from slbroker_edge.takeover import Takeover
    from slbroker_edge.transports.siblings import Sibling

# Where to reach a listener that has every address.
_LOOPBACKS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


@options.command(RunSettings, serves=True)
def run(settings: RunSettings) -> Callable[[], int]:
    """Start an edge and its handlers in one go."""
    from slbroker.supervisor import Supervisor
    from slbroker.tls import try_files

    _say_unused_tls(settings)
    check_passing(settings.policies, settings.forwarding)
    check_capture(settings.capture)
    listen = settings.listen or tuple(parse_listen_address(f"{each}:127.0.0.1:5060") for each in ("udp", "tcp"))
    listen = advertise(listen, settings.advertised)
    try_files(listen, settings.tls)
    if settings.bus is not None:
        refuse_open([settings.bus], None, insecure=False)

    def serve() -> int:
        if code := _try_plugin(settings.plugin):
            return code
        try_listen(listen, freebind=settings.freebind)
        with _private_directory() as directory, ExitStack() as stack:
            bus = settings.bus or stack.enter_context(_usual_bus(directory))
            ring = _ring_of_run(settings.keys, directory)
            checks = settings.checks.checks(kemi=settings.plugin.startswith(KEMI))
            edge_settings = shared(EdgeSettings, settings, listen=listen, bus=bus, keys=ring, checks=checks)
            handler_settings = shared(HandlerSettings, settings, bus=(bus,), keys=ring)
            programs = [_edge_program(edge_settings)]
            programs += [_handler_program(handler_settings, number) for number in range(settings.workers)]
            _say_hello(listen, settings.workers, settings.plugin)
            return Supervisor(programs, _stop_time(edge_settings), Outside(os.environ, settings.alive_file)).run()

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


def _stop_time(settings: EdgeSettings) -> float:
    """Return for how many seconds processes may drain before the supervisor kills them."""
    from slbroker.supervisor import STOP_TIME

    return STOP_TIME + settings.dispatch.handler_timeout + settings.policies.drain_notice


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
    here = listen._replace(host=_LOOPBACKS.get(listen.host, listen.host))
    transport, _, address = str(here).partition(":")
    uri = f"sip:{address}" if transport == "udp" else f"'sip:{address};transport={transport}'"
    return f"{uri} --insecure" if transport in SECURE else uri


def _say_unused_tls(settings: EdgeSettings | RunSettings) -> None:
    """Say that options for TLS do nothing, where nothing listens for it."""
    source = click.get_current_context().get_parameter_source("tls_min")
    given = ["--tls-cert"] if settings.tls is not None else []
    given += ["--tls-min"] if source not in (None, click.core.ParameterSource.DEFAULT) else []
    if not settings.listen and options.is_only_checked():
        return  # they may be said elsewhere
    if given and not any(address.transport in SECURE for address in settings.listen):
        verb = "has" if len(given) == 1 else "have"
        click.echo(f"slbroker: {' and '.join(given)} {verb} no effect: no --listen is tls: or wss:", err=True)


@options.command(EdgeSettings, serves=True)
def edge(settings: EdgeSettings) -> Callable[[], int]:
    """Start an edge: SIP on one side, handlers on the other."""
    from slbroker.bus.zap import ZapHandler
    from slbroker.tls import try_files

    _say_unused_tls(settings)
    bus, processes = settings.bus, settings.processes
    if bus.of_process(processes - 1).port > MAX_PORT:
        raise ConfigError(f"bus {bus}: process n of {processes} has its bus n ports higher, beyond {MAX_PORT}")
    refuse_open([bus], settings.security, insecure=settings.insecure_bus)
    if settings.security is not None:
        ZapHandler(settings.security)  # what is wrong with the keys is said once, not by each process
    check_brokers(settings.brokers, settings.security, insecure=settings.insecure_bus)
    if not settings.listen:
        raise options.NotSaid("where to listen? such as --listen udp:127.0.0.1:5060")
    listen = advertise(settings.listen, settings.advertised)
    if processes > 1 and any(not address.port for address in listen):
        raise UsageError("--processes share a port, so it cannot be 0")
    try_files(listen, settings.tls)
    _check_routes(settings.policies.routes, listen)
    check_passing(settings.policies, settings.forwarding)
    check_capture(settings.capture)
    return partial(_serve_edge, shared(EdgeSettings, settings, listen=listen))


def check_brokers(brokers: BrokerAccess, security: BusSecurity | None, *, insecure: bool) -> None:
    """Raise ConfigError for brokers that cannot be spoken to, or that others could overhear."""
    from slbroker_edge.brokerlinks import load_keys

    if brokers.keys and security is None:
        raise ConfigError("--broker-key needs --bus-key FILE, the edge's own; make one: slbroker keys bus edge")
    if len(brokers.keys) not in (0, 1, len(brokers.addresses)):
        counts = f"{len(brokers.keys)} --broker-key for {len(brokers.addresses)} --broker"
        raise ConfigError(f"{counts}: give one for all, or one for each in order")
    refuse_open(brokers.addresses, security if brokers.keys else None, insecure=insecure)
    load_keys(brokers, security)


def _serve_edge(settings: EdgeSettings) -> int:
    """Run an edge's processes until they are stopped; return the exit code."""
    from slbroker import keys as keyring
    from slbroker.supervisor import Supervisor

    keyring.load(settings.keys)
    # Once for all processes, and before another edge waits for us.
    import slbroker.process  # noqa: F401
    import slbroker_edge.service  # noqa: F401
    from slbroker_edge.fdstore import FdStore
    from slbroker_edge.queueing import take_over

    takeover = take_over(settings) if settings.takeover else None
    store = FdStore(os.environ, Outside(os.environ))
    if settings.processes == 1:
        _edge_program(settings, takeover=takeover, store=store)[1](None)
        return Exit.OK
    store.let_go(share=True)
    if takeover is None:
        try_listen(settings.listen, share_port=True, freebind=settings.freebind)
    from slbroker_edge.filterfile import FilterFile
    from slbroker_edge.transports.siblings import Siblings

    filters = FilterFile(settings.bus, settings.processes, takeover.memory if takeover is not None else -1)
    siblings = Siblings(settings.processes)
    programs = [
        _edge_program(shared(EdgeSettings, settings, process=number), filters, siblings.of_process(number), takeover)
        for number in range(settings.processes)
    ]
    return Supervisor(programs, _stop_time(settings), _Parent(settings, takeover), Upgrade()).run()


class _Parent(Outside):
    """Tells, when all processes serve, the edge whose place they take, too."""

    def __init__(self, settings: EdgeSettings, takeover: Takeover | None) -> None:
        super().__init__(os.environ, settings.alive_file)
        self._takeover = takeover

    def begun(self) -> None:
        """Say that we serve."""
        if self._takeover is not None:
            self._takeover.finish()
            self._takeover.let_go()
            self._takeover = None
        super().begun()


def _check_routes(routes: tuple[Route, ...], listen: tuple[ListenAddress, ...]) -> None:
    """Raise ConfigError for a route that can never match: there is no such socket."""
    names = [str(address) for address in listen]
    for route in routes:
        wanted = route.listen
        if wanted is not None and not any(wanted == name or stands_for(name, wanted) for name in names):
            raise ConfigError(f"route listen={wanted}: the edge listens on {', '.join(names)}")


@options.command(HandlerSettings, serves=True)
def handler(settings: HandlerSettings) -> Callable[[], int]:
    """Start handler workers: your plugin, answering what the edges hand over."""
    return plan_handlers(settings)


def plan_handlers(settings: HandlerSettings) -> Callable[[], int]:
    """Return what runs workers until they are stopped, and then returns the exit code; raises ConfigError."""
    from slbroker.bus.curve import load_client

    refuse_open(settings.bus, settings.security, insecure=settings.insecure_bus)
    if settings.security is not None:
        load_client(settings.security, settings.bus)  # what is wrong with the keys is said once, not by each worker
    return partial(_serve_handlers, settings)


def _serve_handlers(settings: HandlerSettings) -> int:
    from slbroker import keys as keyring
    from slbroker.bus.membership import LONGEST_TIMEOUT
    from slbroker.supervisor import Supervisor

    keyring.load(settings.keys)
    if settings.workers == 1:
        _handler_program(settings)[1](None)
        return Exit.OK
    if code := _try_plugin(settings.plugin):
        return code
    # How long an edge waits for an answer, only the workers are told: they bound their own end.
    programs = [_handler_program(settings, number) for number in range(settings.workers)]
    return Supervisor(programs, LONGEST_TIMEOUT, Outside(os.environ, settings.alive_file)).run()


def _edge_program(
    settings: EdgeSettings,
    filters: FilterFile | None = None,
    sibling: Sibling | None = None,
    takeover: Takeover | None = None,
    store: FdStore | None = None,
) -> tuple[str, Callable[[Parent | None], None]]:
    def program(parent: Parent | None) -> None:
        from slbroker.process import run_service
        from slbroker_edge.service import EdgeService

        taken = takeover if takeover is not None and not takeover.is_over else None
        if taken is not None and parent is not None:
            taken.keep_only(settings.process)
        service = EdgeService(settings, filters, sibling, taken)
        service.gives = parent is None or sibling is not None  # the edge of `slbroker run` ends with that
        service.upgrade = Upgrade() if parent is None else None
        service.store = store
        if parent is not None:
            service.serve_on, service.has_parent = parent.serve_on, parent.lives
        run_service(service, parent, settings.alive_file, service.upgrade)

    return f"edge {settings.process}", program


def _handler_program(settings: HandlerSettings, number: int = 0) -> tuple[str, Callable[[Parent | None], None]]:
    def program(parent: Parent | None) -> None:
        from slbroker.process import run_service
        from slbroker_handlers.loader import PluginSource
        from slbroker_handlers.worker import Worker

        source = PluginSource(settings.plugin, number)
        run_service(Worker(settings, source.load(), source, parent), parent, settings.alive_file)

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
