"""The plugins that people copy, and the bundled one, as `--plugin` loads them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from slbroker.testing import SOURCE, Client
from slbroker_handlers.loader import BUNDLED, load_plugin

if TYPE_CHECKING:
    from slbroker.sip.message import Source
    from slbroker.sip.response import Response

EXAMPLES = Path(__file__).parents[2] / "handlers" / "examples"


def example(name: str) -> Client:
    return Client(load_plugin(str(EXAMPLES / f"{name}.py")))


def final(response: Response | None) -> Response:
    assert response is not None
    return response


def test_every_example_can_be_loaded() -> None:
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert {"blocklist", "keepalive", "redirect"} <= names
    for name in names:
        assert example(name).replies("OPTIONS")


@pytest.mark.parametrize(("method", "status"), [("OPTIONS", 200), ("INVITE", 404), ("REGISTER", 404)])
def test_bundled(method: str, status: int) -> None:
    response = final(Client(load_plugin(BUNDLED)).request(method))
    assert response.status == status
    assert response.first("Accept") == ("application/sdp" if status == 200 else None)


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
