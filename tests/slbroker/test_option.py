"""An option is told once, and can be said in every way: by word, by variable, in a file, with the same bounds."""

from __future__ import annotations

import re
import sys
import tomllib
from collections import Counter
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Any

import click
import pytest

from slbroker.cli import cli, main
from slbroker.errors import Exit
from slbroker.option import Number, OneOf, Option, Part, Whole, Word
from slbroker.settings.edge import EdgeSettings
from tests.support import optionpages
from tests.support.optionpages import COMMANDS, all_options, params, settings_classes
from tests.support.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Fields that nobody can say: what an edge and a broker tell themselves, and figures that are the same for all.
OWN = {
    "EdgeSettings.process", "BrokerSettings.relay", "DispatchSettings.heartbeat", "DispatchSettings.max_waiting_bytes",
    "RelaySettings.heartbeat", "RelaySettings.liveness", "RelaySettings.max_wait", "RelaySettings.offer_interval",
    "RelaySettings.max_waiting_bytes",
}  # fmt: skip
ARGUMENTS = {"ping": ["sip:h"], "replay": ["requests"], "record": ["requests"], "rpc": ["sl.stats"], "trace": ["alice"]}
NEEDED = {"edge": ["--keys", "ring"], "handler": ["--keys", "ring"], "record": ["--keys", "ring"]}
GOOD = {
    "--http": "[::1]:80",
    "--url": "https://m:1/RPC",
    "--retry-after": "7-9",
    "--server": "Example SBC",
    "--pool": "premium",
    "--group-by": "ruri",
    "--ping-method": "INFO",
    "--ping-reply-codes": "class=2;code=404",
}  # where the default is the example
BAD = {
    "host:port": "8080", "url": "ftp://m",
    "proto:host:port": "udp:5060:5060", "[proto:]host[:port]": "a:b:c", "ipc:///path|tcp://host:port": "nowhere",
    "scheme://host": "phone", "'pool=NAME WORD=...'": "pool=a colour=red", "pool[:percent]": "a:101",
    "seconds|from-to|off": "soon", "text|off": "a\x07b", "tag": "a,b", "name": "a/b",
    "hop": "tel:1", "host": "a/b", "host[:port]": "a:b:c", "what": "weather", "method": "a b", "sip-uri": "tel:1",
    "codes": "all", "udp:host:port": "udp:9060", "key": "k" * 257, "network": "10.0.0.1/8", "token": "a/b",
    "call-id|user|source": "source=phone",
}  # fmt: skip


def said_by() -> list[Any]:
    return [
        pytest.param(told.option, name, id=f"{name} {told.option.flag}")
        for told in all_options()
        for name, _ in params(told.option)
        if told.option.flag != "--config"
    ]


def values(option: Option) -> tuple[list[str], list[str]]:
    """Words that an option takes, those at its bounds first, and words that it refuses."""
    match option.kind:
        case Whole(low, high):
            return [str(low), str(high)], [str(low - 1), str(high + 1), "many", "2.5"]
        case Number(low, high):
            return [str(low), str(high)], [str(low - 0.001), str(high + 0.001), "much", "nan"]
        case OneOf(words):
            return list(words), ["neither"]
        case Word(name):
            return [GOOD.get(option.flag, option.example)], [BAD[name]]
    return (["true"], ["perhaps"]) if option.kind is bool else ([option.example or "sample.file"], [])


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [told.option.variable for told in all_options()]:
        monkeypatch.delenv(name, raising=False)


Ways = dict[str, "tuple[list[str], dict[str, str]]"]


def ways(option: Option, command: str, word: str, folder: Path) -> Ways:
    """The words and the environment for each way to say it."""
    number = isinstance(option.kind, Whole | Number) and re.fullmatch(r"-?[0-9.]+|nan", word)
    value = word if number or word == "true" else '"' + word.replace("\x07", "\\u0007") + '"'
    (folder / "top.toml").write_text(f"{option.key} = {f'[{value}]' if option.many else value}\n")
    (folder / "table.toml").write_text(f"[{command}]\n" + (folder / "top.toml").read_text())
    spoken = [option.flag] if word == "true" and option.kind is bool else [f"{option.flag}={word}"]
    # Where blanks are between the values of a variable, one with blanks in it is written with semicolons.
    variable = word.replace(" ", ";") if option.many and option.flag == "--route" else word
    said: Ways = {"variable": ([], {option.variable: variable})}
    if option.kind is not bool or word == "true":
        said["word"] = (spoken, {})
    if command != "check":  # whose --config is looked at, and no more
        said |= {"top": (["--config", "top.toml"], {}), "table": (["--config", "table.toml"], {})}
    return said


def noted(seen: dict[str, Any], way: str, **given: Any) -> None:
    seen[way] = given


@pytest.mark.parametrize(("option", "command"), said_by())
def test_what_an_option_takes_is_the_same_in_every_way(
    option: Option, command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for word in values(option)[0]:
        seen: dict[str, Any] = {}
        for way, (words, env) in ways(option, command, word, tmp_path).items():
            needed = [] if option.required else NEEDED.get(command, [])
            with monkeypatch.context() as patched:
                for name, value in env.items():
                    patched.setenv(name, value)
                patched.setattr(COMMANDS[command], "callback", partial(noted, seen, way))
                cli.main([command, *needed, *words, *ARGUMENTS.get(command, [])], standalone_mode=False)
        first = seen["word"][option.name]
        assert [given[option.name] for given in seen.values()] == [first] * len(seen), word
        assert first is not None


@pytest.mark.parametrize(("option", "command"), said_by())
def test_what_an_option_refuses_it_refuses_in_the_same_words_in_every_way(
    option: Option,
    command: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    for word in values(option)[1]:
        heard = set()
        for words, env in ways(option, command, word, tmp_path).values():
            needed = [] if option.required else NEEDED.get(command, [])
            with monkeypatch.context() as patched:
                for name, value in env.items():
                    patched.setenv(name, value)
                patched.setattr(sys, "argv", ["slbroker", command, *needed, *words, *ARGUMENTS.get(command, [])])
                with pytest.raises(SystemExit) as caught:
                    main()
            line = capsys.readouterr().err
            assert line.count("\n") == 1, line
            bare = re.sub(r"^slbroker: (config \w+\.toml: )?", "", line).replace(f" (in {option.variable})", "")
            heard.add((caught.value.code, bare.replace("'pool=a;colour=red'", "'pool=a colour=red'")))
        assert len(heard) == 1, (word, heard)
        assert {code for code, _ in heard} <= {Exit.USAGE, Exit.CONFIG}


def test_every_field_of_every_settings_class_can_be_said() -> None:
    classes = settings_classes()
    assert EdgeSettings in classes
    assert len(classes) > 12
    mute = {
        f"{of.__name__}.{each.name}"
        for of in classes
        for each in fields(of)
        if not any(isinstance(meaning, Option | Part) for meaning in each.metadata.values())
    }
    assert mute == OWN
    parts = [m.of for of in classes for each in fields(of) for m in each.metadata.values() if isinstance(m, Part)]
    assert {each.__name__ for each in parts} <= {each.__name__ for each in classes}


def test_every_option_belongs_to_a_command_and_every_commands_option_is_a_field() -> None:
    told = all_options()
    assert [each.option.flag for each in told if not each.commands] == []
    ours = {(param.opts[0], name) for each in told for name, param in params(each.option)}
    all_params = ((name, param) for name, command in COMMANDS.items() for param in command.params)
    clicks = {(param.opts[0], name) for name, param in all_params if isinstance(param, click.Option)}
    assert clicks == ours


def test_where_an_option_is_told_has_one_answer() -> None:
    """`--gather`, for one: the file of whoever gathers."""
    files = [*(ROOT / "slbroker").rglob("*.py"), *(ROOT / "edge").rglob("*.py"), *(ROOT / "handlers").rglob("*.py")]
    told = [flag for file in files for flag in re.findall(r'\boption\(\s*"(--[a-z-]+)"', file.read_text("utf-8"))]
    assert {flag: count for flag, count in Counter(told).items() if count > 1} == {}
    assert set(told) == {each.option.flag for each in all_options()}
    for each in all_options():
        here = [file for file in files if re.search(rf'\boption\(\s*"{each.option.flag}"', file.read_text("utf-8"))]
        assert here == [ROOT / each.where], each.option.flag
    assert [file for file in files if '"--gather"' in file.read_text("utf-8")] == [ROOT / "slbroker/settings/edge.py"]


# The pages ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["page", "example"])
def test_the_pages_are_what_the_settings_say(name: str) -> None:
    """If not: python -m tests.support.optionpages."""
    make: Callable[[], str] = getattr(optionpages, name)
    file = {"page": optionpages.PAGE, "example": optionpages.EXAMPLE}[name]
    assert file.read_text(encoding="utf-8") == make()


def test_page_and_example_have_every_option() -> None:
    page, example = optionpages.page(), optionpages.example()
    for told in all_options():
        assert f"| `{told.option.flag}` |" in page
        assert told.option.flag == "--config" or f"\n#{told.option.key} = " in example


def test_every_line_of_the_example_can_be_taken_as_it_stands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """One at a time: some of them exclude each other. What is no file here is all that is said of them."""
    table, checked = "", set()
    for line in optionpages.EXAMPLE.read_text(encoding="utf-8").splitlines():
        table = line if line.startswith("[") else table
        if not re.match(r"#[a-z-]+ = ", line):
            continue
        (tmp_path / "one.toml").write_text(f"{table}\n{line[1:]}\n")
        assert tomllib.loads(f"{table}\n{line[1:]}\n")
        monkeypatch.setattr(sys, "argv", ["slbroker", "check", "--config", "one.toml"])
        with pytest.raises(SystemExit):
            main()
        checked.add(line[1:].partition(" ")[0])
        wrong = [said for said in capsys.readouterr().out.splitlines() if said.startswith("BAD")]
        missing = re.compile(r"[nN]o such file|no key file|no bus key|no clients|cannot be written|needs").search
        assert [said for said in wrong if not missing(said)] == [], line
    assert checked == {told.option.key for told in all_options()} - {"config"}
