"""A rule file at the edge: what it decides, and what it leaves to those behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from slbroker import Handlers
from slbroker.authnonce import NonceKeys
from slbroker.bus.choice import ANY
from slbroker.bus.jobs import Job
from slbroker.errors import PluginError
from slbroker.proxy.nexthop import read_hop
from slbroker.sip.validate import USUAL
from slbroker_edge.reader import read_ack, read_turn
from slbroker_edge.rules import RuleFile
from tests.support.edge import PEER, RING, SIGNER, FakeListener
from tests.support.forwarding import headers
from tests.support.passing import PassingRig
from tests.support.sip import read_reply, request

if TYPE_CHECKING:
    from pathlib import Path

    from slbroker.sip.reading import Address

RULES = """
[screen]
user-agent = "*scanner*"

[rate]
requests = 2
seconds = 3600
exempt = "192.0.2.0/24"

[[on]]
method = "INVITE"
user = "900*"
reply = "403 No Premium Numbers"

[[on]]
method = ["INVITE", "ACK"]
user = "0*"
forward = "sip:10.0.0.5"

[[on]]
method = "SUBSCRIBE"
drop = true
"""


def rules(folder: Path, text: str = RULES) -> RuleFile:
    (folder / "edge.toml").write_text(text)
    return RuleFile(folder / "edge.toml", SIGNER, NonceKeys(RING.current, RING.accepted(0.0)))


def job(data: bytes, source: Address = PEER) -> Job:
    listener: Any = FakeListener()
    jobs, _acks, alone = read_turn([(data, source)], listener, USUAL)
    if jobs:
        return jobs[0]
    for _before, one, _address in alone:
        if isinstance(one, Job):
            return one
    reading = read_ack(data, source, listener.name, USUAL)
    return Job(reading, b"ACK", ANY, len(data), listener, source)


def decide(made: RuleFile, data: bytes, source: Address = PEER) -> Any:
    """What is decided of one request: "undecided", a status, silence as None, or the words of what goes on."""
    rest, decided = made.sift([job(data, source)])
    if rest:
        assert not decided
        return "undecided"
    ((_job, answer),) = decided
    return read_reply(answer).status if isinstance(answer, bytes) else answer


def test_it_decides_what_its_rules_are_for_and_nothing_else(tmp_path: Path) -> None:
    made = rules(tmp_path)
    assert decide(made, request("INVITE", "sip:9001@example.com")) == 403
    assert decide(made, request("INVITE", "sip:030@example.com")) == {"to": "sip:10.0.0.5"}
    assert decide(made, request("SUBSCRIBE")) is None
    assert decide(made, request("INVITE", "sip:alice@example.com")) == "undecided"
    assert decide(made, request("MESSAGE")) == "undecided"
    assert decide(made, request("FROBNICATE")) == "undecided"
    assert decide(made, request("OPTIONS", "sip:192.0.2.7")) == "undecided", "a ping is for who is behind it"


def test_scanners_and_floods_end_here_with_their_acks_and_cancels(tmp_path: Path) -> None:
    made = rules(tmp_path)
    for method in ("OPTIONS", "INVITE", "ACK", "CANCEL"):
        assert decide(made, request(method, user_agent="friendly-scanner")) is None, method
        assert decide(made, request(method)) == "undecided", method
    flood: Address = ("203.0.113.9", 5060)
    assert [decide(made, request("OPTIONS"), flood) for _ in range(3)] == ["undecided", "undecided", None]
    assert decide(made, request("CANCEL"), flood) is None
    assert decide(made, request("ACK"), flood) == "undecided", "an ACK is never counted"


def test_rules_for_acks_count_too(tmp_path: Path) -> None:
    assert decide(rules(tmp_path), request("ACK", "sip:030@example.com")) == {"to": "sip:10.0.0.5"}


def test_what_it_answers_carries_our_tag(tmp_path: Path) -> None:
    _rest, ((given, answer),) = rules(tmp_path).sift([job(request("INVITE", "sip:9001@example.com"))])
    assert isinstance(answer, bytes)
    reading = given.reading
    tag = SIGNER.sign(reading.call_id, reading.from_tag, reading.cseq)
    assert b";tag=%b" % tag in answer


@pytest.mark.parametrize(
    ("text", "ping", "other"),
    [
        ("", "undecided", "undecided"),
        ("keepalive = true", 200, "undecided"),
        ("keepalive = false", "undecided", "undecided"),
        ('[otherwise]\nreply = "404"', 404, 404),
        ('keepalive = true\n[otherwise]\nreply = "404"', 404, 404),
        ('[otherwise]\nforward = "group:1"', {"to": "group:1"}, {"to": "group:1"}),
    ],
)
def test_pings_are_answered_where_the_file_says_so(tmp_path: Path, text: str, ping: object, other: object) -> None:
    made = rules(tmp_path, text)
    assert decide(made, request("OPTIONS", "sip:192.0.2.7:5060")) == ping
    assert decide(made, request("MESSAGE")) == other
    assert decide(made, request("ACK")) == "undecided", "what is said of all others is not said of ACKs"
    assert decide(made, request("CANCEL")) == "undecided"


def test_a_turn_keeps_its_order(tmp_path: Path) -> None:
    made = rules(tmp_path)
    uris = ["sip:alice@a", "sip:9001@a", "sip:bob@a", "sip:9002@a"] * 150
    jobs = [job(request("INVITE", uri, call_id=str(number))) for number, uri in enumerate(uris)]
    rest, decided = made.sift(jobs)
    assert rest == jobs[::2]
    assert [given for given, _answer in decided] == jobs[1::2]


def test_challenges_are_checked_by_any_process_with_the_ring(tmp_path: Path) -> None:
    (tmp_path / "users.txt").write_text("alice:wonderland\n")
    text = '[auth]\nrealm = "example.com"\nusers = "users.txt"\n'
    assert decide(rules(tmp_path, text), request("REGISTER")) == 401
    assert decide(rules(tmp_path, text), request("MESSAGE")) == "undecided"


def test_it_is_read_again_and_the_old_rules_stay_while_it_cannot_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "slbroker_edge.rules")
    made = rules(tmp_path)
    made.path.write_text('[otherwise]\nreply = "480"')
    made.load_again()
    assert decide(made, request("MESSAGE")) == 480
    made.path.write_text('[otherwise]\nreply = "never"')
    made.load_again()
    assert decide(made, request("MESSAGE")) == 480
    loaded, kept = caplog.messages
    assert loaded == f"rules loaded again: {made.path}"
    assert kept.startswith("not reloaded, the old rules stay in use: plugin ")
    assert "[otherwise]: reply = 'never'" in kept


def test_a_mistake_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="there is no key replies"):
        rules(tmp_path, '[otherwise]\nreply = "404"\nreplies = 1')


def test_a_worker_with_the_same_file_still_answers_everything(tmp_path: Path) -> None:
    from slbroker.plugin.rulefile import load_rules
    from slbroker.testing import Client

    (tmp_path / "edge.toml").write_text(RULES)
    response = Client(load_rules(tmp_path / "edge.toml")).request("MESSAGE")
    assert response is not None
    assert response.status == 405


# In an edge ---------------------------------------------------------------------------------------------------------


def site(folder: Path, *routes: str, text: str = RULES, **options: Any) -> PassingRig:
    rig = PassingRig(*routes, **options)
    rig.edge.rules = rules(folder, text)
    return rig


def test_with_no_worker_and_no_python_the_shield_answers_drops_and_passes(tmp_path: Path) -> None:
    rig = site(tmp_path, "pass=sip:10.0.0.9")
    rig.receive(request("INVITE", "sip:9001@example.com"))
    assert [read_reply(reply).status for reply in rig.replies] == [403]
    (to,) = headers(rig.replies[0], b"to")
    rig.receive(request("ACK", "sip:9001@example.com", to=to.partition(b": ")[2]))
    rig.receive(request("OPTIONS", user_agent="sipvicious scanner"), request("ACK", user_agent="scanner", call_id="x"))
    rig.receive(request("CANCEL", user_agent="scanner"))
    rig.receive(request("INVITE", "sip:030@example.com"))
    rig.receive(request("MESSAGE"))
    assert len(rig.to(("10.0.0.5", 5060))) == 1, "what a rule lets go on goes where the rule says"
    assert len(rig.to(("10.0.0.9", 5060))) == 1, "and what none decides goes by its route"
    assert rig.shown() == {"replied": 1, "absorbed": 1, "forwarded": 2, "dropped": {"rules": 3}}


def test_handlers_see_only_what_no_rule_decides(tmp_path: Path) -> None:
    rig = site(tmp_path)
    app = Handlers()
    app.on("INVITE", "ACK", "CANCEL")(lambda request: request.reply(480))
    worker = rig.join(app)
    rig.receive(request("INVITE", "sip:9001@example.com", call_id="1"), request("INVITE", call_id="2"))
    rig.receive(request("ACK", "sip:030@example.com"), request("ACK", call_id="3"), request("CANCEL", call_id="4"))
    assert worker.asked == 3
    assert len(rig.to(("10.0.0.5", 5060))) == 1
    assert sorted(read_reply(data).status for data, address in rig.listener.sent if address == PEER) == [403, 480, 480]


def test_a_draining_edge_still_turns_dispatchers_away(tmp_path: Path) -> None:
    rig = site(tmp_path, text="keepalive = true")
    rig.edge.draining = True
    rig.receive(request("OPTIONS", "sip:192.0.2.7:5060"))
    assert [read_reply(reply).status for reply in rig.replies] == [503]


def test_a_rule_that_names_no_next_hop_goes_by_pass_or_fails_as_everything_does(tmp_path: Path) -> None:
    text = '[otherwise]\nforward = ""'
    rig = site(tmp_path, text=text, hop=read_hop("sip:10.0.0.5"))
    rig.receive(request("MESSAGE"))
    assert len(rig.to()) == 1
    alone = site(tmp_path, text=text)
    alone.receive(request("MESSAGE"))
    assert [read_reply(reply).status for reply in alone.replies] == [500]
