"""Answers that close their connection: request.reply(..., close=True)."""

from __future__ import annotations

import signal
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from slbroker import Handlers, Reply, Request
from slbroker.keys import create as create_keys
from slbroker.settings.connections import TlsSettings
from slbroker_edge.transports.connection import PARTING
from tests.support.acks import is_armed
from tests.support.edge import Rig
from tests.support.sip import read_reply, request
from tests.support.streams import VIA, StreamRig, small_socket
from tests.support.timing import within

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Start
    from tests.support.certificates import Authority, Pair
    from tests.support.streams import Phone

LARGE = 60_000  # bytes of a body: more than small buffers hold

app = Handlers()


@app.on("INVITE")
def go_away(request: Request) -> Reply:
    return request.reply(403, "Go Away", close=True)


@app.on("SUBSCRIBE")
def wait_and_go_away(request: Request) -> list[Reply]:
    return [request.reply(100), request.reply(489, close=True)]


@app.on("PUBLISH")
def elsewhere(request: Request) -> Reply:
    return request.redirect("sip:elsewhere@192.0.2.9").closing().with_headers({"Retry-After": "9"})


@app.on("MESSAGE")
def long(request: Request) -> Reply:
    return request.reply(200, headers={"Content-Type": "text/plain"}, body=b"x" * LARGE, close=True)


@app.otherwise
def stay(request: Request) -> Reply:
    return request.reply(200)


def of(method: str, number: int = 1) -> bytes:
    return request(method, via=VIA, call_id=f"call-{number}")


@pytest.fixture(params=["tcp", "tls"])
def rig(request: pytest.FixtureRequest, server: Pair) -> Iterator[StreamRig]:
    with StreamRig(transport=request.param, tls=TlsSettings(server.certificate, server.key)) as made:
        made.join(app)
        yield made


def connect(rig: StreamRig, authority: Authority, sock: socket.socket | None = None) -> Phone:
    return rig.call(authority.client(), sock) if rig.name.startswith("tls") else rig.connect(sock)


def test_the_connection_ends_behind_the_reply(rig: StreamRig, authority: Authority) -> None:
    phone, other = connect(rig, authority), connect(rig, authority)
    phone.say(of("OPTIONS"))
    assert read_reply(phone.hear()).status == 200
    assert phone.is_silent()
    phone.say(of("INVITE"))
    assert read_reply(phone.hear()).status == 403
    assert phone.is_cut()
    phone.hang_up()
    assert (rig.open, rig.closed) == (1, {"handler": 1})
    assert is_armed(rig)
    other.say(of("OPTIONS", 2))
    assert read_reply(other.hear()).status == 200
    assert rig.shown() == {"replied": 3}


@pytest.mark.parametrize(("method", "statuses"), [("SUBSCRIBE", [100, 489]), ("PUBLISH", [302])])
def test_all_replies_to_the_request_leave_first(
    rig: StreamRig, authority: Authority, method: str, statuses: list[int]
) -> None:
    phone = connect(rig, authority)
    phone.say(of(method))
    assert [read_reply(phone.hear()).status for _ in statuses] == statuses
    assert phone.is_cut()


def test_a_peer_that_does_not_hang_up_is_waited_for_briefly(rig: StreamRig, authority: Authority) -> None:
    phone = connect(rig, authority)
    phone.say(of("INVITE"))
    assert read_reply(phone.hear()).status == 403
    phone.say(of("OPTIONS", 2))  # nobody looks at it any more
    rig.advance(PARTING + 0.6)
    assert phone.is_cut()
    assert (rig.open, rig.closed) == (0, {"handler": 1})
    assert rig.shown() == {"replied": 1}


def test_a_long_reply_is_written_whole_before(rig: StreamRig, authority: Authority) -> None:
    phone = connect(rig, authority, small_socket())
    phone.say(of("MESSAGE"))
    assert rig.open == 1
    assert read_reply(phone.hear()).body == b"x" * LARGE
    assert phone.is_cut()


def test_answers_to_other_requests_on_the_connection_are_lost(rig: StreamRig, authority: Authority) -> None:
    """As in Kamailio, whose connection is closed at once."""
    (worker,) = rig.workers.values()
    phone = connect(rig, authority)
    worker.kept = []
    phone.say(of("OPTIONS"))
    (kept,), worker.kept = worker.kept, None
    phone.say(of("INVITE", 2))
    assert read_reply(phone.hear()).status == 403
    assert phone.is_cut()
    phone.hang_up()
    worker.take(kept, rig.now)
    rig.turn()
    assert rig.edge.send_failures == 1
    assert rig.closed == {"handler": 1}


def test_while_the_edge_drains(rig: StreamRig, authority: Authority) -> None:
    (worker,) = rig.workers.values()
    phone = connect(rig, authority)
    worker.kept = []
    phone.say(of("INVITE"))
    rig.streams.stop()
    rig.recover()
    assert read_reply(phone.hear()).status == 403
    assert phone.is_cut()


def test_over_udp_it_is_a_reply_as_any_other() -> None:
    rig = Rig()
    rig.join(app)
    rig.receive(request("INVITE"))
    assert [read_reply(reply).status for reply in rig.replies] == [403]
    assert rig.listener.finished_after == []


def test_a_worker_may_hang_up_without_a_word(rig: StreamRig, authority: Authority) -> None:
    (worker,) = rig.workers.values()
    worker.respond = lambda _item: (None,)
    phone = connect(rig, authority)
    phone.say(of("OPTIONS"))
    assert phone.is_cut()
    assert rig.shown() == {"dropped": {"handler": 1}}


@pytest.mark.parametrize("is_text", [True, False])
def test_a_web_socket_ends_with_a_closing_frame(is_text: bool) -> None:
    with StreamRig(transport="ws") as rig:
        rig.join(app)
        phone = rig.websocket()
        phone.say(of("INVITE"), text=is_text)
        assert read_reply(bytes(phone.hear_frame().data)).status == 403
        assert phone.hear_close() == 1000
        assert phone.is_cut()
        phone.phone.hang_up()
        assert (rig.open, rig.closed) == (0, {"handler": 1})


# Processes ------------------------------------------------------------------------------------------------------

PLUGIN = """
from slbroker import Handlers
app = Handlers()
@app.on("INVITE")
async def close_later(request):
    return request.reply(403, "Go Away", close=True)
@app.otherwise
def close(request):
    return request.reply(200, close=request.method == "REGISTER")
"""


@pytest.mark.parametrize("pure", ["", "1"], ids=["as installed", "pure"])
def test_edge_broker_and_handler_as_processes(
    start_slbroker: Start,
    tmp_path: Path,
    authority: Authority,
    server: Pair,
    pure: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SLBROKER_PURE", pure)
    plugin, ring = tmp_path / "close.py", tmp_path / "ring"
    plugin.write_text(PLUGIN)
    create_keys(ring)
    to_edges, to_handlers = f"ipc://{tmp_path}/edges", f"ipc://{tmp_path}/handlers"
    start_slbroker("broker", "--edges", to_edges, "--handlers", to_handlers).wait_for("broker ready")
    edge = start_slbroker(
        *("edge", "--listen", "tcp:127.0.0.1:0", "--listen", "tls:127.0.0.1:0", "--keys", str(ring)),
        *("--tls-cert", str(server.certificate), "--tls-key", str(server.key)),
        *("--broker", to_edges, "--bus", f"ipc://{tmp_path}/bus"),
    )
    said = edge.wait_for("edge ready")
    handler = start_slbroker("handler", "--keys", str(ring), "--plugin", str(plugin), "--bus", to_handlers)
    handler.wait_for("handler ready")
    ports = {kind: int(said.rpartition(f"{kind}:127.0.0.1:")[2].partition(",")[0]) for kind in ("tcp", "tls")}
    for method, status in {"REGISTER": 200, "INVITE": 403}.items():
        for kind, port in ports.items():
            with ExitStack() as stack:
                sock: socket.socket = stack.enter_context(socket.create_connection(("127.0.0.1", port), within(5)))
                if kind == "tls":
                    context: ssl.SSLContext = authority.client()
                    sock = stack.enter_context(context.wrap_socket(sock, server_hostname="127.0.0.1"))
                sock.sendall(of("OPTIONS"))
                assert read_reply(sock.recv(65_535)).status == 200
                sock.sendall(of(method, 2))
                assert read_reply(sock.recv(65_535)).status == status
                assert sock.recv(1) == b""
    edge.send(signal.SIGTERM)
    assert edge.wait() == 0
