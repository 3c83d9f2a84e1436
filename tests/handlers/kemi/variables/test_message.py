"""The request as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.handlers.kemi.scripts import ask, serve

if TYPE_CHECKING:
    from pathlib import Path


def test_the_reply_tag_is_known_before_the_reply(tmp_path: Path) -> None:
    client = serve(tmp_path, "KSR.sl.sl_send_reply(200, KSR.pv.get('$ltt(s)'))")
    reply = client.request("INVITE")
    assert reply is not None
    assert (reply.first("To") or "").endswith(f";tag={reply.reason}")


def test_the_request_is_written_out_again(tmp_path: Path) -> None:
    text = ask(tmp_path, "KSR.pv.get('$mb')", method="MESSAGE", headers={"s": "x", "Content-Type": "a/b"}, body="hi")
    assert text.startswith("'MESSAGE sip:alice@example.com SIP/2.0\\r\\nVia: SIP/2.0/UDP 192.0.2.1:5060;")
    assert "\\r\\nSubject: x\\r\\n" in text
    assert text.endswith("\\r\\n\\r\\nhi'")
