"""Authentication: challenges, credentials, and that no worker needs to know what another did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from slbroker import Handlers, Reply, Request, auth
from slbroker.auth import Ha1
from slbroker.keys import KeyRing
from slbroker.plugin import Digest, Outcome
from slbroker.sip.credentials import parse_credentials
from slbroker.sip.message import Source
from slbroker.testing import SOURCE, Client, credentials
from tests.support.digest import PASSWORDS, URI, challenge_of
from tests.support.sip import request

if TYPE_CHECKING:
    from slbroker.sip.response import Response

NOW = 1_760_000_000.0


class Site:
    """A realm served by two workers that share a key ring, and a clock to turn."""

    def __init__(self, credentials_of: Any = PASSWORDS.get, **settings: Any) -> None:
        self.now = NOW
        self.digest = Digest("example.com", credentials_of, clock=lambda: self.now, **settings)
        self.app = Handlers()
        self.app.on("REGISTER", "INVITE")(self.digest.required(self.serve))
        ring = KeyRing.generate()
        self.first, self.second = Client(self.app, ring), Client(self.app, ring)

    def serve(self, request: Request) -> Reply:
        return request.reply(200, f"Hello {self.digest.username(request)}")

    def challenge(self, **given: Any) -> Response:
        response = self.first.request("REGISTER", URI, **given)
        assert response is not None
        assert response.status in (401, 407)
        return response

    def answer(self, challenge: Response, name: str = "alice", password: str = "wonderland", **given: Any) -> Response:
        """What the other worker says to credentials."""
        header = credentials(challenge, "REGISTER", URI, name, password, **given)
        response = self.second.request("REGISTER", URI, header)
        assert response is not None
        return response


def test_what_one_worker_challenged_the_other_checks() -> None:
    site = Site()
    response = site.answer(site.challenge())
    assert (response.status, response.reason) == (200, "Hello alice")


def test_a_challenge() -> None:
    params = challenge_of(Site().challenge())
    assert params["realm"] == "example.com"
    assert (params["algorithm"], params["qop"]) == ("MD5", "auth")
    assert "stale" not in params


def test_a_request_that_is_repeated_gets_the_same_challenge() -> None:
    """As RFC 3261 8.2.7 wants of a stateless server; the second that has gone by makes another nonce."""
    site = Site()
    data = request("REGISTER", URI)
    before = site.first.exchange(data)
    assert before == site.second.exchange(data)
    site.now += 1
    assert before != site.first.exchange(data)


def test_a_proxy_s_challenge() -> None:
    site = Site(proxy=True)
    response = site.challenge()
    assert response.status == 407
    assert challenge_of(response, "Proxy-Authenticate")["realm"] == "example.com"
    assert site.answer(response).status == 200


@pytest.mark.parametrize(("name", "password"), [("alice", "wrong"), ("bob", "wonderland"), ("", ""), ("alice", "")])
def test_wrong_credentials_are_challenged_anew_and_not_as_stale(name: str, password: str) -> None:
    site = Site()
    response = site.answer(site.challenge(), name, password)
    assert response.status == 401
    assert "stale" not in challenge_of(response)


def test_names_and_passwords_are_utf_8() -> None:
    site = Site()
    assert site.answer(site.challenge(), "zoë", "pässword").reason == "Hello zoë"


def test_an_old_nonce_is_stale_for_who_knows_the_password() -> None:
    site = Site(lifetime=60.0)
    challenge = site.challenge()
    site.now += 60.0
    assert site.answer(challenge).status == 200
    site.now += 1.0
    response = site.answer(challenge)
    assert (response.status, challenge_of(response)["stale"]) == (401, "true")
    assert site.answer(response).status == 200
    assert "stale" not in challenge_of(site.answer(challenge, password="wrong"))


def test_a_nonce_of_another_ring_is_stale_and_not_good() -> None:
    site, other = Site(), Site()
    response = site.answer(other.challenge())
    assert (response.status, challenge_of(response)["stale"]) == (401, "true")


@pytest.mark.parametrize("bind", ["source", "call-id"])
def test_a_nonce_can_be_bound(bind: Any) -> None:
    site = Site(bind=bind)
    here = {"Call-ID": "one@h"}
    challenge = site.challenge(headers=here)
    answer = credentials(challenge, "REGISTER", URI, "alice", "wonderland")
    good = site.second.request("REGISTER", URI, {**here, **answer})
    assert good is not None
    assert good.status == 200
    elsewhere = Source("198.51.100.7", 5060, SOURCE.listen)
    moved = site.second.request("REGISTER", URI, {"Call-ID": "two@h", **answer}, source=elsewhere)
    assert moved is not None
    assert challenge_of(moved)["stale"] == "true"


def test_several_challenges_the_strongest_first() -> None:
    """RFC 8760 2.4."""
    site = Site(algorithms=("SHA-512-256", "SHA-256", "MD5"))
    challenge = site.challenge()
    offered = [parse_credentials(value.encode()).params["algorithm"] for value in challenge.all("WWW-Authenticate")]
    assert offered == ["SHA-512-256", "SHA-256", "MD5"]
    for algorithm in offered:
        assert site.answer(challenge, algorithm=algorithm).status == 200


def test_an_algorithm_that_was_not_offered_is_no_answer() -> None:
    assert Site().answer(Site(algorithms=("SHA-256",)).challenge()).status == 401


def test_without_qop() -> None:
    site = Site(qop=False)
    challenge = site.challenge()
    assert "qop" not in challenge_of(challenge)
    assert site.answer(challenge).status == 200


def test_hashes_in_place_of_passwords() -> None:
    kept = {
        "alice": Ha1(md5=auth.ha1("MD5", "alice", "example.com", "wonderland")),
        "bob": Ha1(sha_256=auth.ha1("SHA-256", "bob", "example.com", "builder")),
    }
    site = Site(kept.get, algorithms=("SHA-256", "MD5"))
    challenge = site.challenge()
    assert site.answer(challenge, algorithm="MD5").status == 200
    assert site.answer(challenge, algorithm="SHA-256").status == 401  # that hash of hers is not kept
    assert site.answer(challenge, "bob", "builder").status == 200


def test_the_credentials_for_our_realm_are_found_among_others() -> None:
    """RFC 3261 22.3."""
    site = Site()
    ours = credentials(site.challenge(), "REGISTER", URI, "alice", "wonderland")["Authorization"]
    theirs = 'Digest username="a", realm="other", nonce="n", uri="sip:h", response="r"'
    response = site.second.request("REGISTER", URI, {"Authorization": ["Basic eA==", theirs, ours]})
    assert response is not None
    assert response.status == 200


NAMED = 'Digest username="alice", realm="example.com", nonce="", uri="sip:example.com", response=""'
UNREADABLE = ['Digest realm="other', "Digest a=b c=d", "Digest username=a, username=a", "@", "", "Basic", "NTLM "]


@pytest.mark.parametrize("proxy", [False, True])
@pytest.mark.parametrize(
    "value",
    [
        *UNREADABLE,
        "Digest",
        "Digest ,",
        NAMED,  # how IMS phones begin (3GPP TS 24.229 5.1.1.2.2)
        *(f"Digest {', '.join(part for part in NAMED[7:].split(', ') if not part.startswith(name))}"
          for name in ("username", "realm", "nonce", "uri", "response")),
        "Basic eA==",
        "Basic alice:wonderland",
        "Bearer word",
        NAMED.replace("example.com", "example.org"),
        NAMED.replace('nonce=""', 'nonce="x", qop=auth-int'),
        NAMED.replace('nonce=""', 'nonce="x", qop=""'),
        NAMED.replace('nonce=""', 'nonce="x", algorithm=SHA-1'),
        NAMED.replace('nonce=""', 'nonce="x", algorithm=MD5-sess'),
        NAMED.replace('nonce=""', 'nonce="x", algorithm=""'),
        NAMED + ", nonce=n",
        f"{NAMED}, {NAMED}",
    ],
)  # fmt: skip
def test_what_is_no_answer_to_our_challenge_is_challenged(value: str, proxy: bool) -> None:
    header = "Proxy-Authorization" if proxy else "Authorization"
    site = Site(proxy=proxy)
    response = site.challenge(headers={header: value})
    assert response.status == (407 if proxy else 401)
    assert site.answer(response).status == 200


@pytest.mark.parametrize("beside", [*UNREADABLE, "Digest", NAMED, NAMED.replace("example.com", "other")])
@pytest.mark.parametrize("first", [True, False])
def test_good_credentials_count_beside_what_is_no_use(beside: str, first: bool) -> None:
    site = Site()
    good = credentials(site.challenge(), "REGISTER", URI, "alice", "wonderland")["Authorization"]
    response = site.second.request("REGISTER", URI, {"Authorization": [beside, good] if first else [good, beside]})
    assert response is not None
    assert (response.status, response.reason) == (200, "Hello alice")


def test_good_credentials_count_beside_those_of_an_older_challenge() -> None:
    site = Site(lifetime=60.0)
    old = credentials(site.challenge(), "REGISTER", URI, "alice", "wonderland")["Authorization"]
    site.now += 61
    new = credentials(site.challenge(), "REGISTER", URI, "alice", "wonderland")["Authorization"]
    for values in ([old, new], [new, old]):
        response = site.second.request("REGISTER", URI, {"Authorization": values})
        assert response is not None
        assert response.status == 200


def test_one_request_tries_one_password() -> None:
    site = Site()
    challenge = site.challenge()
    tries = [credentials(challenge, "REGISTER", URI, "alice", word)["Authorization"] for word in ("a", "wonderland")]
    response = site.second.request("REGISTER", URI, {"Authorization": tries})
    assert response is not None
    assert response.status == 401


def test_credentials_with_empty_elements_in_their_list_are_good() -> None:
    site = Site()
    good = credentials(site.challenge(), "REGISTER", URI, "alice", "wonderland")["Authorization"]
    response = site.second.request("REGISTER", URI, {"Authorization": good.replace(", ", ", ,") + ","})
    assert response is not None
    assert response.status == 200


def test_the_method_is_part_of_what_is_signed() -> None:
    site = Site()
    header = credentials(site.challenge(), "REGISTER", URI, "alice", "wonderland")
    response = site.second.request("INVITE", URI, header)
    assert response is not None
    assert response.status == 401


def test_a_verdict_tells_what_was_found() -> None:
    site, verdicts = Site(), []
    app = Handlers()

    @app.on("REGISTER")
    def look(request: Request) -> Reply:
        verdict = site.digest.check(request)
        verdicts.append((verdict.outcome, verdict.username, bool(verdict)))
        return verdict.reply or request.reply(200)

    client = Client(app)
    client.authenticated("alice", "wonderland", "REGISTER", URI)
    client.authenticated("alice", "wrong", "REGISTER", URI)
    assert verdicts == [
        (Outcome.MISSING, "", False),
        (Outcome.GOOD, "alice", True),
        (Outcome.MISSING, "", False),
        (Outcome.WRONG, "alice", False),
    ]
