"""What kamailio.cfg would say to the modules that a script uses: `modparam`, as `--kemi-param MODULE.NAME=VALUE`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from slbroker.errors import ConfigError
from slbroker_handlers.kemi.addresses import Permitted, read_addresses
from slbroker_handlers.kemi.htables import Table
from slbroker_handlers.kemi.release import NEWEST, Release

# Those that mean something here, with Kamailio's defaults.
NUMBERS: Final = {
    "auth.nonce_expire": 300,  # seconds
    "maxfwd.max_limit": 70,
    "pike.remove_latency": 120,  # seconds
    "pike.reqs_density_per_unit": 30,
    "pike.sampling_time_unit": 2,  # seconds
    "rr.append_fromtag": 1,
}
TEXTS: Final = {
    "permissions.peer_tag_avp": "",
    # How the script's functions are called; KEMI has no default names for those of app_python3s, and these are usual.
    "app_python3.child_init_method": "child_init",
    "app_python3.mod_init_function": "mod_init",
    "app_python3s.script_child_init": "script_child_init",
    "app_python3s.script_init": "script_init",
    "kemi.onsend_route_callback": "ksr_onsend_route",
    "kemi.reply_route_callback": "ksr_reply_route",
    "kemi.request_route_callback": "ksr_request_route",
    "siputils.options_accept": "*/*",
    "siputils.options_accept_encoding": "",
    "siputils.options_accept_language": "en",
    "siputils.options_support": "",
    # KEMI has no default names for these two; the names that Kamailio's documentation uses.
    "sl.event_callback_fl_ack": "ksr_event_sl_filtered_ack",
    "sl.event_callback_lres_sent": "ksr_event_sl_local_response",
}
LISTS: Final = ("core.alias", "htable.htable", "permissions.address_file", "pvtpl.tpl")
NAMES: Final = (*NUMBERS, *TEXTS, *LISTS)


@dataclass(frozen=True)
class Params:
    """The parameters of one script."""

    numbers: dict[str, int] = field(default_factory=lambda: dict(NUMBERS))
    texts: dict[str, str] = field(default_factory=lambda: dict(TEXTS))
    aliases: tuple[str, ...] = ()  # as written: host, host:port or proto:host:port
    release: Release = NEWEST  # of Kamailio, that the script is to see
    addresses: tuple[Permitted, ...] = ()
    templates: dict[str, str] = field(default_factory=dict)  # what pvtpl renders, by name
    tables: tuple[str, ...] = ()  # as htable's modparam has them: "ipban=>size=8;autoexpire=300"


_CALLED: Final = (
    "kemi.request_route_callback", "app_python3.mod_init_function", "app_python3.child_init_method",
    "app_python3s.script_init", "app_python3s.script_child_init", "sl.event_callback_lres_sent",
    "sl.event_callback_fl_ack", "kemi.reply_route_callback", "kemi.onsend_route_callback",
)  # fmt: skip


class Names(NamedTuple):
    """How the functions are called that are called here: the parameters `_CALLED` say so, in this order."""

    route: str
    make: str  # mod_init
    begin: str  # child_init
    script_make: str  # of app_python3s, in place of mod_init
    script_begin: str
    replied: str
    absorbed: str
    came_back: str  # ksr_reply_route
    sent: str  # ksr_onsend_route

    @classmethod
    def of(cls, params: Params) -> Names:
        """Return the names that a script's parameters say."""
        return cls(*(params.texts[name] for name in _CALLED))

    def arguments(self) -> dict[str, int]:
        """Return how many arguments the methods get, besides self."""
        return {self.route: 1, self.begin: 1, self.replied: 2, self.absorbed: 2, self.came_back: 1, self.sent: 1}


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
    aliases, tables, files, templates = (tuple(lists[name]) for name in LISTS)
    addresses = read_addresses(Path(files[-1])) if files else ()
    texts = dict(map(_read_template, templates))
    return Params(params.numbers, params.texts, aliases, release, addresses, texts, tables)


def _read_template(definition: str) -> tuple[str, str]:
    """Return name and text of what `modparam("pvtpl", "tpl", ...)` defines; raise ConfigError.

    It is written `name=NAME;fpath=FILE;bsize=BYTES`; no size is asked for here.
    """
    words = dict(piece.strip().partition("=")[::2] for piece in definition.split(";") if piece.strip())
    name, path = words.get("name", "").strip(), words.get("fpath", "").strip()
    if not name or not path:
        raise ConfigError(f"pvtpl.tpl {definition!r}: write name=NAME;fpath=FILE")
    try:
        return name, Path(path).read_text(encoding="utf-8", errors="surrogateescape")
    except (OSError, ValueError) as error:
        raise ConfigError(f"pvtpl.tpl {definition!r}: {error}") from error
