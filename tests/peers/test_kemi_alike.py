"""A thousand expressions about requests of forty shapes, in Kamailio and here: KSR answers alike.

slbroker follows the release of the Kamailio that is installed (--kemi-version). What is left of differences, each with
its reason, is in kemi/differences.py.
"""

from __future__ import annotations

import json
import shutil
import socket
from typing import TYPE_CHECKING, NamedTuple

import pytest

from slbroker.sip.message import Source
from slbroker.testing import Client
from slbroker_handlers.kemi.script import load_script
from tests.peers.kemi.differences import DIFFERENCES, Difference
from tests.peers.kemi.expressions import FIRST_STEPS, GROUPS
from tests.peers.kemi.shapes import HOST, SHAPES, Shape
from tests.peers.pair import ALIAS, SCRIPTS, Servers, installed_version, start_kamailio_with
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.peer, pytest.mark.timeout(within(120))]

# As kemi/kamailio.cfg defines them.
TABLES = (
    "a=>size=8",
    "e=>size=8;autoexpire=30",
    "n=>size=8;autoexpire=30;updateexpire=0",
    "i=>size=8;autoexpire=30;initval=10",
)
WITH_STEPS = ("plain", "uri with everything", "tel", "urn", "alias", "junk for an alias", "half an alias")
KEPT = "kept"
VALUES = b"SIP/2.0 299 "


class Pair(NamedTuple):
    """Kamailio at a port, and slbroker in this process; `caller` is a client of both."""

    kamailio: tuple[str, int]
    ours: Client
    caller: socket.socket

    def theirs(self, shape: Shape, group: int) -> list[str]:
        """What Kamailio answers to a group of expressions."""
        port = self.caller.getsockname()[1]
        self.caller.sendto(shape.write(port, f"asked-{group}", str(group)), self.kamailio)
        if shape.method == "ACK":
            self.caller.sendto(Shape().write(port, "kept", KEPT), self.kamailio)
        while not (reply := self.caller.recv(65_535)).startswith(VALUES):
            pass
        return _values(reply)

    def here(self, shape: Shape, group: int) -> list[str]:
        """What slbroker answers."""
        port = self.caller.getsockname()[1]
        source = Source(HOST, port, f"udp:{HOST}:{self.kamailio[1]}")
        replies = self.ours.exchange(shape.write(port, f"asked-{group}", str(group)), source)
        if shape.method == "ACK":
            replies = self.ours.exchange(Shape().write(port, "kept", KEPT), source)
        return next(_values(reply) for reply in replies if reply.startswith(VALUES))


def _values(reply: bytes) -> list[str]:
    return reply.partition(b"\r\n\r\n")[2].decode().split("\n")


@pytest.fixture(scope="module")
def pair(servers: Servers) -> Iterator[Pair]:
    """Both with the script that evaluates groups of expressions."""
    folder = servers.folder / "bulk"
    folder.mkdir()
    script = folder / "bulk.py"
    shutil.copy(SCRIPTS / "bulk.py", script)
    script.with_name("expressions.json").write_text(json.dumps(GROUPS))
    port = start_kamailio_with(servers.program, script, folder / "theirs")
    params = "&".join(f"param={word.replace('&', '%26')}" for word in (ALIAS, *(f"htable.htable={t}" for t in TABLES)))
    ours = Client(load_script(f"kemi:{script}?{params}&version={installed_version()}"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
        caller.bind((HOST, 0))
        caller.settimeout(within(5))
        yield Pair((HOST, port), ours, caller)


@pytest.fixture(scope="module")
def met() -> set[Difference]:
    """The differences that have been met."""
    return set()


@pytest.fixture(scope="module")
def asked() -> set[str]:
    """The requests that this process has asked both of."""
    return set()


@pytest.mark.parametrize("name", SHAPES)
def test_both_say_the_same_of_a_request(name: str, pair: Pair, met: set[Difference], asked: set[str]) -> None:
    asked.add(name)
    shape, faults = SHAPES[name], []
    for number, group in enumerate(GROUPS):
        if number >= FIRST_STEPS and name not in WITH_STEPS:
            break
        for expression, theirs, ours in zip(group, pair.theirs(shape, number), pair.here(shape, number), strict=True):
            if theirs == ours:
                continue
            known = [difference for difference in DIFFERENCES if difference.explains(expression, theirs)]
            met.update(known)
            if not known:
                faults.append(f"{expression}\n    Kamailio {theirs}\n    slbroker {ours}")
    assert not faults, "\n".join(faults)


def test_every_difference_that_is_listed_is_still_there(met: set[Difference], asked: set[str], pair: Pair) -> None:
    """Runs behind the others, in the same process: one that has gone is to be taken off the list."""
    del pair
    if len(asked) < len(SHAPES):
        pytest.skip("other processes have asked some of the requests")
    assert [difference.reason for difference in DIFFERENCES if difference not in met] == []
