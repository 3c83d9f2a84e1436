"""Requests that a script lets go on, and replies that it looks at, without Kamailio beside it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from slbroker.errors import ConfigError, PluginError
from slbroker.sip.message import Source
from slbroker.testing import Client
from slbroker_handlers.kemi.script import describe, examine, load_script
from tests.handlers.kemi.scripts import route, write

if TYPE_CHECKING:
    from pathlib import Path

US = Source("192.0.2.1", 5060, "udp:192.0.2.7:5060")


def client(folder: Path, text: str, query: str = "") -> Client:
    """A client of a script."""
    return Client(load_script(write(folder, text) + query))


def test_a_request_goes_on_once_when_the_route_has_ended(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caller = client(tmp_path, route("KSR.setflag(KSR.forward())\n"
                                    "KSR.seturi('sip:carol@10.0.0.6')\nKSR.setflag(2 + KSR.forward())"))  # fmt: skip
    assert caller.request("INVITE", "sip:bob@10.0.0.5") is None
    assert caller.forwarded is not None
    assert (caller.forwarded.to, caller.forwarded.uri) == ("sip:bob@10.0.0.5", "sip:bob@10.0.0.5")
    assert "goes on already" in caplog.text


@pytest.mark.parametrize(
    ("steps", "status", "goes_on"),
    [
        ("KSR.sl.sl_send_reply(100, 'Trying')\nKSR.forward()", None, True),
        ("KSR.forward()\nKSR.sl.sl_send_reply(503, 'Busy')", 503, False),
        ("KSR.sl.sl_send_reply(180, 'Ringing')\nKSR.sl.sl_send_reply(200, 'OK')\nKSR.forward()", 200, False),
    ],
)
def test_a_final_reply_goes_before_and_a_provisional_one_is_left_out(
    steps: str, status: int | None, goes_on: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caller = client(tmp_path, route(steps))
    reply = caller.request("INVITE", "sip:bob@10.0.0.5")
    assert (reply.status if reply else None) == status
    assert (caller.forwarded is not None) is goes_on
    assert "to a request that goes on" in caplog.text


@pytest.mark.parametrize("to", ["group:7", "target", "sips:gw.example.com", "sip:[2001:db8::5]:5070;transport=tcp"])
def test_forward_uri_takes_what_handlers_name(to: str, tmp_path: Path) -> None:
    caller = client(tmp_path, route(f"KSR.forward_uri({to!r})"))
    caller.request("OPTIONS")
    assert caller.forwarded is not None
    assert caller.forwarded.to == to


@pytest.mark.parametrize("to", ["group:x", "tel:+49", "sip:10.0.0.5;transport=x", "sip:", "10.0.0.5:5060", "sip:h:0"])
def test_what_leads_nowhere_is_refused_with_a_line(to: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caller = client(tmp_path, route(f"KSR.sl.sl_send_reply(299 if KSR.forward_uri({to!r}) == -1 else 500, 'x')"))
    reply = caller.request("OPTIONS")
    assert reply is not None
    assert (reply.status, caller.forwarded) == (299, None)
    assert "OPTIONS cannot go on to" in caplog.text


@pytest.mark.parametrize(
    "step",
    [
        "hdr.append('Via: SIP/2.0/UDP x')", "hdr.remove('From')", "hdr.remove('l')", "hdr.append('no header')",
        "hdr.insert('X: 1\\r\\n To: x')", "hdr.rmappend('CSeq', 'X: 1')", "textops.remove_hf('Content-Type')",
        "textops.remove_hf_idx('Call-ID', 0)", "rr.add_rr_param('nat=yes')", "rr.record_route_params(';a>b')",
        "hdr.append('X: 1\\0')",
    ],
)  # fmt: skip
def test_what_a_proxy_leaves_alone_stays_and_the_script_is_told(
    step: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caller = client(tmp_path, route(f"KSR.hdr.append('X-Result: %d' % KSR.{step})\nKSR.forward()"))
    caller.request("INVITE", "sip:bob@10.0.0.5")
    assert caller.forwarded is not None
    assert caller.forwarded.headers["X-Result"] == "-1"
    assert [record.name for record in caplog.records if record.levelno == logging.ERROR]


def test_too_many_changes_are_refused_when_it_goes_on(tmp_path: Path) -> None:
    caller = client(tmp_path, route("for n in range(65):\n    KSR.hdr.append('X: %d' % n)\n"
                                    "KSR.sl.sl_send_reply(299, 'x') if KSR.forward() < 0 else 0"))  # fmt: skip
    reply = caller.request("OPTIONS", "sip:bob@10.0.0.5")
    assert reply is not None
    assert reply.status == 299


# Replies ------------------------------------------------------------------------------------------------------------

REPLIES = """
import KSR

def mod_init():
    return Both()

class Both:
    def child_init(self, rank):
        return 0

    def ksr_request_route(self, msg):
        KSR.forward_uri("sip:10.0.0.5")
        return 1

    def ksr_reply_route(self, msg):
        {}
        return 1
"""


def test_a_script_without_a_reply_route_is_not_asked_of_replies(tmp_path: Path) -> None:
    app = load_script(write(tmp_path, route("KSR.forward()")))
    assert b"sl:reply" not in app._by_method


def test_a_reply_route_that_fails_lets_the_reply_go_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caller = client(tmp_path, REPLIES.format("KSR.hdr.append('X-New: 1'); raise ValueError('no')"))
    caller.request("INVITE")
    reply = caller.forwarded_reply(486)
    assert reply is not None
    assert (reply.status, reply.headers["X-New"]) == (486, "1")
    assert "ksr_reply_route: script" in caplog.text


def test_nothing_is_answered_or_forwarded_in_a_reply_route(tmp_path: Path) -> None:
    calls = "KSR.forward(), KSR.sl.sl_send_reply(500, 'x'), KSR.sl.sl_reply_error()"
    caller = client(tmp_path, REPLIES.format(f"KSR.hdr.append('X-New: %d %d %d' % ({calls}))"))
    caller.request("INVITE")
    reply = caller.forwarded_reply(200)
    assert reply is not None
    assert (reply.status, reply.headers["X-New"]) == (200, "-1 -1 -1")


# t_relay ------------------------------------------------------------------------------------------------------------


def test_t_relay_is_refused_unless_it_may_be_stateless(tmp_path: Path) -> None:
    script = write(tmp_path, route("KSR.tm.t_relay()"))
    with pytest.raises(PluginError, match=r"KSR.tm.t_relay: there are no transactions; --kemi-relay stateless"):
        load_script(script)
    assert [entry.title for entry in examine(script).missing] == ["KSR.tm.t_relay"]
    said = describe(f"{script}?relay=stateless", examine(f"{script}?relay=stateless"))
    assert "0 cannot work here" in said
    assert "without a transaction: what is lost is lost" in said
    with pytest.raises(ConfigError, match="relay=x is not stateless"):
        load_script(f"{script}?relay=x")


def test_with_missing_calls_allowed_t_relay_fails_as_before(tmp_path: Path) -> None:
    caller = client(tmp_path, route("KSR.sl.sl_send_reply(299 if KSR.tm.t_relay() == -1 else 500, 'x')"),
                    "?allow-missing=1")  # fmt: skip
    reply = caller.request("INVITE", "sip:bob@10.0.0.5")
    assert reply is not None
    assert (reply.status, caller.forwarded) == (299, None)


DEFAULT = """
if KSR.is_CANCEL():
    if KSR.tm.t_check_trans() > 0:
        KSR.tm.t_relay()
    return 1
if KSR.is_ACK():
    if KSR.tm.t_check_trans() > 0:
        KSR.tm.t_relay()
    return 1
if KSR.tm.t_newtran() < 0:
    return 1
KSR.setdsturi("sip:10.0.0.5")
KSR.tm.t_relay()
"""


@pytest.mark.parametrize("method", ["CANCEL", "ACK"])
@pytest.mark.parametrize(("uri", "to"), [("sip:bob@192.0.2.7", ""), ("sip:bob@10.0.0.9", "sip:bob@10.0.0.9")])
def test_an_ack_and_a_cancel_go_on_as_usual_scripts_ask_for_it(method: str, uri: str, to: str, tmp_path: Path) -> None:
    """By a transaction, which there is none of; to us there is no use in going: where the edge's --pass leads."""
    caller = client(tmp_path, route(DEFAULT.strip()), "?relay=stateless")
    caller.request(method, uri, source=US)
    assert caller.forwarded is not None
    assert caller.forwarded.to == to


def test_a_branch_route_may_not_call_what_cannot_work(tmp_path: Path) -> None:
    text = route("KSR.tm.t_on_branch('there')\nKSR.tm.t_relay()") + (
        "\n    def there(self, msg):\n        KSR.registrar.save('location', 0)\n        return 1\n"
    )
    script = write(tmp_path, text)
    assert [entry.title for entry in examine(f"{script}?relay=stateless").missing] == ["KSR.registrar.save"]
