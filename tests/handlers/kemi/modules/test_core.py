"""KSR's own functions: where a request came from and to, who we are, the log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from slbroker.sip.message import Source
from tests.handlers.kemi.scripts import ask

if TYPE_CHECKING:
    from pathlib import Path


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
