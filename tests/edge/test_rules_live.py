"""`slbroker edge --rules`: a shield with no Python and no worker, in front of a socket that stands for a proxy."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING

import pytest

from slbroker.errors import Exit
from slbroker.keys import create as create_keys
from tests.edge.test_forward_live import Edge, Phone
from tests.support.forwarding import headers, reply_to
from tests.support.processes import run_slbroker
from tests.support.sip import read_reply, request
from tests.support.timing import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Start

RULES = """
[screen]

[[on]]
method = "INVITE"
user = "900*"
reply = "403 No Premium Numbers"

[[on]]
method = "MESSAGE"
forward = "{hop}"
add-headers = {{ X-By = "rule" }}
"""


@pytest.fixture
def caller() -> Iterator[Phone]:
    phone = Phone()
    with phone.sock:
        yield phone


@pytest.fixture
def proxy() -> Iterator[Phone]:
    phone = Phone()
    with phone.sock:
        yield phone


def test_the_shield_answers_drops_and_passes_without_a_worker(
    start_slbroker: Start, tmp_path: Path, caller: Phone, proxy: Phone
) -> None:
    rules = tmp_path / "edge.toml"
    rules.write_text(RULES.format(hop=proxy.uri))
    edge = Edge(start_slbroker, tmp_path, "--rules", str(rules), "--route", f"pass={proxy.uri}")
    invite = request("INVITE", "sip:9001@example.com", via=caller.via("a"))
    caller.send(invite, edge.port)
    refused = caller.receive()
    assert read_reply(refused).status == 403
    (to,) = headers(refused, b"to")
    ack = request("ACK", "sip:9001@example.com", via=caller.via("a"), to=to.partition(b": ")[2])
    caller.send(ack, edge.port)
    caller.send(request("OPTIONS", via=caller.via("b"), user_agent="friendly-scanner"), edge.port)
    caller.send(request("MESSAGE", via=caller.via("c")), edge.port)
    came = proxy.receive()
    assert headers(came, b"x-by") == [b"X-By: rule"], "neither the absorbed ACK nor the scanner comes before it"
    proxy.send(reply_to(came, 202, b"Accepted"), edge.port)
    assert read_reply(caller.receive()).status == 202
    caller.send(request("INVITE", via=caller.via("d"), call_id="other"), edge.port)
    came = proxy.receive()
    assert came.startswith(b"INVITE ")
    assert headers(came, b"x-by") == []
    figures = edge.figures()
    assert {name: figures[name] for name in ("received", "replied", "absorbed", "forwarded", "dropped")} == {
        "received": 5, "replied": 1, "absorbed": 1, "forwarded": 2, "dropped": {"rules": 1},
    }  # fmt: skip


@pytest.mark.parametrize("by_signal", [False, True])
def test_rules_that_change_are_read_again(
    start_slbroker: Start, tmp_path: Path, caller: Phone, by_signal: bool
) -> None:
    rules = tmp_path / "edge.toml"
    rules.write_text('[otherwise]\nreply = "404"')
    edge = Edge(start_slbroker, tmp_path, "--rules", str(rules))

    def status() -> int:
        caller.send(request("MESSAGE", via=caller.via()), edge.port)
        return read_reply(caller.receive()).status

    assert status() == 404
    rules.write_text('[otherwise]\nreply = "nonsense"')
    if by_signal:
        edge.process.send(signal.SIGHUP)
    edge.process.wait_for("not reloaded, the old rules stay in use")
    assert status() == 404
    rules.write_text('[otherwise]\nreply = "480"')
    if by_signal:
        edge.process.send(signal.SIGHUP)
    until(lambda: status() == 480, what="the new rules")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[otherwise]\nreplies = "404"', r"slbroker: plugin .*edge\.toml: \[otherwise\]: "),
        ("[[on]", r"slbroker: plugin .*edge\.toml: "),
        (None, r"slbroker: plugin .*edge\.toml: No such file or directory"),
    ],
)
def test_a_file_that_cannot_be_is_one_line_and_no_edge(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "edge.toml").write_text(text)
    create_keys(tmp_path / "ring")
    words = ("--rules", str(tmp_path / "edge.toml"), "--listen", "udp:127.0.0.1:0", "--bus", f"ipc://{tmp_path}/bus")
    ended = run_slbroker("edge", "--keys", str(tmp_path / "ring"), *words)
    assert ended.wait() == Exit.PLUGIN, ended
    assert len(ended.log.splitlines()) == 1
    assert re.match(said, ended.log)


def test_check_looks_at_it(tmp_path: Path) -> None:
    rules, config = tmp_path / "edge.toml", tmp_path / "slbroker.toml"
    config.write_text(f'[edge]\nrules = "{rules}"\n')
    rules.write_text('[[on]]\nmethod = "INVITE"\nforward = "sip:10.0.0.5"')
    good = run_slbroker("check", "--config", str(config))
    assert f"rules: {rules} can be read, rules for INVITE" in good.output
    rules.write_text('[[on]]\nmethod = "INVITE"\nforward = "10.0.0.5"')
    bad = run_slbroker("check", "--config", str(config))
    assert "[[on]] 1: forward: next hop '10.0.0.5'" in bad.output + bad.log
    assert bad.wait() != 0
