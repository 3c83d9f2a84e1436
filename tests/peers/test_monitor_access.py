"""Who may look at the monitor: other machines by a token or a certificate, no page of another site."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING

import pytest

from slbroker.tls import client_context
from tests.peers.monitor import Monitor, ask, start_monitor
from tests.support.certificates import Authority
from tests.support.timing import until, within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start
    from tests.peers.conftest import Deployment
    from tests.support.certificates import Pair

pytestmark = [pytest.mark.peer, pytest.mark.timeout(within(180))]


def test_other_machines_need_a_token(deployment: Deployment, start_slbroker: Start, tmp_path: Path) -> None:
    refused = start_slbroker("monitor", "--http", "0.0.0.0:0", "--bus", deployment.edge.bus)
    assert refused.wait() == 3
    assert "--token-file" in refused.log
    token = tmp_path / "token"
    token.write_text("0123456789abcdef\n")
    options = ("--token-file", str(token))
    monitor = start_monitor(start_slbroker, deployment.edge.bus, http="0.0.0.0:0", options=options)
    url = monitor.url.replace("0.0.0.0", "127.0.0.1")
    until(lambda: ask(f"{url}/healthz", None, {}).status == 200, 10)
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic 0123456789abcdef"}):
        for path in ("/metrics", "/figures", "/RPC", "/events"):
            assert ask(url + path, None, headers).status == 401
    assert ask(f"{url}/metrics", None, {"Authorization": "Bearer 0123456789abcdef"}).status == 200
    said = start_slbroker("rpc", "--url", f"{url}/RPC", *options, "core.uptime")
    assert (said.wait(), said.output.splitlines()[0]) == (0, "{")
    for words, known in (("fedcba9876543210\n", "fedcba9876543210"), ("short\n", "fedcba9876543210")):
        token.write_text(words)  # another one, without a restart; and one that cannot be used, which changes nothing
        times = monitor.process.log.count("token file")
        monitor.process.send(signal.SIGHUP)
        monitor.process.wait_for("token file", times=times + 1)
        statuses = [ask(f"{url}/metrics", None, {"Authorization": f"Bearer {each}"}).status
                    for each in ("0123456789abcdef", known)]  # fmt: skip
        assert statuses == [401, 200]


def test_or_a_certificate(deployment: Deployment, start_slbroker: Start, authority: Authority) -> None:
    pair = authority.issue("localhost")
    options = ("--tls-cert", str(pair.certificate), "--tls-key", str(pair.key), "--tls-ca", str(authority.certificate))
    monitor = start_monitor(
        start_slbroker, deployment.edge.bus, http="0.0.0.0:0", options=(*options, "--tls-verify-client")
    )
    url = monitor.url.replace("0.0.0.0", "localhost")
    known = client_context(authority.certificate, pair.certificate, pair.key)
    assert ask(f"{url}/metrics", None, {}, known).status == 200
    with pytest.raises(OSError, match=r"(?i)certificate|reset|eof|closed"):
        ask(f"{url}/metrics", None, {}, client_context(authority.certificate))


def test_a_signal_has_certificate_and_authorities_read_again(
    deployment: Deployment, start_slbroker: Start, authority: Authority, tmp_path: Path
) -> None:
    """Whose certificates were signed by another authority is let in, whose were by the one before is not any more."""
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    certificate, key, signers = (tmp_path / name for name in ("cert.pem", "key.pem", "ca.pem"))

    def put(its: Authority) -> Pair:
        pair = its.issue("localhost")
        for source, target in ((pair.certificate, certificate), (pair.key, key), (its.certificate, signers)):
            target.write_bytes(source.read_bytes())
        return pair

    old = put(authority)
    words = ("--tls-cert", str(certificate), "--tls-key", str(key), "--tls-ca", str(signers), "--tls-verify-client")
    monitor = start_monitor(start_slbroker, deployment.edge.bus, http="0.0.0.0:0", options=words)
    url = monitor.url.replace("0.0.0.0", "localhost")
    assert ask(f"{url}/metrics", None, {}, authority.client(old)).status == 200
    new = put(other)
    monitor.process.send(signal.SIGHUP)
    monitor.process.wait_for("loaded again")
    assert ask(f"{url}/metrics", None, {}, other.client(new)).status == 200, "served with the new one, for the new ones"
    knows_both = other.client()
    knows_both.load_cert_chain(old.certificate, old.key)
    with pytest.raises(OSError, match=r"(?i)certificate|reset|eof|closed|authority|unknown"):
        ask(f"{url}/metrics", None, {}, knows_both)
    signers.write_text("no certificate")
    monitor.process.send(signal.SIGHUP)
    monitor.process.wait_for("ERROR")
    assert ask(f"{url}/metrics", None, {}, other.client(new)).status == 200, "what cannot be read changes nothing"


def test_a_page_of_another_site_gets_nothing_by_a_name_of_its_own(
    deployment: Deployment, start_slbroker: Start
) -> None:
    monitor = start_monitor(start_slbroker, deployment.edge.bus)
    assert monitor.get("/metrics").status == 200
    assert monitor.get("/metrics", Host="attacker.example:80").status == 400


def test_who_says_no_name_at_all_is_served_and_each_loopback_address_is_one(
    deployment: Deployment, start_slbroker: Start
) -> None:
    """A probe by HTTP/1.0 says no Host, as HAProxy's does; browsers do, and so do pages that look for us by a name."""
    for host in ("127.0.0.1", "[::1]", "127.0.0.5"):
        monitor = start_monitor(start_slbroker, deployment.edge.bus, http=f"{host}:0")
        until(lambda: monitor.get("/healthz").status == 200, 10)  # noqa: B023 - it is called here
        for method in ("GET", "HEAD"):
            assert raw_answer(monitor, f"{method} /healthz HTTP/1.0\r\n\r\n") == b"HTTP/1.1 200 OK"
        assert monitor.get("/metrics", Host="attacker.example").status == 400
        assert raw_answer(monitor, "GET /metrics HTTP/1.1\r\nHost:\r\n\r\n") == b"HTTP/1.1 400 Bad Request"


def raw_answer(monitor: Monitor, request: str) -> bytes:
    """The first line of what comes back."""
    host, port = monitor.url.partition("://")[2].rsplit(":", 1)
    with socket.create_connection((host.strip("[]"), int(port)), timeout=within(5)) as peer:
        peer.sendall(request.encode())
        return peer.makefile("rb").readline().strip()
