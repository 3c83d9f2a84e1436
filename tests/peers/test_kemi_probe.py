"""KSR's functions one by one: expressions that Kamailio and slbroker evaluate in a script's route, with one result."""

from __future__ import annotations

import pytest

from tests.handlers.kemi.observations import OBSERVATIONS, PROBE, SETTINGS, answer, question
from tests.peers.pair import Case, Servers, client, exchange, installed_release
from tests.support.timing import within

pytestmark = [pytest.mark.peer, pytest.mark.timeout(within(120))]


@pytest.fixture(scope="module")
def both_probes(servers: Servers) -> tuple[int, int]:
    """The ports of both, running the script that evaluates what it is asked."""
    return servers.both("probe", PROBE, *(word for setting in SETTINGS for word in ("--kemi-param", setting)))


def sanity(bits: int, *headers: tuple[str, str], uri: str = "sip:bob@example.com") -> Case:
    """A request that has itself checked: a check that fails replies, and then comes what sanity_check returned."""
    plain = ("Content-Type", "text/plain")
    without = [name for name, _ in headers if name in ("From", "To", "Contact")]
    return Case("MESSAGE", uri, [plain, *headers], without, f"KSR.sanity.sanity_check({bits}, 15)")


def nat(**headers: str) -> Case:
    """A request whose origin is judged: which tests of nat_uac_test are true?"""
    body = "[bit for bit in (1, 8, 32, 64, 128) if KSR.nathelper.nat_uac_test(bit) > 0]"
    return Case("MESSAGE", "sip:bob@example.com", list(headers.items()), list(headers), body)


def judged(*values: str) -> Case:
    """A request whose credentials are judged for realm r."""
    headers = [("Content-Type", "text/plain"), *(("Proxy-Authorization", value) for value in values)]
    return Case("MESSAGE", headers=headers, body="KSR.auth.pv_auth_check('r', 'secret', 0, 0)")


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
    "auth: none": judged(),
    "auth: empty": judged(""),
    "auth: digest alone": judged("Digest"),
    "auth: basic": judged("Basic abc"),
    "auth: another realm": judged(DIGEST.format("al").replace('"r"', '"s"')),
    "auth: no user": judged(DIGEST.format("al").replace('username="al", ', "")),
    "auth: no realm": judged(DIGEST.format("al").replace('realm="r", ', "")),
    "auth: no nonce": judged(DIGEST.format("al").replace('nonce="n", ', "")),
    "auth: no uri": judged(DIGEST.format("al").replace('uri="sip:x", ', "")),
    "auth: no response": judged(DIGEST.format("al").replace(', response="0"', "")),
    "auth: an empty nonce": judged(DIGEST.format("al").replace('"n"', '""')),
    "auth: an unknown algorithm": judged(DIGEST.format("al") + ", algorithm=SHA-1"),
    "auth: auth-int": judged(DIGEST.format("al") + ', qop=auth-int, nc=00000001, cnonce="c"'),
    "auth: qop alone": judged(DIGEST.format("al") + ", qop=auth"),
    "auth: basic, then ours": judged("Basic abc", DIGEST.format("al").replace('"n"', '""')),
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


def test_both_redirect_to_a_request_uri_without_its_alias(both_probes: tuple[int, int]) -> None:
    body = "KSR.nathelper.handle_ruri_alias(), KSR.sl.sl_send_reply(302, 'Moved')"
    case = Case("MESSAGE", "sip:bob@example.com;alias=192.0.2.7~5099~2", body=body)
    with client() as caller:
        theirs, ours = (exchange(port, case, caller, 3001) for port in both_probes)
    assert "contact: <sip:bob@example.com>" in theirs
    # The probe's own reply follows, into which Kamailio puts nothing either: it is no redirection.
    assert ours[: ours.index("")] == theirs[: theirs.index("")]


def test_kamailio_says_still_what_was_observed(both_probes: tuple[int, int]) -> None:
    """tests/handlers/kemi/test_ksr_observed.py holds slbroker to the same; it was observed with 5.6."""
    if installed_release() != (5, 6):
        pytest.skip("another release than the one that was observed")
    with client() as caller:
        caller.connect(("127.0.0.1", both_probes[0]))
        caller.settimeout(within(5))
        seen = []
        for number, observation in enumerate(OBSERVATIONS):
            caller.send(question(observation.expression, caller.getsockname()[1], number))
            seen.append(answer(caller.recv(65_535)))
    assert seen == [observation.result for observation in OBSERVATIONS]
