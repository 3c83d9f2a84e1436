"""One KEMI script, unmodified, in Kamailio's app_python3 and in slbroker: the same requests get the same replies."""

from __future__ import annotations

from pathlib import Path

import pytest

from slbroker_handlers.kemi.script import examine
from tests.peers.pair import ALIAS, SCRIPTS, Case, Servers, client, exchange, installed_release, start_kamailio_with
from tests.support.processes import ROOT
from tests.support.timing import within

SCRIPT = SCRIPTS / "redirect.py"
EXAMPLE = ROOT / "handlers" / "examples" / "kemi_redirect.py"

pytestmark = [pytest.mark.peer, pytest.mark.timeout(within(120))]

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


@pytest.fixture(scope="module")
def both(servers: Servers) -> tuple[int, int]:
    """The ports of Kamailio and of slbroker, both running the script."""
    return servers.both("script", SCRIPT, "--kemi-param", ALIAS)


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
    if name == "an empty reason" and installed_release() >= (6, 0):
        expected = [[], []]  # refused by both
    with client() as caller:
        seen = [exchange(port, case, caller, 1000 + list(DIFFERENCES).index(name)) for port in both]
    assert [[line for line in lines if line.startswith(("SIP/2.0", "contact"))] for lines in seen] == expected


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
    return servers.both("example", EXAMPLE)


@pytest.mark.parametrize("name", EXAMPLE_CASES)
def test_the_example_answers_alike_in_both(name: str, both_examples: tuple[int, int]) -> None:
    kamailio, ours = both_examples
    number = 4000 + list(EXAMPLE_CASES).index(name)
    with client() as caller:
        theirs = exchange(kamailio, EXAMPLE_CASES[name], caller, number)
        assert exchange(ours, EXAMPLE_CASES[name], caller, number) == theirs


def test_kamailios_own_example_gets_a_useful_report() -> None:
    """Debian's kamailio has it among its documentation, which some machines leave out."""
    example = Path("/usr/share/doc/kamailio/examples/kemi/kamailio-basic-kemi-python.py")
    if not example.is_file():
        pytest.skip(f"there is no {example}")
    report = examine(f"kemi:{example}")
    assert {"KSR.sl.sl_send_reply", "KSR.pv.get", "KSR.maxfwd.process_maxfwd"} < {entry.title for entry in report.whole}
    assert "KSR.sanity.sanity_check" in {entry.title for entry in report.partial}
    assert {"KSR.tm.t_relay", "KSR.registrar.save"} < {entry.title for entry in report.missing}
    assert "KSR.tm.t_is_canceled" in {entry.title for entry in report.partial}
    assert report.unreached == []
    assert (report.unknown, report.variables) == ([], [])
