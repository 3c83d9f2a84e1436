"""One request through Kamailio's forward() and through our core: the same headers in the same order, the same reply."""

from __future__ import annotations

import re
import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from slbroker.proxy.edits import Edits
from slbroker.proxy.forward import Hop
from tests.peers.phone import Phone
from tests.support.forwarding import Site, branch, lines_of, reply_to
from tests.support.peers import free_udp_port, require_peer
from tests.support.processes import ROOT, Process
from tests.support.sip import PHONE_INVITE, SIPP_ACK, SIPP_INVITE, SIPSAK_OPTIONS, request
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG = ROOT / "tests" / "peers" / "forward.cfg"

pytestmark = pytest.mark.peer


@dataclass(frozen=True)
class Case:
    """A request, and what the forwarder does beside forwarding."""

    name: str
    data: bytes
    do: str = ""
    tcp: bool = False  # the hop


FOLDED = request("INVITE", lines=[b"Subject: a,\r\n\tb", b"k :  x ,y", b"X-Empty:"], body=b"\x00v=0\r\n\r\n")
CASES = [
    Case("phone", PHONE_INVITE),
    Case("sipp", SIPP_INVITE),
    Case("sipsak", SIPSAK_OPTIONS),
    Case("ack", SIPP_ACK),
    Case("cancel", request("CANCEL")),
    Case("folded", FOLDED),
    Case("via list", request(via="SIP/2.0/UDP pc;branch=z9hG4bK1, SIP/2.0/TCP far;branch=z9hG4bK0")),
    Case("via below", request(lines=[b"Via: SIP/2.0/TCP far;branch=z9hG4bK0"])),
    Case("rport", request(via="SIP/2.0/UDP pc;rport;branch=z9hG4bK1")),
    Case("no hops", request(max_forwards=None)),
    Case("no hops, recorded", request("INVITE", max_forwards=None), "record"),
    Case("one hop", request(max_forwards="1")),
    Case("tcp", request("INVITE", body=b"v=0\r\n"), tcp=True),
    Case("tcp, no length", request("INVITE", body=b"v=0\r\n", content_length=None), tcp=True),
    Case("no length", request("INVITE", body=b"v=0\r\n", content_length=None)),
    Case("odd names", request("INVITE", lines=[b"FROM-X:y", b"a  :b", b"X-Bytes: \xff\xfe"])),
    Case("user with escapes", request("INVITE", "sip:b%62;x=y@example.com;p=%41?h=1", to="<sip:b%62@x>")),
    Case("tel", request("INVITE", "tel:+49-30-1;phone-context=a.b")),
    Case("old client", request("INVITE", via="SIP/2.0/UDP pc", from_="sip:a@b")),
    Case("record-route", request("INVITE"), "record"),
    Case("record-route below", request("INVITE", record_route="<sip:far;lr>"), "record"),
    Case("record-route tcp", request("INVITE"), "record", tcp=True),
    Case("route", request("BYE", route="<sip:{us};lr>, <sip:127.0.0.1:{hop};lr>"), "route"),
    Case("routes", request("BYE", route=["<sip:{us};lr>", "<sip:127.0.0.1:{hop};lr>"]), "route"),
    Case("last route", request("BYE", "sip:bob@127.0.0.1:{hop}", route="<sip:{us};lr>"), "route"),
    Case("r2", request("BYE", route="<sip:{us};transport=tcp;r2=on;lr>,<sip:{us};r2=on;lr>,<sip:far;lr>"), "route"),
    Case("path", request("REGISTER", contact="<sip:a@192.0.2.1>"), "path"),
    Case("ruri", request("INVITE"), "ruri"),
    Case("remove", request("INVITE", lines=[b"Subject: 1", b"s: 2"]), "remove"),
    Case("append", request("INVITE"), "append"),
]


class Rig:
    """A Kamailio, the caller in front of it and the servers behind it."""

    def __init__(self, stack: ExitStack) -> None:
        self.caller = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.tcp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        for one in (self.caller, self.udp, self.tcp):
            one.bind(("127.0.0.1", 0))
            one.settimeout(within(5))
        self.tcp.listen()
        self.stack = stack
        self.port = free_udp_port()
        self.stream: socket.socket | None = None

    def write(self, case: Case) -> bytes:
        """The request, with the ports of this rig, and what is to be done."""
        us, hop = b"127.0.0.1:%d" % self.port, b"%d" % self.udp.getsockname()[1]
        data = case.data.replace(b"{us}", us).replace(b"{hop}", hop)
        do = f"{case.do} {'tcp' if case.tcp else 'udp'}".strip()
        return data.replace(b"\r\nCSeq:", b"\r\nX-Do: %b\r\nCSeq:" % do.encode(), 1)

    def through_kamailio(self, case: Case) -> bytes:
        """What comes out behind it."""
        self.caller.sendto(self.write(case), ("127.0.0.1", self.port))
        if not case.tcp:
            return self.udp.recv(65_535)
        if self.stream is None:
            self.stream = self.stack.enter_context(self.tcp.accept()[0])
            self.stream.settimeout(within(5))
        data = b""
        while not (found := re.search(rb"\r\nContent-Length: *(\d+)\r\n.*?\r\n\r\n|\r\n\r\n", data, re.DOTALL)) or (
            len(data) < found.end() + int(found[1] or 0)
        ):
            data += self.stream.recv(65_535)
        return data

    def through_us(self, case: Case) -> bytes:
        """What our core makes of the same bytes at the same address."""
        hop = self.tcp.getsockname() if case.tcp else self.udp.getsockname()
        edits = {
            "ruri": Edits(uri=b"sip:carol@example.net;x=y"),
            "remove": Edits(remove=[b"Subject"]),
            "append": Edits(add=[(b"X-New", b"1")]),
        }
        site = Site((self.listen("udp"), self.listen("tcp")))
        onward = site.receive(self.write(case), self.caller.getsockname(), self.listen("udp"))
        where = Hop(self.listen("tcp" if case.tcp else "udp"), hop[0], hop[1])
        return onward.to(where, edits.get(case.do), record_route=case.do == "record", add_path=case.do == "path")

    def listen(self, transport: str) -> str:
        """An address of both."""
        return f"{transport}:127.0.0.1:{self.port}"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    kamailio, folder = require_peer("kamailio"), tmp_path_factory.mktemp("forward")
    with ExitStack() as stack:
        made = Rig(stack)
        udp, tcp = (f"sip:127.0.0.1:{one.getsockname()[1]}" for one in (made.udp, made.tcp))
        stack.enter_context(Process(
                kamailio, "-f", str(CONFIG), "-DD", "-E", "-m", "16", "-M", "4", "-w", str(folder), "-Y", str(folder),
                "-A", f"LISTEN={made.listen('udp')}", "-A", f"LISTEN_STREAM={made.listen('tcp')}",
                "-A", f'UDP_HOP="{udp}"', "-A", f'TCP_HOP="{tcp};transport=tcp"',
            cwd=folder,
        ))  # fmt: skip
        wait_until_up(made)
        yield made


def wait_until_up(made: Rig) -> None:
    deadline = time.monotonic() + within(20)
    with Phone(made.port) as phone:
        while time.monotonic() < deadline:
            try:
                phone.send(phone.call().request("OPTIONS").replace(b"\r\nCSeq", b"\r\nX-Do: up\r\nCSeq"))
                if phone.receive(0.2) is not None:
                    return
            except ConnectionRefusedError:
                time.sleep(0.1)
    raise AssertionError("Kamailio does not answer")


def comparable(data: bytes) -> bytes:
    """A message without what may differ: branch and flow of our Via, tokens, and where received and rport stand."""
    lines = []
    for line in lines_of(data):
        name = line.partition(b":")[0].lower()
        if name in (b"via", b"v"):
            via, comma, rest = line.partition(b",")
            head, *params = re.sub(rb";(branch=z9hG4bK(?=s1|[0-9a-f]{1,4}\.)[^;]*|flow=[^;]*)", b"", via).split(b";")
            lines.append(b";".join((head, *sorted(params))) + comma + rest)
        elif name in (b"record-route", b"path"):
            lines.append(re.sub(rb"(?<=sip:)f1[^@]*@|;hop=[^;>]*", b"", line))
        else:
            lines.append(line)
    return b"\r\n".join((*lines, b"", data.partition(b"\r\n\r\n")[2]))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_what_leaves_is_what_leaves_kamailio(rig: Rig, case: Case) -> None:
    kamailio = rig.through_kamailio(case)
    assert kamailio.startswith(case.data.partition(b" ")[0])
    assert comparable(rig.through_us(case)) == comparable(kamailio)


def test_ack_and_cancel_take_the_branch_of_their_invite_there_as_here(rig: Rig) -> None:
    found = []
    for method, to in (("INVITE", ""), ("INVITE", ""), ("CANCEL", ""), ("ACK", ";tag=2")):
        case = Case(method, request(method, to=f"<sip:bob@example.com>{to}"))
        found.append([branch(rig.through_kamailio(case)), branch(rig.through_us(case))])
    assert found == [found[0]] * 4


REPLIES = [
    (100, b"Trying", b""), (180, b"Ringing", b""), (200, b"OK", b"v=0\r\n"), (302, b"Moved", b""),
    (603, b"No", b"\x00"),
]  # fmt: skip


@pytest.mark.parametrize(
    "via", ["SIP/2.0/UDP pc;rport;branch=z9hG4bK1", "SIP/2.0/UDP pc;rport;branch=1, SIP/2.0/TCP far"]
)
@pytest.mark.parametrize(("status", "reason", "body"), REPLIES)
def test_what_comes_back_is_what_comes_back_from_kamailio(
    rig: Rig, via: str, status: int, reason: bytes, body: bytes
) -> None:
    """Every reply goes back, 100 too, and to the same address."""
    case = Case("reply", request("INVITE", via=via))
    through_kamailio, through_us = rig.through_kamailio(case), rig.through_us(case)
    rig.udp.sendto(reply_to(through_kamailio, status, reason, b"uas", body), ("127.0.0.1", rig.port))
    theirs = rig.caller.recv(65_535)
    ours = Site().backward(reply_to(through_us, status, reason, b"uas", body))
    assert comparable(ours.data) == comparable(theirs)
    assert (ours.flow.host, ours.flow.port, ours.status) == (*rig.caller.getsockname(), status)
