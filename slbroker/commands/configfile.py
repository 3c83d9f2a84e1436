"""The TOML file of `--config`: the keys that it may have, and what they say."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import click

from slbroker.commands.tomllines import key_lines
from slbroker.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


class ConfigFile(NamedTuple):
    """A file's content: what stands at its top, for all commands, and the tables by their names; and its text."""

    path: Path
    shared: Mapping[str, object]
    tables: Mapping[str, Mapping[str, object]]
    text: str

    def values_for(self, command: str) -> dict[str, object]:
        """Return what is said for a command, by the names of its options: in its table, else at the top."""
        return {spell(key): value for key, value in {**self.shared, **self.tables.get(command, {})}.items()}

    def where(self, table: str, key: str) -> str:
        """Return FILE:LINE of a key in a table, "" at the top; with the key "" of the table itself; else the file."""
        line = _lines(self.text).get((table, key))
        return f"{self.path}:{line}" if line else str(self.path)

    def origin(self, command: str, name: str) -> str:
        """Return FILE:LINE of what `values_for` a command has under a name."""
        for table, keys in ((command, self.tables.get(command, {})), ("", self.shared)):
            for key in keys:
                if spell(key) == name:
                    return self.where(table, key)
        return str(self.path)


_lines = lru_cache(maxsize=1)(key_lines)


class Unknown(NamedTuple):
    """A key, or with the key "" a whole table, that no command has; `table` is "" at the top."""

    table: str
    key: str
    hint: str


def load(path: Path) -> ConfigFile:
    """Return what `path` holds; raise ConfigError where it cannot be read, is no TOML, or says one option twice."""
    import tomllib  # it takes a twentieth of what --help does, which needs none

    try:
        text = path.read_text(encoding="utf-8-sig")  # Windows editors begin with a BOM
        content = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"config {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"config {path}: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"config {path}: lists or tables are nested too deeply") from error
    shared = {key: value for key, value in content.items() if not isinstance(value, dict)}
    tables = {key: value for key, value in content.items() if isinstance(value, dict)}
    for name, keys in {"": shared, **tables}.items():
        _refuse_twice(f"config {path}: {f'[{name}] ' if name else ''}", keys)
    return ConfigFile(path, shared, tables, text)


def _refuse_twice(where: str, keys: Mapping[str, object]) -> None:
    """Raise ConfigError for a key that is there with hyphens and with underscores: which of both counts?"""
    said: dict[str, str] = {}
    for key in keys:
        if (other := said.setdefault(spell(key), key)) != key:
            raise ConfigError(f"{where}{other} and {key} are the same option")


def commands_of(ctx: click.Context) -> dict[str, click.Command]:
    """Return the commands beside the one that runs, and itself, that a file can have tables for."""
    group = ctx.parent.command if ctx.parent else ctx.command
    commands = group.commands if isinstance(group, click.Group) else {ctx.info_name or "": ctx.command}
    return {name: command for name, command in commands.items() if not isinstance(command, click.Group)}


def options_of(command: click.Command) -> dict[str, click.Parameter]:
    """Return a command's options by the keys that a file may give: their names without the hyphens before them."""
    params = [param for param in command.params if isinstance(param, click.Option) and param.name != "config"]
    return {spell(param.opts[0].removeprefix("--")): param for param in params}


def spell(key: str) -> str:
    """Return the name of an option that a key stands for: with hyphens, where the key may have underscores."""
    return key.replace("_", "-")


def unknown_keys(file: ConfigFile, commands: Mapping[str, click.Command]) -> Iterator[Unknown]:
    """Yield the keys and tables of a file that no command has."""
    known = {key for command in commands.values() for key in options_of(command)}
    for key in file.shared:
        if spell(key) not in known:
            is_table = key in commands and bool(options_of(commands[key]))
            hint = f"; write it as a table, [{key}]" if is_table else _guess(spell(key), known)
            yield Unknown("", key, hint)
    for name, table in file.tables.items():
        if name not in commands:
            wrong = "has a value of the wrong kind" if spell(name) in known else "is no command"
            yield Unknown(name, "", f"{wrong}; the commands are {', '.join(commands)}")
            continue
        own = set(options_of(commands[name]))
        for key in table:
            if spell(key) not in own:
                yield Unknown(name, key, _guess(spell(key), own))


def _guess(key: str, known: set[str]) -> str:
    return guess(key.lower(), known) or "; see --help"


def guess(word: str, known: set[str], prefix: str = "") -> str:
    """Return which of the `known` words was meant, with a prefix, as a question; "" where none is like it."""
    import difflib

    alike = difflib.get_close_matches(word, sorted(known), 1, 0.6)
    return f"; {prefix}{alike[0]}?" if alike else ""


def as_words(value: object, param: click.Parameter) -> str | list[str]:
    """Return a value as it would stand on the command line, which knows what it has to look like.

    Raises ConfigError for what is no text, number, true or false; or a list of these where one is wanted.
    """
    values = value if isinstance(value, list) and param.multiple else [value]
    if not all(isinstance(single, str | int | float) for single in values):
        raise ConfigError("has a value of the wrong kind")
    words = [str(single).lower() if isinstance(single, bool) else str(single) for single in values]
    return words if param.multiple else words[0]
