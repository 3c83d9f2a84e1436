"""Challenges, and credentials that answer them."""

from __future__ import annotations

import hashlib
import re
from functools import partial
from typing import TYPE_CHECKING

import pytest

from slbroker.testing import Client, credentials
from slbroker_handlers.kemi import script
from slbroker_handlers.kemi.memory import State
from tests.handlers.kemi.scripts import ask, serve

if TYPE_CHECKING:
    from pathlib import Path


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


CHALLENGE = """
    if KSR.auth.pv_www_authenticate_method("ex.org", "secret", 0, "MESSAGE") > 0:
        KSR.sl.sl_send_reply(200, "OK")
    else:
        KSR.auth.auth_get_www_authenticate("ex.org", 1, "$var(challenge)")
        KSR.hdr.append_to_reply(KSR.pv.get("$var(challenge)"))
        KSR.sl.sl_send_reply(401, "Who Are You")
"""


def test_a_challenge_is_made_and_answered_in_parts(tmp_path: Path) -> None:
    """Kamailio 5.6.3 makes the header with its line end; the credentials are judged as those of another method."""
    client: Client = serve(tmp_path, CHALLENGE)
    challenged = client.request("INVITE")
    assert challenged is not None
    assert challenged.status == 401
    said = challenged.first("WWW-Authenticate")
    assert re.fullmatch(r'Digest realm="ex\.org", nonce="[^"]+", qop="auth", algorithm=MD5', said or "")
    for method, status in {"MESSAGE": 200, "INVITE": 401}.items():
        answer = credentials(challenged, method, "sip:bob@example.com", "al", "secret")
        reply = client.request("INVITE", "sip:bob@example.com", answer)
        assert reply is not None
        assert reply.status == status
