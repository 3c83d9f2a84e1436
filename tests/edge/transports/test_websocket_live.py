"""WebSocket through the commands: an edge and a handler as processes, the `websockets` client as the phone."""

from __future__ import annotations

import signal
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from websockets.exceptions import InvalidStatus
from websockets.frames import CloseCode
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.peers.brokers import Edge, free_bus_address, new_keys, start_edge
from tests.support.certificates import Authority
from tests.support.processes import child_environment, run_slbroker
from tests.support.sip import read_reply, request
from tests.support.timing import until, within

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from websockets.sync.client import ClientConnection

    from tests.conftest import Start

VIA = "SIP/2.0/WS df7jal23ls0d.invalid;branch=z9hG4bK776asdhds"
PLUGIN = """
import asyncio
from pathlib import Path
from slbroker import Handlers

app = Handlers()


@app.on("INVITE")
def refuse(request):
    return request.reply(404)


@app.on("MESSAGE")
async def late(request):
    while not Path(request.body.decode()).exists():
        await asyncio.sleep(0.01)
    return request.reply(200)


@app.otherwise
def answer(request):
    return request.reply(200)
"""


@pytest.fixture
def serve(start_slbroker: Start, tmp_path: Path) -> Callable[..., Edge]:
    """Starts an edge with the listeners and options that it is given, and a handler."""

    def start(*options: str, listen: tuple[str, ...] = ("ws:127.0.0.1", "udp:127.0.0.1")) -> Edge:
        (tmp_path / "answers.py").write_text(PLUGIN)
        keys, bus = new_keys(tmp_path), free_bus_address("ipc", tmp_path)
        edge = start_edge(start_slbroker, keys, bus, listen, options)
        plugin = str(tmp_path / "answers.py")
        start_slbroker("handler", "--bus", bus, "--plugin", plugin, "--keys", str(keys)).wait_for("handler ready")
        return edge

    return start


def is_closed(port: int) -> bool:
    """Whether nobody listens there."""
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) != 0


def dial(edge: Edge, protocol: str = "sip") -> ClientConnection:
    """A phone that is about to connect; used in a `with` statement."""
    return connect(
        f"ws://127.0.0.1:{edge.ports['ws:127.0.0.1']}/",
        subprotocols=[Subprotocol(protocol)],
        proxy=None,
        open_timeout=within(5),
        close_timeout=within(5),
    )


def ask(phone: ClientConnection, data: bytes) -> int:
    """Send a request as text; the status of its answer."""
    phone.send(data.decode())
    return read_reply(hear(phone)).status


def hear(phone: ClientConnection) -> bytes:
    """The next message, which has come as text."""
    data = phone.recv(within(5))
    assert isinstance(data, str)
    return data.encode()


def test_a_call_that_is_refused(serve: Callable[..., Edge]) -> None:
    edge = serve()
    with dial(edge) as phone:
        assert phone.subprotocol == "sip"
        assert ask(phone, request(via=VIA)) == 200
        phone.send(request("INVITE", via=VIA), text=True)
        reply = read_reply(hear(phone))
        assert reply.status == 404
        phone.send(request("ACK", via=VIA, to=reply.one(b"To")), text=True)
        figures = edge.wait_for_figures(replied=2, absorbed=1)
        assert figures["connections"]["transports"] == {"ws": 1}
        assert figures["connections"] | {"transports": {}} == {
            "open": 1, "accepted": 1, "refused": 0, "closed": {}, "transports": {},
        }  # fmt: skip
    edge.wait_for_figures(replied=2)
    assert edge.figures()["connections"]["closed"] == {"peer": 1}


def test_many_in_flight_on_many_connections(serve: Callable[..., Edge]) -> None:
    edge = serve()
    with ExitStack() as stack:
        phones = [stack.enter_context(dial(edge)) for _ in range(20)]
        for number in range(50):
            for index, phone in enumerate(phones):
                phone.send(request(via=VIA, call_id=f"{index}-{number}"), text=number % 2 == 0)
        for index, phone in enumerate(phones):
            replies = [phone.recv(within(20), decode=False) for _ in range(50)]
            heard = {read_reply(bytes(reply)).one(b"Call-ID").decode() for reply in replies}
            assert heard == {f"{index}-{number}" for number in range(50)}
    edge.wait_for_figures(replied=1_000, in_flight=0)


def test_a_phone_that_is_gone_before_its_answer(serve: Callable[..., Edge], tmp_path: Path) -> None:
    edge, go = serve(), tmp_path / "go"
    with dial(edge) as phone:
        phone.send(request("MESSAGE", via=VIA, body=bytes(go)), text=True)
        edge.wait_for_figures(received=1)
    go.touch()
    figures = edge.wait_for_figures(replied=1, in_flight=0)
    assert figures["send_failures"] == 1
    with dial(edge) as phone:
        assert ask(phone, request(via=VIA)) == 200


def test_the_edge_says_goodbye_when_it_stops(serve: Callable[..., Edge], tmp_path: Path) -> None:
    edge, go = serve(), tmp_path / "go"
    with dial(edge) as phone:
        phone.send(request("MESSAGE", via=VIA, body=bytes(go)), text=True)
        edge.wait_for_figures(received=1)
        edge.process.send(signal.SIGTERM)
        until(lambda: is_closed(edge.ports["ws:127.0.0.1"]), what="the end of listening")
        go.touch()
        assert read_reply(hear(phone)).status == 200
        for _ in phone:
            raise AssertionError("nothing more should come")
        assert phone.close_code == CloseCode.GOING_AWAY
    assert edge.process.wait() == 0
    assert "Traceback" not in edge.process.log


def test_another_protocol_is_refused(serve: Callable[..., Edge]) -> None:
    with pytest.raises(InvalidStatus, match="HTTP 400"), dial(serve(), "chat"):
        pass


def test_a_site_that_may_not(serve: Callable[..., Edge]) -> None:
    edge = serve("--ws-origin", "https://phone.example.com", "--ws-origin", "https://www.example.com")
    with pytest.raises(InvalidStatus, match="HTTP 403"), dial(edge):
        pass


def test_udp_is_served_beside_what_is_no_websocket(serve: Callable[..., Edge]) -> None:
    edge = serve("--tcp-per-source", "50")
    with ExitStack() as stack:
        for number in range(60):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", edge.ports["ws:127.0.0.1"])))
            sock.settimeout(within(5))
            if number < 50:
                sock.sendall([b"GET / HTTP/1.1\r\n", b"\x16\x03\x01", b"OPTIONS sip:x SIP/2.0\r\n\r\n"][number % 3])
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.settimeout(within(5))
        for _ in range(20):
            udp.sendto(request(via="SIP/2.0/UDP 127.0.0.1;rport"), ("127.0.0.1", edge.ports["udp:127.0.0.1"]))
            assert read_reply(udp.recv(65_535)).status == 200
    figures = edge.wait_for_figures(replied=20)
    assert figures["connections"]["accepted"] == 50
    assert figures["connections"]["refused"] == 10
    assert "Traceback" not in edge.process.log


def test_ping(serve: Callable[..., Edge], tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("server")
    tls = ("--tls-cert", str(pair.certificate), "--tls-key", str(pair.key))
    edge = serve(*tls, listen=("ws:127.0.0.1", "wss:[::1]"))
    for uri, options in [
        (f"sip:127.0.0.1:{edge.ports['ws:127.0.0.1']};transport=ws", []),
        (f"sips:[::1]:{edge.ports['wss:[::1]']};transport=ws", ["--tls-ca", str(authority.certificate)]),
        (f"sip:[::1]:{edge.ports['wss:[::1]']};transport=wss", ["--insecure"]),
    ]:
        ping = run_slbroker("ping", uri, *options)
        assert ping.wait() == 0, ping
        assert ping.output.startswith(f"200 OK from {uri} in ")
    refused = run_slbroker("ping", f"sip:[::1]:{edge.ports['wss:[::1]']};transport=ws", "--timeout", "5")
    assert refused.wait() == 6, refused
    assert refused.log.startswith("slbroker: cannot reach ")


# Without the library, and other mistakes ------------------------------------------------------------------------


@pytest.fixture
def without_library(tmp_path: Path) -> dict[str, str]:
    """An environment where `websockets` is not installed."""
    (tmp_path / "hidden" / "websockets").mkdir(parents=True)
    (tmp_path / "hidden" / "websockets" / "__init__.py").write_text("raise ImportError('not installed')\n")
    return {"PYTHONPATH": f"{tmp_path / 'hidden'}:{child_environment()['PYTHONPATH']}"}


@pytest.mark.parametrize("command", ["run", "edge", "check", "processes"])
def test_without_the_library(without_library: dict[str, str], tmp_path: Path, command: str) -> None:
    keys = str(new_keys(tmp_path))
    words = {
        "run": ("run", "--listen", "ws:127.0.0.1:0"),
        "edge": ("edge", "--listen", "udp:127.0.0.1:0", "--listen", "ws:127.0.0.1:0", "--keys", keys),
        "processes": ("edge", "--listen", "ws:127.0.0.1:1", "--keys", keys, "--processes", "2"),
        "check": ("check", "--listen", "ws:127.0.0.1:0"),
    }[command]
    process = run_slbroker(*words, env={**without_library, "XDG_RUNTIME_DIR": str(tmp_path)})
    assert process.wait() == 3, process
    (line,) = [line for line in (process.log + process.output).splitlines() if "ws:127" in line]
    assert line.endswith("needs the websockets library: pip install 'slbroker[ws]'")
    assert "Traceback" not in process.log


def test_ping_without_the_library(without_library: dict[str, str]) -> None:
    process = run_slbroker("ping", "sip:127.0.0.1:1;transport=ws", env=without_library)
    assert process.wait() == 3, process
    assert process.log == "slbroker: to ping over WebSocket takes a library: pip install 'slbroker[ws]'\n"


def test_secure_without_a_certificate() -> None:
    process = run_slbroker("run", "--listen", "wss:127.0.0.1:0")
    assert process.wait() == 3, process
    assert process.log.endswith(
        "slbroker: wss:127.0.0.1:0 needs a certificate: name it with --tls-cert FILE and --tls-key FILE\n"
    )


@pytest.mark.parametrize("origin", ["phone.example.com", "https://phone.example.com/", "https://", "*"])
def test_an_origin_that_no_browser_has(origin: str) -> None:
    process = run_slbroker("run", "--listen", "ws:127.0.0.1:0", "--ws-origin", origin)
    assert process.wait() == 3, process
    assert process.log.startswith(f"slbroker: origin {origin!r}: write scheme://host ")
