"""TLS contexts from what the user names: TLS 1.2 at least unless told otherwise; errors say which file is wrong."""

from __future__ import annotations

import logging
import re
import ssl
import warnings
from typing import TYPE_CHECKING, Final

from slbroker.errors import ConfigError
from slbroker.listen import SECURE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from slbroker.listen import ListenAddress
    from slbroker.settings.connections import TlsSettings


logger = logging.getLogger(__name__)

_VERSIONS: Final = {
    "1.0": ssl.TLSVersion.TLSv1, "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3,
}  # fmt: skip
_DEPRECATED: Final = ("1.0", "1.1")  # RFC 8996
# Said here, since builds of Python differ: that of Debian leaves it to OpenSSL, others have a list of their own.
_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:DHE+AES:!aNULL:!eNULL:!aDSS:!SHA1:!AESCCM:@SECLEVEL=2"
# ... of which TLS 1.0 and 1.1 know none: the same, with SHA-1 and RSA key exchange.
_OLD_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:DHE+AES:RSA+AES:!aNULL:!eNULL:!aDSS:!PSK:!SRP"
# OpenSSL 3 signs no handshake of these versions at a higher level, since that takes SHA-1.
_OLD_LEVEL: Final = "@SECLEVEL=0"
_split_ciphers = re.compile(r"[:, ;]+").split
_split_names = re.compile(r"[:, ;!+-]+").split
_is_suite_of_13 = re.compile(r"TLS_(?:AES|CHACHA20|SM4)_\w+", re.ASCII).fullmatch  # RFC 8446 B.4, RFC 8998


def try_files(listen: Sequence[ListenAddress], settings: TlsSettings | None) -> str:
    """Read the files that TLS listeners need, and say what they are; raise ConfigError as `server_context` does."""
    if settings is not None:
        server_context(settings)
        for name in unknown_ciphers(settings.ciphers):
            logger.warning("--tls-ciphers: this OpenSSL has no %s, and leaves it out", name)
        clients = f", clients signed by {settings.clients}" if settings.clients else ""
        ciphers = f", ciphers {settings.ciphers}" if settings.ciphers else ""
        return f"{settings.certificate} with key {settings.key}{clients}, TLS {settings.oldest} at least{ciphers}"
    for address in listen:
        if address.transport in SECURE:
            raise ConfigError(f"{address} needs a certificate: name it with --tls-cert FILE and --tls-key FILE")
    return "not used"


def server_context(settings: TlsSettings) -> ssl.SSLContext:
    """Return what a TLS listener needs; raise ConfigError when a file is missing, malformed or not the other's.

    And for ciphers that OpenSSL does not know, or versions that it does not speak.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context)
    _set_versions(context, settings)
    _load_pair(context, settings.certificate, settings.key)
    if settings.clients is not None:
        _load_signers(context, settings.clients)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(
    signers: Path | None = None, certificate: Path | None = None, key: Path | None = None, *, insecure: bool = False
) -> ssl.SSLContext:
    """Return what a TLS client needs; `signers` are trusted in place of the system's, or anyone; raises ConfigError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context)
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if signers is None:
        context.load_default_certs()
    else:
        _load_signers(context, signers)
    if certificate is not None:
        _load_pair(context, certificate, key or certificate)
    return context


def _harden(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION  # TLS 1.2: a peer could make us do the costly part again and again


def unknown_ciphers(ciphers: str) -> Iterator[str]:
    """Yield the words of a list of ciphers that OpenSSL knows none for: beside others it passes over them in silence.

    Those that take ciphers away or move them, and settings such as @SECLEVEL=1, are not looked at.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for word in filter(None, _split_ciphers(ciphers)):
        if word[0] not in "!-+@":
            try:
                context.set_ciphers(f"{word}:{_OLD_LEVEL}")
            except ssl.SSLError:
                yield word


def _set_versions(context: ssl.SSLContext, settings: TlsSettings) -> None:
    """Set the oldest version and the ciphers; raise ConfigError."""
    is_old = settings.oldest in _DEPRECATED
    ciphers = settings.ciphers or (_OLD_CIPHERS if is_old else _CIPHERS)
    if is_old and "@SECLEVEL" not in ciphers:
        ciphers += f":{_OLD_LEVEL}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Python's, about what the user has asked for
        try:
            context.minimum_version = _VERSIONS[settings.oldest]
        except (ValueError, ssl.SSLError) as error:
            raise ConfigError(f"--tls-min {settings.oldest}: this OpenSSL has no such version any more") from error
    for word in _split_names(ciphers):
        if _is_suite_of_13(word):  # OpenSSL passes over it, beside others
            raise ConfigError(f"--tls-ciphers: {word} is of TLS 1.3, all of whose ciphers are on; name older ones only")
    try:
        context.set_ciphers(ciphers)
    except ssl.SSLError as error:
        raise ConfigError(
            f"--tls-ciphers {ciphers!r}: OpenSSL knows none for TLS 1.2 and older, whose they are (1.3 has its own); "
            "openssl ciphers -v lists them"
        ) from error


def _load_pair(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    for path in (certificate, key):
        try_to_read(path)
    try:
        context.load_cert_chain(certificate, key, password=_no_passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigError(f"TLS key {key} does not belong to certificate {certificate}") from error
        raise ConfigError(
            f"TLS certificate {certificate} with key {key}: both have to be in PEM, the key without a passphrase"
        ) from error


def _no_passphrase() -> bytes:
    """Stand in for OpenSSL's question at the terminal, which would stop a service at its start."""
    return b""


def _load_signers(context: ssl.SSLContext, path: Path) -> None:
    try_to_read(path)
    try:
        context.load_verify_locations(path)
    except ssl.SSLError as error:
        raise ConfigError(f"TLS file {path} holds no certificates in PEM") from error


def try_to_read(path: Path) -> None:
    """Raise ConfigError if `path` cannot be read; OpenSSL would not say which file it was."""
    try:
        path.open("rb").close()
    except OSError as error:
        raise ConfigError(f"TLS file {path}: {error.strerror}") from error
