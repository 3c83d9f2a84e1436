"""What kamailio.cfg would say to the modules that a script uses: `modparam`, as `--kemi-param MODULE.NAME=VALUE`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from slbroker.errors import ConfigError
from slbroker_handlers.kemi.release import NEWEST, Release
from slbroker_handlers.kemi.tables import Table

# Those that mean something here, with Kamailio's defaults.
NUMBERS: Final = {
    "auth.nonce_expire": 300,  # seconds
    "maxfwd.max_limit": 70,
    "pike.remove_latency": 120,  # seconds
    "pike.reqs_density_per_unit": 30,
    "pike.sampling_time_unit": 2,  # seconds
}
TEXTS: Final = {
    "siputils.options_accept": "*/*",
    "siputils.options_accept_encoding": "",
    "siputils.options_accept_language": "en",
    "siputils.options_support": "",
    # KEMI has no default names for these two; the names that Kamailio's documentation uses.
    "sl.event_callback_fl_ack": "ksr_event_sl_filtered_ack",
    "sl.event_callback_lres_sent": "ksr_event_sl_local_response",
}
LISTS: Final = ("core.alias", "htable.htable")
NAMES: Final = (*NUMBERS, *TEXTS, *LISTS)


@dataclass(frozen=True)
class Params:
    """The parameters of one script."""

    numbers: dict[str, int] = field(default_factory=lambda: dict(NUMBERS))
    texts: dict[str, str] = field(default_factory=lambda: dict(TEXTS))
    aliases: tuple[str, ...] = ()  # as written: host, host:port or proto:host:port
    release: Release = NEWEST  # of Kamailio, that the script is to see
    tables: tuple[str, ...] = ()  # as htable's modparam has them: "ipban=>size=8;autoexpire=300"


def read_params(words: tuple[str, ...], release: Release = NEWEST) -> Params:
    """Return what `--kemi-param` says, for a script of a release of Kamailio's.

    Raises ConfigError for a name that means nothing here, or a bad value.
    """
    params = Params()
    lists: dict[str, list[str]] = {name: [] for name in LISTS}
    for word in words:
        name, equals, value = word.partition("=")
        name = name.strip()
        if not equals or name not in NAMES:
            raise ConfigError(f"--kemi-param {word!r}: write MODULE.NAME=VALUE, NAME one of {', '.join(NAMES)}")
        if name in LISTS:
            lists[name].append(value)
        elif name in NUMBERS:
            if not (value.isascii() and value.isdecimal() and len(value) <= 9):
                raise ConfigError(f"--kemi-param {word!r}: {name} is a number")
            params.numbers[name] = int(value)
        else:
            params.texts[name] = value
    for definition in lists["htable.htable"]:
        Table.define(definition)
    aliases, tables = (tuple(lists[name]) for name in LISTS)
    return Params(params.numbers, params.texts, aliases, release, tables)
