"""Which versions are named, and that what is said of the ones at hand is so."""

from __future__ import annotations

import os
import re
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

import click
import msgpack
import pytest
from click.testing import CliRunner

from slbroker import knownfaults
from slbroker.commands.look import check
from slbroker.knownfaults import faults
from tests.support.processes import run_slbroker

if TYPE_CHECKING:
    from collections.abc import Callable

GROUPS = "gh-106052"
CAPTURES = "gh-101955"


@pytest.mark.parametrize(
    ("library", "number", "named"),
    [
        ("python", "3.11.2", [GROUPS, CAPTURES]),
        ("python", "3.11.4+", [GROUPS, CAPTURES]),
        ("python", "3.11.5", [CAPTURES]),
        ("python", "3.12.7", [CAPTURES]),
        ("python", "3.12.8", []),
        ("python", "3.13.0", [CAPTURES]),
        ("python", "3.13.1rc1", []),
        ("python", "3.14.10", []),
        ("click", "8.2.0", ["2952"]),
        ("click", "8.2.1", ["2952"]),
        ("click", "8.2.2", []),
        ("click", "8.10", []),
        ("msgpack", "1.2.0", ["CVE-2026-57585"]),
        ("msgpack", "1.2.1", []),
        ("msgpack", "unknown", []),
        ("pyzmq", "26.0.0", []),
    ],
)
def test_versions_known_to_misbehave(library: str, number: str, named: list[str]) -> None:
    said = faults(library, number)
    assert len(said) == len(named)
    assert all(name in words for name, words in zip(named, said, strict=True))


def engine_takes_too_much() -> bool:
    return re.match(r"(?:[^\r]|\r(?!\n))*+", "a\r\n").end() != 1  # type: ignore[union-attr]


def engine_loses_groups() -> bool:
    try:
        return re.match(r"(?:(x)|z)*+", "xz").span(1) != (0, 1)  # type: ignore[union-attr]
    except SystemError:
        return True


def click_turns_on_what_is_off() -> bool:
    @click.command()
    @click.option("--on", is_flag=True, envvar="TURNED")
    def tell(*, on: bool) -> None:
        click.echo(on)

    return "True" in CliRunner().invoke(tell, env={"TURNED": "0"}).output


@pytest.mark.parametrize(
    ("library", "number", "name", "is_so"),
    [
        ("python", "{}.{}.{}".format(*sys.version_info), GROUPS, engine_takes_too_much),
        ("python", "{}.{}.{}".format(*sys.version_info), CAPTURES, engine_loses_groups),
        ("click", version("click"), "2952", click_turns_on_what_is_off),
    ],
)
def test_what_is_said_of_this_one_is_so(library: str, number: str, name: str, is_so: Callable[[], bool]) -> None:
    assert any(name in words for words in faults(library, number)) == is_so()


def test_check_names_them_and_succeeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knownfaults, "version", {"click": "8.2.1", "msgpack": "1.2.4"}.__getitem__)
    monkeypatch.setattr("platform.python_version", lambda: "3.11.2")
    result = CliRunner().invoke(check, [])
    assert result.exit_code == 0
    notes = [line for line in result.output.splitlines() if line.startswith("note")]
    assert [note.split()[1:3] for note in notes] == [["python", "3.11.2:"], ["python", "3.11.2:"], ["click", "8.2.1:"]]


def test_check_names_a_msgpack_without_its_c_part() -> None:
    """In a process of its own, where it is chosen as it is on a machine without a wheel."""
    process = run_slbroker("check", env={**os.environ, "MSGPACK_PUREPYTHON": "1"})
    assert process.wait() == 0
    assert re.search(r"^note msgpack .*slower", process.output, re.MULTILINE)


def test_check_says_nothing_against_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knownfaults, "version", {"click": "8.5.1", "msgpack": "1.2.4"}.__getitem__)
    monkeypatch.setattr("platform.python_version", lambda: "3.14.10")
    assert msgpack.Packer.__module__ != "msgpack.fallback"
    assert "note" not in CliRunner().invoke(check, []).output
