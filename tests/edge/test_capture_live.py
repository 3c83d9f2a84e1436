"""What an edge shows of its messages: HEP to a collector, pcap files; received, sent, absorbed, dropped, forwarded."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import time
from contextlib import suppress
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from slbroker.errors import Exit
from slbroker.keys import create as create_keys
from tests.edge.test_forward_live import Edge, Phone
from tests.support.capture import Hep, Homer, read_hep, read_pcap
from tests.support.forwarding import headers, reply_to
from tests.support.processes import call_slbroker
from tests.support.sip import read_reply, request
from tests.support.timing import until, within

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from tests.conftest import Start

RULES = """
[[on]]
method = "INVITE"
reply = "403 No"

[[on]]
method = "OPTIONS"
reply = "200 OK"
"""


@pytest.fixture
def homer() -> Iterator[Homer]:
    collector = Homer()
    with collector.sock:
        yield collector


@pytest.fixture
def phone() -> Iterator[Phone]:
    made = Phone()
    with made.sock:
        yield made


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "edge.toml"
    path.write_text(RULES)
    return path


def call(phone: Phone, port: int, call_id: str = "one@call") -> list[bytes]:
    """Make a call that is refused, and acknowledge that; return all its messages."""
    invite = request("INVITE", via=phone.via("a"), call_id=call_id)
    phone.send(invite, port)
    refused = phone.receive()
    assert read_reply(refused).status == 403
    (to,) = headers(refused, b"to")
    ack = request("ACK", via=phone.via("a"), to=to.partition(b": ")[2], call_id=call_id)
    phone.send(ack, port)
    return [invite, refused, ack]


def figures(edge: Edge) -> dict[str, Any]:
    return all_figures(edge)["capture"]  # type: ignore[no-any-return]


def all_figures(edge: Edge) -> dict[str, Any]:
    """The edge's statistics, asked from this process."""
    return json.loads(call_slbroker("stats", "--json", "--bus", edge.bus).output)["edges"][0]  # type: ignore[no-any-return]


def test_a_call_with_its_absorbed_ack_goes_to_homer(
    start_slbroker: Start, tmp_path: Path, rules: Path, homer: Homer, phone: Phone
) -> None:
    words = ("--rules", str(rules), "--hep", homer.word, "--hep-id", "2001", "--hep-auth", "secret")
    edge = Edge(start_slbroker, tmp_path, *words)
    begun = time.time()
    messages = call(phone, edge.port)
    found = homer.receive(3)
    assert [each.payload for each in found] == messages
    ours, theirs = ("127.0.0.1", edge.port), ("127.0.0.1", phone.port)
    assert [(each.source, each.target) for each in found] == [(theirs, ours), (ours, theirs), (theirs, ours)]
    for each in found:
        assert each.chunks[1] == b"\x02"
        assert each.chunks[2] == b"\x11"
        assert each.chunks[12] == (2001).to_bytes(4, "big")
        assert each.chunks[14] == b"secret"
        assert each.chunks[17] == b"one@call"
        assert begun - 1 < each.at < time.time() + 1
    assert found[0].at < found[1].at < found[2].at
    until(lambda: figures(edge).get("hep_sent") == {homer.word: 3})
    assert all_figures(edge)["absorbed"] == 1
    assert {name: figures(edge)[name] for name in ("received", "sent", "lost")} == {"received": 2, "sent": 1, "lost": 0}
    assert "secret" not in " ".join(processes()), "the key is in no command line of the capture's process"


def processes() -> list[str]:
    """The command lines of captures."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_text(errors="replace")
            if "slbroker_edge.capture" in words:
                found.append(words)
    return found


def test_what_is_dropped_is_shown_and_keepalives_are_not(
    start_slbroker: Start, tmp_path: Path, homer: Homer, phone: Phone
) -> None:
    edge = Edge(start_slbroker, tmp_path, "--hep", homer.word)
    dropped = [request("ACK", via=phone.via("x")), b"no SIP at all", request("OPTIONS", via="SIP/2.0/UDP")]
    phone.send(b"\r\n\r\n", edge.port)
    for data in dropped:
        phone.send(data, edge.port)
    found = homer.receive(3)
    assert [each.payload for each in found] == dropped
    assert [17 in each.chunks for each in found] == [True, False, True]
    until(lambda: figures(edge).get("keepalives") == 1)


def test_what_goes_on_is_shown_on_both_sides(start_slbroker: Start, tmp_path: Path, homer: Homer, phone: Phone) -> None:
    callee = Phone()
    with callee.sock:
        edge = Edge(start_slbroker, tmp_path, "--route", f"pass={callee.uri}", "--hep", homer.word)
        sent = request("INVITE", via=phone.via())
        phone.send(sent, edge.port)
        came = callee.receive()
        reply = reply_to(came, 180, b"Ringing", b"t")
        callee.send(reply, edge.port)
        back = phone.receive()
        found = homer.receive(4)
    assert [each.payload for each in found] == [sent, came, reply, back]
    assert [each.source[1] for each in found] == [phone.port, edge.port, callee.port, edge.port]
    assert [each.target[1] for each in found] == [edge.port, callee.port, edge.port, phone.port]


def test_streams_are_shown_with_their_transport_and_true_ends(
    start_slbroker: Start, tmp_path: Path, rules: Path, homer: Homer
) -> None:
    """The Via of a client names a port at which it listens; the connection has another one."""
    edge = Edge(start_slbroker, tmp_path, "--rules", str(rules), "--hep", homer.word, listen="tcp:127.0.0.1:0")
    with socket.create_connection(("127.0.0.1", edge.port)) as client:
        client.settimeout(within(3.0))
        sent = request("OPTIONS", via="SIP/2.0/TCP 127.0.0.1:5060;branch=z9hG4bK1")
        client.sendall(sent)
        reply = client.recv(65_535)
        client.sendall(b"garbage that is no SIP\r\n\r\n")
        ours, theirs = ("127.0.0.1", edge.port), client.getsockname()
        found = homer.receive(3)
    assert [each.payload for each in found[:2]] == [sent, reply]
    assert found[2].payload.startswith(b"garbage")
    assert [(each.source, each.target) for each in found] == [(theirs, ours), (ours, theirs), (theirs, ours)]
    assert [each.chunks[2] for each in found] == [b"\x06"] * 3


def test_ipv6_is_shown_as_ipv6(start_slbroker: Start, tmp_path: Path, rules: Path, homer: Homer) -> None:
    edge = Edge(start_slbroker, tmp_path, "--rules", str(rules), "--hep", homer.word, listen="udp:[::1]:0")
    caller = Phone("::1")
    with caller.sock:
        caller.send(request("OPTIONS", via="SIP/2.0/UDP [::1];rport;branch=z9hG4bK1"), edge.port)
        caller.receive()
        found = homer.receive(2)
    assert [each.chunks[1] for each in found] == [b"\x0a"] * 2
    assert [(each.source, each.target) for each in found] == [
        (("::1", caller.port), ("::1", edge.port)),
        (("::1", edge.port), ("::1", caller.port)),
    ]


def test_a_filter_leaves_the_rest_out(
    start_slbroker: Start, tmp_path: Path, rules: Path, homer: Homer, phone: Phone
) -> None:
    words = ("--capture-method", "OPTIONS", "--capture-source", "127.0.0.0/8")
    edge = Edge(start_slbroker, tmp_path, "--rules", str(rules), "--hep", homer.word, *words)
    call(phone, edge.port)
    phone.send(request("OPTIONS", via=phone.via("b")), edge.port)
    phone.receive()
    assert [each.first_line.split()[0] for each in homer.receive(2)] == ["OPTIONS", "SIP/2.0"]
    until(lambda: figures(edge).get("filtered") == 3)


def test_pcap_files_hold_the_call_while_the_edge_runs(
    start_slbroker: Start, tmp_path: Path, rules: Path, phone: Phone
) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    edge = Edge(start_slbroker, tmp_path, "--rules", str(rules), "--pcap", str(logs / "sip.pcap"))
    messages = call(phone, edge.port)
    until(lambda: figures(edge).get("pcap_written") == 3)
    (path,) = logs.iterdir()
    assert re.fullmatch(r"sip_00001_[0-9]{14}\.pcap", path.name)
    assert [packet.data for packet in read_pcap(path)] == messages
    assert edge.process.stop() == 0


def test_two_collectors_and_files_all_get_everything(
    start_slbroker: Start, tmp_path: Path, rules: Path, homer: Homer, phone: Phone
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(within(5.0))
        words = (
            "--hep",
            homer.word,
            "--hep",
            f"tcp:127.0.0.1:{server.getsockname()[1]}",
            "--pcap",
            str(tmp_path / "s"),
        )
        edge = Edge(start_slbroker, tmp_path, "--rules", str(rules), *words)
        messages = call(phone, edge.port)
        connection, _ = server.accept()
        with connection:
            connection.settimeout(within(5.0))
            data = b""
            got: list[Hep] = []
            while len(got) < 3:
                data += connection.recv(65_535)
                while len(data) >= 6 and len(data) >= (length := int.from_bytes(data[4:6], "big")):
                    got.append(read_hep(data[:length]))
                    data = data[length:]
    assert [each.payload for each in got] == messages
    assert [each.payload for each in homer.receive(3)] == messages
    until(lambda: figures(edge).get("pcap_written") == 3)


def test_when_the_captures_process_dies_calls_go_on_and_another_one_is_started(
    start_slbroker: Start, tmp_path: Path, rules: Path, homer: Homer, phone: Phone
) -> None:
    edge = Edge(start_slbroker, tmp_path, "--rules", str(rules), "--hep", homer.word)
    call(phone, edge.port, "before@call")
    homer.receive(3)
    until(lambda: figures(edge).get("hep_sent") == {homer.word: 3})
    for pid in children(edge.process.pid):
        os.kill(pid, signal.SIGKILL)
    until(lambda: "the capture's process ended" in edge.process.log)
    call(phone, edge.port, "meanwhile@call")
    until(lambda: children(edge.process.pid), 10.0)
    call(phone, edge.port, "after@call")
    assert [each.chunks[17] for each in homer.receive(3)] == [b"after@call"] * 3
    until(lambda: figures(edge).get("hep_sent") == {homer.word: 6})
    assert figures(edge)["lost"] == 3


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_capture_that_hangs_costs_a_counter_and_no_call(
    start_slbroker: Start, tmp_path: Path, rules: Path, homer: Homer, phone: Phone
) -> None:
    edge = Edge(start_slbroker, tmp_path, "--rules", str(rules), "--hep", homer.word)
    call(phone, edge.port)
    homer.receive(3)
    (child,) = children(edge.process.pid)
    os.kill(child, signal.SIGSTOP)
    try:
        body = b"x" * 60_000
        for number in range(150):
            phone.send(request("OPTIONS", via=phone.via(f"b{number}"), body=body, call_id=str(number)), edge.port)
            assert read_reply(phone.receive()).status == 200
        found = figures(edge)
        assert found["lost"] > 20, "the pipe and what waits for it are full"
        assert found["received"] == 152
    finally:
        os.kill(child, signal.SIGCONT)

    def adds_up() -> bool:
        now = figures(edge)
        shown: int = now.get("hep_sent", {}).get(homer.word, 0)
        return shown + int(now["lost"]) == int(now["received"]) + int(now["sent"])

    until(adds_up, 20.0)
    call(phone, edge.port, "after@call")
    assert edge.process.stop() == 0
    assert not Path(f"/proc/{child}").exists()


def test_when_nobody_takes_what_is_shown_the_edge_hands_nothing_over_until_somebody_does(
    start_slbroker: Start, tmp_path: Path, rules: Path, phone: Phone
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        server.settimeout(within(5.0))
        word = f"tcp:127.0.0.1:{server.getsockname()[1]}"
        edge = Edge(start_slbroker, tmp_path, "--rules", str(rules), "--hep", word)
        body = b"x" * 60_000
        numbers = count()

        def settled() -> dict[str, Any]:
            before: dict[str, Any] = {}
            now = figures(edge)
            while before != now:
                time.sleep(1.1)  # what the process counts is told twice a second
                before, now = now, figures(edge)
            return now

        def is_left_alone() -> bool:
            before = settled()
            for number in islice(numbers, 60):
                phone.send(request("OPTIONS", via=phone.via(f"b{number}"), body=body, call_id=str(number)), edge.port)
                assert read_reply(phone.receive()).status == 200
            after = settled()
            seen = after.get("hep_failed") != before.get("hep_failed")
            return not seen and after["lost"] == before["lost"] + 120

        until(is_left_alone, 30.0)
        connection, _ = server.accept()
        with connection:
            connection.settimeout(within(5.0))

            def is_shown() -> bool:
                phone.send(request("OPTIONS", via=phone.via("again"), call_id="again@call"), edge.port)
                phone.receive()
                return b"again@call" in connection.recv(1 << 20)

            until(is_shown, 20.0)


def test_an_edge_that_is_killed_leaves_no_capture_behind(start_slbroker: Start, tmp_path: Path, homer: Homer) -> None:
    edge = Edge(start_slbroker, tmp_path, "--hep", homer.word)
    (child,) = children(edge.process.pid)
    os.kill(edge.process.pid, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{child}").exists())


def test_processes_of_an_edge_have_files_of_their_own(start_slbroker: Start, tmp_path: Path, udp_port: int) -> None:
    create_keys(tmp_path / "ring")
    (tmp_path / "logs").mkdir()
    edge = start_slbroker(
        *("edge", "--listen", f"udp:127.0.0.1:{udp_port}", "--keys", str(tmp_path / "ring"), "--processes", "2"),
        *("--bus", f"ipc://{tmp_path}/bus", "--pcap", str(tmp_path / "logs" / "sip.pcap")),
    )
    edge.wait_for("edge ready", times=2)
    sockets = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(24)]
    for each in sockets:
        each.sendto(request("OPTIONS"), ("127.0.0.1", udp_port))
        each.close()
    names = {"sip_00001", "sip.1_00001"}
    until(lambda: {path.name.rpartition("_")[0] for path in (tmp_path / "logs").iterdir()} == names, 10.0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--hep", "homer"), "--hep 'homer': write udp:host:port"),
        (("--hep", "udp:homer:99999"), "write udp:host:port"),
        (("--hep", "udp:9060"), "write udp:host:port"),
        (("--hep", "udp:h:1", "--hep", "udp:h:1"), "said twice"),
        (("--pcap", "/nowhere/sip.pcap"), "there is no folder /nowhere"),
        (("--capture-method", "IN VITE"), "is no method"),
        (("--capture-source", "10.0.0.1/8"), "has host bits set"),
    ],
)
def test_a_wrong_option_is_told_of_in_one_line(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    create_keys(tmp_path / "ring")
    done = call_slbroker("edge", "--listen", "udp:127.0.0.1:0", "--keys", str(tmp_path / "ring"), *words)
    assert done.code in (Exit.CONFIG, Exit.USAGE)
    assert said in done.log
    assert "Traceback" not in done.log


def test_check_shows_no_key_of_a_collector(tmp_path: Path) -> None:
    create_keys(tmp_path / "ring")
    words = ("--listen", "udp:127.0.0.1:0", "--keys", str(tmp_path / "ring"), "--hep", "udp:h", "--hep-auth", "s3cr3t")
    done = call_slbroker("check", "edge", *words)
    assert done.code == 0, done.log
    assert "hep-auth" in done.output
    assert "s3cr3t" not in done.output + done.log
