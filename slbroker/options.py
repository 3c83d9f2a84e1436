"""The options of the commands: each also an environment variable `SLBROKER_...` and a key of the `--config` file."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import click

from slbroker.bus.address import BusAddress, parse_bus_address
from slbroker.config import ListenAddress, parse_listen_address
from slbroker.errors import ConfigError

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])
Decorator: TypeAlias = Callable[[AnyFunction], AnyFunction]


def option(name: str, **settings: Any) -> Decorator[Any]:
    """Return click's option `--name` with its environment variable."""
    variable = "SLBROKER_" + name.removeprefix("--").replace("-", "_").upper()
    return click.option(name, envvar=variable, show_envvar=True, **settings)


class ListenType(click.ParamType[Any]):
    """A listen address in Kamailio's form."""

    name = "proto:host:port"

    def convert(self, value: Any, _param: click.Parameter | None, _ctx: click.Context | None) -> ListenAddress:
        """Return the address; raises ConfigError."""
        return value if isinstance(value, ListenAddress) else parse_listen_address(str(value))


class BusType(click.ParamType[Any]):
    """A bus address."""

    name = "ipc:///path|tcp://host:port"

    def convert(self, value: Any, _param: click.Parameter | None, _ctx: click.Context | None) -> BusAddress:
        """Return the address; raises ConfigError."""
        return value if isinstance(value, BusAddress) else parse_bus_address(str(value))


def _read_config(ctx: click.Context, _param: click.Parameter, path: Path | None) -> None:
    """Make the file's values the defaults of this command: its own table's, else those at the top."""
    if path is None:
        return
    try:
        content = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"config {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"config {path}: {error}") from error
    shared = {key: value for key, value in content.items() if not isinstance(value, dict)}
    own = content.get(ctx.info_name or "", {})
    ours = {param.name for param in ctx.command.params}
    anyone = {param.name for command in _siblings(ctx) for param in command.params}
    for key in [*(key for key in shared if _as_name(key) not in anyone), *(k for k in own if _as_name(k) not in ours)]:
        raise ConfigError(f"config {path}: there is no option {key}; see slbroker {ctx.info_name} --help")
    defaults = {_as_name(key): value for key, value in (shared | own).items()}
    ctx.default_map = {**(ctx.default_map or {}), **defaults}


def _siblings(ctx: click.Context) -> list[click.Command]:
    group = ctx.parent.command if ctx.parent else ctx.command
    return list(group.commands.values()) if isinstance(group, click.Group) else [ctx.command]


def _as_name(key: str) -> str:
    return key.replace("-", "_")


config = option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    is_eager=True,
    expose_value=False,
    callback=_read_config,
    help="TOML file with options: at the top for all commands, in [edge], [handler] or [run] for one.",
)
log_level = option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="What goes to standard error.",
)
listen = option(
    "--listen",
    type=ListenType(),
    multiple=True,
    help="SIP address to listen on; repeatable. IPv6 in brackets: udp:[::1]:5060.",
)
bus = option("--bus", type=BusType(), help="Bus address to bind; a socket file of this user when not given.")
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
insecure_bus = option(
    "--insecure-bus",
    is_flag=True,
    help="Bind a TCP bus that other machines can reach, unencrypted: on a network that nobody else reaches.",
)
credit = option(
    "--credit",
    type=click.IntRange(1, 65_536),
    default=128,
    show_default=True,
    help="Requests each worker takes at once from each edge.",
)
ack_window = option(
    "--ack-window",
    type=click.FloatRange(0, 3600),
    default=32.0,
    show_default=True,
    help="Seconds after a reply during which ACKs are absorbed; 2 is what the sl module has.",
)
timeout = option(
    "--timeout",
    type=click.FloatRange(0.01, 3600),
    default=5.0,
    show_default=True,
    help="Seconds to wait for an answer.",
)


def workers(default: int) -> Decorator[Any]:
    """Return the option for the number of handler processes."""
    return option(
        "--workers",
        type=click.IntRange(1, 256),
        default=default,
        show_default=True,
        help="Handler processes.",
    )


processes = option(
    "--processes",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Edge processes that share the SIP ports (SO_REUSEPORT); number n has its bus n ports higher, or at PATH.n.",
)
