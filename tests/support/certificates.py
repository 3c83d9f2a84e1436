"""Certificates of the tests' own, made by the openssl command; nothing in them is secret for longer than a test."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.peers import require_peer

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, both in PEM."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates; its own, with which they are verified, is `certificate`."""

    def __init__(self, folder: Path) -> None:
        """The files are made in `folder`. Skips the test where there is no openssl."""
        self._folder = folder
        self._openssl = require_peer("openssl")
        extensions = ("basicConstraints=critical,CA:true", "keyUsage=critical,keyCertSign")
        wanted = [word for extension in extensions for word in ("-addext", extension)]
        self._own = self._make("authority", "-x509", "-days", "2", *wanted)

    @property
    def certificate(self) -> Path:
        """What a verifier has to trust."""
        return self._own.certificate

    def issue(self, name: str, key: str = "ec") -> Pair:
        """A certificate for 127.0.0.1 and ::1 in the name of `name`, for a server or a client.

        `key` is "ec" or such as "rsa:2048".
        """
        request = self._make(name, suffix="csr", key=key)
        extensions = self._folder / f"{name}.ext"
        extensions.write_text(
            "subjectAltName=IP:127.0.0.1,IP:::1,DNS:localhost\n"
            "authorityKeyIdentifier=keyid\n"  # asked for by Python 3.13 and later
        )
        signed = self._folder / f"{name}.pem"
        self._run(
            *("x509", "-req", "-in", str(request.certificate), "-out", str(signed), "-days", "2"),
            *("-CA", str(self._own.certificate), "-CAkey", str(self._own.key), "-CAcreateserial"),
            *("-extfile", str(extensions)),
        )
        return Pair(signed, request.key)

    def client(self, pair: Pair | None = None) -> ssl.SSLContext:
        """A client that trusts this authority, and shows the certificate of `pair` when it is asked for one."""
        context = ssl.create_default_context(cafile=self.certificate)
        if pair is not None:
            context.load_cert_chain(pair.certificate, pair.key)
        return context

    def _make(self, name: str, *options: str, suffix: str = "pem", key: str = "ec") -> Pair:
        pair = Pair(self._folder / f"{name}.{suffix}", self._folder / f"{name}.key")
        self._run(
            *("req", "-newkey", key, "-nodes", "-subj", f"/CN={name}"),
            *(("-pkeyopt", "ec_paramgen_curve:prime256v1") if key == "ec" else ()),
            *("-keyout", str(pair.key), "-out", str(pair.certificate), *options),
        )
        return pair

    def _run(self, *words: str) -> None:
        subprocess.run((self._openssl, *words), check=True, capture_output=True, timeout=30)


def common_name(certificate: dict[str, object]) -> str:
    """The name in what `getpeercert` returns."""
    subject = certificate["subject"]
    assert isinstance(subject, tuple)
    return str(next(value for ((key, value),) in subject if key == "commonName"))
