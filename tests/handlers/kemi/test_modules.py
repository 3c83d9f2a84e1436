"""What the observations of Kamailio cannot show: time, credentials, requests of other kinds, the log."""

from __future__ import annotations

import hashlib
import logging
from functools import partial
from typing import TYPE_CHECKING

import pytest

from slbroker.sip.message import Source
from slbroker.testing import credentials
from slbroker_handlers.kemi import script
from slbroker_handlers.kemi.memory import State
from tests.handlers.kemi.scripts import serve

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = 'Digest username="al@dom", realm="r", nonce="n", uri="sip:x", response="00", algorithm=MD5'


def ask(folder: Path, expression: str, *, method: str = "INVITE", settings: str = "", **request: object) -> str:
    """What an expression is in a request."""
    client = serve(folder, f"KSR.sl.sl_send_reply(200, repr(({expression})))", settings)
    reply = client.request(method, **request)  # type: ignore[arg-type]
    assert reply is not None
    return reply.reason


# The request ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listen", "host", "expression", "result"),
    [
        ("tls:192.0.2.2:5061", "192.0.2.1", "KSR.is_TLS(), KSR.is_proto('E'), KSR.kx.get_protoid()", "(True, True, 3)"),
        ("wss:192.0.2.2:443", "192.0.2.1", "KSR.is_WSS(), KSR.is_WSX(), KSR.is_proto('v')", "(True, True, True)"),
        ("udp:[2001:db8::2]:5060", "2001:db8::1", "KSR.is_IPv6(), KSR.pv.get('$Ri')", "(True, '2001:db8::2')"),
        ("udp:[2001:db8::2]:5060", "2001:db8::1", "KSR.pv.get('$su')", "'sip:[2001:db8::1]:7'"),
        ("udp:[2001:db8::2]:5060", "2001:db8::1", "KSR.is_myself('sip:x@[2001:DB8::2]')", "True"),
        ("tcp:192.0.2.2:5070", "192.0.2.1", "KSR.pv.get('$Ru')", "'sip:192.0.2.2:5070;transport=tcp'"),
        ("tcp:192.0.2.2:5070", "192.0.2.1", "KSR.is_dst_port(5070), KSR.is_src_port(7)", "(True, True)"),
        ("udp:192.0.2.2:5060", "192.0.2.2", "KSR.is_myself_srcip(), KSR.is_myself_suri()", "(True, False)"),
    ],
)
def test_the_sockets_are_those_of_the_request(
    tmp_path: Path, listen: str, host: str, expression: str, result: str
) -> None:
    assert ask(tmp_path, expression, source=Source(host, 7, listen)) == result


@pytest.mark.parametrize(
    ("alias", "uri", "expected"),
    [
        ("a.example", "sip:x@A.example:99", True),
        ("a.example:5060", "sip:x@a.example:99", False),
        ("a.example:5060", "sip:x@a.example", True),
        ("udp:a.example:5060", "sip:a.example:5060", True),
        ("[2001:db8::9]", "sip:x@[2001:db8::9]", True),
        ("a.example", "sip:x@b.example", False),
    ],
)
def test_an_alias_is_us(tmp_path: Path, alias: str, uri: str, expected: bool) -> None:
    assert ask(tmp_path, f"KSR.is_myself({uri!r})", settings=f"param=core.alias={alias}") == str(expected)


def test_the_reply_tag_is_known_before_the_reply(tmp_path: Path) -> None:
    client = serve(tmp_path, "KSR.sl.sl_send_reply(200, KSR.pv.get('$ltt(s)'))")
    reply = client.request("INVITE")
    assert reply is not None
    assert (reply.first("To") or "").endswith(f";tag={reply.reason}")


def test_credentials_are_read(tmp_path: Path) -> None:
    names = "['$au', '$aU', '$ar', '$ad', '$aa', '$adu']"
    read = ask(tmp_path, f"[KSR.pv.get(name) for name in {names}]", headers={"Authorization": DIGEST})
    assert read == "['al', 'al@dom', 'r', 'dom', 'MD5', 'sip:x']"


@pytest.mark.parametrize("header", ["Digest", "Basic abc", "Digest x", '"'])
def test_what_are_no_credentials_are_null(tmp_path: Path, header: str) -> None:
    assert ask(tmp_path, "KSR.pv.get('$au'), KSR.kx.getw_au()", headers={"Authorization": header}) == "(None, '<null>')"


def test_the_request_is_written_out_again(tmp_path: Path) -> None:
    text = ask(tmp_path, "KSR.pv.get('$mb')", method="MESSAGE", headers={"s": "x", "Content-Type": "a/b"}, body="hi")
    assert text.startswith("'MESSAGE sip:alice@example.com SIP/2.0\\r\\nVia: SIP/2.0/UDP 192.0.2.1:5060;")
    assert "\\r\\nSubject: x\\r\\n" in text
    assert text.endswith("\\r\\n\\r\\nhi'")


# Maxfwd, sanity -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hops", "result"),
    [
        ("0", "(1, -1)"),
        ("1", "(1, 1)"),
        ("255", "(-1, 1)"),
        (None, "(-2, 2)"),
        ("many", "(-3, -2)"),
        ("256", "(-3, -2)"),
    ],
)
def test_max_forwards(tmp_path: Path, hops: str | None, result: str) -> None:
    expression = "KSR.maxfwd.is_maxfwd_lt(10), KSR.maxfwd.process_maxfwd(10)"
    assert ask(tmp_path, expression, headers={"Max-Forwards": hops}) == result


@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [
        ({"Expires": "soon"}, 400, "Expires value is illegal"),
        ({"Proxy-Require": "a, b"}, 420, "Bad Proxy Require Extension"),
        ({"From": "<http://x>;tag=1"}, 400, "Invalid From Header"),
        ({"To": "<sip:@b>"}, 400, "Invalid To Header"),
        ({"Contact": "<sip:>"}, 400, "Bad Contact URI"),
        ({"Authorization": "Digest x"}, 400, "Bad Auth Header"),
        ({"Authorization": 'Digest realm="r", nonce="n"'}, 400, "Bad Auth Credentials"),
        ({"Expires": ""}, 400, "Bad Expires Header"),
    ],
)
def test_a_failed_sanity_check_has_replied(tmp_path: Path, headers: dict[str, str], status: int, reason: str) -> None:
    client = serve(tmp_path, "if KSR.sanity.sanity_check(131071, 15) > 0:\n    KSR.sl.sl_send_reply(200, 'OK')")
    replies = client.replies("INVITE", headers=headers)
    assert [(reply.status, reply.reason) for reply in replies] == [(status, reason)]


COMPLETE = 'Digest username="{}", realm="r", nonce="n", uri="sip:x", response="0"'


@pytest.mark.parametrize(
    ("checks", "value", "statuses"),
    [
        (2048, COMPLETE.format("al"), [200]),
        (8192, COMPLETE.format("al"), [200]),
        (8192, COMPLETE.format(""), [400]),
        (8192, 'Digest username="al", nonce="n", response="0"', [400]),
        (8192, "Digest x", [400]),
        (8192, "Basic abc", [200]),
        (2048, "Basic abc", []),  # fails, and replies nothing
        (2048, "Digest", []),
    ],
)
def test_credentials_are_judged(tmp_path: Path, checks: int, value: str, statuses: list[int]) -> None:
    client = serve(tmp_path, f"if KSR.sanity.sanity_check({checks}, 0) > 0:\n    KSR.sl.sl_send_reply(200, 'OK')")
    for name in ("Authorization", "Proxy-Authorization"):
        assert [reply.status for reply in client.replies("INVITE", headers={name: value})] == statuses


def test_a_check_whose_bit_is_not_set_is_not_made(tmp_path: Path) -> None:
    assert ask(tmp_path, "KSR.sanity.sanity_check(4, 7)", headers={"Expires": "soon"}) == "1"


# Authentication -------------------------------------------------------------------------------------------------

CHECK = """
if KSR.auth.pv_auth_check("example.com", {password!r}, {flags}, 0) < 0:
    KSR.auth.auth_challenge("example.com", 1)
else:
    KSR.sl.sl_send_reply(200, "Known")
"""
HA1 = hashlib.md5(b"alice:example.com:secret").hexdigest()


@pytest.mark.parametrize("method", ["REGISTER", "INVITE"])
@pytest.mark.parametrize(
    ("password", "flags", "status"), [("secret", 0, 200), ("other", 0, 0), (HA1, 1, 200), ("0" * 32, 1, 0)]
)
def test_digest(tmp_path: Path, method: str, password: str, flags: int, status: int) -> None:
    client = serve(tmp_path, CHECK.format(password=password, flags=flags))
    reply = client.authenticated("alice", "secret", method)
    assert reply is not None
    assert reply.status == (status or (401 if method == "REGISTER" else 407))


def test_a_nonce_expires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1_000_000.0]
    monkeypatch.setattr(script, "State", partial(State, date=lambda: clock[0]))
    client = serve(tmp_path, CHECK.format(password="secret", flags=0), "param=auth.nonce_expire=60")
    challenge = client.request("REGISTER")
    assert challenge is not None
    answer = credentials(challenge, "REGISTER", "sip:alice@example.com", "alice", "secret")
    seen = []
    for clock[0] in (1_000_060.0, 1_000_061.0):
        reply = client.request("REGISTER", headers=answer)
        assert reply is not None
        seen.append(reply.status)
    assert seen == [200, 401]


@pytest.mark.parametrize("realm", ['a"b', "a\\b", "a\r\nb"])
def test_a_realm_that_cannot_be_written_is_refused(tmp_path: Path, realm: str) -> None:
    assert ask(tmp_path, f"KSR.auth.www_challenge({realm!r}, 0), KSR.auth.proxy_challenge({realm!r}, 0)") == "(-1, -1)"


# Logging --------------------------------------------------------------------------------------------------------


def test_levels(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    functions = ("dbg", "info", "notice", "warn", "err", "crit")
    ask(tmp_path, f"[getattr(KSR, name)(name + '\\n') for name in {functions}]")
    ask(tmp_path, "KSR.log('warn', 'by name'), KSR.log('nonsense', 'other'), KSR.xlog.xinfo('$rm $$ $hdr(No)')")
    ours = [(r.levelname, r.getMessage()) for r in caplog.records if r.name == "slbroker.kemi.script"]
    assert ours == [
        ("DEBUG", "dbg"), ("INFO", "info"), ("INFO", "notice"), ("WARNING", "warn"), ("ERROR", "err"),
        ("CRITICAL", "crit"), ("WARNING", "by name"), ("ERROR", "other"), ("INFO", "INVITE $ <null>"),
    ]  # fmt: skip


# Others ---------------------------------------------------------------------------------------------------------


def test_counters_are_logged_when_the_worker_stops(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with serve(tmp_path, "KSR.statistics.update_stat('mine', 2), KSR.counters.inc('mine')") as client:
        client.request("INVITE")
        client.request("INVITE")
    assert "statistic mine = 6" in caplog.text


def test_options_reply_has_what_the_parameters_say(tmp_path: Path) -> None:
    client = serve(tmp_path, "KSR.siputils.options_reply()", "param=siputils.options_support=path")
    reply = client.request("OPTIONS", "sip:192.0.2.2")
    assert reply is not None
    assert (reply.status, reply.all("Supported"), reply.all("Accept")) == (200, ["path"], ["*/*"])


@pytest.mark.parametrize(
    ("via", "tests", "result"),
    [("192.0.2.1:5060", 18, -1), ("10.0.0.1:5060", 2, 1), ("192.0.2.1:5070", 16, 1), ("192.0.2.1:5070", 2, -1)],
)
def test_nat_is_seen_in_the_via(tmp_path: Path, via: str, tests: int, result: int) -> None:
    headers = {"Via": f"SIP/2.0/UDP {via};branch=z9hG4bKx"}
    assert ask(tmp_path, f"KSR.nathelper.nat_uac_test({tests})", headers=headers) == str(result)


NAT_TESTS = "[bit for bit in (1, 2, 4, 8, 16, 32, 64, 128) if KSR.nathelper.nat_uac_test(bit) > 0]"


@pytest.mark.parametrize(
    ("headers", "bits"),
    [
        ({"Contact": "<sip:a@192.0.2.1>"}, []),
        ({"Contact": "<sip:10.0.0.1>"}, [1]),
        ({"Contact": "<sip:a@100.64.1.1:5070>"}, [1, 128]),
        ({"Contact": "<sip:a@10.0.0.1>, <sip:c@b>"}, [1]),
        ({"Contact": "*"}, []),
        ({"Contact": None}, []),
        ({"Via": "SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bKx"}, [2, 4, 16]),
    ],
)
def test_nat_is_seen(tmp_path: Path, headers: dict[str, str | None], bits: list[int]) -> None:
    assert ask(tmp_path, NAT_TESTS, headers=headers) == str(bits)


def test_nat_is_seen_in_where_it_came_from(tmp_path: Path) -> None:
    client = serve(tmp_path, f"KSR.sl.sl_send_reply(200, repr({NAT_TESTS}))")
    headers = {"Via": "SIP/2.0/WS 10.0.0.7:5060;branch=z9hG4bKx", "Contact": "<sip:a@h>"}
    reply = client.request("INVITE", headers=headers, source=Source("10.0.0.7", 5060, "ws:192.0.2.2:80"))
    assert reply is not None
    assert reply.reason == "[4, 32, 64]"


def test_broken_expressions_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broken = "KSR.textops.search('('), KSR.textops.subst_uri('/a/'), KSR.textops.subst_uri('/(/x/')"
    assert ask(tmp_path, broken) == "(-1, -1, -1)"
    assert caplog.text.count("is no regular expression") == 1
    assert caplog.text.count("is no substitution") == 2


def test_sleeping_is_short(tmp_path: Path) -> None:
    assert ask(tmp_path, "KSR.cfgutils.usleep(1), KSR.cfgutils.sleep(0), KSR.cfgutils.sleep(-5)") == "(1, 1, 1)"


def test_text_is_counted_in_bytes_and_case_is_ascii_s(tmp_path: Path) -> None:
    values = (
        "KSR.pv.sets('$var(v)', 'gr\u00fc\u00df'), KSR.pv.get('$(var(v){s.len})'), KSR.pv.get('$(var(v){s.toupper})')"
    )
    assert ask(tmp_path, f"{values}, KSR.pv.get('$(var(v){{s.strip,4}})')") == "(True, 6, 'GR\u00fc\u00df', '\u00df')"


def test_a_date_that_cannot_be_is_null(tmp_path: Path) -> None:
    for number in ("9" * 30, "9" * 5_000, "-1e9"):
        headers = {"Subject": number}
        assert ask(tmp_path, "KSR.pv.get('$(hdr(Subject){s.ftime,%Y})')", headers=headers) == "None"
