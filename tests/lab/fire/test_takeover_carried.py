"""What carries over from an edge to the one that takes its place, and what begins anew, kind by kind."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import ssl
import sys
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from slbroker import keys
from slbroker.errors import Exit
from tests.support.capture import read_pcap
from tests.support.certificates import Authority
from tests.support.peers import free_tcp_port, free_udp_port
from tests.support.processes import run_slbroker
from tests.support.sip import read_reply
from tests.support.takeover import Site, message, replaced
from tests.support.timing import until, within
from tests.support.wsphone import SocketLine, WsPeer, client

if TYPE_CHECKING:
    from tests.conftest import Start
    from tests.support.certificates import Pair

NOBODY: Final = 65_534
NOWHERE: Final = "192.0.2.77"  # RFC 5737: no machine has it
REMEMBERING: Final = """
from slbroker import Handlers

app = Handlers()
app.on("OPTIONS", remember=60)(lambda request: request.reply(200))
"""


def status_of(phone: socket.socket, data: bytes) -> int:
    phone.send(data)
    return read_reply(phone.recv(4096)).status


def over(transport: str, method: str, number: int) -> bytes:
    return message(method, number).replace(b"/UDP", f"/{transport}".encode())


# Connections ----------------------------------------------------------------------------------------------------


def test_tls_and_wss_are_drained_and_the_next_has_the_new_certificate(place: Site, tmp_path: Path) -> None:
    """No session is resumed: tickets are another process's, and a whole handshake follows."""
    authority = Authority(tmp_path)
    pair = authority.issue("edge")
    tls, wss = free_tcp_port(), free_tcp_port()
    listen = (place.here, f"tls:127.0.0.1:{tls}", f"wss:127.0.0.1:{wss}")
    words = ("--tls-cert", str(pair.certificate), "--tls-key", str(pair.key))
    old = place.edge(*words, listen=listen)
    old.wait_for("edge ready")
    place.workers(count=1)
    context = authority.client()
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # its sessions are there when the handshake is
    with ExitStack() as stack:
        first = stack.enter_context(connected(context, tls))
        ask(first, 1)
        again = stack.enter_context(connected(context, tls, first.session))
        assert again.session_reused
        browser = WsPeer(SocketLine(stack.enter_context(connected(context, wss))), client(wss))
        assert browser.shake_hands().status_code == 101
        replace_pair(pair, authority.issue("another"))
        new = place.edge(*words, "--takeover", listen=listen)
        new.wait_for("edge ready")
        for each in (first, again):
            assert each.recv(4096) == b""  # with a closing alert, or Python would raise
        assert browser.hear_close() == 1001
        assert old.wait() == Exit.OK
        fresh = stack.enter_context(connected(context, tls, first.session))
        assert not fresh.session_reused
        assert "another" in name_in(fresh)
        ask(fresh, 2)
        next_one = WsPeer(SocketLine(stack.enter_context(connected(context, wss))), client(wss))
        assert next_one.shake_hands().status_code == 101


def connected(context: ssl.SSLContext, port: int, session: ssl.SSLSession | None = None) -> ssl.SSLSocket:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.settimeout(within(5.0))
    return context.wrap_socket(sock, server_hostname="127.0.0.1", session=session)


def ask(sock: ssl.SSLSocket, number: int) -> None:
    sock.sendall(over("TLS", "OPTIONS", number))
    assert read_reply(sock.recv(4096)).status == 200


def name_in(sock: ssl.SSLSocket) -> str:
    certificate = sock.getpeercert()
    assert certificate is not None
    return str(certificate["subject"])


def replace_pair(old: Pair, new: Pair) -> None:
    shutil.copy(new.key, old.key)
    shutil.copy(new.certificate, old.certificate)


def test_listeners_of_connections_come_and_go_with_its_options(place: Site, phone: socket.socket) -> None:
    """Waiting in the backlog of one that goes is lost with it; of one that stays, it is not."""
    stays, goes, comes = free_tcp_port(), free_tcp_port(), free_tcp_port()
    old = place.edge(listen=(place.here, f"tcp:127.0.0.1:{stays}", f"tcp:127.0.0.1:{goes}"))
    old.wait_for("edge ready")
    place.workers(count=1)
    replaced(place, old, listen=(place.here, f"tcp:127.0.0.1:{stays}", f"tcp:127.0.0.1:{comes}"))
    for number, port in enumerate((stays, comes)):
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.settimeout(within(5.0))
            sock.sendall(over("TCP", "OPTIONS", number))
            assert read_reply(sock.recv(4096)).status == 200
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", goes))
    assert status_of(phone, message("OPTIONS", 9)) == 200


# Addresses ------------------------------------------------------------------------------------------------------


def test_over_ipv6(place: Site) -> None:
    udp, tcp = free_udp_port(), free_tcp_port()
    listen = (f"udp:[::1]:{udp}", f"tcp:[::1]:{tcp}", f"udp:[::]:{free_udp_port()}")
    old = place.edge(listen=listen)
    old.wait_for("edge ready")
    place.workers(count=1)
    new = replaced(place, old, listen=listen)
    assert "no longer listening" not in new.log
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as phone, socket.create_connection(("::1", tcp)) as stream:
        phone.connect(("::1", udp))
        for sock in (phone, stream):
            sock.settimeout(within(5.0))
        phone.send(message("OPTIONS", 1).replace(b"127.0.0.1;rport", b"[::1];rport"))
        assert read_reply(phone.recv(4096)).status == 200
        stream.sendall(over("TCP", "OPTIONS", 2))
        assert read_reply(stream.recv(4096)).status == 200


def test_an_address_that_is_not_there_yet_stays_bound(place: Site, phone: socket.socket) -> None:
    listen = (place.here, f"udp:{NOWHERE}:{free_udp_port()}", f"tcp:{NOWHERE}:{free_tcp_port()}")
    old = place.edge("--freebind", listen=listen)
    old.wait_for("edge ready")
    place.workers(count=1)
    new = replaced(place, old, "--freebind", listen=listen)
    assert status_of(phone, message("OPTIONS", 1)) == 200
    last = replaced(place, new, listen=listen)  # what is bound needs no leave
    assert "no longer listening" not in new.log + last.log
    assert status_of(phone, message("OPTIONS", 2)) == 200


# The bus --------------------------------------------------------------------------------------------------------


def new_bus_keys(folder: Path, *names: str) -> None:
    for name in names:
        assert run_slbroker("keys", "bus", str(folder / name)).wait() == 0


def test_a_tcp_bus_with_keys_passes_to_one_that_has_them_and_to_no_other(
    place: Site, start_slbroker: Start, phone: socket.socket, tmp_path: Path
) -> None:
    new_bus_keys(tmp_path, "edge", "other", "handler")
    place.bus = f"tcp://127.0.0.1:{free_tcp_port()}"
    where = ("--takeover-path", str(tmp_path / "edge.takeover"))
    words = ("--bus-key", str(tmp_path / "edge.key_secret"), "--bus-clients", str(tmp_path / "handler.key"))
    old = place.edge(*words, *where)
    old.wait_for("edge ready")
    worker = start_slbroker(
        "handler", "--bus", place.bus, "--keys", str(tmp_path / "ring"), "--plugin", str(tmp_path / "plugin.py"),
        "--bus-key", str(tmp_path / "handler.key_secret"), "--bus-server-key", str(tmp_path / "edge.key"),
    )  # fmt: skip
    worker.wait_for("handler ready")
    wrong = ("--bus-key", str(tmp_path / "other.key_secret"), "--bus-clients", str(tmp_path / "handler.key"))
    stranger = place.edge("--takeover", "--handler-timeout", "1", *wrong, *where)
    assert stranger.wait(20.0) == Exit.TAKEOVER
    assert "none of the 1 workers" in stranger.log
    assert status_of(phone, message("OPTIONS", 1)) == 200, "the one that has the handler serves on"
    new = replaced(place, old, *words, *where)
    assert status_of(phone, message("OPTIONS", 2)) == 200
    assert "1 of the 1 workers of the edge before are here" in new.log


def test_a_bus_elsewhere_is_refused_since_no_handler_would_find_it(place: Site, phone: socket.socket) -> None:
    where = ("--takeover-path", str(place.folder / "edge.takeover"))
    old = place.edge("--handler-timeout", "1", *where)
    old.wait_for("edge ready")
    place.workers(count=1)
    here, place.bus = place.bus, f"ipc://{place.folder}/elsewhere"
    new = place.edge("--takeover", "--handler-timeout", "1", *where)
    assert new.wait(20.0) == Exit.TAKEOVER
    place.bus = here
    assert old.running
    assert status_of(phone, message("OPTIONS", 1)) == 200


def test_the_workers_behind_brokers_are_there_at_once(
    place: Site, start_slbroker: Start, phone: socket.socket, tmp_path: Path
) -> None:
    edges, own = f"ipc://{tmp_path}/edges", place.bus
    place.bus = f"ipc://{tmp_path}/handlers"
    broker = start_slbroker("broker", "--edges", edges, "--handlers", place.bus)
    broker.wait_for("broker ready")
    place.workers(count=1)
    place.bus = own
    old = place.edge("--broker", edges)
    old.wait_for("edge ready")
    until(lambda: answers(phone), what="the broker has the worker")
    new = place.edge("--takeover", "--broker", edges)
    new.wait_for("edge ready")
    assert old.wait() == Exit.OK
    assert status_of(phone, message("OPTIONS", 7_000)) == 200
    assert "1 of the 1 workers of the edge before are here" in new.log


def answers(phone: socket.socket) -> bool:
    with suppress(TimeoutError):
        return status_of(phone, message("OPTIONS", os.getpid())) == 200
    return False


# Whose it is, and how it ends -----------------------------------------------------------------------------------


@pytest.mark.skipif(os.geteuid() != 0, reason="other users are root's to be")
def test_an_edge_of_another_user_gives_nothing(place: Site, start_program: Start, phone: socket.socket) -> None:
    with tempfile.TemporaryDirectory() as open_folder:
        path = Path(open_folder) / "edge.takeover"
        old = place.edge("--takeover-path", str(path))
        old.wait_for("edge ready")
        place.workers(count=1)
        os.chown(path, NOBODY, NOBODY)  # so that it may knock at all
        path.parent.chmod(0o755)
        asks = f"from slbroker_edge.takeover import *; Predecessor.find(Path({str(path)!r})).fetch(1)"
        words = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", sys.executable, "-c", asks)
        stranger = start_program(*words)
        assert stranger.wait() != 0
        assert "the edge there is user 0's; run as that user" in stranger.log
        assert status_of(phone, message("OPTIONS", 1)) == 200


def test_an_edge_that_announces_its_end_is_followed_at_once_and_ends_in_order(
    place: Site, phone: socket.socket
) -> None:
    old = place.edge("--drain-notice", "60", "--handler-timeout", "60")
    old.wait_for("edge ready")
    place.workers(count=1)
    phone.send(message("MESSAGE", 1))
    until(lambda: place.figures()[0]["in_flight"] == 1, what="it is with a worker")
    old.send(signal.SIGTERM)
    old.wait_for("serving on for 60 s")
    new = place.edge("--takeover")
    new.wait_for("edge ready")
    assert status_of(phone, message("OPTIONS", 2)) == 200, "where the one before would say 503"
    (place.folder / "go").touch()
    assert read_reply(phone.recv(4096)).status == 202
    assert old.wait() == Exit.OK, "what it had has been answered"
    assert new.running


# Keys, rules, what is remembered, what is shown -----------------------------------------------------------------


def invite_refused(phone: socket.socket, number: int) -> str:
    phone.send(message("INVITE", number))
    reply = read_reply(phone.recv(4096))
    assert reply.status == 404
    return reply.one(b"To").decode()


def test_a_ring_that_was_rotated_knows_the_tags_of_before_and_another_ring_none(
    place: Site, phone: socket.socket, tmp_path: Path
) -> None:
    old = place.edge()
    old.wait_for("edge ready")
    place.workers(count=1)
    to = invite_refused(phone, 1)
    assert run_slbroker("keys", "rotate", str(tmp_path / "ring")).wait() == 0
    new = replaced(place, old)
    phone.send(message("ACK", 1, to))
    until(lambda: place.figures()[0]["absorbed"] == 1, what="the ACK is absorbed")
    to = invite_refused(phone, 2)
    keys.create(tmp_path / "another")
    last = place.edge("--takeover", "--keys", str(tmp_path / "another"))
    last.wait_for("edge ready")
    assert new.wait() == Exit.OK
    last.wait_for("keys", seconds=20.0)  # it and the worker compare theirs, and say so
    phone.send(message("ACK", 2, to))
    until(lambda: (tmp_path / "leaked").exists(), what="the ACK was let through")


def test_rules_are_read_anew_and_decisions_are_learnt_anew(place: Site, phone: socket.socket, tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[[on]]\nmethod = "INVITE"\nreply = "403 No"\n')
    (tmp_path / "plugin.py").write_text(REMEMBERING)
    old = place.edge("--rules", str(rules))
    old.wait_for("edge ready")
    place.workers(count=1)
    assert status_of(phone, message("INVITE", 1)) == 403
    for number in range(2, 9):
        assert status_of(phone, message("OPTIONS", number)) == 200
    assert place.figures()[0]["memory"]["hits"] > 0
    rules.write_text('[[on]]\nmethod = "INVITE"\nreply = "486 Busy Here"\n')
    replaced(place, old, "--rules", str(rules))
    assert status_of(phone, message("INVITE", 10)) == 486
    assert place.figures()[0].get("memory", {}).get("hits", 0) == 0
    for number in range(11, 18):
        assert status_of(phone, message("OPTIONS", number)) == 200
    assert place.figures()[0]["memory"]["hits"] > 0


def test_a_capture_goes_on_in_a_file_of_its_own_and_has_each_message_once(
    place: Site, phone: socket.socket, tmp_path: Path
) -> None:
    (tmp_path / "logs").mkdir()
    words = ("--pcap", str(tmp_path / "logs" / "sip.pcap"))
    old = place.edge(*words)
    old.wait_for("edge ready")
    place.workers(count=1)
    sent = [message("OPTIONS", number) for number in range(20)]
    for each in sent[:10]:
        assert status_of(phone, each) == 200
    new = replaced(place, old, *words)
    for each in sent[10:]:
        assert status_of(phone, each) == 200
    assert new.stop() == Exit.OK
    files = sorted((tmp_path / "logs").iterdir())
    assert [re.sub("_[0-9]{14}", "", path.name) for path in files] == ["sip_00001.pcap", "sip_00002.pcap"]
    seen = [packet.data for path in files for packet in read_pcap(path)]
    assert [data for data in seen if data.startswith(b"OPTIONS")] == sent
    assert len(seen) == 2 * len(sent)
