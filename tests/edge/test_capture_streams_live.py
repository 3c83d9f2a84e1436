"""What HEP says of messages that came by TLS and WebSocket: what was inside, the transport's number, the true ends."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.edge.test_forward_live import Edge
from tests.support.capture import Homer
from tests.support.certificates import Authority
from tests.support.sip import request
from tests.support.timing import until, within
from tests.support.wsphone import SocketLine, WsPeer, client

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start

RULES = '[[on]]\nmethod = "OPTIONS"\nreply = "200 OK"\n'
XNS_IDP = b"\x16"  # 22, Kamailio's convention for what has no number of IANA's


@pytest.mark.parametrize("transport", ["tls", "ws", "wss"])
def test_by_tls_and_websocket_the_number_is_22_and_the_ends_are_the_connections(
    start_slbroker: Start, tmp_path: Path, transport: str
) -> None:
    (tmp_path / "rules.toml").write_text(RULES)
    authority = Authority(tmp_path)
    pair = authority.issue("localhost")
    is_secure, is_web = transport in ("tls", "wss"), transport in ("ws", "wss")
    homer = Homer()
    words = ["--rules", str(tmp_path / "rules.toml"), "--hep", homer.word]
    if is_secure:
        words += ["--tls-cert", str(pair.certificate), "--tls-key", str(pair.key)]
    with ExitStack() as stack:
        stack.enter_context(homer.sock)
        edge = Edge(start_slbroker, tmp_path, *words, listen=f"{transport}:127.0.0.1:0")
        raw = stack.enter_context(socket.create_connection(("127.0.0.1", edge.port), timeout=within(5.0)))
        theirs = raw.getsockname()
        if is_secure:
            raw = stack.enter_context(authority.client().wrap_socket(raw, server_hostname="localhost"))
        sent = request("OPTIONS", via=f"SIP/2.0/{transport.upper()} client.invalid;branch=z9hG4bK1")
        if is_web:
            peer = WsPeer(SocketLine(raw), client(edge.port))
            peer.shake_hands()
            peer.say(sent)
            reply = peer.hear()
        else:
            raw.sendall(sent)
            reply = raw.recv(65_535)
        found = homer.receive(2)
        assert reply.startswith(b"SIP/2.0 200")
        assert [each.payload for each in found] == [sent, reply], "no frame, no record"
        assert [each.chunks[2] for each in found] == [XNS_IDP] * 2
        ours = ("127.0.0.1", edge.port)
        assert [(each.source, each.target) for each in found] == [(theirs, ours), (ours, theirs)]
        assert [each.chunks[1] for each in found] == [b"\x02"] * 2
        until(lambda: edge.figures()["capture"].get("hep_sent") == {homer.word: 2})
