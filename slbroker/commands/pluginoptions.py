"""What answers: `--plugin`, or `--kemi` with what kamailio.cfg would say to a script."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from slbroker.commands import options
from slbroker.config import KEMI

if TYPE_CHECKING:
    from collections.abc import Callable

_kemi = options.option("--kemi", metavar="FILE.py", help="A Kamailio KEMI script in place of a plugin.")
_kemi_param = options.option(
    "--kemi-param",
    metavar="MODULE.NAME=VALUE",
    multiple=True,
    help="modparam for the script, such as core.alias=example.com or htable.htable='ban=>autoexpire=300'; repeatable.",
)
_kemi_version = options.option(
    "--kemi-version",
    metavar="5.6|5.7|5.8|6.0|6.1|6.2",
    help="The release of Kamailio that KSR follows where releases differ; 6.1 without.",
)
_kemi_allow_missing = options.option(
    "--kemi-allow-missing",
    is_flag=True,
    help="Run a script with calls that cannot work here: they answer as if they had failed.",
)


def plugin(function: Callable[..., Any]) -> Any:
    """Add the options for what answers; the command gets its name as `plugin`."""

    @options.plugin
    @_kemi
    @_kemi_param
    @_kemi_version
    @_kemi_allow_missing
    @functools.wraps(function)
    def gather(
        *,
        plugin: str | None,
        kemi: str | None,
        kemi_param: tuple[str, ...],
        kemi_version: str | None,
        kemi_allow_missing: bool,
        **rest: Any,
    ) -> Any:
        return function(**rest, plugin=name_of(plugin, kemi, kemi_param, kemi_version, kemi_allow_missing))

    return gather


def name_of(
    plugin: str | None, kemi: str | None, params: tuple[str, ...], version: str | None, allow_missing: bool
) -> str | None:
    """Return the plugin's name; that of a script has its settings behind it, for whoever loads it."""
    if kemi is None:
        if params or version is not None or allow_missing:
            raise click.UsageError(
                "--kemi-param, --kemi-version and --kemi-allow-missing are for a script: name it with --kemi"
            )
        return plugin
    if plugin is not None:
        raise click.UsageError("--plugin and --kemi: which one?")
    settings = [f"param={quote(param, safe='.=:>/;')}" for param in params]
    settings += [f"version={quote(version)}"] if version is not None else []
    settings += ["allow-missing=1"] if allow_missing else []
    return f"{KEMI}{kemi}{'?' if settings else ''}{'&'.join(settings)}"
