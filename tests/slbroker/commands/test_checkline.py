"""`slbroker check` says what is in force, and where each value is from; and what is wrong with a command line."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import pytest

from slbroker import keys
from slbroker.errors import Exit
from tests.support.peers import free_udp_port
from tests.support.processes import call_slbroker, run_slbroker

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE = "slbroker.toml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a key ring and a plugin."""
    keys.create(tmp_path / "ring")
    (tmp_path / "answers.py").write_text("from slbroker import Handlers\n\napp = Handlers()\napp.otherwise(print)\n")
    return tmp_path


def sources(output: str) -> dict[str, tuple[str, str]]:
    """What is shown of each key: its setting, and where that is from."""
    rows = re.findall(r"^#?([a-z-]+) =(.*?) +# (.*)$", output, re.MULTILINE)
    return {key: (value.strip(), source) for key, value, source in rows}


def toml_of(output: str) -> Mapping[str, object]:
    """What is in force, read as a file."""
    begun = output.index("# In force")
    return tomllib.loads(output[begun:].split("\n# kamailio.cfg")[0])


def test_each_value_is_told_with_where_it_is_from(folder: Path) -> None:
    port = free_udp_port()
    (folder / FILE).write_text(
        '# ours\nkeys = "ring"\nmax-wait = 0.25\n\n'
        f'[edge]\nlisten = [\n  "udp:127.0.0.1:{port}",\n]\ntries = 3\nsupported = ["a"]\n'
    )
    words = ("edge", "--config", FILE, "--supported", "timer", "--record-route")
    env = {"SLBROKER_TRIES": "5", "SLBROKER_MAX_WAITING": "99", "SLBROKER_ALIAS": "a.example b.example"}
    ended = run_slbroker("check", *words, cwd=folder, env=env)
    assert (ended.wait(), ended.log) == (Exit.OK, "")
    told = sources(ended.output)
    assert told["keys"] == ('"ring"', f"{FILE}:2")
    assert told["max-wait"] == ("0.25", f"{FILE}:3")
    assert told["listen"] == (f'["udp:127.0.0.1:{port}"]', f"{FILE}:6")
    assert told["tries"] == ("5", f"SLBROKER_TRIES; not {FILE}:9")
    assert told["max-waiting"] == ("99", "SLBROKER_MAX_WAITING")
    assert told["alias"] == ('["a.example", "b.example"]', "SLBROKER_ALIAS")
    assert told["supported"] == ('["timer"]', f"command line; not {FILE}:10")
    assert told["record-route"] == ("true", "command line")
    assert told["overload"] == ('"503"', "default")
    assert told["path"] == ("false", "default")
    assert told["pass"] == ("", "not set")
    assert told["log-level"] == ('"info"', "default")
    edge = toml_of(ended.output)["edge"]
    assert isinstance(edge, dict)
    assert (edge["tries"], edge["handler-timeout"], edge["freebind"]) == (5, 5.0, False)


def test_what_is_in_force_can_be_a_file_again(folder: Path) -> None:
    """And that says the same."""
    (folder / FILE).write_text('[edge]\nkeys = "ring"\nlisten = "udp:127.0.0.1:0"\nroute = ["pool=a user=\\"9\\""]\n')
    first = call_slbroker("check", "edge", "--config", FILE, cwd=folder)
    assert first.code == Exit.OK, first
    begun = first.output.index("# In force")
    (folder / "again.toml").write_text(first.output[begun:])
    again = call_slbroker("check", "edge", "--config", "again.toml", cwd=folder)
    assert again.code == Exit.OK, again
    assert toml_of(again.output) == toml_of(first.output)


def test_every_table_of_a_file_is_shown(folder: Path) -> None:
    (folder / FILE).write_text(
        'keys = "ring"\n[edge]\nlisten = "udp:127.0.0.1:0"\n[handler]\nplugin = "answers.py"\ncredit = 5\n'
        '[broker]\nedges = "tcp://127.0.0.1:5591"\nhandlers = "tcp://127.0.0.1:5592"\n[monitor]\ninterval = 2\n'
    )
    ended = call_slbroker("check", "--config", FILE, "--plugin", "answers.py", cwd=folder)
    assert ended.code == Exit.OK, ended
    shown = toml_of(ended.output)
    assert set(shown) == {"edge", "handler", "broker", "monitor"}
    assert [ended.output.count(f"# In force for slbroker {name}:\n") for name in shown] == [1] * 4
    handler = ended.output.partition("# In force for slbroker handler:")[2].partition("# In force")[0]
    assert sources(handler)["credit"] == ("5", f"{FILE}:6")
    assert sources(handler)["keys"] == ('"ring"', f"{FILE}:1")
    assert sources(handler)["plugin"] == ('"answers.py"', f"command line; not {FILE}:5")


def test_a_file_without_tables_is_shown_for_those_that_it_speaks_to(folder: Path) -> None:
    (folder / FILE).write_text('plugin = "answers.py"\n')
    ended = call_slbroker("check", "--config", FILE, cwd=folder)
    assert ended.code == Exit.OK, ended
    assert "# In force for slbroker run, handler:\n" in ended.output
    rows = [line for line in ended.output.splitlines() if line.startswith("workers = ")]
    assert [" ".join(row.split()) for row in rows] == [
        "workers = 2 # default [run]",
        "workers = 1 # default [handler]",
    ]


def test_without_a_file_what_is_said_is_shown(folder: Path) -> None:
    assert "In force" not in call_slbroker("check", cwd=folder).output
    ended = run_slbroker("check", "--keys", "ring", cwd=folder, env={"SLBROKER_CREDIT": "7"})
    assert ended.wait() == Exit.OK
    assert "all else has its default" in ended.output
    told = sources(ended.output)
    assert told["keys"][1].startswith("command line")
    assert told["credit"] == ("7", "SLBROKER_CREDIT [run, handler, record]")
    assert "max-wait" not in told


def test_an_unknown_variable_is_named_once_with_the_nearest(folder: Path) -> None:
    env = {"SLBROKER_MAXWAIT": "3", "SLBROKER_PLUGINS": "x", "SLBROKER_XYZZY": "1", "SLBROKER_TEST_X": "1"}
    ended = run_slbroker("check", cwd=folder, env=env)
    assert (ended.wait(), ended.log) == (Exit.OK, "")
    said = [line for line in ended.output.splitlines() if line.startswith("note variable ")]
    assert said == [
        "note variable SLBROKER_MAXWAIT is set and is no option of slbroker; SLBROKER_MAX_WAIT?",
        "note variable SLBROKER_PLUGINS is set and is no option of slbroker; SLBROKER_PLUGIN?",
        "note variable SLBROKER_XYZZY is set and is no option of slbroker",
    ]


# What is wrong: the words, the code, and how the one line begins.
WRONG = {
    ("egde",): (Exit.USAGE, "command  egde is no command that can be checked; edge?"),
    ("keys",): (Exit.USAGE, "command  keys is no command that can be checked"),
    ("check",): (Exit.USAGE, "command  check is no command that can be checked"),
    ("edge", "--listne", "x"): (Exit.USAGE, "command  No such option"),
    ("edge", "--listen"): (Exit.USAGE, "command  Option '--listen' requires an argument"),
    ("edge", "--listen", "udp:127.0.0.1:0"): (Exit.USAGE, "command  Missing option '--keys'"),
    ("edge", "--keys", "ring"): (Exit.USAGE, "command  where to listen?"),
    ("edge", "--keys", "ring", "--listen", "5060"): (Exit.CONFIG, "command  --listen: listen address '5060'"),
    ("edge", "--keys", "nowhere", "--listen", "udp:127.0.0.1:0"): (Exit.CONFIG, "command  --keys: no key file nowhere"),
    ("edge", "--keys", "ring", "--max-wait", "long"): (Exit.CONFIG, "command  --max-wait: --max-wait wants a number"),
    ("handler", "--keys", "ring", "--plugin", "no.py"): (Exit.PLUGIN, "command  --plugin: plugin no.py: there is no"),
    ("run", "--plugin", "answers.py", "--kemi", "k.py"): (Exit.PLUGIN, "command  --kemi: "),
    ("edge", "--config", "nowhere.toml"): (Exit.CONFIG, "config   config nowhere.toml: No such file"),
    ("edge", "--keys", "ring", "--listen", "udp:127.0.0.1:0", "--overload", "pass"): (
        Exit.CONFIG, "command  --overload pass: where to?",
    ),
}  # fmt: skip


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_a_command_line_that_is_wrong(words: tuple[str, ...], folder: Path) -> None:
    code, begins = WRONG[words]
    ended = call_slbroker("check", *words, cwd=folder)
    bad = [line.removeprefix("BAD  ") for line in ended.output.splitlines() if line.startswith("BAD")]
    assert len(bad) == 1, bad
    assert bad[0].startswith(begins), bad
    assert (ended.code, ended.log) == (code, "")
    assert "In force" not in ended.output


def test_a_variable_that_is_wrong_is_told_by_its_name(folder: Path) -> None:
    (folder / FILE).write_text("[edge]\ntries = 3\n")
    ended = run_slbroker("check", "--config", FILE, cwd=folder, env={"SLBROKER_MAX_WAIT": "long"})
    assert ended.wait() == Exit.CONFIG
    assert [line for line in ended.output.splitlines() if line.startswith("BAD")] == [
        "BAD  variable SLBROKER_MAX_WAIT: --max-wait wants a number from 0.01 to 60, not long"
    ]


def test_checking_a_command_line_starts_nothing(folder: Path) -> None:
    ended = call_slbroker("check", "run", "--listen", f"udp:127.0.0.1:{free_udp_port()}", "--workers", "2", cwd=folder)
    assert ended.code == Exit.OK, ended
    assert "ok   command  slbroker run would start so" in ended.output
    assert "route(SLBROKER)" in ended.output
