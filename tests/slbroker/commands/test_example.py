"""`slbroker config`: the example is a file, and what it says to be the default is."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import pytest

from slbroker.commands.configfile import load
from slbroker.commands.example import EXAMPLE, configurable
from slbroker.commands.inforce import in_force
from slbroker.errors import Exit
from tests.support import optionpages
from tests.support.optionpages import COMMANDS
from tests.support.processes import call_slbroker

if TYPE_CHECKING:
    from pathlib import Path


def uncommented(text: str) -> str:
    """The file with every default set that stands in it."""
    lines = [line for line in text.splitlines() if not line.endswith(EXAMPLE)]
    return "\n".join(re.sub(r"^#(?=[a-z-]+ = )", "", line) for line in lines)


def test_it_is_the_one_in_the_docs_and_a_file_as_it_stands(tmp_path: Path) -> None:
    ended = call_slbroker("config")
    assert (ended.code, ended.log) == (Exit.OK, "")
    assert ended.output == optionpages.EXAMPLE.read_text(encoding="utf-8")
    assert not any(value for value in tomllib.loads(ended.output).values())
    (tmp_path / "slbroker.toml").write_text(ended.output)
    checked = call_slbroker("check", "--config", "slbroker.toml", cwd=tmp_path)
    assert checked.code == Exit.OK, checked


def test_what_stands_in_it_without_an_example_is_the_default(tmp_path: Path) -> None:
    """For each command: with all of that set, nothing is another than without."""
    file = tmp_path / "all.toml"
    file.write_text(uncommented(call_slbroker("config").output))
    content = load(file)
    seen = 0
    for name, command in configurable(COMMANDS).items():
        without = {each.key: each.setting() for each in in_force(command, name, {}, None)}
        said = list(in_force(command, name, {}, content))
        assert {each.key: each.setting() for each in said} == without, name
        seen += sum(each.is_said for each in said)
        defaults = {each.key for each in said if each.words is not None and not callable(each.option.default)}
        assert {each.key for each in said if each.is_said} == defaults, name
    assert seen > 100


def test_all_of_it_may_be_taken(tmp_path: Path) -> None:
    """Each key and each table at once, examples too: what is wrong then are files that are not there."""
    text = re.sub(r"(?m)^#(?=[a-z-]+ = )", "", call_slbroker("config").output)
    (tmp_path / "all.toml").write_text(text)
    content = load(tmp_path / "all.toml")
    assert set(content.tables) <= set(COMMANDS)
    checked = call_slbroker("check", "--config", "all.toml", cwd=tmp_path)
    wrong = [line for line in checked.output.splitlines() if line.startswith("BAD")]
    assert [
        line for line in wrong if not re.search(r"No such|no such file|no key file|no bus key|no clients", line)
    ] == []
    assert len(wrong) > 5


def test_some_commands_alone() -> None:
    output = call_slbroker("config", "broker", "monitor").output
    assert set(tomllib.loads(output)) == {"broker", "monitor"}
    assert "\n#edges = " in output
    assert "\n#listen = " not in output


@pytest.mark.parametrize(("word", "hint"), [("egde", "; edge?"), ("keys", ""), ("check", "")])
def test_a_command_that_has_none(word: str, hint: str) -> None:
    ended = call_slbroker("config", word)
    assert (ended.code, ended.output) == (Exit.USAGE, "")
    assert ended.log.startswith(f"slbroker: {word} is no command with options{hint}")
