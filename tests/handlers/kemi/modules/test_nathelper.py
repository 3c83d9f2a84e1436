"""Clients behind NAT."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from slbroker.sip.message import Source
from tests.handlers.kemi.scripts import ask, serve

if TYPE_CHECKING:
    from pathlib import Path


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
