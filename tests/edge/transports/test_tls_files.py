"""The files that TLS needs: what is wrong with them is said in one line, by the functions and by the commands."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING

import pytest

from slbroker.errors import ConfigError
from slbroker.keys import create as create_keys
from slbroker.listen import ListenAddress
from slbroker.settings.connections import TlsSettings
from slbroker.tls import server_context, try_files
from tests.support.certificates import Authority, Pair, common_name
from tests.support.processes import run_slbroker
from tests.support.timing import until, within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start


def test_files_that_are_wrong(server: Pair, other: Pair, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("no PEM")
    for certificate, key, clients, message in (
        (tmp_path / "none", server.key, None, r"TLS file .*none: No such file or directory"),
        (server.certificate, tmp_path / "none", None, r"TLS file .*none: No such file or directory"),
        (server.certificate, tmp_path, None, r"TLS file .*: Is a directory"),
        (server.certificate, other.key, None, r"TLS key .*second.key does not belong to certificate .*first.pem"),
        (text, server.key, None, r"TLS certificate .*text with key .*: both have to be in PEM"),
        (server.certificate, server.certificate, None, r"TLS certificate .* with key .*: both have to be in PEM"),
        (server.certificate, server.key, text, r"TLS file .*text holds no certificates in PEM"),
    ):
        with pytest.raises(ConfigError, match=rf"^{message}[^\n]*$"):
            server_context(TlsSettings(certificate, key, clients))


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(
    authority: Authority, server: Pair, tmp_path: Path
) -> None:
    locked = tmp_path / "locked.key"
    authority._run("pkey", "-in", str(server.key), "-aes128", "-passout", "pass:secret", "-out", str(locked))
    with pytest.raises(ConfigError, match="without a passphrase"):
        server_context(TlsSettings(server.certificate, locked))


def test_a_tls_address_needs_a_certificate(server: Pair) -> None:
    listen = [ListenAddress("udp", "127.0.0.1", 5060), ListenAddress("tls", "::1", 5061)]
    with pytest.raises(ConfigError, match=r"^tls:\[::1\]:5061 needs a certificate: name it with --tls-cert FILE"):
        try_files(listen, None)
    assert try_files(listen[:1], None) == "not used"
    assert str(server.certificate) in try_files(listen, TlsSettings(server.certificate, server.key))


# The command ----------------------------------------------------------------------------------------------------


@pytest.fixture
def options(server: Pair, tmp_path: Path) -> list[str]:
    """An edge with TLS, its files copied to where a test may change them."""
    ring = tmp_path / "ring"
    create_keys(ring)
    (tmp_path / "cert.pem").write_bytes(server.certificate.read_bytes())
    (tmp_path / "key.pem").write_bytes(server.key.read_bytes())
    return [
        *("--listen", "tls:127.0.0.1:0", "--bus", f"ipc://{tmp_path}/bus", "--keys", str(ring)),
        *("--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem")),
    ]


def shown_name(authority: Authority, port: int) -> str:
    """Who the edge says it is."""
    with socket.create_connection(("127.0.0.1", port), timeout=within(5)) as sock:
        tls = authority.client().wrap_socket(sock, server_hostname="127.0.0.1")
        certificate = tls.getpeercert()
        tls.close()
    assert certificate
    return common_name(dict(certificate))


def test_sighup_loads_the_certificate_again(
    start_slbroker: Start, authority: Authority, other: Pair, options: list[str], tmp_path: Path
) -> None:
    edge = start_slbroker("edge", *options)
    port = int(edge.wait_for("edge ready").rpartition("tls:127.0.0.1:")[2].partition(",")[0])
    assert shown_name(authority, port) == "first"
    (tmp_path / "cert.pem").write_text("broken")
    edge.send(signal.SIGHUP)
    line = edge.wait_for("not reloaded, the old one stays in use: TLS certificate")
    edge.wait_for("loaded again")  # the key ring is not held up
    assert "Traceback" not in edge.log
    assert edge.log.count("not reloaded") == 1
    assert line.endswith("without a passphrase")
    assert shown_name(authority, port) == "first"
    (tmp_path / "cert.pem").write_bytes(other.certificate.read_bytes())
    (tmp_path / "key.pem").write_bytes(other.key.read_bytes())
    edge.send(signal.SIGHUP)
    edge.wait_for("cert.pem loaded again")
    until(lambda: shown_name(authority, port) == "second", what="the new certificate")
    assert edge.stop() == 0


def test_a_certificate_that_is_renewed_is_taken_up_with_no_signal(
    start_slbroker: Start, authority: Authority, other: Pair, options: list[str], tmp_path: Path
) -> None:
    edge = start_slbroker("edge", *options)
    port = int(edge.wait_for("edge ready").rpartition("tls:127.0.0.1:")[2].partition(",")[0])
    assert shown_name(authority, port) == "first"
    for name, renewed in (("cert.pem", other.certificate), ("key.pem", other.key)):
        (tmp_path / "new").write_bytes(renewed.read_bytes())
        (tmp_path / "new").rename(tmp_path / name)
    edge.wait_for("cert.pem loaded again")
    until(lambda: shown_name(authority, port) == "second", what="the new certificate")
    assert "key ring" not in edge.log


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"--tls-cert": ""}, "slbroker: TLS needs a certificate: name it with --tls-cert FILE"),
        ({"--tls-cert": "", "--tls-key": ""}, "needs a certificate: name it with --tls-cert FILE and --tls-key FILE"),
        ({"--tls-key": "/nowhere/key"}, "slbroker: TLS file /nowhere/key: No such file or directory"),
        ({"--tls-ca": "/nowhere/ca"}, "slbroker: --tls-ca alone turns no client away"),
    ],
)
def test_a_wrong_option_is_one_line(options: list[str], change: dict[str, str], says: str) -> None:
    given = dict(zip(options[::2], options[1::2], strict=True)) | change
    ended = run_slbroker("edge", *(word for name, value in given.items() if value for word in (name, value)))
    assert ended.wait() == 3
    assert says in ended.log
    assert ended.log.count("\n") == 1


def test_ping_over_tls(start_slbroker: Start, authority: Authority, options: list[str]) -> None:
    edge = start_slbroker("edge", *options)
    port = edge.wait_for("edge ready").rpartition("tls:127.0.0.1:")[2].partition(",")[0]
    uri = f"sips:127.0.0.1:{port}"
    for more in (("--tls-ca", str(authority.certificate)), ("--insecure",)):
        pinged = run_slbroker("ping", uri, *more)
        assert pinged.wait() == 7, pinged  # answered, though not well
        assert pinged.output.startswith(f"503 Service Unavailable from {uri} in ")
    distrusted = run_slbroker("ping", uri)
    assert distrusted.wait() == 6
    assert distrusted.log.startswith(f"slbroker: cannot trust {uri}: ")
    plain = run_slbroker("ping", f"sip:127.0.0.1:{port};transport=tcp")
    assert plain.wait() == 6


def test_check_knows_the_files(options: list[str], tmp_path: Path) -> None:
    given = dict(zip(options[::2], options[1::2], strict=True))
    words = ("--listen", "tls:127.0.0.1:0", "--tls-cert", given["--tls-cert"], "--tls-key")
    good = run_slbroker("check", *words, given["--tls-key"])
    assert good.wait() == 0, good
    assert "ok   tls      " in good.output
    bad = run_slbroker("check", *words, str(tmp_path / "none"))
    assert bad.wait() == 3
    assert "BAD  tls      TLS file" in bad.output
