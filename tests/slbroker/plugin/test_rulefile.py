"""Plugins that are TOML files: what the rules mean, and one line for whatever is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from slbroker import auth
from slbroker.auth import Ha1
from slbroker.errors import PluginError
from slbroker.keys import KeyRing
from slbroker.plugin.responder import Responder
from slbroker.plugin.rulefile import load_rules
from slbroker.plugin.users import UserFile
from slbroker.sip.parser import parse
from slbroker.testing import SOURCE, Client, RequestFactory
from slbroker.totag import Signer

if TYPE_CHECKING:
    from pathlib import Path

    from slbroker.sip.response import Response

RULES = """
default-code = 480
errors = "opensips"

[screen]
sdp = "s=*scan*"

[rate]
requests = 1
seconds = 3600
exempt = ["192.0.2.0/24"]

[maintenance]
file = "down"
retry-after = 30

[checks]
names = ["max-forwards"]

[[on]]
method = "OPTIONS"
reply = "200"
headers = { Accept = "application/sdp", Supported = ["path", "100rel"] }

[[on]]
method = ["INVITE", "MESSAGE"]
user = ["900*", "1900*"]
reply = "403 No Premium Numbers"

[[on]]
method = "INVITE"
source = "203.0.113.0/24"
drop = true

[[on]]
method = "INVITE"
domain = "old.example.com"
redirect = ["<sip:{user}@new.example.com>;q=0.7", "sip:help@example.com"]

[[on]]
method = "INVITE"
user = "info"
redirect = "sip:info.example.com"
reply = "301 For Good"

[[on]]
method = "MESSAGE"
reply = "404 Nobody Here"
body = "no such user"
headers = { Content-Type = "text/plain" }

[otherwise]
reply = "404"
"""


def client(folder: Path, rules: str = RULES) -> Client:
    (folder / "answers.toml").write_text(rules)
    return Client(load_rules(folder / "answers.toml"))


def sure(response: Response | None) -> Response:
    assert response is not None
    return response


def test_rules_are_handlers_in_order(tmp_path: Path) -> None:
    asked = client(tmp_path)
    options = sure(asked.request("OPTIONS"))
    assert (options.status, options.all("Supported")) == (200, ["path", "100rel"])
    assert sure(asked.request("INVITE", "sip:900123@old.example.com")).reason == "No Premium Numbers"
    assert asked.request("INVITE", source=SOURCE._replace(host="203.0.113.9")) is None
    moved = sure(asked.request("INVITE", "sip:a%20b:secret@old.example.com;transport=udp"))
    assert (moved.status, moved.all("Contact")) == (
        302, ["<sip:a%20b@new.example.com>;q=0.7", "<sip:help@example.com>"],
    )  # fmt: skip
    moved = sure(asked.request("INVITE", "sip:old.example.com"))
    assert moved.all("Contact") == ["<sip:new.example.com>;q=0.7", "<sip:help@example.com>"]
    moved = sure(asked.request("INVITE", "sip:info@example.com"))
    assert (moved.status, moved.reason) == (301, "For Good")
    assert sure(asked.request("MESSAGE")).body == b"no such user"
    assert sure(asked.request("SUBSCRIBE")).status == 404


def test_what_stands_before_the_rules(tmp_path: Path) -> None:
    asked = client(tmp_path)
    assert asked.request("OPTIONS", headers={"User-Agent": "sipcli"}) is None
    assert sure(asked.request("OPTIONS", headers={"Max-Forwards": "0"})).status == 483
    (tmp_path / "down").touch()
    down = sure(asked.request("OPTIONS"))
    assert (down.status, down.first("Retry-After")) == (503, "30")
    stranger = SOURCE._replace(host="198.51.100.1")
    replies = [asked.request("OPTIONS", source=stranger) for _ in range(2)]
    assert replies[0] is not None
    assert replies[1] is None


def test_authentication_by_a_file_of_users(tmp_path: Path) -> None:
    (tmp_path / "users").write_text("alice:wonderland\n")
    rules = '[auth]\nrealm = "r"\nusers = "users"\nalgorithms = ["SHA-256", "MD5"]\n[otherwise]\nreply = "200"'
    asked = client(tmp_path, rules)
    assert sure(asked.authenticated("alice", "wonderland", "REGISTER")).status == 200
    assert sure(asked.authenticated("alice", "wrong", "INVITE")).status == 401
    assert sure(asked.request("OPTIONS")).status == 200  # REGISTER and INVITE are asked, when nothing is said


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("x = = 1", "line 1"),
        ("colour = 7", "there is no key colour"),
        ("[[on]]\nmethod = 'BYE'\nreply = '200'\ncolour = 7", "[[on]] 1: there is no key colour"),
        ("[[on]]\nmethod = 'BYE'", "[[on]] 1: say one of reply, redirect, drop"),
        ("[[on]]\nmethod = 'BYE'\nreply = '200'\ndrop = true", "say one of"),
        ("[[on]]\nreply = '200'", "[[on]] 1: on() wants SIP methods"),
        ("[[on]]\nmethod = 'BYE'\nreply = 'OK'", "[[on]] 1: reply = 'OK': write \"403\" or"),
        ("[[on]]\nmethod = 'BYE'\nreply = '999'", "[[on]] 1: reply: status 999 is not between"),
        ("[[on]]\nmethod = 'BYE'\nreply = '200'\nbody = 'x'", "reply: a body needs a Content-Type"),
        ("[[on]]\nmethod = 'BYE'\nreply = '200'\nheaders = { Via = 'x' }", "writes the Via header itself"),
        ("[[on]]\nmethod = 'BYE'\nreply = '200'\nheaders = { X = 7 }", "headers: X = 7 is no text"),
        ("[[on]]\nmethod = 'INVITE'\nredirect = 'sip:h'\nreply = '404'", "between 300 and 399"),
        ("[[on]]\nmethod = 'INVITE'\nredirect = 'gw.example.com'", "[[on]] 1: redirect: 'gw.example.com' is no URI"),
        ("[[on]]\nmethod = 'INVITE'\nredirect = ['sip:a', 'sip:a@b@{user}']", "has two @"),
        ("[otherwise]\nredirect = 'sip:{user}:word@h'", "[otherwise]: redirect: 'sip:1:word@h' has a password"),
        ("[[on]]\nmethod = 'INVITE'\nredirect = 'sip:{user}@{domain}'", "{domain} stands for nothing"),
        ("[[on]]\nmethod = 'BYE'\nreply = '200'\nsource = 'nowhere'", "[[on]] 1: source="),
        ("[on]\nmethod = 'BYE'", "on is no array of tables: write [[on]]"),
        ("otherwise = '404'", "otherwise is no table: write [otherwise]"),
        ("[rate]\nrequests = 'many'", "[rate]: requests = 'many' is no whole number"),
        ("[rate]\nrequests = 0", "lets nothing pass"),
        ("[checks]\nnames = 'requires'", "there is no check requires"),
        ("[auth]\nusers = 'u'", "[auth]: realm is missing"),
        ("[auth]\nrealm = 'r'\nusers = 'nowhere'", "nowhere: No such file"),
        ("[auth]\nrealm = 'r'\nusers = 'rules.toml'", "rules.toml:1: write name:password"),
        ("errors = 'asterisk'", "none of kamailio, opensips"),
    ],
)
def test_what_is_wrong_is_one_line_that_names_it(tmp_path: Path, rules: str, said: str) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(rules)
    with pytest.raises(PluginError) as caught:
        load_rules(file)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"plugin {file}: ")
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="No such file"):
        load_rules(tmp_path / "none.toml")


# Users ----------------------------------------------------------------------------------------------------------


def test_users_with_passwords_and_with_hashes(tmp_path: Path) -> None:
    hashed = auth.ha1("MD5", "bob", "here", "builder")
    file = tmp_path / "users"
    file.write_text(f"# who may call\n\nalice:wonderland\nbob:here:{hashed.upper()}\ncarol:elsewhere:{hashed}\n")
    users = UserFile(file, "here")
    assert [users(name) for name in ("alice", "bob", "carol", "dave")] == ["wonderland", Ha1(md5=hashed), None, None]


def test_a_changed_file_is_read_again_and_a_broken_one_is_not(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text("alice:one\n")
    users = UserFile(file, "here")
    file.write_text("alice:two!\n")
    assert users("alice") == "two!"
    file.write_text("no colon in this line\n")
    assert users("alice") == "two!"
    file.unlink()
    assert users("alice") == "two!"
    file.write_text("alice:three\n")
    assert users("alice") == "three"


@pytest.mark.parametrize(("content", "line"), [("x", 1), ("a:b\n:c", 2), ("a:here:12", 1), ("a:b:c:d", 1)])
def test_a_line_that_is_none(tmp_path: Path, content: str, line: int) -> None:
    file = tmp_path / "users"
    file.write_text(content)
    with pytest.raises(ValueError, match=rf"users:{line}: "):
        UserFile(file, "here")


def test_what_a_rule_decides_may_be_remembered(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[[on]]\nmethod = ["OPTIONS", "INVITE"]\nreply = "200"\nremember = 5\n')
    assert load_rules(rules).remembered_methods == [b"OPTIONS", b"INVITE"]
    rules.write_text('[otherwise]\nreply = "404"\nremember = 0.5\n')
    assert load_rules(rules).remembered_methods == [b""]
    rules.write_text('[screen]\nremember = 60\n[otherwise]\nreply = "404"\n')
    assert load_rules(rules).remembered_methods == [b""]
    rules.write_text('[screen]\n[otherwise]\nreply = "404"\n')
    assert load_rules(rules).remembered_methods == []
    for wrong in ("-1", "3601", '"5"', "nan"):
        rules.write_text(f'[[on]]\nmethod = "OPTIONS"\nreply = "200"\nremember = {wrong}\n')
        with pytest.raises(PluginError, match=r"\[\[on\]\] 1: remember"):
            load_rules(rules)


FORWARDING = """
[screen]
user-agent = "*scanner*"
answer = "forward sip:honeypot.example.com"

[[on]]
method = "INVITE"
user = "900*"
reply = "403"

[[on]]
method = ["INVITE", "ACK", "CANCEL"]
user = "0*"
forward = "group:2"
uri = "sip:{user}@gw.example.com;user=phone"
remove-headers = "X-Internal"
replace-headers = { Subject = "outbound" }
add-headers = { X-Trunk = ["a", "b"] }
record-route = true

[[on]]
method = "REGISTER"
forward = "sip:10.0.0.5;transport=tcp"
path = true

[otherwise]
forward = ""
"""


def decided(folder: Path, method: str, uri: str = "sip:example.com", rules: str = FORWARDING, **headers: str) -> object:
    """What is decided of a request: the words of a forward, or the reply's bytes."""
    (folder / "answers.toml").write_text(rules)
    ring = KeyRing.generate()
    responder = Responder(load_rules(folder / "answers.toml"), Signer(ring.current, ring.accepted(0.0)))
    return responder.respond(parse(RequestFactory().request(method, uri, headers)), SOURCE)


def test_a_rule_lets_a_request_go_on(tmp_path: Path) -> None:
    decision = decided(tmp_path, "INVITE", "sip:030%20123@example.com")
    assert decision == {
        "to": "group:2",
        "uri": b"sip:030%20123@gw.example.com;user=phone",
        "remove": [b"x-internal"],
        "replace": [[b"Subject", b"outbound"]],
        "add": [[b"X-Trunk", b"a"], [b"X-Trunk", b"b"]],
        "record_route": True,
    }


def test_the_ack_and_the_cancel_take_the_same_way(tmp_path: Path) -> None:
    invite = decided(tmp_path, "INVITE", "sip:030@example.com")
    assert (
        decided(tmp_path, "ACK", "sip:030@example.com") == decided(tmp_path, "CANCEL", "sip:030@example.com") == invite
    )


def test_what_no_rule_says_more_of_goes_where_the_edge_sends_it(tmp_path: Path) -> None:
    assert decided(tmp_path, "MESSAGE") == {}
    assert decided(tmp_path, "REGISTER") == {"to": "sip:10.0.0.5;transport=tcp", "path": True}
    assert isinstance(decided(tmp_path, "INVITE", "sip:9001@example.com"), bytes)


def test_scanners_may_be_sent_elsewhere(tmp_path: Path) -> None:
    assert decided(tmp_path, "OPTIONS", **{"User-Agent": "friendly-scanner"}) == {"to": "sip:honeypot.example.com"}
    alone = '[rate]\nrequests = 1\nseconds = 60\nanswer = "forward"\n[otherwise]\nreply = "404"'
    (tmp_path / "answers.toml").write_text(alone)
    app = load_rules(tmp_path / "answers.toml")
    ring = KeyRing.generate()
    responder = Responder(app, Signer(ring.current, ring.accepted(0.0)))
    answers = [responder.respond(parse(RequestFactory().request("OPTIONS")), SOURCE) for _ in range(2)]
    assert isinstance(answers[0], bytes)
    assert answers[1] == {}


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ('forward = "10.0.0.5"', "[[on]] 1: forward: next hop '10.0.0.5'"),
        ('forward = "group:x"', "[[on]] 1: forward: next hop 'group:x'"),
        ("forward = 5", "[[on]] 1: forward = 5 is no text"),
        ('forward = "sip:a"\nreply = "404"', "[[on]] 1: say one of reply, redirect, drop, forward"),
        ('forward = "sip:a"\ndrop = true', "[[on]] 1: say one of"),
        ('forward = "sip:a"\nredirect = "sip:b"', "[[on]] 1: say one of"),
        ('forward = "sip:a"\nheaders = { X = "1" }', "[[on]] 1: there is no key headers"),
        ('forward = "sip:a"\nremove-headers = "Via"', "[[on]] 1: remove-headers: Via is not changed"),
        ('forward = "sip:a"\nreplace-headers = { Subject = ["1", "2"] }', "replace-headers: replace: header Subject"),
        ('forward = "sip:a"\nadd-headers = { "X Y" = "1" }', "add-headers: no header's name"),
        ('forward = "sip:a"\nadd-headers = "X"', "add-headers = 'X' is no table"),
        ('forward = "sip:a"\nuri = "sip:{number}@b"', "[[on]] 1: uri: 'sip:{number}@b': {number} stands for nothing"),
        ('forward = "sip:a"\nuri = "b"', "[[on]] 1: uri: 'b' is no URI"),
        ('forward = "sip:a"\nrecord-route = "yes"', "[[on]] 1: record-route = 'yes' is no true or false"),
        ('reply = "404"\nrecord-route = true', "[[on]] 1: there is no key record-route"),
    ],
)
def test_a_mistake_in_a_rule_that_forwards_names_its_key(tmp_path: Path, rule: str, said: str) -> None:
    (tmp_path / "answers.toml").write_text(f'[[on]]\nmethod = "INVITE"\n{rule}\n')
    with pytest.raises(PluginError) as refused:
        load_rules(tmp_path / "answers.toml")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_so_does_one_in_what_scanners_are_answered(tmp_path: Path) -> None:
    (tmp_path / "answers.toml").write_text('[screen]\nanswer = "forward honeypot"\n')
    with pytest.raises(PluginError, match=r"\[screen\]: answer: next hop 'honeypot'"):
        load_rules(tmp_path / "answers.toml")
