"""Identities, and the lengths of users."""

from __future__ import annotations

from slbroker_handlers.kemi.testing import ksr_request


def test_identities_and_lengths_are_read() -> None:
    headers = {
        "P-Asserted-Identity": '"Al" <sip:+49@h:5;x=y>, <tel:+1>',
        "P-Preferred-Identity": '"P" <sip:pp@q>',
        "Remote-Party-ID": '"R" <sip:rp@h>;party=calling;privacy=off',
    }
    with ksr_request("MESSAGE", headers=headers):
        import KSR

        names = ("ai", "(ai[1])", "pu", "pU", "pd", "re")
        assert [KSR.pv.get(f"${name}") for name in names] == [
            "sip:+49@h:5;x=y", "tel:+1", "sip:pp@q", "pp", "q", "sip:rp@h",
        ]  # fmt: skip
