"""What `slbroker check` looks at."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, TypeAlias

import zmq

from slbroker import inner, keys
from slbroker.bus import curve
from slbroker.bus.sockets import OLDEST_LIBZMQ
from slbroker.config import SECURE
from slbroker.errors import ConfigError
from slbroker.tls import try_files

if TYPE_CHECKING:
    from pathlib import Path

    from slbroker.config import BusSecurity, ListenAddress, TlsSettings

# Returns what was found, in words; raises UserError when it is wrong.
Examination: TypeAlias = Callable[[], str]


def checks(
    plugin: str | None,
    key_file: Path | None,
    listen: Sequence[ListenAddress],
    tls: TlsSettings | None,
    load: Callable[[str], str],
    bind: Callable[[ListenAddress], str],
    security: BusSecurity | None = None,
) -> Iterator[tuple[str, Examination]]:
    """Yield (subject, examination); `load` loads a plugin and describes it, `bind` an address, for a moment."""
    yield "slbroker", lambda: f"{version('slbroker')} on Python {platform.python_version()}"
    yield "libzmq", _check_libzmq
    yield "inner", _describe_inner
    if key_file is not None:
        yield "keys", partial(_check_keys, key_file)
    if security is not None:
        yield "bus", partial(_describe_pair, security.key)
        if security.clients is not None:
            yield "bus", partial(_describe_clients, security.clients)
        for path in security.server_keys:
            yield "bus", partial(_describe_server, path)
    if plugin is not None:
        yield "plugin", partial(load, plugin)
    if tls is not None or any(address.transport in SECURE for address in listen):
        yield "tls", partial(try_files, listen, tls)
    for address in listen:
        yield "listen", partial(bind, address)


def _check_libzmq() -> str:
    if zmq.zmq_version_info() < OLDEST_LIBZMQ:
        raise ConfigError(f"libzmq {zmq.zmq_version()} is too old, 4.3.4 is the oldest: pip install -U pyzmq")
    return f"{zmq.zmq_version()} with pyzmq {zmq.pyzmq_version()}"


def _describe_inner() -> str:
    if inner.KIND == "compiled":
        return "compiled inner path"
    return "pure Python inner path (slower; a C compiler at install, and no SLBROKER_PURE, gives the compiled one)"


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
