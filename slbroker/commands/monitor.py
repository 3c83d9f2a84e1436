"""`slbroker monitor`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from slbroker.commands import options
from slbroker.errors import ConfigError, Exit
from slbroker.settings.monitor import MonitorSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHORTEST: Final = 16  # characters of a token


@options.command(MonitorSettings, serves=True)
def monitor(settings: MonitorSettings) -> Callable[[], int]:
    """Serve what edges, brokers and handlers tell over HTTP: a page, /metrics, /healthz, /readyz, /RPC, /mi."""
    token = partial(read_token, settings.token) if settings.token is not None else None
    if token is not None:
        token()
    is_checked = settings.tls is not None and settings.tls.verify
    if not settings.http.is_loopback and token is None and not is_checked:
        raise ConfigError(
            f"{settings.http} is open to other machines: say who may look, with --token-file FILE, or with"
            " --tls-cert FILE --tls-ca FILE --tls-verify-client"
        )
    return partial(_serve, settings, token)


def read_token(path: Path) -> bytes:
    """Return the token in a file; raise ConfigError for one that cannot be used."""
    try:
        token = path.read_bytes().strip()
    except OSError as error:
        raise ConfigError(f"token file {path}: {error.strerror}") from error
    if len(token) < SHORTEST or not token.isascii() or not token.decode().isprintable() or b" " in token:
        raise ConfigError(f"token file {path}: one line of {SHORTEST} printable characters or more, no blanks")
    return token


def _serve(settings: MonitorSettings, token: Callable[[], bytes] | None) -> int:
    try:
        from slbroker.monitor.service import Monitor
    except ModuleNotFoundError as error:
        raise ConfigError(f"the monitor needs {error.name}: pip install 'slbroker[monitor]'") from error
    from slbroker.process import run_service

    run_service(Monitor(settings, token), alive_file=settings.alive_file)
    return Exit.OK
