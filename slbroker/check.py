"""What `slbroker check` looks at."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeAlias

import zmq

from slbroker import keys, twins
from slbroker.bus import curve
from slbroker.bus.sockets import OLDEST_LIBZMQ
from slbroker.errors import ConfigError
from slbroker.groupfile import load_groups
from slbroker.tls import client_context, try_to_read

if TYPE_CHECKING:
    from pathlib import Path


# Returns what was found, in words; raises UserError when it is wrong.
Examination: TypeAlias = Callable[[], str]
# The same of what one value of an option names; it is given all that is said beside it, too, by the options' names.
Look: TypeAlias = Callable[[Any, Mapping[str, object]], str]


def installation() -> Iterator[tuple[str, Examination]]:
    """Yield (subject, examination) for what there is before anything is named."""
    yield "slbroker", lambda: f"{version('slbroker')} on Python {platform.python_version()}"
    yield "libzmq", _check_libzmq
    yield "inner", _describe_inner


def looks(load: Callable[[str], str], bind: Callable[..., str]) -> Mapping[str, Look]:
    """Return how to look at what options name, by their names.

    `load` loads a plugin and describes it, `bind` an address, for a moment.
    """
    return {
        "keys": lambda path, _: _check_keys(path),
        "plugin": lambda name, _: load(name),
        "listen": lambda address, beside: bind(address, freebind=is_on(beside.get("freebind"))),
        "tls-cert": lambda path, _: _check_readable(path),
        "tls-key": lambda path, _: _check_readable(path),
        "tls-ca": lambda path, _: _check_readable(path),
        "bus-key": lambda path, _: _describe_pair(path),
        "bus-clients": lambda path, _: _describe_clients(path),
        "bus-server-key": lambda path, _: _describe_server(path),
        "broker-key": lambda path, _: _describe_server(path),
        "record": lambda path, _: _check_folder(path),
        "rules": lambda path, _: _check_rules(path),
        "groups": lambda path, _: _check_groups(path),
        "next-hop-ca": lambda path, _: _check_signers(path),
    }


def is_on(value: object) -> bool:
    """Return whether a flag's value in a file means yes."""
    return str(value).lower() in ("true", "yes", "on", "1", "t", "y")


def _check_readable(path: Path) -> str:
    try_to_read(path)
    return f"{path} can be read"


def _check_folder(path: Path) -> str:
    # Unlike Path's, os.path's take a folder that is closed to us for one that is not there.
    there = path if os.path.exists(path) else path.parent  # noqa: PTH110
    if not os.path.isdir(path.parent) or not os.access(there, os.W_OK):  # noqa: PTH112
        raise ConfigError(f"{path} cannot be written")
    return f"{path} can be written"


def _check_groups(path: Path) -> str:
    groups = load_groups(path)
    found = ", ".join(f"group {number} with {len(members)}" for number, members in groups.items())
    return f"{path} can be read: {found or 'no group'}"


def _check_signers(path: Path) -> str:
    client_context(path)
    return f"{path} can be read"


def _check_rules(path: Path) -> str:
    from slbroker.plugin.rulefile import load_rules  # noqa: PLC0415 - nobody else here runs plugins

    app = load_rules(path, at_edge=True)
    return f"{path} can be read, rules for {', '.join(method.decode() for method in app.methods)}"


def _check_libzmq() -> str:
    if zmq.zmq_version_info() < OLDEST_LIBZMQ:
        raise ConfigError(f"libzmq {zmq.zmq_version()} is too old, 4.3.4 is the oldest: pip install -U pyzmq")
    return f"{zmq.zmq_version()} with pyzmq {zmq.pyzmq_version()}"


def _describe_inner() -> str:
    if twins.KIND == "compiled":
        return "compiled twins"
    return "pure Python (slower; a C compiler at install, and no SLBROKER_PURE, gives the compiled twins)"


def _check_keys(path: Path) -> str:
    ring = keys.load(path)
    return f"{path}: {keys.describe(ring, time.time()).splitlines()[0]}"


def _describe_pair(path: Path) -> str:
    return f"{path}: our public key is {curve.load_pair(path).public.decode()}"


def _describe_clients(path: Path) -> str:
    names = sorted(curve.load_clients(path).values())
    return f"{path}: {', '.join(names) or 'nobody'} may connect"


def _describe_server(path: Path) -> str:
    return f"{path}: the other end has {curve.load_public(path).decode()}"
