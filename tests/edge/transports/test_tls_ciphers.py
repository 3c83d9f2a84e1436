"""Which TLS an edge speaks: a phone of today, and phones that know no more than older ones did.

The clients are OpenSSL's s_client and Python's ssl, told to offer what such a phone offers.
"""

from __future__ import annotations

import socket
import ssl
import subprocess
import warnings
from typing import TYPE_CHECKING

import pytest

from slbroker.errors import ConfigError
from slbroker.keys import create as create_keys
from slbroker.settings.connections import TlsSettings
from slbroker.tls import server_context, try_files
from tests.support.peers import require_peer
from tests.support.processes import run_slbroker
from tests.support.sip import read_reply, request
from tests.support.streams import VIAS
from tests.support.timing import within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start
    from tests.support.certificates import Authority, Pair


TODAY = ("-tls1_3",)
FORWARD_SECRET = ("-tls1_2", "-cipher", "ECDHE+AESGCM")
OLD_POLYCOM = ("-tls1_2", "-cipher", "AES128-SHA")  # RSA key exchange, AES in CBC mode, SHA-1
OLDER_STILL = ("-tls1", "-cipher", "AES128-SHA:@SECLEVEL=0")
BETWEEN = ("-tls1_1", "-cipher", "AES128-SHA:@SECLEVEL=0")
OTHER_CBC = ("-tls1_2", "-cipher", "AES256-SHA")
ALL = {
    "TLS 1.3": TODAY, "ECDHE": FORWARD_SECRET, "old Polycom": OLD_POLYCOM, "TLS 1.0": OLDER_STILL, "TLS 1.1": BETWEEN,
    "AES256-SHA": OTHER_CBC,
}  # fmt: skip


@pytest.fixture(scope="module")
def server(authority: Authority) -> Pair:
    """With an RSA key, which RSA key exchange takes."""
    return authority.issue("rsa", "rsa:2048")


@pytest.fixture
def serve(start_slbroker: Start, server: Pair, tmp_path: Path) -> Serve:
    return Serve(start_slbroker, server, tmp_path)


class Serve:
    """Starts an edge with TLS; returns its port."""

    def __init__(self, start: Start, server: Pair, folder: Path) -> None:
        self._start = start
        self._folder = folder
        self._files = ("--tls-cert", str(server.certificate), "--tls-key", str(server.key))

    def __call__(self, *words: str, env: dict[str, str] | None = None) -> int:
        ring = self._folder / "ring"
        create_keys(ring)
        edge = self._start(
            *("edge", "--listen", "tls:127.0.0.1:0", "--bus", f"ipc://{self._folder}/bus", "--keys", str(ring)),
            *(*self._files, *words),
            env=env,
        )
        return int(edge.wait_for("edge ready").rpartition("tls:127.0.0.1:")[2].partition(",")[0])


def shakes_hands(port: int, offer: tuple[str, ...], authority: Authority) -> bool:
    """Whether OpenSSL's client comes to terms with the edge."""
    words = ("s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", str(authority.certificate), "-verify_return_error")
    done = subprocess.run(
        (require_peer("openssl"), *words, *offer), input=b"", capture_output=True, timeout=within(10), check=False
    )
    assert b"errno=" not in done.stderr, done.stderr
    return done.returncode == 0


@pytest.mark.parametrize(
    ("words", "served"),
    [
        ((), {"TLS 1.3", "ECDHE"}),
        (("--tls-ciphers", "ECDHE+AESGCM:AES128-SHA"), {"TLS 1.3", "ECDHE", "old Polycom"}),
        (("--tls-min", "1.0"), set(ALL)),
        (("--tls-min", "1.1"), set(ALL) - {"TLS 1.0"}),
        (("--tls-min", "1.0", "--tls-ciphers", "AES128-SHA"), {"TLS 1.3", "old Polycom", "TLS 1.0", "TLS 1.1"}),
        (("--tls-min", "1.3"), {"TLS 1.3"}),
    ],
)
def test_who_is_served_over_tls(serve: Serve, authority: Authority, words: tuple[str, ...], served: set[str]) -> None:
    port = serve(*words)
    assert {name for name, offer in ALL.items() if shakes_hands(port, offer, authority)} == served


@pytest.mark.parametrize(
    ("env", "version", "ciphers"),
    [
        ({"SLBROKER_TLS_CIPHERS": "AES128-SHA"}, ssl.TLSVersion.TLSv1_2, "AES128-SHA"),
        ({"SLBROKER_TLS_MIN": "1.0"}, ssl.TLSVersion.TLSv1, "AES128-SHA:@SECLEVEL=0"),
    ],
    ids=["old Polycom", "TLS 1.0"],
)
def test_an_old_phone_is_answered(
    serve: Serve, authority: Authority, env: dict[str, str], version: ssl.TLSVersion, ciphers: str
) -> None:
    port = serve(env=env)
    context = authority.client()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    context.set_ciphers(ciphers)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=within(5)) as sock,
        context.wrap_socket(sock, server_hostname="127.0.0.1") as tls,
    ):
        assert tls.cipher() == ("AES128-SHA", "SSLv3", 128)  # where the cipher is from
        tls.sendall(request(via=VIAS["tls"]))
        assert read_reply(tls.recv(4_096)).status == 503  # no handler has come


def test_old_versions_bring_no_cipher_without_a_certificate(server: Pair) -> None:
    context = server_context(TlsSettings(server.certificate, server.key, oldest="1.0"))
    names = " ".join(str(cipher["name"]) for cipher in context.get_ciphers())
    assert "AES128-SHA" in names
    assert not any(word in names for word in ("ADH", "AECDH", "NULL", "RC4", "DES", "PSK", "SRP"))


def test_ciphers_that_openssl_does_not_know(server: Pair) -> None:
    with pytest.raises(ConfigError, match=r"^--tls-ciphers 'TURTLE': OpenSSL knows none for TLS 1.2 and older"):
        server_context(TlsSettings(server.certificate, server.key, ciphers="TURTLE"))


@pytest.mark.parametrize(
    "ciphers",
    [
        "TLS_AES_128_GCM_SHA256",
        "ECDHE+AESGCM:TLS_AES_128_GCM_SHA256",
        "TLS_CHACHA20_POLY1305_SHA256,AES128-SHA",
        "ALL:!TLS_AES_128_CCM_SHA256",
    ],
)
def test_a_suite_of_tls_13_is_refused_wherever_it_stands(server: Pair, ciphers: str) -> None:
    """OpenSSL passes over it in silence: who names one believes that the others are off."""
    with pytest.raises(ConfigError, match=r"^--tls-ciphers: TLS_\w+ is of TLS 1\.3, all of whose ciphers are on"):
        server_context(TlsSettings(server.certificate, server.key, ciphers=ciphers))


@pytest.mark.parametrize(
    ("ciphers", "unknown"),
    [
        ("ECDHE+AESGCM:AES128-SHA:!aNULL:@SECLEVEL=1", []),
        ("DEFAULT:-RC4:!MD5:+AES", []),
        ("ECDHE-RSA-AES256-GCM-SHA348:AES128-SHA", ["ECDHE-RSA-AES256-GCM-SHA348"]),
        ("AES128-SHA TURTLE,RABBIT", ["TURTLE", "RABBIT"]),
    ],
)
def test_a_cipher_that_is_left_out_is_said(
    server: Pair, ciphers: str, unknown: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    try_files([], TlsSettings(server.certificate, server.key, ciphers=ciphers))
    assert [record.getMessage() for record in caplog.records] == [
        f"--tls-ciphers: this OpenSSL has no {name}, and leaves it out" for name in unknown
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tls-min", "1.0"], "slbroker: --tls-min has no effect: no --listen is tls: or wss:"),
        (["--tls-cert", "{cert}"], "slbroker: --tls-cert has no effect: no --listen is tls: or wss:"),
        (["--tls-cert", "{cert}", "--tls-min", "1.3"], "slbroker: --tls-cert and --tls-min have no effect: "),
    ],
)
def test_options_for_tls_without_a_tls_listener_are_said_to_do_nothing(
    start_slbroker: Start, server: Pair, words: list[str], said: str
) -> None:
    both = server.certificate.parent / "both.pem"
    both.write_text(server.key.read_text() + server.certificate.read_text())
    process = start_slbroker(
        "run", "--workers", "1", "--listen", "udp:127.0.0.1:0", *(word.format(cert=both) for word in words)
    )
    process.wait_for("edge ready")
    assert process.log.startswith(said)


def test_check_says_what_is_spoken(server: Pair) -> None:
    settings = TlsSettings(server.certificate, server.key, ciphers="AES128-SHA", oldest="1.2")
    assert try_files([], settings).endswith(", TLS 1.2 at least, ciphers AES128-SHA")
    words = ("--tls-cert", str(server.certificate), "--tls-key", str(server.key))
    bad = run_slbroker("check", *words, "--tls-ciphers", "TURTLE")
    assert bad.wait() == 3
    assert "BAD  tls      --tls-ciphers 'TURTLE'" in bad.output


def test_ciphers_want_a_certificate(tmp_path: Path) -> None:
    config = tmp_path / "slbroker.toml"
    config.write_text('[run]\ntls-ciphers = "AES128-SHA"\n')
    ended = run_slbroker("run", "--config", str(config))
    assert ended.wait() == 3
    assert ended.log == "slbroker: --tls-ciphers needs a certificate: name it with --tls-cert FILE\n"
