"""What `slbroker check` says of values that are in no file: of a command line, of variables; and what counts.

The words of check's own command line count as those of each command that has the option.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from slbroker.commands import configfile, options
from slbroker.commands.configcheck import read
from slbroker.commands.handover import handing_over
from slbroker.commands.inforce import LINE, Said, Section, in_force, listing, sections
from slbroker.commands.options import Command
from slbroker.errors import ConfigError, UsageError, UserError
from slbroker.listen import advertise, parse_listen_address

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from slbroker.check import Examination, Look
    from slbroker.listen import ListenAddress

_FILE_VARIABLE: Final = "SLBROKER_CONFIG"


class InForce:
    """What is in force for a command line such as ("edge", "--listen", ...), or, without one, by a file."""

    def __init__(self, ctx: click.Context, line: tuple[str, ...], path: Path | None) -> None:
        self._ctx = ctx
        self._name, self._words = (line[0], list(line[1:])) if line else ("", [])
        known = configfile.commands_of(ctx)
        self._commands = {name: command for name, command in known.items() if isinstance(command, Command)}
        self._fault: UserError | None = None
        self._is_wrong = False  # something is, and has been said
        self._line: Mapping[str, Any] = {}
        if line:
            try:
                self._line = self._read_line()
            except UserError as error:
                self._fault = error
        own = self._line.get("config") or (os.environ.get(_FILE_VARIABLE) if self._name else None)
        self.path = Path(own) if own else path  # of the file that counts
        self._found: tuple[configfile.ConfigFile | None, dict[str, list[Said]]] | None = None

    def _read_line(self) -> Mapping[str, Any]:
        """Return the words of the command line by the names of options; raises UsageError."""
        if self._name not in self._commands or self._commands[self._name] is self._ctx.command:
            others = set(self._commands) - {self._ctx.info_name or ""}
            hint = configfile.guess(self._name, others) or f"; there are {', '.join(sorted(others))}"
            raise UsageError(f"{self._name} is no command that can be checked{hint}")
        command = self._commands[self._name]
        try:
            with click.Context(command, info_name=self._name) as ctx:
                said, *_ = command.make_parser(ctx).parse_args(list(self._words))
        except click.ClickException as error:
            raise UsageError(options.complaint(error)) from None
        return said

    # Faults -----------------------------------------------------------------------------------------------------

    def misreadings(self) -> Iterator[tuple[str, Examination]]:
        """Yield (subject, examination) for a command line that nobody can read."""
        if self._fault is not None:
            yield "command", partial(_fail, self._fault)

    def examinations(self, looks: Mapping[str, Look]) -> Iterator[tuple[str, Examination]]:
        """Yield (subject, examination) for variables, and for a command line; take them one by one.

        The file is right by now. What one thing says and what all say together is not said twice.
        """
        seen: set[str] = set()
        for name in self._shown():
            beside = {each.key: each.words for each in self._said[name] if each.words is not None}
            for each in self._said[name]:
                is_line = each.source == LINE and bool(self._name)
                is_variable = each.source.startswith("SLBROKER_") and each.source not in seen
                if is_line or is_variable:
                    seen.add(each.source)
                    yield from self._look_at(name, each, beside, looks)
        if self._name and not self._is_wrong:
            yield "command", self._check_line

    def _look_at(
        self, name: str, said: Said, beside: Mapping[str, object], looks: Mapping[str, Look]
    ) -> Iterator[tuple[str, Examination]]:
        param = configfile.options_of(self._commands[name])[said.key]
        where = said.option.flag if said.source == LINE else said.source
        meanings, errors = read(param, said.words)
        if look := looks.get(said.key):
            for meaning in meanings:
                yield (
                    ("variable" if said.source != LINE else "command"),
                    self._named(where, partial(look, meaning, beside)),
                )
        for error in errors:
            yield ("variable" if said.source != LINE else "command"), self._named(where, partial(_fail, error))

    def _named(self, where: str, examine: Examination) -> Examination:
        def look() -> str:
            try:
                return f"{where}: {examine()}"
            except UserError as error:
                self._is_wrong = True
                raise type(error)(f"{where}: {error}") from error

        return look

    def _check_line(self) -> str:
        """Have the command check all of it together."""
        try:
            options.check_line(self._commands[self._name], self._name, self._words, self._ctx.parent)
        except click.ClickException as error:
            kind = UsageError if isinstance(error, click.UsageError) else ConfigError
            raise kind(options.complaint(error)) from None
        return f"slbroker {self._name} would start so" if self._commands[self._name].serves else "it can be asked so"

    # What counts ------------------------------------------------------------------------------------------------

    @property
    def _file(self) -> configfile.ConfigFile | None:
        return self._values()[0]

    @property
    def _said(self) -> dict[str, list[Said]]:
        return self._values()[1]

    def _values(self) -> tuple[configfile.ConfigFile | None, dict[str, list[Said]]]:
        """Return the file, and what counts for each command that is asked for."""
        if self._found is None:
            file = configfile.load(self.path) if self.path else None
            line = self._line if self._name else self._own_words()
            names = [self._name] if self._name else self._commands
            self._found = file, {name: list(in_force(self._commands[name], name, line, file)) for name in names}
        return self._found

    def _own_words(self) -> dict[str, Any]:
        """Return what check itself was told on its command line, as words."""
        given = {
            name: value
            for name, value in self._ctx.params.items()
            if self._ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE and name not in ("line", "config")
        }
        return {
            name: [str(each) for each in value] if isinstance(value, tuple) else value if value is True else str(value)
            for name, value in given.items()
        }

    def _sections(self) -> list[Section]:
        if self._name:
            return [Section(self._name, {self._name: self._commands[self._name]})]
        return list(sections(self._commands, self._file, self._said))

    def _shown(self) -> list[str]:
        return [name for section in self._sections() for name in section.commands]

    def lines(self) -> Iterator[str]:
        """Yield what is in force, in a form that a file may have, and what a proxy's file needs to hand over."""
        for section in self._sections():
            yield ""
            yield from listing(section, self._said, whole=bool(self._name or self.path))
        for name in self._shown():
            if listen := self._listens(self._said[name]) if name in ("edge", "run") else ():
                yield ""
                yield from handing_over(listen)
                return

    @staticmethod
    def _listens(said: Sequence[Said]) -> tuple[ListenAddress, ...]:
        told = {each.key: each.words for each in said}
        listen = tuple(map(parse_listen_address, told["listen"] or ()))
        return advertise(listen, tuple(told["advertise"] or ()))


def _fail(error: UserError) -> str:
    raise error
