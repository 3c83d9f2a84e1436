"""What a script keeps: from one request to the next, and when it is loaded again. And what it must not keep."""

from __future__ import annotations

import logging
import signal
import socket
from typing import TYPE_CHECKING

import pytest

from slbroker.sip.response import parse_response
from slbroker.testing import Client, RequestFactory
from slbroker_handlers.kemi.memory import State
from slbroker_handlers.loader import PluginSource
from tests.handlers.kemi.scripts import route, serve, write
from tests.peers.brokers import free_bus_address, new_keys, start_edge
from tests.support.processes import run_slbroker
from tests.support.timing import within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start

# Bans whoever sends MESSAGE; says who is banned.
BAN = """
if KSR.is_MESSAGE():
    KSR.htable.sht_seti("ban", KSR.pv.get("$fU"), 1)
    KSR.pv.sets("$shv(last)", KSR.pv.get("$fU"))
banned = KSR.htable.sht_get("ban", KSR.pv.get("$fU"))
KSR.sl.sl_send_reply(403 if banned else 200, "VERSION, last " + str(KSR.pv.get("$shv(last)")))
"""
SETTINGS = "?param=htable.htable=ban%3D>autoexpire=3600"


def said(client: Client, method: str) -> tuple[int, str]:
    """Status and reason of the reply to a request of mallory's."""
    reply = client.request(method, headers={"From": "<sip:mallory@example.org>;tag=1"})
    assert reply is not None
    return reply.status, reply.reason


def test_a_script_that_is_loaded_again_keeps_its_htables_and_shared_variables(tmp_path: Path) -> None:
    name = write(tmp_path, route(BAN.replace("VERSION", "Old"))) + SETTINGS
    source = PluginSource(name)
    assert said(Client(source.load()), "MESSAGE") == (403, "Old, last mallory")
    write(tmp_path, route(BAN.replace("VERSION", "New")))
    assert said(Client(source.load_again()), "OPTIONS") == (403, "New, last mallory")
    assert said(Client(PluginSource(name).load()), "OPTIONS") == (200, "New, last 0")


@pytest.mark.parametrize(
    ("keep", "ask"),
    [
        ("KSR.pv.seti('$var(x)', 7)", "KSR.pv.get('$var(x)')"),
        ("KSR.pv.seti('$shv(x)', 7)", "KSR.pv.get('$shv(x)')"),
        ("KSR.pv.seti('$sht(a=>x)', 7)", "KSR.htable.sht_get('a', 'x')"),
        ("KSR.cfgutils.rand_set_prob(7)", "KSR.cfgutils.rand_get_prob()"),
        ("[KSR.pike.pike_check_ip('192.0.2.7') for _ in range(9)]", "8 + KSR.pike.pike_check_ip('192.0.2.7')"),
    ],
)
def test_what_is_kept_when_a_script_is_loaded_again(tmp_path: Path, keep: str, ask: str) -> None:
    body = f"if KSR.is_MESSAGE():\n    {keep}\nKSR.sl.sl_send_reply(200, str({ask}))"
    source = PluginSource(f"{write(tmp_path, route(body))}?param=pike.reqs_density_per_unit=2")
    said(Client(source.load()), "MESSAGE")
    assert said(Client(source.load_again()), "OPTIONS") == (200, "7")


def test_a_broken_version_leaves_the_memory_as_it_was(tmp_path: Path) -> None:
    source = PluginSource(write(tmp_path, route(BAN)) + SETTINGS)
    said(Client(source.load()), "MESSAGE")
    write(tmp_path, "1/0")
    with pytest.raises(Exception, match="ZeroDivisionError"):
        source.load_again()
    write(tmp_path, route(BAN))
    assert said(Client(source.load_again()), "OPTIONS")[0] == 403


def test_a_new_key_loses_no_ban(start_slbroker: Start, tmp_path: Path) -> None:
    """SIGHUP, for whatever reason it is sent, empties no table: the edge and a worker as they run in service."""
    script = write(tmp_path, route(BAN.replace("VERSION", "Here"))).removeprefix("kemi:")
    keys, bus = new_keys(tmp_path), free_bus_address("ipc", tmp_path)
    edge = start_edge(start_slbroker, keys, bus)
    words = ("--kemi", script, "--kemi-param", "htable.htable=ban=>autoexpire=3600")
    handler = start_slbroker("handler", "--bus", bus, "--keys", str(keys), *words)
    handler.wait_for("handler ready")
    factory = RequestFactory()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
        caller.settimeout(within(5))
        caller.connect(("127.0.0.1", edge.port))
        statuses = []
        for method in ("MESSAGE", "OPTIONS"):
            caller.send(factory.request(method, headers={"From": "<sip:mallory@example.org>;tag=1"}))
            reply = parse_response(caller.recv(65_535))
            assert reply is not None
            statuses.append(reply.status)
            if method == "MESSAGE":
                assert run_slbroker("keys", "rotate", str(keys)).wait() == 0
                handler.send(signal.SIGHUP)
                handler.wait_for("script.py?param=htable.htable=ban=>autoexpire=3600 loaded again")
    assert statuses == [403, 403]


SET = {
    "flags": ("KSR.setflag(3)", "KSR.isflagset(3)", "False"),
    "script flags": ("KSR.setsflag(3)", "KSR.issflagset(3), KSR.pv.get('$sf')", "(False, 0)"),
    "branch flags": ("KSR.setbflag(3)", "KSR.isbflagset(3)", "False"),
    "extended flags": ("KSR.corex.setxflag(3)", "KSR.corex.isxflagset(3)", "-1"),
    "avps": ("KSR.pv.sets('$avp(x)', 'y')", "KSR.pv.get('$avp(x)')", "None"),
    "the destination": ("KSR.setdsturi('sip:192.0.2.1')", "KSR.pv.get('$du')", "None"),
    "the Request-URI": ("KSR.seturi('sip:x@y')", "KSR.pv.get('$ru')", "'sip:alice@example.com'"),
    "branches": ("KSR.corex.append_branch_uri('sip:x@y')", "KSR.pv.get('$br')", "None"),
    "iterators of headers": ("KSR.textopsx.hf_iterator_start('i')", "KSR.textopsx.hf_iterator_next('i')", "-1"),
    "a judgement of credentials": ("KSR.auth.pv_auth_check('r', 'p', 0, 0)", "KSR.siputils.is_user('al')", "-1"),
}


@pytest.mark.parametrize("what", SET)
def test_nothing_of_one_request_is_seen_in_the_next(tmp_path: Path, what: str) -> None:
    change, ask, unchanged = SET[what]
    client = serve(tmp_path, f"if KSR.is_MESSAGE():\n    {change}\nKSR.sl.sl_send_reply(200, repr(({ask})))")
    credentials = 'Digest username="al", realm="r", nonce="n", uri="sip:x", response="0"'
    client.request("MESSAGE", headers={"Proxy-Authorization": credentials})
    assert said(client, "OPTIONS") == (200, unchanged)


def test_no_header_or_body_for_one_reply_goes_out_with_the_next(tmp_path: Path) -> None:
    put = 'KSR.hdr.append_to_reply("X-A: b\\r\\n")\n    KSR.textops.set_reply_body("x", "text/plain")'
    client = serve(tmp_path, f"if KSR.is_MESSAGE():\n    {put}\nKSR.sl.sl_send_reply(200, 'OK')")
    first, second = client.request("MESSAGE"), client.request("OPTIONS")
    assert first is not None
    assert second is not None
    assert (first.first("X-A"), second.first("X-A"), second.body) == ("b", None, b"")


def test_what_belongs_to_the_process_is_seen_in_the_next_request(tmp_path: Path) -> None:
    """As in Kamailio, where $var of a process stays what it was."""
    client = serve(
        tmp_path,
        "if KSR.is_MESSAGE():\n    KSR.pv.seti('$var(x)', 5)\nKSR.sl.sl_send_reply(200, str(KSR.pv.get('$var(x)')))",
    )
    client.request("MESSAGE")
    assert said(client, "OPTIONS") == (200, "5")


def test_an_impossible_call_is_logged_the_first_time_and_then_seldom(caplog: pytest.LogCaptureFixture) -> None:
    memory = State()
    for _ in range(250):
        memory.count_unsupported("KSR.tm.t_relay")
    assert memory.unsupported == {"KSR.tm.t_relay": 250}
    assert [record.args for record in caplog.records] == [("KSR.tm.t_relay", 1), ("KSR.tm.t_relay", 100)]


def test_that_tables_are_local_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    memory = State()
    memory.table("a"), memory.table("b"), memory.table("a")
    assert len(caplog.records) == 1
    assert "local to each worker" in caplog.text
    assert caplog.records[0].levelno == logging.WARNING
