"""What one handler process needs to know, and what answers in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from slbroker.bus.address import BusAddress, default_bus
from slbroker.bus.routes import read_pool
from slbroker.errors import UsageError
from slbroker.option import File, Number, OneOf, Whole, Word, also, frozen, option, part
from slbroker.settings.bus import BusSecurity, client_security
from slbroker.settings.edge import EdgeSettings

BUNDLED: Final = "slbroker_handlers.bundled"
KEMI: Final = "kemi:"  # begins the name of a plugin that is a KEMI script


# fmt: off
@frozen()
class PluginChoice:
    """What answers: a plugin, or a KEMI script with what kamailio.cfg would say to it."""

    plugin: str | None = option("--plugin", str, default=None,
        help="Your handlers; the bundled ones (OPTIONS 200, else 404) without.",
        metavar="FILE.py|MODULE[:APP]", example="answers.py")
    kemi: str | None = option("--kemi", str, default=None, help="A Kamailio KEMI script in place of a plugin.",
        metavar="FILE.py", example="script.py")
    params: tuple[str, ...] = option("--kemi-param", str, default=(),
        help="modparam for the script, such as core.alias=example.com or htable.htable='ban=>autoexpire=300';"
        " repeatable.",
        many=True, metavar="MODULE.NAME=VALUE", example="core.alias=example.com")
    version: str | None = option("--kemi-version", str, default=None,
        help="The release of Kamailio that KSR follows where releases differ; 6.1 without.",
        metavar="5.6|5.7|5.8|6.0|6.1|6.2", example="5.6")
    allow_missing: bool = option("--kemi-allow-missing", bool, default=False,
        help="Run a script with calls that cannot work here: they answer as if they had failed.")
    relay: str | None = option("--kemi-relay", OneOf({"stateless": "stateless"}), default=None, example="stateless",
        help="Let KSR.tm.t_relay() and its like forward, without the transaction that Kamailio makes: docs/kemi.md.")
    remember: float | None = option("--kemi-remember", Number(0, 3600, "s"), default=None, example="5",
        help="Seconds for which edges say again what the script has decided, where it can be: docs/remember.md.")
# fmt: on


def plugin_name(
    plugin: str | None, kemi: str | None, params: tuple[str, ...], version: str | None, *, allow_missing: bool,
    relay: str | None = None, remember: float | None = None,
) -> str | None:  # fmt: skip
    """Return the plugin's name; that of a script has its settings behind it, for whoever loads it. None for none."""
    if kemi is None:
        if params or version is not None or allow_missing or relay is not None or remember is not None:
            raise UsageError(
                "--kemi-param, --kemi-version, --kemi-allow-missing, --kemi-relay and --kemi-remember are for a script:"
                " name it with --kemi"
            )
        return plugin
    if plugin is not None:
        raise UsageError("--plugin and --kemi: which one?")
    words = [f"param={quote(param, safe='.=:>/;')}" for param in params]
    words += [f"version={quote(version)}"] if version is not None else []
    words += ["allow-missing=1"] if allow_missing else []
    words += [f"relay={relay}"] if relay is not None else []
    words += [f"remember={remember:g}"] if remember is not None else []
    return f"{KEMI}{kemi}{'?' if words else ''}{'&'.join(words)}"


def plugin_or_bundled(**chosen: Any) -> str:
    """Return the name of what answers, as `plugin_name` does: the bundled plugin where none is named."""
    return plugin_name(**chosen) or BUNDLED


# fmt: off
@frozen()
class HandlerSettings:
    """What one handler process needs to know; `workers` is how many there are."""

    bus: tuple[BusAddress, ...] = also(EdgeSettings, "bus", unsaid=lambda: (default_bus(),),
        help="Bus address of an edge; repeatable, for several edges.", many=True)
    security: BusSecurity | None = part(BusSecurity, client_security, default=None, without=("clients",), kw_only=True)
    insecure_bus: bool = also(EdgeSettings, "insecure_bus", default=False, kw_only=True)
    keys: Path = also(EdgeSettings, "keys", after="--record")
    plugin: str = part(PluginChoice, plugin_or_bundled)
    reload: bool = option("--reload", bool, default=False,
        help="Load the plugin again when its files change; SIGHUP does it without this, too.", kw_only=True)
    record: Path | None = option("--record", File(folder=False), default=None,
        help="Append the requests to this file, for: slbroker replay. They hold names and credentials.",
        kw_only=True, example="requests.jsonl")
    workers: int = option("--workers", Whole(1, 256), default=1, help="Handler processes.", kw_only=True)
    max_requests: int = option("--max-requests", Whole(0, 1_000_000_000), default=0,
        help="Requests, give or take a tenth, after which a handler process leaves: its successor serves first."
        " A handler without --workers ends with 0, to be started again. 0: never.", kw_only=True)
    alive_file: Path | None = also(EdgeSettings, "alive_file", default=None, kw_only=True)
    credit: int = option("--credit", Whole(1, 65_536), default=128,
        help="Requests each worker takes at once from each edge. One whose handlers block asks for fewer by itself:"
        " what it answers in half a second.")
    pool: str = option("--pool", Word("name", read_pool), default="default",
        help="Name by which --route and --shadow of the edge find these workers.")
# fmt: on
