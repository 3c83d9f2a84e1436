"""The plugins that people copy, and the bundled one, as `--plugin` loads them."""

from __future__ import annotations

import http.server
import sqlite3
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from slbroker.errors import PluginError
from slbroker.settings.handler import BUNDLED
from slbroker.testing import SOURCE, Client
from slbroker_handlers.loader import load_plugin

if TYPE_CHECKING:
    from slbroker.sip.message import Source
    from slbroker.sip.response import Response

EXAMPLES = Path(__file__).parents[2] / "handlers" / "examples"


def example(name: str) -> Client:
    kind = "kemi:" if name.startswith("kemi_") else ""
    return Client(load_plugin(f"{kind}{EXAMPLES / name}.py"))


@pytest.fixture(autouse=True)
def what_they_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that some look for as they are loaded."""
    (tmp_path / "users").write_text("alice:wonderland\nbob:builder\n")
    monkeypatch.setenv("USERS", str(tmp_path / "users"))


def final(response: Response | None) -> Response:
    assert response is not None
    return response


@pytest.mark.filterwarnings("ignore:startup hooks are not called")
def test_every_example_can_be_loaded() -> None:
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert {
        "blocklist", "forward", "httplookup", "keepalive", "kemi_redirect", "redirect", "redirect_table", "registrar"
    } <= names  # fmt: skip
    for name in names:
        client = example(name)
        assert client.replies("OPTIONS") or client.forwarded
    for rules in EXAMPLES.glob("*.toml"):
        assert Client(load_plugin(str(rules))).replies("OPTIONS")


@pytest.mark.parametrize(("method", "status"), [("OPTIONS", 200), ("INVITE", 404), ("REGISTER", 404)])
def test_bundled(method: str, status: int) -> None:
    response = final(Client(load_plugin(BUNDLED)).request(method))
    assert response.status == status
    assert response.first("Accept") == ("application/sdp" if status == 200 else None)


def test_forward() -> None:
    client = example("forward")
    assert final(client.request("INVITE", "sip:900123@example.com")).status == 403
    for method in ("INVITE", "ACK", "CANCEL"):
        assert client.request(method, "sip:030123@example.com", {"X-Internal": "1"}) is None
        sent = client.forwarded
        assert sent is not None
        assert (sent.to, sent.uri) == ("sip:trunk.example.com;transport=tcp", "sip:+4930123@trunk.example.com")
        assert "X-Internal" not in sent.headers
        assert ("Record-Route" in sent.headers) == (method == "INVITE")
        client.request(method, "sip:alice@example.com")
        assert client.forwarded is not None
        assert client.forwarded.to == ""
    client.request("INVITE", "sip:030123@example.com")
    busy = final(client.forwarded_reply(503, headers={"Retry-After": "60", "Server": "trunk"}))
    assert (busy.status, busy.first("Retry-After"), busy.first("Server")) == (500, None, "trunk")
    ringing = final(client.forwarded_reply(180, headers={"Server": "trunk"}))
    assert (ringing.status, ringing.first("Server")) == (180, None)


def test_keepalive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maintenance = tmp_path / "maintenance"
    monkeypatch.setenv("MAINTENANCE_FILE", str(maintenance))
    client = example("keepalive")
    assert final(client.request("OPTIONS")).first("Allow") == "OPTIONS"
    maintenance.touch()
    response = final(client.request("OPTIONS"))
    assert (response.status, response.first("Retry-After")) == (503, "60")
    assert final(client.request("INVITE")).status == 404


@pytest.mark.parametrize(
    ("number", "status", "contacts"),
    [
        ("+493012345", 302, ["<sip:+493012345@berlin.example.com>;q=1.0"]),
        ("4989555", 302, ["<sip:+4989555@de1.example.com>;q=1.0", "<sip:+4989555@de2.example.com>;q=0.9"]),
        ("%2B1555", 302, ["<sip:+1555@us1.example.com>;q=1.0", "<sip:+1555@us2.example.com>;q=0.9"]),
        ("+331", 404, []),
        ("bob", 484, []),
        ("%D9%A1%D9%A2", 484, []),  # digits, but not those of a number
    ],
)
def test_redirect(number: str, status: int, contacts: list[str]) -> None:
    response = final(example("redirect").request("INVITE", f"sip:{number}@example.com"))
    assert (response.status, response.all("Contact")) == (status, contacts)


def from_host(host: str) -> Source:
    return SOURCE._replace(host=host)


def test_blocklist() -> None:
    client = example("blocklist")
    response = final(client.request("INVITE"))
    assert (response.status, response.first("Contact")) == (302, "<sip:proxy.example.com;lr>")
    assert client.request("OPTIONS", headers={"User-Agent": "Friendly-Scanner 1.2"}) is None
    assert final(client.request("INVITE", source=from_host("203.0.113.77"))).status == 603
    assert final(client.request("INVITE", source=from_host("2001:db8:bad::1"))).status == 603
    assert final(client.request("INVITE", headers={"From": "<sip:anonymous@h>;tag=1"})).status == 603
    assert final(client.request("MESSAGE")).status == 404
    assert final(client.request("INVITE", headers={"From": "<sip:@>;tag=1"})).status == 400


ROUTES = [("49", "de1.example.com", 1.0), ("49", "de2.example.com", 0.5), ("4930", "berlin.example.com", 1.0)]


@pytest.mark.parametrize("kind", ["csv", "db"])
def test_redirect_from_a_table(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / f"routes.{kind}"
    if kind == "csv":
        file.write_text("".join(f"{prefix},{gateway},{q}\n" for prefix, gateway, q in ROUTES))
    else:
        database = sqlite3.connect(file)
        with database:
            database.execute("CREATE TABLE routes (prefix TEXT, gateway TEXT, q REAL)")
            database.executemany("INSERT INTO routes VALUES (?, ?, ?)", ROUTES)
        database.close()
    monkeypatch.setenv("NUMBERS", str(file))
    with example("redirect_table") as client:
        moved = final(client.request("INVITE", "sip:+4989555@example.com"))
        assert moved.all("Contact") == ["<sip:+4989555@de1.example.com>;q=1", "<sip:+4989555@de2.example.com>;q=0.5"]
        moved = final(client.request("INVITE", "sip:49301@example.com"))
        assert moved.all("Contact") == ["<sip:+49301@berlin.example.com>;q=1"]
        assert final(client.request("INVITE", "sip:+331@example.com")).status == 404
        assert final(client.request("INVITE", "sip:bob@example.com")).status == 484


def test_a_table_that_is_not_there_is_said_before_serving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBERS", str(tmp_path / "none.csv"))
    with pytest.raises(PluginError, match=r"startup failed: FileNotFoundError: .*none\.csv"), example("redirect_table"):
        pass


class Numbers(http.server.BaseHTTPRequestHandler):
    """A server that knows one number."""

    def do_GET(self) -> None:
        known = self.path == "/numbers/%2B4930"
        self.send_response(200 if known else 404)
        self.end_headers()
        self.wfile.write(b"sip:4930@berlin.example.com\n" if known else b"")

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


def test_look_up_over_http(monkeypatch: pytest.MonkeyPatch) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Numbers) as server:
        monkeypatch.setenv("LOOKUP", f"http://127.0.0.1:{server.server_port}/numbers")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            client = example("httplookup")
            moved = final(client.request("INVITE", "sip:%2B4930@example.com"))
            assert (moved.status, moved.first("Contact")) == (302, "<sip:4930@berlin.example.com>")
            assert final(client.request("INVITE", "sip:1@example.com")).status == 404
        finally:
            server.shutdown()
            thread.join()
    refused = final(client.request("INVITE", "sip:1@example.com"))
    assert (refused.status, refused.first("Retry-After")) == (503, "5")


def test_registrar() -> None:
    client = example("registrar")
    alice = {"To": "<sip:alice@example.com>", "Contact": "<sip:alice@192.0.2.1>", "Expires": "600"}
    challenge = final(client.request("REGISTER", "sip:example.com", alice))
    assert challenge.status == 401
    assert [value.partition("algorithm=")[2][:4] for value in challenge.all("WWW-Authenticate")] == ["MD5,"]
    registered = final(client.authenticated("alice", "wonderland", "REGISTER", "sip:example.com", alice))
    assert (registered.status, registered.first("Contact")) == (200, "<sip:alice@192.0.2.1>;expires=600")
    assert final(client.authenticated("alice", "wrong", "REGISTER", "sip:example.com", alice)).status == 401
    assert final(client.authenticated("bob", "builder", "REGISTER", "sip:example.com", alice)).status == 403
    replies = [client.request("REGISTER") for _ in range(60)]
    assert None in replies  # too fast


@pytest.mark.parametrize(
    ("number", "status", "contacts"),
    [
        ("+1555", 302, ["<sip:+1555@us1.example.com>, <sip:+1555@us2.example.com>;q=0.9"]),
        ("4989", 302, ["<sip:+4989@de1.example.com;transport=tcp>"]),
        ("331", 404, []),
        ("1st", 404, []),
        ("", 404, []),
    ],
)
def test_kemi_redirect(number: str, status: int, contacts: list[str]) -> None:
    response = final(example("kemi_redirect").request("INVITE", f"sip:{number}@example.com" if number else "sip:h"))
    assert (response.status, response.all("Contact")) == (status, contacts)


def test_kemi_redirect_turns_away_what_it_does_not_want() -> None:
    client = example("kemi_redirect")
    assert client.request("INVITE", headers={"User-Agent": "friendly-scanner"}) is None
    assert final(client.request("INVITE", headers={"Max-Forwards": "0"})).status == 483
    assert final(client.request("BYE")).first("Allow") == "INVITE, ACK, OPTIONS"
    assert client.request("ACK") is None
    client.filtered_ack()
    assert client.errors == 0


def test_maintenance_in_rules(tmp_path: Path) -> None:
    rules = tmp_path / "maintenance.toml"
    rules.write_text((EXAMPLES / "maintenance.toml").read_text())
    client = Client(load_plugin(str(rules)))
    assert final(client.request("OPTIONS")).status == 200
    assert final(client.request("INVITE", "sip:0900123@example.com")).status == 403
    assert client.request("OPTIONS", headers={"User-Agent": "sipvicious"}) is None
    (tmp_path / "maintenance").touch()
    response = final(client.request("OPTIONS"))
    assert (response.status, response.reason, response.first("Retry-After")) == (503, "Back In Five Minutes", "300")
    assert final(client.request("BYE")).status == 404
