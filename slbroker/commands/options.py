"""The options of the commands: each also an environment variable `SLBROKER_...` and a key of the `--config` file."""

from __future__ import annotations

import contextlib
import copy
import functools
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import click

from slbroker.bus.address import BusAddress, parse_bus_address
from slbroker.bus.routes import read_pool
from slbroker.commands import configfile
from slbroker.config import GATHER, TRANSPORTS, ListenAddress, parse_advertised, parse_listen_address
from slbroker.errors import ConfigError, Exit

if TYPE_CHECKING:
    ParamType = click.ParamType[Any]
else:
    ParamType = click.ParamType  # generic in recent versions only

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])
Decorator: TypeAlias = Callable[[AnyFunction], AnyFunction]


def option(name: str, *parameter: str, **settings: Any) -> Decorator[Any]:
    """Return click's option `--name` with its environment variable; `parameter` is the function's, if it differs."""
    variable = "SLBROKER_" + name.removeprefix("--").replace("-", "_").upper()
    return click.option(name, *parameter, envvar=variable, show_envvar=True, **settings)


class WordType(ParamType):
    """What is written as one word."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return what the word means; raises ConfigError, which names the file or variable that the word is in."""
        if not isinstance(value, str):
            return value
        try:
            return self.read(value)
        except ConfigError as error:
            raise ConfigError(f"{file_of(param, ctx)}{error}{variable_of(param, ctx)}") from None

    def read(self, text: str) -> Any:
        """Return what `text` means; raises ConfigError."""
        raise NotImplementedError


class NumberRange(click.FloatRange):
    """A number within bounds; click takes "nan" for one, which no comparison refuses."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number; raises click's error."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not in the range {self.min}<=x<={self.max}.", param, ctx)
        return number


class ListenType(WordType):
    """A listen address in Kamailio's form."""

    name = "proto:host:port"

    def read(self, text: str) -> ListenAddress:
        """Return the address; raises ConfigError."""
        return parse_listen_address(text)

    def split_envvar_value(self, value: str) -> list[str]:
        """Return the addresses of a variable, with blanks between them; what each advertises stays with it."""
        words = re.sub(r"\s+advertise\s+", "\0", value).split()
        return [word.replace("\0", " advertise ") for word in words]


class BusType(WordType):
    """A bus address."""

    name = "ipc:///path|tcp://host:port"

    def read(self, text: str) -> BusAddress:
        """Return the address; raises ConfigError."""
        return parse_bus_address(text)


class PoolType(WordType):
    """The name of a pool of workers."""

    name = "name"

    def read(self, text: str) -> str:
        """Return the name; raises ConfigError."""
        return read_pool(text)


class AdvertiseType(WordType):
    """Where peers reach what we listen on; `slbroker.config.advertise` says to which addresses it belongs."""

    name = "[proto:]host[:port]"

    def read(self, text: str) -> str:
        """Return `text` as it is; raises ConfigError."""
        transport, _, rest = text.partition(":")
        parse_advertised(rest if transport in TRANSPORTS else text)
        return text


_FILE: Final = "slbroker.config"  # where a context keeps the path of --config
_CHECKS_ONLY: Final = "slbroker.checks-only"  # in a context: nothing is to be started


def file_of(param: click.Parameter | None, ctx: click.Context | None) -> str:
    """Return "config FILE: " where the value of an option is in that file, else ""."""
    if param is None or ctx is None or param.name is None:
        return ""
    is_in_file = ctx.get_parameter_source(param.name) is click.core.ParameterSource.DEFAULT_MAP
    return f"config {ctx.meta[_FILE]}: " if is_in_file and _FILE in ctx.meta else ""


def variable_of(param: click.Parameter | None, ctx: click.Context | None) -> str:
    """Return " (in VARIABLE)" where the value of an option is in that, else ""."""
    if param is None or ctx is None or param.name is None:
        return ""
    source = ctx.get_parameter_source(param.name)
    return f" (in {param.envvar})" if source is click.core.ParameterSource.ENVIRONMENT else ""


def complaint(error: click.ClickException) -> str:
    """Return what is wrong with the command line on one line: of a number in plain words, and from which file it is."""
    words = " ".join(error.format_message().split())
    param = getattr(error, "param", None)
    if not isinstance(error, click.BadParameter) or param is None:
        return words
    kind = param.type
    given = _find_given(error.message)
    if isinstance(kind, click.IntRange | click.FloatRange) and given:
        number = "a whole number" if isinstance(kind, click.IntRange) else "a number"
        words = f"{param.opts[0]} wants {number} from {kind.min} to {kind.max}, not {given[1].strip(chr(39))}"
        words += variable_of(param, error.ctx)
    return file_of(param, error.ctx) + words


_find_given = re.compile(r"(.*) is not (?:a valid|in the range) ", re.DOTALL).match


def _read_config(ctx: click.Context, _param: click.Parameter, path: Path | None) -> None:
    """Make the file's values the defaults of this command: its own table's, else those at the top."""
    if path is None:
        return
    file = configfile.load(path)
    for table, key, hint in configfile.unknown_keys(file, configfile.commands_of(ctx)):
        if not key:
            raise ConfigError(f"config {path}: [{table}] {hint}")
        raise ConfigError(f"config {path}: there is no option {key}{f' in [{table}]' if table else ''}{hint}")
    ctx.default_map = {**(ctx.default_map or {}), **_defaults(ctx.command, file, ctx.info_name or "")}
    ctx.meta[_FILE] = path


def _defaults(command: click.Command, file: configfile.ConfigFile, name: str) -> dict[str, Any]:
    """Return what a file says for a command, as click takes defaults; raises ConfigError."""
    values = file.values_for(name)
    defaults: dict[str, Any] = {}
    for key, param in configfile.options_of(command).items():
        if key in values and param.name is not None:
            try:
                defaults[param.name] = configfile.as_words(values[key], param)
            except ConfigError as error:
                raise ConfigError(f"config {file.path}: {key} {error}") from None
    return defaults


def _refuse_twice(
    ctx: click.Context, param: click.Parameter, listen: tuple[ListenAddress, ...]
) -> tuple[ListenAddress, ...]:
    """Raise ConfigError for an address that is said twice: SO_REUSEPORT would give it two sockets."""
    twice = next(
        (address for number, address in enumerate(listen) if address.port and address in listen[:number]), None
    )
    if twice is not None:
        raise ConfigError(f"{file_of(param, ctx)}listen address {twice} is said twice{variable_of(param, ctx)}")
    return listen


_config_path = click.Path(dir_okay=False, path_type=Path)
config = option(
    "--config",
    type=_config_path,
    is_eager=True,
    expose_value=False,
    callback=_read_config,
    help="TOML file with options: at the top for all commands, in [edge], [handler], [run]... for one.",
)
config_to_check = option(
    "--config", type=_config_path, help="TOML file with options, to be checked: what stands in it for every command."
)
log_level = option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"], case_sensitive=False),
    default="info",
    show_default=True,
    help="What goes to standard error.",
)
listen = option(
    "--listen",
    type=ListenType(),
    multiple=True,
    callback=_refuse_twice,
    help="SIP address to listen on: udp, tcp, tls, ws or wss; repeatable. IPv6 in brackets: udp:[::1]:5060.",
)
advertise = option(
    "--advertise",
    "advertised",
    type=AdvertiseType(),
    multiple=True,
    metavar="[PROTO:]HOST[:PORT]",
    help="Where peers reach what we listen on, if elsewhere: for request.contact; repeatable, for each transport."
    " One address alone: --listen 'udp:10.0.0.1:5060 advertise 203.0.113.5:5060'.",
)
freebind = option(
    "--freebind",
    is_flag=True,
    help="Listen on addresses that this machine has not yet, such as one that VRRP moves here (IP_FREEBIND).",
)
bus = option("--bus", type=BusType(), help="Bus address to bind; a socket file of this user when not given.")
run_bus = option(
    "--bus",
    type=BusType(),
    help="Bus address to bind; without it where `slbroker stats` looks, or a private one while that is another's.",
)
buses = option("--bus", type=BusType(), multiple=True, help="Bus address of an edge; repeatable, for several edges.")
keys = option(
    "--keys",
    type=click.Path(path_type=Path),
    required=True,
    help="Key ring file, made by: slbroker keys new FILE.",
)
own_keys = option(
    "--keys", type=click.Path(path_type=Path), help="Key ring file; without it a ring is made for this run."
)
plugin = option(
    "--plugin", metavar="FILE.py|MODULE[:APP]", help="Your handlers; the bundled ones (OPTIONS 200, else 404) without."
)
reload = option(
    "--reload", is_flag=True, help="Load the plugin again when its files change; SIGHUP does it without this, too."
)
record = option(
    "--record",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Append the requests to this file, for: slbroker replay. They hold names and credentials.",
)
credit = option(
    "--credit",
    type=click.IntRange(1, 65_536),
    default=128,
    show_default=True,
    help="Requests each worker takes at once from each edge. One whose handlers block asks for fewer by itself:"
    " what it answers in half a second.",
)
pool = option(
    "--pool",
    type=PoolType(),
    default="default",
    show_default=True,
    help="Name by which --route and --shadow of the edge find these workers.",
)
gather = option(
    "--gather",
    type=NumberRange(0, 0.1),
    default=GATHER,
    show_default=True,
    help="Seconds between two looks at a busy UDP socket, so that requests travel together; 0: each as it comes.",
)
ack_window = option(
    "--ack-window",
    type=NumberRange(0, 3600),
    default=32.0,
    show_default=True,
    help="Seconds after a reply during which ACKs are absorbed; 2 is what the sl module has.",
)
count = option("--count", type=click.IntRange(1, 1_000_000), default=1, show_default=True, help="How many, 1 s apart.")
as_json = option("--json", "as_json", is_flag=True, help="As JSON.")
timeout = option(
    "--timeout",
    type=NumberRange(0.01, 3600),
    default=5.0,
    show_default=True,
    help="Seconds to wait for an answer.",
)


class NotSaid(click.UsageError):
    """Something that a command cannot start without, and that may be said elsewhere than in a file."""


def serving(function: Callable[..., Callable[[], int]]) -> Any:
    """Make a command of a function that checks its options and returns what is to be done then.

    `slbroker check --config` has it check, and no more: so it opens nothing, and leaves alone what may be missing.
    """

    @log_level
    @functools.wraps(function)
    def command(*, log_level: str, **rest: Any) -> int:
        from slbroker.logs import set_up_logging

        if is_only_checked():
            function(**rest)
            return Exit.OK
        set_up_logging(log_level)
        return function(**rest)()

    vars(command)[_CHECKS_ONLY] = True  # and so have all that are wrapped around it
    return command


def is_only_checked() -> bool:
    """Return whether the command that is at work is only to check its options."""
    return bool(click.get_current_context().meta.get(_CHECKS_ONLY))


def check_only(command: click.Command, name: str, defaults: dict[str, Any]) -> None:
    """Have a command of `serving` check what a file says for it, and nothing else; raises what it finds wrong."""
    if _CHECKS_ONLY not in vars(command.callback):
        return
    alone = copy.copy(command)
    alone.params = [copy.copy(param) for param in command.params if param.name != "config"]
    for param in alone.params:
        param.required, param.envvar = False, None
    with alone.make_context(name, [], default_map=defaults) as ctx, contextlib.suppress(NotSaid):
        ctx.meta[_CHECKS_ONLY] = True
        alone.invoke(ctx)


def workers(default: int) -> Decorator[Any]:
    """Return the option for the number of handler processes."""
    return option(
        "--workers",
        type=click.IntRange(1, 256),
        default=default,
        show_default=True,
        help="Handler processes.",
    )


max_requests = option(
    "--max-requests",
    type=click.IntRange(0, 1_000_000_000),
    default=0,
    show_default=True,
    help="Requests, give or take a tenth, after which a handler process leaves: its successor serves first."
    " A handler without --workers ends with 0, to be started again. 0: never.",
)
processes = option(
    "--processes",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Edge processes that share the SIP ports (SO_REUSEPORT); number n has its bus n ports higher, or at PATH.n.",
)
