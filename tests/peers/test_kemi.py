"""One KEMI script, unmodified, in Kamailio's app_python3 and in slbroker: the same requests get the same replies.

What may differ: the To-tag, Server, a nonce, and the spelling of what both copy from the request: compact header names,
and where in the top Via received and rport stand.
"""

from __future__ import annotations

import re
import socket
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from slbroker.sip.grammar import canonical_name
from slbroker_handlers.kemi.script import examine
from tests.handlers.kemi.observations import OBSERVATIONS, PROBE, answer, question
from tests.peers.brokers import Edge, free_bus_address, new_keys, start_edge
from tests.peers.phone import Phone
from tests.support.peers import free_udp_port, missing_peer, require_peer
from tests.support.processes import ROOT, Process, slbroker
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.conftest import Start

HERE = Path(__file__).with_name("kemi")
SCRIPT = HERE / "redirect.py"
EVENTS = HERE / "events.py"
EXAMPLE = ROOT / "handlers" / "examples" / "kemi_redirect.py"
ALIAS = "core.alias=example.com"

pytestmark = [pytest.mark.peer, pytest.mark.timeout(within(120))]


class Case(NamedTuple):
    """A request: what is not said is as in most; None leaves a header out."""

    method: str
    uri: str = "sip:bob@example.com"
    headers: Sequence[tuple[str, str]] = ()
    without: Sequence[str] = ()
    body: str = ""


AGENT = ("User-Agent", "phone/1.0")
CASES = {
    "options": Case("OPTIONS"),
    "options for the server": Case("OPTIONS", "sip:example.com"),
    "options for another server": Case("OPTIONS", "sip:elsewhere.example"),
    "options with a header": Case("OPTIONS", headers=[("X-Ask", "one"), ("X-Ask", "two")]),
    "options with a port": Case("OPTIONS", "sip:bob@example.com:5099;transport=udp"),
    "scanner": Case("OPTIONS", headers=[("User-Agent", "friendly-scanner")]),
    "user agent": Case("OPTIONS", headers=[AGENT]),
    "no hops left": Case("OPTIONS", without=["Max-Forwards"], headers=[("Max-Forwards", "0")]),
    "no max-forwards": Case("OPTIONS", without=["Max-Forwards"]),
    "register": Case("REGISTER", "sip:example.com"),
    "register with a stranger's nonce": Case(
        "REGISTER",
        "sip:example.com",
        headers=[
            (
                "Authorization",
                'Digest username="al", realm="example.com", nonce="xyz", uri="sip:example.com", response="0123"',
            )
        ],
    ),
    "register for another realm": Case(
        "REGISTER",
        "sip:example.com",
        headers=[
            (
                "Authorization",
                'Digest username="al", realm="other.net", nonce="xyz", uri="sip:example.com", response="0123"',
            )
        ],
    ),
    "moved": Case("INVITE", "sip:sales@example.com"),
    "moved, to tcp": Case("INVITE", "sip:support@example.com"),
    "choices": Case("INVITE", "sip:both@example.com"),
    "number": Case("INVITE", "sip:4930123@example.com;user=phone"),
    "unknown": Case("INVITE", "sip:nobody@example.com"),
    "unknown, escaped": Case("INVITE", "sip:no%20body@EXAMPLE.com"),
    "several replies": Case("INVITE", "sip:ring@example.com"),
    "several replies, record-routed": Case(
        "INVITE", "sip:ring@example.com", headers=[("Record-Route", "<sip:p1;lr>"), ("Record-Route", "<sip:p2;lr>")]
    ),
    "with sdp": Case("INVITE", headers=[("Content-Type", "application/sdp")], body="v=0\r\n"),
    "re-invite": Case("INVITE", without=["To"], headers=[("To", "<sip:bob@example.com>;tag=theirs")]),
    "two vias": Case("INVITE", headers=[("Via", "SIP/2.0/TCP 192.0.2.99;branch=z9hG4bKx;received=192.0.2.98")]),
    "cancel": Case("CANCEL"),
    "ack": Case("ACK"),
    "bye": Case("BYE"),
    "subscribe": Case("SUBSCRIBE", headers=[("Event", "presence")]),
    "unknown method": Case("FROBNICATE"),
    "no answer": Case("REFER", headers=[("Refer-To", "<sip:x@example.com>")]),
    "bad expires": Case("SUBSCRIBE", headers=[("Expires", "soon"), ("Event", "presence")]),
    "proxy-require": Case("BYE", headers=[("Proxy-Require", "privacy, sec-agree")]),
    "facts": Case(
        "MESSAGE",
        "sip:bob@example.com:5071;transport=UDP?x=y",
        headers=[
            ("Subject", "Lunch"), ("X-Many", "1"), ("X-Many", "2"), ("X-Many", "3"),
            ("Content-Type", "text/plain"), AGENT,
        ],
        body="hello world",
    ),
    "facts without": Case("MESSAGE", "sip:10.1.2.3", without=["Contact"]),
    "facts of names": Case(
        "PUBLISH",
        "sips:b%40b@[2001:db8::1]:7000",
        without=["From", "To", "Contact"],
        headers=[
            ("From", '"Al \\"x\\" E" <sip:al:pw@example.com;p=1>;tag=f1;q'),
            ("To", "Bob Smith <sip:bob@example.com>;tag=t1"),
            ("Contact", '"C" <sip:c@192.0.2.1:5>;expires=5, <sip:d@192.0.2.2>'),
        ],
    ),
    "facts of a tel uri": Case("MESSAGE", "tel:+4930123;phone-context=example.com"),
    "facts in compact form": Case(
        "INFO",
        without=["From", "To", "Contact", "Call-ID"],
        headers=[
            ("f", "sip:al@example.com;tag=f1"), ("t", "sip:bob@example.com"), ("m", "sip:al@192.0.2.1"),
            ("i", "compact"), ("s", "short"),
        ],
    ),
    "facts spelt otherwise": Case("MESSAGE", headers=[("SUBJECT", "a  b"), ("X-Many", "  1"), ("X-MANY", "2")]),
}  # fmt: skip


# What is sent and what comes back -------------------------------------------------------------------------------


def write(case: Case, port: int, number: int) -> bytes:
    """The request's bytes, from a client at `port`."""
    usual = {
        "Via": f"SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK-kemi-{number};rport",
        "From": "<sip:alice@example.org>;tag=from",
        "To": "<sip:bob@example.com>",
        "Call-ID": f"kemi-{number}",
        "CSeq": f"{number} {case.method}",
        "Max-Forwards": "70",
        "Contact": "<sip:alice@127.0.0.1>",
    }
    lines = [f"{name}: {value}" for name, value in usual.items() if name not in case.without]
    lines += [f"{name}: {value}" for name, value in case.headers]
    head = [f"{case.method} {case.uri} SIP/2.0", *lines, f"Content-Length: {len(case.body)}", "", ""]
    return "\r\n".join(head).encode() + case.body.encode()


def exchange(port: int, case: Case, client: socket.socket, number: int) -> list[str]:
    """The lines of all replies to a request, in a form in which two servers' can be compared.

    An OPTIONS goes behind it: its answer tells that all others have come. Both servers work one request off at a time.
    """
    server = ("127.0.0.1", port)
    own = client.getsockname()[1]
    client.settimeout(within(5))
    client.sendto(write(case, own, number), server)
    client.sendto(write(Case("OPTIONS", headers=[("Call-ID", "marker")], without=["Call-ID"]), own, number), server)
    replies: list[str] = []
    while True:
        reply = client.recv(65_535).decode()
        if "Call-ID: marker\r\n" in reply:
            return replies
        replies += comparable(reply)


def comparable(reply: str) -> list[str]:
    """A reply in lines, without what may differ."""
    head, _, body = reply.partition("\r\n\r\n")
    start, *lines = head.split("\r\n")
    kept = []
    for line in lines:
        name, _, value = line.partition(":")
        title = canonical_name(name.encode()).decode()
        if title == "server":
            continue
        if title == "to":
            value = re.sub(r";tag=(?:s1[0-9a-f]{4}-[0-9a-f]{24}|[0-9a-f]{32}\.[0-9a-f]{8})$", ";tag=*", value)
        if title == "via":
            value = ";".join(sorted(value.split(";")))
        value = re.sub(r'nonce="[^"]*"', "nonce=*", value)
        kept.append(f"{title}: {value.strip()}")
    return [start, *kept, "", *body.split("\r\n")]


@contextmanager
def client() -> Iterator[socket.socket]:
    """A caller's socket: the same for both servers, since its port is in what they reply."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
        caller.bind(("127.0.0.1", 0))
        yield caller


# The two servers ------------------------------------------------------------------------------------------------


def require_module(name: str, package: str) -> None:
    """Without this module of Kamailio's the test is skipped, or fails where peers are required."""
    if not any(Path("/usr").glob(f"lib*/*/kamailio/modules/{name}.so")):
        missing_peer(f"Kamailio's {name} is not installed (Debian: apt-get install {package})")


def start_kamailio_with(start: Start, script: Path, folder: Path, *defines: str) -> int:
    """Start a Kamailio that runs `script`; return its port once it answers."""
    program = require_peer("kamailio")
    require_module("app_python3", "kamailio-python3-modules")
    for attempt in range(2):  # once in some dozens of starts it comes up and answers nothing
        run = folder / f"kamailio-{attempt}"
        run.mkdir(parents=True)
        port = free_udp_port()
        process = start(
            program,
            *("-f", str(HERE / "kamailio.cfg"), "-DD", "-E", "-m", "16", "-M", "8", "-w", str(run), "-Y", str(run)),
            *("-A", f"LISTEN=udp:127.0.0.1:{port}", "-A", f'SCRIPT="{script}"'),
            *(word for define in defines for word in ("-A", define)),
            cwd=run,
        )
        try:
            with Phone(port) as phone:
                phone.wait_for_server()
        except AssertionError:
            if attempt:
                raise AssertionError(str(process)) from None
            process.stop()
        else:
            return port
    raise AssertionError("unreachable")


def start_slbroker_with(start: Start, script: Path, folder: Path, *options: str) -> Edge:
    """Start an edge, and a handler that runs `script`; return the edge once they know each other."""
    keys, bus = new_keys(folder), free_bus_address("ipc", folder)
    edge = start_edge(start, keys, bus)
    handler = start("handler", "--bus", bus, "--keys", str(keys), "--kemi", str(script), *options)
    handler.wait_for("handler ready")
    return edge


@dataclass(frozen=True)
class Servers:
    """Starts what is stopped when the module's tests have ended."""

    folder: Path
    stack: ExitStack

    def program(self, *words: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Process:
        """Start any program."""
        return self.stack.enter_context(Process(*words, env=env, cwd=cwd))

    def slbroker(self, *words: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Process:
        """Start a command of slbroker's."""
        return self.stack.enter_context(slbroker(*words, env=env, cwd=cwd))


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """One Kamailio serves many tests: it takes two seconds to start."""
    with ExitStack() as stack:
        yield Servers(tmp_path_factory.mktemp("kemi"), stack)


@pytest.fixture(scope="module")
def both(servers: Servers) -> tuple[int, int]:
    """The ports of Kamailio and of slbroker, both running the script."""
    kamailio = start_kamailio_with(servers.program, SCRIPT, servers.folder)
    edge = start_slbroker_with(servers.slbroker, SCRIPT, servers.folder, "--kemi-param", ALIAS)
    return kamailio, edge.port


@pytest.mark.parametrize("name", CASES)
def test_kamailio_and_slbroker_answer_alike(name: str, both: tuple[int, int]) -> None:
    kamailio, ours = both
    number = list(CASES).index(name) + 1
    with client() as caller:
        theirs = exchange(kamailio, CASES[name], caller, number)
        assert exchange(ours, CASES[name], caller, number) == theirs


def test_the_error_reply_is_the_same(both: tuple[int, int], servers: Servers) -> None:
    """Where there was no error before: Kamailio's describes the last one of its process, be it another request's."""
    kamailio = start_kamailio_with(servers.program, SCRIPT, servers.folder / "without errors")
    case = Case("INVITE", "sip:broken@example.com")
    with client() as caller:
        theirs, ours = (exchange(port, case, caller, 900) for port in (kamailio, both[1]))
    assert ours == theirs
    assert ours[0] == "SIP/2.0 500 I'm terribly sorry, server error occurred (1/SL)"


@pytest.fixture(scope="module")
def both_with_events(servers: Servers) -> tuple[int, int]:
    """The ports of both, running the script that keeps a diary of events."""
    kamailio = start_kamailio_with(servers.program, EVENTS, servers.folder / "events", "WITH_EVENTS")
    folder = servers.folder / "our events"
    folder.mkdir()
    return kamailio, start_slbroker_with(servers.slbroker, EVENTS, folder).port


DIARIES = {
    "INVITE": ["route INVITE", "sl:local-response INVITE", "route goes on after 1 INVITE"],
    # The callback ends with sys.exit(), with an exception; replies itself, once.
    "MESSAGE": ["route MESSAGE", "sl:local-response MESSAGE", "route goes on after 1 MESSAGE"],
    "PUBLISH": ["route PUBLISH", "sl:local-response PUBLISH", "route goes on after 1 PUBLISH"],
    "REFER": [
        "route REFER", "sl:local-response REFER", "sl:local-response REFER", "replied 1 REFER",
        "route goes on after 1 REFER",
    ],
}  # fmt: skip


@pytest.mark.parametrize("method", DIARIES)
def test_both_tell_a_script_of_its_replies(method: str, both_with_events: tuple[int, int]) -> None:
    for port in both_with_events:
        with Phone(port) as phone:
            assert phone.ask(phone.call().request(method)).status == 404
            if method == "REFER":
                assert phone.receive() is not None
            assert read_diary(phone) == DIARIES[method]


def test_both_tell_a_script_of_absorbed_acks(both_with_events: tuple[int, int]) -> None:
    """An ACK that is none to their own replies comes to the route. Both have one process, which keeps the order."""
    expected = ["sl:filtered-ack ACK True 1 ACK", "replied -1 ACK", "route ACK"]
    for port in both_with_events:
        with Phone(port) as phone:
            call = phone.call()
            reply = phone.ask(call.request("INVITE"))
            assert read_diary(phone) == DIARIES["INVITE"]
            phone.send(call.ack(reply["To"]))
            phone.send(call.ack("<sip:bob@example.com>;tag=someone-else"))
            assert read_diary(phone) == expected


def read_diary(phone: Phone) -> list[str]:
    """What the script has heard since the last time."""
    return phone.ask(phone.call().request("INFO")).all("X-Diary")


CONTACT = "contact: <sip:one@192.0.2.11>"
# What docs/kemi.md says is otherwise, and how: the status lines and Contacts of Kamailio, and of slbroker.
DIFFERENCES: dict[str, tuple[Case, list[str], list[str]]] = {
    "an exception": (
        Case("INVITE", "sip:crash@example.com"),
        [],
        ["SIP/2.0 500 I'm terribly sorry, server error occurred (1/SL)"],
    ),
    "an empty reason": (
        Case("INVITE", "sip:silence@example.com"),
        ["SIP/2.0 480 "],
        ["SIP/2.0 480 Temporarily Unavailable"],
    ),
    "a status of no class": (Case("INVITE", "sip:strange@example.com"), ["SIP/2.0 700 No Such Class"], []),
    "a second redirection": (
        Case("INVITE", "sip:twice@example.com"),
        ["SIP/2.0 302 Once", CONTACT, "SIP/2.0 302 Twice", CONTACT, CONTACT],
        ["SIP/2.0 302 Once", CONTACT, "SIP/2.0 302 Twice", CONTACT],
    ),
    "what the edge refuses": (
        Case("BYE", without=["CSeq"], headers=[("CSeq", "1 INVITE")]),
        ["SIP/2.0 400 CSeq method does not match request method"],
        ["SIP/2.0 400 CSeq Method Differs From Request Line"],
    ),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_the_differences_are_those_that_are_documented(name: str, both: tuple[int, int]) -> None:
    case, *expected = DIFFERENCES[name]
    with client() as caller:
        seen = [exchange(port, case, caller, 1000 + list(DIFFERENCES).index(name)) for port in both]
    assert [[line for line in lines if line.startswith(("SIP/2.0", "contact"))] for lines in seen] == expected


@pytest.fixture(scope="module")
def both_probes(servers: Servers) -> tuple[int, int]:
    """The ports of both, running the script that evaluates what it is asked."""
    folder = servers.folder / "our probe"
    folder.mkdir()
    kamailio = start_kamailio_with(servers.program, PROBE, servers.folder / "probe")
    return kamailio, start_slbroker_with(servers.slbroker, PROBE, folder, "--kemi-param", ALIAS).port


def sanity(bits: int, *headers: tuple[str, str], uri: str = "sip:bob@example.com") -> Case:
    """A request that has itself checked: a check that fails replies, and then comes what sanity_check returned."""
    plain = ("Content-Type", "text/plain")
    without = [name for name, _ in headers if name in ("From", "To", "Contact")]
    return Case("MESSAGE", uri, [plain, *headers], without, f"KSR.sanity.sanity_check({bits}, 15)")


def nat(**headers: str) -> Case:
    """A request whose origin is judged: which tests of nat_uac_test are true?"""
    body = "[bit for bit in (1, 8, 32, 64, 128) if KSR.nathelper.nat_uac_test(bit) > 0]"
    return Case("MESSAGE", "sip:bob@example.com", list(headers.items()), list(headers), body)


DIGEST = 'Digest username="{}", realm="r", nonce="n", uri="sip:x", response="0"'
SDP = "\r\nv=0\r\no=- 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {1}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\na=x"
ASKED = {
    "sanity: nothing wrong": sanity(17895),
    "sanity: digest": sanity(10240, ("Authorization", DIGEST.format("al"))),
    "sanity: no user": sanity(2048, ("Authorization", DIGEST.format(""))),
    "sanity: no user, in authorization": sanity(8192, ("Proxy-Authorization", DIGEST.format(""))),
    "sanity: no realm": sanity(2048, ("Authorization", DIGEST.format("al").replace('realm="r", ', ""))),
    "sanity: no uri": sanity(8192, ("Authorization", DIGEST.format("al").replace('uri="sip:x", ', ""))),
    "sanity: junk for a digest": sanity(8192, ("Authorization", "Digest junk")),
    "sanity: no digest": sanity(2048, ("Authorization", "Basic abc")),
    "sanity: no digest, in authorization": sanity(8192, ("Authorization", "Basic abc")),
    "sanity: digest alone": sanity(2048, ("Authorization", "Digest")),
    "sanity: expires of no number": sanity(256, ("Expires", "+5")),
    "sanity: expires of nothing": sanity(256, ("Expires", "")),
    "sanity: expires beyond": sanity(256, ("Expires", "4294967297")),
    "sanity: expires just so": sanity(256, ("Expires", "4294967296")),
    "sanity: scheme": sanity(2, uri="im:bob@example.com"),
    "sanity: tel": sanity(2, uri="tel:+1"),
    "sanity: from": sanity(1024, ("From", "junk;tag=1")),
    "sanity: to": sanity(1024, ("To", "junk")),
    "sanity: nothing is chosen": sanity(0, ("Expires", "x")),
    "nat: nothing private": nat(),
    "nat: no user": nat(Contact="<sip:10.0.0.1>"),
    "nat: of a carrier": nat(Contact="<sip:a@100.64.1.1:5070>"),
    "nat: behind another": nat(Contact="<sip:a@b>, <sip:c@10.0.0.1>"),
    "nat: all": nat(Contact="*"),
    "nat: no address": nat(Contact="<tel:1>"),
}


@pytest.mark.parametrize("name", ASKED)
def test_both_know_the_same_of_a_request(name: str, both_probes: tuple[int, int]) -> None:
    kamailio, ours = both_probes
    number = 2000 + list(ASKED).index(name)
    with client() as caller:
        theirs = exchange(kamailio, ASKED[name], caller, number)
        assert exchange(ours, ASKED[name], caller, number) == theirs


@pytest.mark.parametrize(
    "addresses", [("10.0.0.1", "192.0.2.1"), ("192.0.2.1", "10.0.0.1"), ("192.0.2.1", "100.64.0.1")]
)
def test_both_see_a_private_address_in_sdp(addresses: tuple[str, str], both_probes: tuple[int, int]) -> None:
    """The SDP is inside of a text of the expression that is the body."""
    body = f"len('''{SDP.format(*addresses)}''') and KSR.nathelper.nat_uac_test(8)"
    case = Case("MESSAGE", headers=[("Content-Type", "application/sdp")], body=body)
    with client() as caller:
        theirs, ours = (exchange(port, case, caller, 3000) for port in both_probes)
    assert ours == theirs
    assert ours[-1] == ("1" if addresses[1] != "192.0.2.1" else "-1")


EXAMPLE_CASES = {
    "options": Case("OPTIONS"),
    "two gateways": Case("INVITE", "sip:+1555@example.com"),
    "one gateway": Case("INVITE", "sip:4989@example.com"),
    "no gateway": Case("INVITE", "sip:331@example.com"),
    "no number": Case("INVITE", "sip:example.com"),
    "no hops left": Case("INVITE", without=["Max-Forwards"], headers=[("Max-Forwards", "0")]),
    "scanner": Case("INVITE", headers=[("User-Agent", "friendly-scanner")]),
    "another method": Case("BYE"),
    "ack": Case("ACK"),
}


@pytest.fixture(scope="module")
def both_examples(servers: Servers) -> tuple[int, int]:
    """The ports of both, running the script that people copy."""
    folder = servers.folder / "our example"
    folder.mkdir()
    kamailio = start_kamailio_with(servers.program, EXAMPLE, servers.folder / "example")
    return kamailio, start_slbroker_with(servers.slbroker, EXAMPLE, folder).port


@pytest.mark.parametrize("name", EXAMPLE_CASES)
def test_the_example_answers_alike_in_both(name: str, both_examples: tuple[int, int]) -> None:
    kamailio, ours = both_examples
    number = 4000 + list(EXAMPLE_CASES).index(name)
    with client() as caller:
        theirs = exchange(kamailio, EXAMPLE_CASES[name], caller, number)
        assert exchange(ours, EXAMPLE_CASES[name], caller, number) == theirs


def test_both_redirect_to_a_request_uri_without_its_alias(both_probes: tuple[int, int]) -> None:
    body = "KSR.nathelper.handle_ruri_alias(), KSR.sl.sl_send_reply(302, 'Moved')"
    case = Case("MESSAGE", "sip:bob@example.com;alias=192.0.2.7~5099~2", body=body)
    with client() as caller:
        theirs, ours = (exchange(port, case, caller, 3001) for port in both_probes)
    assert "contact: <sip:bob@example.com>" in theirs
    # The probe's own reply follows, into which Kamailio puts nothing either: it is no redirection.
    assert ours[: ours.index("")] == theirs[: theirs.index("")]


def test_kamailio_says_still_what_was_observed(both_probes: tuple[int, int]) -> None:
    """tests/handlers/kemi/test_observed.py holds slbroker to the same."""
    with client() as caller:
        caller.connect(("127.0.0.1", both_probes[0]))
        caller.settimeout(within(5))
        seen = []
        for number, observation in enumerate(OBSERVATIONS):
            caller.send(question(observation.expression, caller.getsockname()[1], number))
            seen.append(answer(caller.recv(65_535)))
    assert seen == [observation.result for observation in OBSERVATIONS]


def test_kamailios_own_example_gets_a_useful_report() -> None:
    """Debian's kamailio has it among its documentation, which some machines leave out."""
    example = Path("/usr/share/doc/kamailio/examples/kemi/kamailio-basic-kemi-python.py")
    if not example.is_file():
        pytest.skip(f"there is no {example}")
    report = examine(f"kemi:{example}")
    assert {"KSR.sl.sl_send_reply", "KSR.pv.get", "KSR.maxfwd.process_maxfwd"} < {entry.title for entry in report.whole}
    assert "KSR.sanity.sanity_check" in {entry.title for entry in report.partial}
    assert {"KSR.tm.t_relay", "KSR.registrar.save"} < {entry.title for entry in report.missing}
    assert [entry.title for entry in report.unreached] == ["KSR.tm.t_is_canceled"]
    assert (report.unknown, report.variables) == ([], [])
