"""The options for connections: TCP, TLS and WebSocket."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from slbroker.commands.options import NumberRange, WordType, is_only_checked, option
from slbroker.config import SECURE, TLS_VERSIONS, StreamSettings, TlsSettings, parse_origin
from slbroker.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.config import ListenAddress


class OriginType(WordType):
    """A site, as a browser names it."""

    name = "scheme://host"

    def read(self, text: str) -> str:
        """Return the origin; raises ConfigError."""
        return parse_origin(text)


_STREAMS = StreamSettings()
_file = click.Path(path_type=Path)
tls_cert = option("--tls-cert", type=_file, help="Certificate in PEM, with those that lead to its root.")
tls_key = option(
    "--tls-key", type=_file, help="Its key in PEM, without a passphrase; the certificate's file if absent."
)
tls_ca = option("--tls-ca", type=_file, help="Certificates in PEM of those who may sign the other side's.")
insecure = option("--insecure", is_flag=True, help="Ping a TLS server whatever its certificate.")
_tls_verify_client = option(
    "--tls-verify-client", is_flag=True, help="Serve TLS clients with a certificate signed by one in --tls-ca only."
)
_tls_min = option(
    "--tls-min",
    type=click.Choice(TLS_VERSIONS),
    default="1.2",
    show_default=True,
    help="Oldest version of TLS that is spoken; 1.0 and 1.1 are for phones that cannot be replaced.",
)
_tls_ciphers = option(
    "--tls-ciphers",
    metavar="LIST",
    help="OpenSSL's list of ciphers for TLS 1.2 and older, such as ECDHE+AESGCM:AES128-SHA;"
    " without it those that have forward secrecy.",
)
_tcp_connections = option(
    "--tcp-connections",
    type=click.IntRange(1, 1_000_000),
    default=_STREAMS.connections,
    show_default=True,
    help="TCP, TLS and WebSocket connections of an edge process at most.",
)
_tcp_per_source = option(
    "--tcp-per-source",
    type=click.IntRange(0, 1_000_000),
    default=_STREAMS.per_source,
    show_default=True,
    help="... from one address (of IPv6, one /64) at most; 0 for any number, as behind a load balancer.",
)
_tcp_idle = option(
    "--tcp-idle",
    type=NumberRange(1, 1_000_000),
    default=_STREAMS.idle,
    show_default=True,
    help="Seconds after which a silent connection is closed; clients that want it send keepalives every 120 s.",
)
_tcp_deadline = option(
    "--tcp-deadline",
    type=NumberRange(0.1, 3600),
    default=_STREAMS.deadline,
    show_default=True,
    help="Seconds that a message may take to come whole, a handshake to end, a reply to be read.",
)
_ws_origin = option(
    "--ws-origin",
    type=OriginType(),
    multiple=True,
    help="Site whose pages may open a WebSocket, such as https://phone.example.com; repeatable; any site without."
    " The word none: clients that are no browser.",
)


def tls(function: Callable[..., Any]) -> Any:
    """Add the options for the files of TLS listeners; the command gets them as `tls`."""

    @tls_cert
    @tls_key
    @tls_ca
    @_tls_verify_client
    @_tls_min
    @_tls_ciphers
    @functools.wraps(function)
    def gather(
        *,
        tls_cert: Path | None,
        tls_key: Path | None,
        tls_ca: Path | None,
        tls_verify_client: bool,
        tls_min: str,
        tls_ciphers: str | None,
        **rest: Any,
    ) -> Any:
        settings = _tls_settings(tls_cert, tls_key, tls_ca, tls_verify_client)
        if settings is not None:
            settings = replace(settings, ciphers=tls_ciphers or "", oldest=tls_min)
        elif tls_ciphers:
            raise ConfigError("--tls-ciphers needs a certificate: name it with --tls-cert FILE")
        return function(**rest, tls=settings)

    return gather


def connections(function: Callable[..., Any]) -> Any:
    """Add the options for TCP, TLS and WebSocket; the command gets them as `streams` and `tls`."""

    @_tcp_connections
    @_tcp_per_source
    @_tcp_idle
    @_tcp_deadline
    @_ws_origin
    @functools.wraps(function)
    def gather(
        *,
        tcp_connections: int,
        tcp_per_source: int,
        tcp_idle: float,
        tcp_deadline: float,
        ws_origin: tuple[str, ...],
        **rest: Any,
    ) -> Any:
        streams = StreamSettings(tcp_connections, tcp_per_source, tcp_idle, tcp_deadline, ws_origin)
        _say_unused_tls(rest["tls"], rest["listen"])
        return function(**rest, streams=streams)

    return tls(gather)


def _say_unused_tls(settings: TlsSettings | None, listen: tuple[ListenAddress, ...]) -> None:
    """Say that options for TLS do nothing, where nothing listens for it."""
    source = click.get_current_context().get_parameter_source("tls_min")
    given = ["--tls-cert"] if settings is not None else []
    given += ["--tls-min"] if source not in (None, click.core.ParameterSource.DEFAULT) else []
    if not listen and is_only_checked():
        return  # they may be said elsewhere
    if given and not any(address.transport in SECURE for address in listen):
        verb = "has" if len(given) == 1 else "have"
        click.echo(f"slbroker: {' and '.join(given)} {verb} no effect: no --listen is tls: or wss:", err=True)


def _tls_settings(certificate: Path | None, key: Path | None, ca: Path | None, verify: bool) -> TlsSettings | None:
    """Return the settings of TLS listeners, None without a certificate; raises ConfigError."""
    if verify and ca is None:
        raise ConfigError("--tls-verify-client needs --tls-ca FILE: who may sign the clients' certificates?")
    if ca is not None and not verify:
        raise ConfigError("--tls-ca alone turns no client away: say --tls-verify-client too, or leave both out")
    if certificate is None:
        if key is not None or verify:
            raise ConfigError("TLS needs a certificate: name it with --tls-cert FILE")
        return None
    return TlsSettings(certificate, key or certificate, ca if verify else None)
