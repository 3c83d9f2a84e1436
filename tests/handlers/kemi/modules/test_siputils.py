"""The answer to OPTIONS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.handlers.kemi.scripts import serve

if TYPE_CHECKING:
    from pathlib import Path


def test_options_reply_has_what_the_parameters_say(tmp_path: Path) -> None:
    client = serve(tmp_path, "KSR.siputils.options_reply()", "param=siputils.options_support=path")
    reply = client.request("OPTIONS", "sip:192.0.2.2")
    assert reply is not None
    assert (reply.status, reply.all("Supported"), reply.all("Accept")) == (200, ["path"], ["*/*"])
