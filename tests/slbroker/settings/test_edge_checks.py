"""Checks on the command line, in the environment and in the configuration file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from slbroker.errors import ConfigError
from slbroker.settings.edge import CheckChoice, read_tag
from slbroker.sip.validate import DEFAULT, NAMES
from tests.support.processes import run_slbroker
from tests.support.sip import request
from tests.torture.corpus import CASES
from tests.torture.live import Live

PAGE = Path(__file__).parents[3] / "docs/checks.md"


def test_which_are_on() -> None:
    assert CheckChoice((), ()).checks().names == DEFAULT
    assert CheckChoice(("date", "contact"), ("via",)).checks().names == DEFAULT - {"via"} | {"date", "contact"}
    assert CheckChoice(("all",), ()).checks().names == frozenset(NAMES)
    assert CheckChoice(("all",), ("branch",)).checks().names == frozenset(NAMES) - {"branch"}
    assert CheckChoice(("date",), ("all",)).checks().names == {"date"}
    assert CheckChoice(("date",), ("date",)).checks().names == DEFAULT


def test_what_they_need_to_know() -> None:
    checks = CheckChoice((), (), ("Timer", "100rel"), 1_000).checks()
    assert (checks.supported, checks.max_body) == (frozenset((b"timer", b"100rel")), 1_000)
    with pytest.raises(ConfigError, match="--supported 'timer, 100rel' is no option tag"):
        read_tag("timer, 100rel")


def test_the_page_lists_every_check_and_whether_it_is_on() -> None:
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| (on|off) \|", PAGE.read_text(), re.MULTILINE))
    assert list(rows) == list(NAMES)
    assert {name for name, state in rows.items() if state == "on"} == DEFAULT


def test_from_the_command_line_to_the_reply() -> None:
    with Live("--check=date", "--no-check=via", "--supported=nothingSupportsThis", "--max-body=100") as live:
        assert live.ask(CASES["baddate"].data).statuses == [400]
        assert live.ask(CASES["badinv01"].data).statuses == [413]
        assert live.ask(request("MESSAGE", via="SIP/2.0/UDP h;<x")).statuses == [404]
        (refused,) = live.ask(CASES["bext01"].data).replies
    assert b"\r\nUnsupported: nothingSupportsThisEither\r\n" in refused


def test_a_name_that_is_no_check() -> None:
    tried = run_slbroker("edge", "--check", "everything", "--keys", "x")
    assert tried.wait() == 2
    assert "everything" in tried.log


def test_in_the_configuration_file(tmp_path: Path) -> None:
    file = tmp_path / "slbroker.toml"
    file.write_text('[run]\ncheck = ["date"]\nno-check = ["via", "ruri"]\nsupported = ["timer"]\nmax-body = 0\n')
    with Live(f"--config={file}") as live:
        assert live.ask(CASES["ipv6-bad"].data).statuses == [404]
        assert live.ask(request("MESSAGE", require="timer", date="today")).statuses == [400]
        assert live.ask(request("MESSAGE", body=b"x")).statuses == [413]
