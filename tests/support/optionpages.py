"""Writes docs/options.md and docs/slbroker.toml from the settings classes: python -m tests.support.optionpages."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

import slbroker.commands
import slbroker.settings
from slbroker.cli import cli
from slbroker.commands.example import configurable
from slbroker.commands.example import example as make_example
from slbroker.option import File, Number, OneOf, Option, Part, Whole, Word
from tests.support.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

PAGE: Final = ROOT / "docs" / "options.md"
EXAMPLE: Final = ROOT / "docs" / "slbroker.toml"
_MADE: Final = "Made by `python -m tests.support.optionpages` from the classes in slbroker/settings: edit those."
ROOMS: Final = (
    "edge", "dispatch", "forwarding", "groups", "connections", "capture", "bus", "handler", "broker", "run", "monitor",
    "logs",
)  # fmt: skip
COMMANDS: Final = {name: each for name, each in cli.commands.items() if not isinstance(each, click.Group)}


class Told(NamedTuple):
    """An option as some commands have it, and the class that describes it."""

    option: Option
    home: type[Any]
    commands: tuple[str, ...]

    @property
    def where(self) -> str:
        """The file of that class."""
        return self.home.__module__.replace(".", "/") + ".py"


def modules() -> list[ModuleType]:
    """The modules that have settings classes, in the order in which people read of them."""
    assert {each.name for each in pkgutil.iter_modules(slbroker.settings.__path__)} == set(ROOMS)
    commands = [f"slbroker.commands.{each.name}" for each in pkgutil.iter_modules(slbroker.commands.__path__)]
    return [importlib.import_module(name) for name in (*(f"slbroker.settings.{room}" for room in ROOMS), *commands)]


def settings_classes() -> list[type[Any]]:
    """The settings classes, in the order of their files; what is made of parts comes before these."""
    names = [module.__name__ for module in modules()]
    found = [
        each
        for module in modules()
        for each in vars(module).values()
        if isinstance(each, type) and is_dataclass(each) and each.__module__ == module.__name__
    ]
    parts = {(part.of, of.__module__) for of in found for part in _meanings(of) if isinstance(part, Part)}
    return sorted(found, key=lambda of: (names.index(of.__module__), (of, of.__module__) in parts))


def _meanings(of: type[Any]) -> list[Any]:
    return [meaning for each in fields(of) for meaning in each.metadata.values()]


def own_options(of: type[Any]) -> list[Option]:
    """The options among the fields of a class, without those of its parts."""
    return [meaning for meaning in _meanings(of) if isinstance(meaning, Option)]


def params(described: Option) -> Iterator[tuple[str, click.Option]]:
    """The commands that have an option, with what click has of it."""
    for name, command in COMMANDS.items():
        for param in command.params:
            if isinstance(param, click.Option) and param.opts[0] == described.flag and param.help == described.help:
                yield name, param


def homes() -> dict[str, type[Any]]:
    """Which class describes which option: others make theirs of that."""
    told = {
        flag: module.__name__
        for module in modules()
        for flag in re.findall(r'\boption\(\s*"(--[a-z-]+)"', inspect.getsource(module))
    }
    owners = [(option.flag, each) for each in settings_classes() for option in own_options(each)]
    return {flag: each for flag, each in reversed(owners) if told[flag] == each.__module__}


def all_options() -> list[Told]:
    """Every option that differs from others in its name or its help, by the classes that describe them."""
    found: dict[tuple[str, str], Told] = {}
    by_flag = homes()
    for option in (option for each in settings_classes() for option in own_options(each)):
        told = Told(option, by_flag[option.flag], tuple(name for name, _ in params(option)))
        found.setdefault((option.flag, option.help), told)
    classes, flags = settings_classes(), [flag for flag, _ in found]
    return sorted(found.values(), key=lambda told: (classes.index(told.home), flags.index(told.option.flag)))


# The page -------------------------------------------------------------------------------------------------------

_HEAD: Final = """# Options

Each option can be said in three ways. The first of these that says it counts:

1. a word of the command line: `--max-wait 0.5`,
2. an environment variable: `SLBROKER_MAX_WAIT=0.5`; several values stand behind each other with blanks between them
   (of `--route`, with `;` for the blanks within; of files, with `:`),
3. a key of the TOML file that `--config FILE` or `SLBROKER_CONFIG` names: `max-wait = 0.5`, at its top for all
   commands, in a table such as `[edge]` for one. `slbroker config` writes one with them all
   ([slbroker.toml](slbroker.toml)); `slbroker check --config FILE` says what is wrong with a file.

`slbroker check edge`, with all the words that the edge is started with, says what counts in the end, and where each
value is from.

What is repeatable is a list in TOML. A switch is `true` or `false` there and in a variable.
"""


def page() -> str:
    """The page."""
    lines = [_HEAD, f"<!-- {_MADE} -->"]
    home = None
    for told in all_options():
        if told.home is not home:
            home = told.home
            title = re.split("[.;:]", home.__doc__ or "")[0]
            lines += ["", f"## {title}", "", f"`{home.__name__}` in `{told.where}`", ""]
            lines += ["| option | value | default | commands | |", "|---|---|---|---|---|"]
        lines.append(_row(told))
    return "\n".join(lines) + "\n"


def _row(told: Told) -> str:
    option = told.option
    value = _value(option) + (", repeatable" if option.many else "")
    default = "required" if option.required else _defaults(told)
    cells = (f"`{option.flag}`", value, default, ", ".join(told.commands), _escaped(option.help))
    return f"| {' | '.join(cells)} |"


def _defaults(told: Told) -> str:
    """The defaults, with the commands where these have different ones."""
    by_command = {name: param.default for name, param in params(told.option) if param.show_default}
    if len(set(by_command.values())) < 2:
        return f"`{told.option.default_word}`" if told.option.default_word else ""
    return ", ".join(f"`{value}` ({name})" for name, value in by_command.items())


def _value(option: Option) -> str:
    if option.metavar:
        return f"`{_escaped(option.metavar)}`"
    match option.kind:
        case Whole(low, high, unit):
            return f"{low:,} to {high:,} {unit}".strip()
        case Number(low, high, unit):
            return f"{low:,} to {high:,} {unit}".strip()
        case OneOf(words):
            return ", ".join(f"`{word}`" for word in words)
        case File(folder):
            return "a file or folder" if folder and "directory" in option.help else "a file"
        case Word(name):
            return f"`{_escaped(name)}`"
    return "a switch" if option.kind is bool else "a text"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


# The example ----------------------------------------------------------------------------------------------------


def example() -> str:
    """What `slbroker config` writes."""
    commands = configurable(COMMANDS)
    return make_example(commands, commands)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    EXAMPLE.write_text(example(), encoding="utf-8")
