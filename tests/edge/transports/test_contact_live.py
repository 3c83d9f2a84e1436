"""A Contact that reaches us, through a real edge and worker: at the address that was asked, or that is advertised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.edge.transports.test_udp_everywhere import HOSTS, TRANSPORTS, Site
from tests.support import asking

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start


@pytest.fixture(params=["", "1"], ids=["as installed", "pure"])
def site(request: pytest.FixtureRequest, start_slbroker: Start, tmp_path: Path) -> Site:
    made = Site(start_slbroker, tmp_path, request.param)
    made.plugin.write_text(asking.PLUGIN.replace("request.listen", "request.contact('bob')"))
    return made


def param(transport: str) -> str:
    return "" if transport == "udp" else f";transport={'ws' if transport == 'wss' else transport}"


def test_on_all_addresses_it_is_the_one_that_was_asked(site: Site) -> None:
    site.edge()
    site.handler()
    for transport in TRANSPORTS:
        for host in HOSTS:
            port = site.ports[transport]
            contact = f"<sip:bob@{host}:{port}{param(transport)}>"
            assert asking.ask(transport, host, port) == (200, contact)


def test_behind_nat_it_is_what_is_advertised(site: Site) -> None:
    udp = site.ports.pop("udp")
    listen = f"udp:127.0.0.1:{udp} advertise [2001:db8::5]:5999"
    advertise = ("--advertise", "203.0.113.5", "--advertise", "tls:sip.example.com:5061")
    site.edge("--listen", listen, *advertise, "--route", f"pool=near listen=udp:127.0.0.1:{udp}")
    site.handler()
    site.handler("--pool", "near")
    assert asking.ask("udp", "127.0.0.1", udp) == (200, "<sip:bob@[2001:db8::5]:5999>")
    for transport in ("tcp", "ws", "wss"):
        port = site.ports[transport]
        contact = f"<sip:bob@203.0.113.5:{port}{param(transport)}>"
        assert asking.ask(transport, "127.0.0.2", port) == (200, contact)
    assert asking.ask("tls", "127.0.0.1", site.ports["tls"]) == (200, "<sip:bob@sip.example.com:5061;transport=tls>")
