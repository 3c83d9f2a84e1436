"""What the name of a plugin says that is a KEMI script: the file, and how it is run."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from slbroker.bus.memo import LONGEST
from slbroker.errors import ConfigError
from slbroker.plugin.arguments import check_remembered
from slbroker.settings.handler import KEMI
from slbroker_handlers.kemi.params import Params, read_params
from slbroker_handlers.kemi.release import NEWEST, name_release, read_release

STATELESS: Final = "stateless"  # what --kemi-relay says


class ScriptName(NamedTuple):
    """What a plugin's name says that is a KEMI script: `kemi:FILE.py?param=core.alias=example.com&version=6.1`."""

    path: Path
    params: Params
    allow_missing: bool
    relays: bool = False  # whether t_relay forwards
    remember: float | None = None  # seconds that its decisions are good for


def read_name(name: str) -> ScriptName:
    """Return what a plugin's name says; raises ConfigError."""
    where, _, query = name.removeprefix(KEMI).partition("?")
    settings = parse_qsl(query, keep_blank_values=True)
    unknown = [key for key, _ in settings if key not in ("param", "version", "allow-missing", "relay", "remember")]
    if unknown:
        raise ConfigError(f"script {where}: there is no setting {unknown[0]}")
    version = next((value for key, value in reversed(settings) if key == "version"), name_release(NEWEST))
    params = read_params(tuple(value for key, value in settings if key == "param"), read_release(version))
    remember = next((_seconds(where, value) for key, value in reversed(settings) if key == "remember"), None)
    relay = next((value for key, value in reversed(settings) if key == "relay"), None)
    if relay not in (None, STATELESS):
        raise ConfigError(f"script {where}: relay={relay} is not {STATELESS}")
    allows_missing = any(key == "allow-missing" for key, _ in settings)
    return ScriptName(Path(where), params, allows_missing, relay is not None, remember)


def _seconds(where: str, value: str) -> float:
    try:
        seconds = float(value)
        check_remembered("remember", seconds)
    except ValueError:
        raise ConfigError(f"script {where}: remember={value} is no number of seconds from 0 to {LONGEST:g}") from None
    return seconds
