"""Connections: TCP, TLS and WebSocket."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from slbroker.errors import ConfigError
from slbroker.listen import parse_origin
from slbroker.option import File, Number, OneOf, Whole, Word, frozen, option

TLS_VERSIONS: Final = ("1.0", "1.1", "1.2", "1.3")


# fmt: off
@frozen()
class TlsSettings:
    """The files of TLS listeners, in PEM. A client has to show a certificate when `clients` names who may sign it.

    `ciphers` is OpenSSL's list for TLS 1.2 and older, "" for ours; `oldest` is one of TLS_VERSIONS.
    """

    certificate: Path = option("--tls-cert", File(),
        help="Certificate in PEM, with those that lead to its root.", example="cert.pem")
    key: Path = option("--tls-key", File(),
        help="Its key in PEM, without a passphrase; the certificate's file if absent.", example="key.pem")
    clients: Path | None = option("--tls-ca", File(), default=None,
        help="Certificates in PEM of those who may sign the other side's.", example="ca.pem")
    verify: bool = option("--tls-verify-client", bool, default=False,
        help="Serve TLS clients with a certificate signed by one in --tls-ca only.")
    oldest: str = option("--tls-min", OneOf({version: version for version in TLS_VERSIONS}), default="1.2",
        help="Oldest version of TLS that is spoken; 1.0 and 1.1 are for phones that cannot be replaced.")
    ciphers: str = option("--tls-ciphers", str, default="",
        help="OpenSSL's list of ciphers for TLS 1.2 and older, such as ECDHE+AESGCM:AES128-SHA;"
        " without it those that have forward secrecy.",
        metavar="LIST", example="ECDHE+AESGCM:AES128-SHA")

    @property
    def files(self) -> tuple[Path, ...]:
        """All that are named."""
        return (self.certificate, self.key, *((self.clients,) if self.clients else ()))


@frozen()
class NextHopTls:
    """How next hops are trusted that are reached over TLS; the edge shows the certificate of --tls-cert."""

    signers: Path | None = option("--next-hop-ca", File(), default=None,
        help="Certificates in PEM of those who may sign a TLS next hop's; without it those that this system trusts.",
        param="next_hop_ca", example="ca.pem")
    insecure: bool = option("--next-hop-insecure", bool, default=False,
        help="Take any certificate from TLS next hops: on a network where nobody else can answer for them.",
        param="next_hop_insecure")


@frozen()
class StreamSettings:
    """What connections to one edge process (TCP, TLS, WebSocket) may do together; times in seconds."""

    # 10 MB when they are idle over TCP, 250 MB over TLS
    connections: int = option("--tcp-connections", Whole(1, 1_000_000), default=16_384,
        help="TCP, TLS and WebSocket connections of an edge process at most.")
    # so that one host alone locks nobody out
    per_source: int = option("--tcp-per-source", Whole(0, 1_000_000), default=1_024,
        help="... from one address (of IPv6, one /64) at most; 0 for any number, as behind a load balancer.")
    # RFC 5626 4.4.1: who wants to keep a connection sends something every 120 s. Kamailio and OpenSIPS close their idle
    # connections after 120 s: earlier than we do, so that they never send a request into one that we are closing.
    idle: float = option("--tcp-idle", Number(1, 1_000_000, "s"), default=180.0,
        help="Seconds after which a silent connection is closed; clients that want it send keepalives every 120 s.")
    deadline: float = option("--tcp-deadline", Number(0.1, 3600, "s"), default=10.0,
        help="Seconds that a message may take to come whole, a handshake to end, a reply to be read.")
    # as `parse_origin` has them; none: all
    origins: tuple[str, ...] = option("--ws-origin", Word("scheme://host", parse_origin), default=(),
        help="Site whose pages may open a WebSocket, such as https://phone.example.com; repeatable; any site without."
        " The word none: clients that are no browser.",
        many=True, example="https://phone.example.com")
# fmt: on


def tls_settings(
    certificate: Path | None, key: Path | None, clients: Path | None, *, verify: bool, oldest: str, ciphers: str
) -> TlsSettings | None:
    """Return the settings of TLS listeners, None without a certificate; raises ConfigError."""
    if verify and clients is None:
        raise ConfigError("--tls-verify-client needs --tls-ca FILE: who may sign the clients' certificates?")
    if clients is not None and not verify:
        raise ConfigError("--tls-ca alone turns no client away: say --tls-verify-client too, or leave both out")
    if certificate is None:
        if key is not None or verify:
            raise ConfigError("TLS needs a certificate: name it with --tls-cert FILE")
        if ciphers:
            raise ConfigError("--tls-ciphers needs a certificate: name it with --tls-cert FILE")
        return None
    return TlsSettings(certificate, key or certificate, clients, verify, oldest, ciphers)
