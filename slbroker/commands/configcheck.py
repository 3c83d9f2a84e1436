"""What `slbroker check --config` looks at: each key by itself, then what a command makes of them together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, TypeAlias

import click

from slbroker.commands import configfile, options
from slbroker.commands.configfile import as_words, options_of, spell
from slbroker.errors import ConfigError, UsageError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from slbroker.check import Examination, Look
    from slbroker.commands.configfile import ConfigFile

Found: TypeAlias = "tuple[str, Examination]"

SUBJECT: Final = "config"


class _Place(NamedTuple):
    """The top of a file, whose name is "", or a table; `commands` are those that it speaks to."""

    name: str
    file: ConfigFile
    keys: Mapping[str, object]
    commands: Mapping[str, click.Command]

    @property
    def title(self) -> str:
        """Where it begins, and its name."""
        return f"{self.file.where(self.name, '')} [{self.name}]" if self.name else str(self.file.path)

    def title_of(self, key: str) -> str:
        """Return where a key stands, and its name."""
        table = f"[{self.name}] " if self.name else ""
        return f"{self.file.where(self.name, key)} {table}{key}"


def examinations(path: Path, commands: Mapping[str, click.Command], looks: Mapping[str, Look]) -> Iterator[Found]:
    """Yield (subject, examination) for what a file says: one for each thing that is wrong, and some for what is not.

    `looks` are by the names of options. What a table and the top say together is asked of the command where each of
    these keys is right by itself.
    """
    try:
        file = configfile.load(path)
    except ConfigError as error:
        yield _bad(error)
        return
    yield from _FileCheck(file, commands, looks).run()


def _bad(error: UserError) -> Found:
    return SUBJECT, partial(_fail, error)


def _good(words: str) -> Found:
    return SUBJECT, lambda: words


def _fail(error: UserError) -> NoReturn:
    raise error


class _FileCheck:
    """The check of one file."""

    def __init__(self, file: ConfigFile, commands: Mapping[str, click.Command], looks: Mapping[str, Look]) -> None:
        self._file = file
        self._commands = commands
        self._looks = looks
        self._unknown = list(configfile.unknown_keys(file, commands))
        self._wrong = {(table, key) for table, key, _ in self._unknown}
        self._tables = [
            _Place(name, file, keys, {name: commands[name]}) for name, keys in file.tables.items() if name in commands
        ]
        spoken_to = {place.name: commands[place.name] for place in self._tables}
        self._top = _Place("", file, file.shared, spoken_to or commands)

    def run(self) -> Iterator[Found]:
        for table, key, hint in self._unknown:
            place = _Place(table, self._file, {}, {})
            words = f"{place.title_of(key)}: there is no such option" if key else f"{place.title} "
            yield _bad(ConfigError(f"{words}{hint}"))
        for place in (self._top, *self._tables):
            for key in place.keys:
                if (place.name, key) not in self._wrong:
                    yield from self._check_key(place, key)
        if self._top.keys and not self._tables:
            yield from self._say_keys(self._top)
        for place in self._tables:
            yield from self._check_table(place)

    # A key ------------------------------------------------------------------------------------------------------

    def _check_key(self, place: _Place, key: str) -> Iterator[Found]:
        """Yield what is wrong with what one key says; what it names, where it names something; else nothing."""
        meanings, errors = self._read(place, key)
        look = self._looks.get(spell(key))
        if look is not None and not errors:
            beside = self._file.values_for(place.name)
            for meaning in meanings:
                try:
                    yield _good(f"{place.title_of(key)}: {look(meaning, beside)}")
                except UserError as error:
                    errors.append(error)
        for wrong in errors:
            self._wrong.add((place.name, key))
            yield _bad(type(wrong)(f"{place.title_of(key)}: {wrong}"))

    def _read(self, place: _Place, key: str) -> tuple[list[Any], list[UserError]]:
        """Return what the words of a key mean, and what is wrong with them, to the commands that have the option."""
        params = _params(key, place.commands)
        readings = [read(param, place.keys[key]) for param in params or _params(key, self._commands)]
        if not (params and self._tables):  # it may be for any of them, and not all of them take a list
            return min(readings, key=lambda reading: len(reading[1]))
        errors = {str(error): error for _, errors in readings for error in errors}
        return readings[0][0], list(errors.values())

    # A table ----------------------------------------------------------------------------------------------------

    def _check_table(self, place: _Place) -> Iterator[Found]:
        """Yield what a command says of its table and the top together, unless one of their keys is wrong already."""
        ((name, command),) = place.commands.items()
        own, values = options_of(command), self._file.values_for(name)
        said = {(where.name, key) for where in (self._top, place) for key in where.keys if spell(key) in own}
        if said & self._wrong:
            return
        defaults = {str(param.name): as_words(values[key], param) for key, param in own.items() if key in values}
        try:
            options.check_only(command, name, defaults)
        except click.ClickException as error:
            yield _bad(ConfigError(f"{place.title}: {options.complaint(error)}"))
        except UserError as error:
            kind = ConfigError if isinstance(error, UsageError) else type(error)
            yield _bad(kind(f"{place.title}: {error}"))
        else:
            yield from self._say_keys(place)

    def _say_keys(self, place: _Place) -> Iterator[Found]:
        right = sorted(spell(key) for key in place.keys if (place.name, key) not in self._wrong)
        if right:
            yield _good(f"{place.title}: {', '.join(right)}")


def _params(key: str, commands: Mapping[str, click.Command]) -> list[click.Parameter]:
    """Return the options that a key is for, of those commands that have it."""
    return [own[spell(key)] for each in commands.values() if spell(key) in (own := options_of(each))]


def read(param: click.Parameter, value: object) -> tuple[list[Any], list[UserError]]:
    """Return what the words of a value mean to an option, and what is wrong with them."""
    meanings: list[Any] = []
    errors: list[UserError] = []
    try:
        words = as_words(value, param)
    except ConfigError as error:
        return [], [ConfigError(f"it {error}")]
    for word in [words] if isinstance(words, str) else words:
        try:
            meanings.append(param.type(word, param, click.Context(click.Command(""))))
        except click.ClickException as error:
            errors.append(ConfigError(options.complaint(error)))
        except UserError as error:
            errors.append(error)
    return meanings, errors
