"""The manual pages: groff and mandoc find nothing wrong with them, and each option is in them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest

from slbroker.cli import cli
from slbroker.commands.manpage import pages
from slbroker.errors import Exit
from tests.support.processes import child_environment

if TYPE_CHECKING:
    from pathlib import Path

PAGES = dict(pages(cli, "2026-11-29"))


def shown(command: list[str], text: str) -> tuple[str, str]:
    """What a formatter makes of a page, and what it says to that."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
    return re.sub(r".\x08", "", done.stdout), done.stderr


def test_groff_has_nothing_to_complain_of() -> None:
    """All in one run: starting it is most of what a page costs."""
    assert shown(["groff", "-man", "-Tutf8", "-ww", "-b", "-z"], "\n".join(PAGES.values())) == ("", "")


def test_mandoc_has_nothing_to_complain_of(tmp_path: Path) -> None:
    for name, text in PAGES.items():
        (tmp_path / name).write_text(text)
    said, complaint = shown(["mandoc", "-T", "lint", *(str(tmp_path / name) for name in PAGES)], "")
    found = [line for line in said.splitlines() if "referenced manual not found" not in line]  # it is not installed
    assert (found, complaint) == ([], "")


def test_each_command_has_a_page_with_each_of_its_options() -> None:
    names = {"slbroker.1"}
    for name, command in cli.commands.items():
        inner = command.commands if isinstance(command, click.Group) else {}
        names |= {f"slbroker-{name}.1", *(f"slbroker-{name}-{each}.1" for each in inner)}
        assert f".B slbroker {name}\n" in PAGES["slbroker.1"]
        for param in command.params:
            if isinstance(param, click.Option):
                flag = param.opts[0].replace("-", r"\-")
                assert re.search(rf"^\.B {re.escape(flag)}\b", PAGES[f"slbroker-{name}.1"], re.MULTILINE), flag
    assert set(PAGES) == names


def test_a_page_reads_as_the_help_does() -> None:
    if shutil.which("man") is None:
        pytest.skip("man is not installed")
    text, _ = shown(["groff", "-man", "-Tutf8", "-P-c"], PAGES["slbroker-edge.1"])
    words = " ".join(text.split())
    assert "slbroker-edge - Start an edge: SIP on one side, handlers on the other" in words
    assert "--max-wait FLOAT RANGE" in words
    assert "Seconds that one waits. [env var: SLBROKER_MAX_WAIT; default: 0.5;" in words
    assert "its table [edge]" in words


def test_the_exit_codes_are_all_there() -> None:
    for code in Exit:
        assert f".TP\n.B {int(code)}\n" in PAGES["slbroker-ping.1"]


def test_what_troff_would_take_for_its_own_is_text(tmp_path: Path) -> None:
    @click.group()
    def odd() -> None:
        """Say .so 'x' and \\fB, 10\\100 ^ ~ `a`.

        \b
        .TH at a line's begin
        'br

        Second paragraph -- with "quotes".
        """

    (text,) = (text for name, text in pages(odd, "2026-11-29"))
    plain, complaint = shown(["groff", "-man", "-Tutf8", "-ww", "-b", "-P-c"], text)
    assert complaint == ""
    words = " ".join(plain.split())
    assert r"Say .so 'x' and \fB, 10\100 ^ ~ `a`. .TH at a line's begin 'br Second paragraph -- with " in words


def test_they_are_written_the_same_again(tmp_path: Path) -> None:
    done = [sys.executable, "-m", "slbroker.commands.manpage"]
    env = child_environment({"SOURCE_DATE_EPOCH": "1700000000"})
    subprocess.run([*done, str(tmp_path / "man1")], check=True, env=env, timeout=60)
    text = (tmp_path / "man1" / "slbroker.1").read_text()
    assert '"2023-11-14"' in text.splitlines()[0]
    assert {file.name for file in (tmp_path / "man1").iterdir()} == set(PAGES)
