"""What phones, trunks, monitors and scanners send, through a real edge and worker: each message gets what it should."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from slbroker import inner
from tests.cases.corpus import CASES
from tests.support.timing import within
from tests.torture.live import PATIENCE, PROBE, Live, probe, split

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cases.corpus import Case

# What is right and not done yet, and what it waits for. Strict: whoever does it takes it out of here.
WAITING: Final[dict[str, str]] = {
    "via_port_zero-udp-rport": "a Via port that nobody needs",
    "via_port_zero-udp-rport-first": "a Via port that nobody needs",
    "via_port_zero-tcp-rport": "a Via port that nobody needs",
    "via_port_zero-tcp-no-rport": "a Via port that nobody needs",
    "via_port_zero-tcp-wildcard": "a Via port that nobody needs",
    "via_port_zero-tcp-invalid": "a Via port that nobody needs",
    "via_port_zero-udp-5digit-over": "a Via port that nobody needs",
    "via_port_zero-tcp-5digit-over": "a Via port that nobody needs",
    "via_port_zero-udp-invite-rport": "a Via port that nobody needs",
    "via_port_zero-udp-register-rport-cap": "a Via port that nobody needs",
    "via_ipv6-nobrackets-port": "a Via with empty or unbracketed parts",
    "via_ipv6-nobrackets": "a Via with empty or unbracketed parts",
    "via_ipv6-nobrackets-zone": "a Via with empty or unbracketed parts",
    "via_ipv6-nobrackets-tcp": "a Via with empty or unbracketed parts",
    "via_params-trailing-semi": "a Via with empty or unbracketed parts",
    "via_params-trailing-semi-tcp": "a Via with empty or unbracketed parts",
    "via_params-double-semi": "a Via with empty or unbracketed parts",
    "via_params-trailing-comma": "a Via with empty or unbracketed parts",
    "header_lines-no-colon-after-cl": "a line that is no header, or repeats one",
    "header_lines-no-colon-middle": "a line that is no header, or repeats one",
    "header_lines-no-colon-tcp": "a line that is no header, or repeats one",
    "header_lines-space-in-name": "a line that is no header, or repeats one",
    "header_lines-space-in-name-invite": "a line that is no header, or repeats one",
    "header_lines-at-in-name": "a line that is no header, or repeats one",
    "header_lines-paren-name": "a line that is no header, or repeats one",
    "header_lines-slash-name": "a line that is no header, or repeats one",
    "header_lines-empty-name": "a line that is no header, or repeats one",
    "header_lines-utf8-name": "a line that is no header, or repeats one",
    "header_lines-trailing-sp-version": "a line that is no header, or repeats one",
    "header_lines-double-sp-line": "a line that is no header, or repeats one",
    "header_lines-cl-repeat-same": "a line that is no header, or repeats one",
    "header_lines-cl-and-l": "a line that is no header, or repeats one",
    "header_lines-mf-twice": "a line that is no header, or repeats one",
    "header_lines-empty-cl": "a line that is no header, or repeats one",
    "header_lines-empty-require": "an empty Require",
    "header_lines-empty-require-2": "an empty Require",
    "header_lines-require-trailing-comma": "an empty Require",
    "from_to-cisco-double-quoted": "From and To as phones write them",
    "from_to-empty-user-ruri": "From and To as phones write them",
    "from_to-tag-parens-real": "From and To as phones write them",
    "from_to-tag-eq": "From and To as phones write them",
    "from_to-tag-at": "From and To as phones write them",
    "from_to-quotes-in-uri": "From and To as phones write them",
    "via_ipv6-ruri-zone": "an IPv6 zone in a URI",
    "via_ipv6-ruri-zone25": "an IPv6 zone in a URI",
}

TABLE: Final = [
    pytest.param(case, id=name, marks=[pytest.mark.xfail(reason=WAITING[name], strict=True)] if name in WAITING else [])
    for name, case in CASES.items()
]


@pytest.fixture(scope="module", params=["compiled", "pure"])
def live(request: pytest.FixtureRequest) -> Iterator[Live]:
    if request.param == "compiled" and inner.KIND != "compiled":
        pytest.skip("the compiled twin is not built")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "SLBROKER_PURE", "1" if request.param == "pure" else "0")
        with Live("--plugin", str(Path(__file__).with_name("plugin.py"))) as running:
            yield running


@pytest.mark.parametrize("case", TABLE)
def test_what_it_gets(live: Live, case: Case) -> None:
    replies = over_tcp(live, case) if case.transport == "tcp" else over_udp(live, case)
    assert [int(reply[8:11]) for reply in replies] == ([] if case.want is None else [case.want]), replies


def over_udp(live: Live, case: Case) -> list[bytes]:
    """Send the message and a good OPTIONS behind it; return what comes before the answer to that."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(within(PATIENCE))
        sock.connect(("127.0.0.1", live.ports["udp"]))
        sock.send(case.data(sock.getsockname()[1]))
        sock.send(probe())
        replies: list[bytes] = []
        while PROBE not in (reply := sock.recv(65_535)):
            replies.append(reply)
    return replies


def over_tcp(live: Live, case: Case) -> list[bytes]:
    with socket.create_connection(("127.0.0.1", live.ports["tcp"]), within(PATIENCE)) as sock:
        sock.sendall(case.data(sock.getsockname()[1]) + probe())
        sock.shutdown(socket.SHUT_WR)
        received = bytearray()
        with suppress(ConnectionError):
            while part := sock.recv(65_535):
                received += part
    return [reply for reply in split(bytes(received)) if PROBE not in reply]


def test_all_are_there() -> None:
    assert len(CASES) == 177
    assert not WAITING.keys() - CASES.keys()
