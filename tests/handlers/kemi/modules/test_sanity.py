"""Checks that fail, and what they reply."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.handlers.kemi.scripts import ask, serve

if TYPE_CHECKING:
    from pathlib import Path


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
