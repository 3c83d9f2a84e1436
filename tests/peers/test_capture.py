"""What an edge shows, read by the tools of the trade: sngrep and tshark; and beside what Kamailio's siptrace shows.

Debian's tshark reads no HEP (Homer's people have a script for it), sngrep and Kamailio's sipcapture do; pcap files both
tshark and sngrep read.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from websockets.client import ClientProtocol
from websockets.uri import parse_uri

from tests.edge.test_forward_live import Edge, Phone
from tests.support.capture import Hep, Homer
from tests.support.certificates import Authority
from tests.support.forwarding import headers
from tests.support.peers import free_udp_port, require_peer
from tests.support.sip import read_reply, request
from tests.support.timing import until, within

if TYPE_CHECKING:
    import ssl

    from tests.conftest import Start

pytestmark = [pytest.mark.peer, pytest.mark.timeout(within(60))]

CONFIG = Path(__file__).with_name("siptrace.cfg")
RULES = """
[[on]]
method = "INVITE"
reply = "403 No"

[[on]]
method = "OPTIONS"
reply = "403 No"
"""


def call(sock: socket.socket, transport: str, call_id: str) -> None:
    """Make a call that is refused, and acknowledge that."""
    host, port = sock.getsockname()[:2]
    via = f"SIP/2.0/{transport} {f'[{host}]' if ':' in host else host}:{port};branch=z9hG4bK{call_id[0]}"
    sock.sendall(request("INVITE", via=via, call_id=call_id))
    refused = sock.recv(65_535)
    assert read_reply(refused).status == 403
    (to,) = headers(refused, b"to")
    sock.sendall(request("ACK", via=via, to=to.partition(b": ")[2], call_id=call_id))


def connected(port: int, *, stream: bool = False) -> socket.socket:
    sock = socket.socket(type=socket.SOCK_STREAM if stream else socket.SOCK_DGRAM)
    sock.settimeout(within(3.0))
    sock.connect(("127.0.0.1", port))
    return sock


def start_edge(start: Start, folder: Path, *words: str, listen: str = "udp:127.0.0.1:0") -> Edge:
    rules = folder / "edge.toml"
    rules.write_text(RULES)
    return Edge(start, folder, "--rules", str(rules), *words, listen=listen)


def fields(path: Path, *names: str, more: tuple[str, ...] = ()) -> list[list[str]]:
    """What tshark reads of each packet, by the names of its fields."""
    words = [word for name in names for word in ("-e", name)]
    done = subprocess.run(
        [require_peer("tshark"), "-r", str(path), *more, "-T", "fields", *words],
        capture_output=True, text=True, check=True, timeout=within(20),
    )  # fmt: skip
    return [line.split("\t") for line in done.stdout.splitlines()]


CALL = [["INVITE", ""], ["", "403"], ["ACK", ""]]


# HEP ------------------------------------------------------------------------------------------------------------


def siptrace(start: Start, folder: Path, homer: Homer, *, stream: bool) -> list[Hep]:
    """What Kamailio's siptrace shows of one call, its own start aside."""
    port = free_udp_port()
    kamailio = start(
        require_peer("kamailio"), "-f", str(CONFIG), "-DD", "-E", "-A", "EVENTS", "-A", f"LISTEN_PORT={port}",
        "-A", f'HOMER="sip:127.0.0.1:{homer.port}"', "-m", "16", "-M", "4", "-w", str(folder), "-Y", str(folder),
    )  # fmt: skip
    with Phone().sock as sock:
        sock.settimeout(0.5)
        for _ in range(40):  # until it serves
            sock.sendto(request("OPTIONS", via="SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bKo"), ("127.0.0.1", port))
            with suppress(TimeoutError):
                sock.recv(65_535)
                break
    with connected(port, stream=stream) as sock:
        call(sock, "TCP" if stream else "UDP", "one@call")
        mine = sock.getsockname()[1]
    found: list[Hep] = []
    while sum(one.first_line.startswith("ACK") for one in found) < 2:
        found += homer.receive(1)
    assert kamailio.running
    return [one for one in found if mine in (one.source[1], one.target[1])]


@pytest.mark.parametrize("stream", [False, True])
def test_homer_gets_the_messages_and_chunks_that_siptrace_sends(
    start_program: Start, start_slbroker: Start, tmp_path: Path, stream: bool
) -> None:
    """But for these: a Call-ID besides, another order, and an absorbed ACK once."""
    theirs_at, ours_at = Homer(), Homer()
    with theirs_at.sock, ours_at.sock:
        theirs = siptrace(start_program, tmp_path, theirs_at, stream=stream)
        listen = "tcp:127.0.0.1:0" if stream else "udp:127.0.0.1:0"
        words = ("--hep", ours_at.word, "--hep-id", "2001", "--hep-auth", "secret")
        edge = start_edge(start_slbroker, tmp_path, *words, listen=listen)
        with connected(edge.port, stream=stream) as sock:
            call(sock, "TCP" if stream else "UDP", "one@call")
            mine = sock.getsockname()[1]
        ours = ours_at.receive(3)
    acks = [one for one in theirs if one.first_line.startswith("ACK")]
    assert len(acks) == 2, "Kamailio 5.6.3 shows an absorbed ACK as received, and once more as absorbed"
    theirs.remove(acks[1])
    assert [one.first_line for one in ours] == [one.first_line for one in theirs]
    assert [one.source[1] == mine for one in ours] == [True, False, True]
    for our, their in zip(ours, theirs, strict=True):
        assert set(our.chunks) - set(their.chunks) == {17}
        assert set(their.chunks) <= set(our.chunks)
        assert our.chunks[17] == b"one@call"
        for kind in (1, 2, 3, 4, 11, 12, 14):  # ports, times and tags are another run's
            assert our.chunks[kind] == their.chunks[kind], kind
        assert [len(our.chunks[kind]) for kind in (7, 8, 9, 10)] == [len(their.chunks[kind]) for kind in (7, 8, 9, 10)]


def test_sngrep_shows_the_call_live(start_program: Start, start_slbroker: Start, tmp_path: Path) -> None:
    port, seen = free_udp_port(), tmp_path / "seen.pcap"
    words = ("-F", "-N", "-L", f"udp:127.0.0.1:{port}", "-O", str(seen))
    sngrep = start_program(require_peer("sngrep"), *words)
    edge = start_edge(start_slbroker, tmp_path, "--hep", f"udp:127.0.0.1:{port}", "--hep-auth", "secret")
    until(lambda: seen.exists(), 10.0)
    with connected(edge.port) as sock:
        call(sock, "UDP", "one@call")
        mine = str(sock.getsockname()[1])
        until(lambda: "Dialog count: 1" in sngrep.output, 10.0)
        time.sleep(0.2)  # for the ACK, of which it says nothing
    sngrep.send(signal.SIGTERM)
    sngrep.wait()
    ours = str(edge.port)
    found = fields(seen, "sip.Method", "sip.Status-Code", "sip.Call-ID", "udp.srcport", "udp.dstport")
    assert [row[:2] for row in found] == CALL
    assert [row[2:] for row in found] == [["one@call", mine, ours], ["one@call", ours, mine], ["one@call", mine, ours]]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_kamailio_as_a_collector_reads_the_call(
    start_program: Start, start_slbroker: Start, tmp_path: Path, host: str
) -> None:
    """Its sipcapture, which takes what comes for the message itself, from its true source."""
    port = free_udp_port()
    collector = start_program(
        require_peer("kamailio"), "-f", str(CONFIG.with_name("sipcapture.cfg")), "-DD", "-E",
        "-l", f"udp:127.0.0.1:{port}",
        "-A", f'DB="text://{tmp_path}"', "-m", "16", "-M", "4", "-w", str(tmp_path), "-Y", str(tmp_path),
    )  # fmt: skip
    listen = "udp:[::1]:0" if host == "::1" else "udp:127.0.0.1:0"
    edge = start_edge(start_slbroker, tmp_path, "--hep", f"udp:127.0.0.1:{port}", listen=listen)
    with socket.socket(socket.AF_INET6 if host == "::1" else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(within(3.0))
        sock.connect((host, edge.port))
        mine = sock.getsockname()[1]
        for number in range(40):  # until it serves
            options = request("OPTIONS", via=f"SIP/2.0/UDP [::1];rport;branch=z9hG4bKo{number}", call_id="first@call")
            sock.send(options)
            sock.recv(65_535)
            if "first@call" in collector.log:
                break
            time.sleep(0.25)
        call(sock, "UDP", "one@call")
    until(lambda: "seen ACK one@call" in collector.log)
    seen = [line.partition("seen ")[2] for line in collector.log.splitlines() if "one@call" in line]
    assert seen == [
        f"INVITE one@call {host} {mine}", f"403 one@call {host} {edge.port}", f"ACK one@call {host} {mine}",
    ]  # fmt: skip


# Files ----------------------------------------------------------------------------------------------------------


def only_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def test_tshark_and_sngrep_read_every_transport_while_it_is_written(start_slbroker: Start, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    authority = Authority(tmp_path)
    pair = authority.issue("edge")
    words = ("--tls-cert", str(pair.certificate), "--tls-key", str(pair.key), "--pcap", str(logs / "sip.pcap"))
    tcp, tls, ws, wss = (free_udp_port() for _ in range(4))
    more = [f"tcp:127.0.0.1:{tcp}", f"tls:127.0.0.1:{tls}", f"ws:127.0.0.1:{ws}", f"wss:127.0.0.1:{wss}"]
    edge = start_edge(start_slbroker, tmp_path, *words, *(word for each in more for word in ("--listen", each)))
    trust = authority.client()
    trust.check_hostname = False
    with connected(edge.port) as sock:
        call(sock, "UDP", "udp@call")
    with connected(tcp, stream=True) as sock:
        call(sock, "TCP", "tcp@call")
    with trust.wrap_socket(connected(tls, stream=True)) as sock:
        call(sock, "TLS", "tls@call")
    with connected(ws, stream=True) as sock:
        options_by_websocket(sock, "ws")
    with trust.wrap_socket(connected(wss, stream=True)) as sock:
        options_by_websocket(sock, "wss")
    until(lambda: edge.figures()["capture"].get("pcap_written") == 13)
    found = fields(only_file(logs), "sip.Call-ID", "ip.proto", "sip.Method", "sip.Status-Code", "sip.Via")
    for transport, protocol in (("udp", "17"), ("tcp", "6"), ("tls", "17")):
        mine = [row for row in found if row[0] == f"{transport}@call"]
        assert [row[2:4] for row in mine] == CALL
        assert {row[1] for row in mine} == {protocol}
        assert all(f"SIP/2.0/{transport.upper()}" in row[4] for row in mine)
    for transport in ("ws", "wss"):
        mine = [row for row in found if row[0] == f"{transport}@call"]
        assert [row[2:4] for row in mine] == [["OPTIONS", ""], ["", "403"]]
    warned = fields(only_file(logs), "_ws.expert.message", more=("-Y", "_ws.expert.severity >= 6291456"))
    assert warned == [], "tshark has no warning to make"
    done = subprocess.run(
        [require_peer("sngrep"), "-F", "-N", "-I", str(only_file(logs)), "-O", str(tmp_path / "again.pcap")],
        capture_output=True, text=True, check=True, timeout=within(20), stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert "Dialog count: 5" in done.stdout
    assert len(fields(tmp_path / "again.pcap", "sip.Call-ID")) == 13


def options_by_websocket(sock: socket.socket | ssl.SSLSocket, transport: str) -> None:
    client = ClientProtocol(parse_uri(f"{transport}://127.0.0.1/"), subprotocols=["sip"])  # type: ignore[list-item]
    client.send_request(client.connect())
    via = "SIP/2.0/WS x.invalid;branch=z9hG4bK1"
    events: list[object] = []
    asked = False
    while len(events) < 2:
        for data in client.data_to_send():
            sock.sendall(data)
        client.receive_data(sock.recv(65_535))
        events += client.events_received()
        if events and not asked:
            asked = True
            client.send_text(request("OPTIONS", via=via, call_id=f"{transport}@call"))
