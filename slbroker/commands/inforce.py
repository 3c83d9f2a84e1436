"""What is in force for a command, option by option, and where each value is from.

Of those who say it the first counts, as everywhere: the command line, the variable, the file, the default.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from slbroker.commands.configfile import as_words, options_of
from slbroker.errors import ConfigError
from slbroker.option import Number, Whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from slbroker.commands.configfile import ConfigFile
    from slbroker.commands.options import Command
    from slbroker.option import Option

LINE: Final = "command line"
DEFAULT: Final = "default"
_WIDTH: Final = 44  # of a setting; where it is from stands behind it


class Said(NamedTuple):
    """What counts for the option `key`: its words, None where there is nothing; and where they are from.

    `over` is where the file says something else, which does not count.
    """

    key: str
    words: str | list[str] | None
    source: str
    option: Option
    over: str = ""

    @property
    def is_said(self) -> bool:
        """Return whether somebody has said it."""
        return self.source != DEFAULT

    def setting(self) -> str:
        """Return it as a line of a TOML file."""
        if self.words is None:
            return f"#{self.key} ="
        if self.option.secret:
            return f'#{self.key} = "not shown"'
        words = self.words if isinstance(self.words, list) else [self.words]
        values = [_value(word, self.option) for word in words]
        return f"{self.key} = [{', '.join(values)}]" if self.option.many else f"{self.key} = {values[0]}"


class Section(NamedTuple):
    """Commands whose values are shown together; `title` is a table's name, or "" for what is said for all."""

    title: str
    commands: Mapping[str, Command]


def in_force(command: Command, name: str, line: Mapping[str, Any], file: ConfigFile | None) -> Iterator[Said]:
    """Yield what counts for each option of a command; `line` are the words of the command line by click's names."""
    in_file = file.values_for(name) if file else {}
    described = {each.key: each for each in command.described}
    with click.Context(command, info_name=name) as ctx:
        for key, param in options_of(command).items():
            option = described[key]
            origin = file.origin(name, key) if file and key in in_file else ""
            if param.name in line:
                yield Said(key, as_words(line[param.name], param), LINE, option, origin)
            elif (words := param.value_from_envvar(ctx)) is not None:
                yield Said(key, words if isinstance(words, str) else list(words), str(param.envvar), option, origin)
            elif origin and (told := _told(in_file[key], param)) is not None:
                yield Said(key, told, origin, option)
            else:
                yield Said(key, _default(option), DEFAULT, option)


def _told(value: object, param: click.Parameter) -> str | list[str] | None:
    """Return the words of a value in a file; None for a list that is for other commands than this one."""
    try:
        return as_words(value, param)
    except ConfigError:
        return None


def _default(option: Option) -> str | list[str] | None:
    """Return the words of a default, None where without the option there is nothing."""
    if option.kind is bool:
        return "false"
    if (word := option.default_word) is not None:
        return word
    default = option.default() if callable(option.default) else option.default
    if default in (None, (), ""):
        return None
    return [str(each) for each in default] if option.many else str(default)


def _value(word: object, option: Option) -> str:
    """Return a word as TOML has it."""
    from slbroker.check import is_on

    text = str(word)
    if option.kind is bool:
        return str(is_on(text)).lower()
    if isinstance(option.kind, Whole | Number) and text.replace(".", "", 1).isdigit():
        return text
    return json.dumps(text, ensure_ascii=False)


# As lines -------------------------------------------------------------------------------------------------------


def listing(section: Section, said: Mapping[str, Sequence[Said]], *, whole: bool) -> Iterator[str]:
    """Yield the lines that show a section, in a form that a TOML file may have; `said` is by command.

    What commands have in common stands there once. Not `whole`, it leaves out what is a default.
    """
    names = ", ".join(section.commands)
    yield f"# In force for slbroker {names}{'' if whole else '; all else has its default'}:"
    if section.title:
        yield f"[{section.title}]"
    rows: dict[tuple[str, str], list[str]] = {}
    for name in section.commands:
        for each in said[name]:
            if whole or each.is_said:
                rows.setdefault((each.setting(), _from(each)), []).append(name)
    for (setting, source), having in rows.items():
        only = f" [{', '.join(having)}]" if len(having) < len(section.commands) else ""
        yield f"{setting:<{_WIDTH}}  # {source}{only}"


def _from(said: Said) -> str:
    if said.over:
        return f"{said.source}; not {said.over}"
    if said.words is None:
        return "required, and nobody says it" if said.option.required else "not set"
    return said.source


def sections(
    commands: Mapping[str, Command], file: ConfigFile | None, said: Mapping[str, Iterable[Said]]
) -> Iterator[Section]:
    """Yield what is to be shown: each table of a file; without any, together, the services that are told something."""
    tables = [name for name in (file.tables if file else ()) if name in commands]
    for name in tables:
        yield Section(name, {name: commands[name]})
    if not tables:
        told = {
            name: command
            for name, command in commands.items()
            if command.serves and any(each.is_said for each in said[name])
        }
        if told:
            yield Section("", told)
