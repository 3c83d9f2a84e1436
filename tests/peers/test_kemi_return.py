"""What becomes of a route that returns nothing: `check` tells of it, since Kamailio 5.6 punishes the next request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.handlers.kemi.scripts import route, write
from tests.peers.pair import ALIAS, Case, Servers, client, exchange, installed_release
from tests.peers.pair import write as request
from tests.support.timing import within

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.peer, pytest.mark.timeout(within(60))]

SCRIPT = """
if KSR.is_method("INFO"):
    KSR.sl.sl_send_reply(200, "And Nothing")
    return
KSR.sl.sl_send_reply(200, "Here")
return 1
"""


def test_kamailio_5_6_fails_the_request_behind_one_whose_route_returned_nothing(
    servers: Servers, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    write(tmp_path, route(SCRIPT), script.name)
    ports = servers.both("return", script, "--kemi-param", ALIAS)
    seen = []
    with client() as caller:
        caller.settimeout(within(5))
        for port in ports:
            caller.sendto(request(Case("INFO"), caller.getsockname()[1], 1), ("127.0.0.1", port))
            assert caller.recv(65_535).startswith(b"SIP/2.0 200 And Nothing")
            seen.append(exchange(port, Case("MESSAGE"), caller, 2)[:1])
    theirs = [] if installed_release() < (5, 8) else ["SIP/2.0 200 Here"]
    assert seen == [theirs, ["SIP/2.0 200 Here"]]
