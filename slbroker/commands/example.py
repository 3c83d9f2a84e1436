"""`slbroker config`: the file of `--config` with every key, commented out, made of what describes the options."""

from __future__ import annotations

import textwrap
from collections import Counter
from typing import TYPE_CHECKING, Final

import click

from slbroker.commands.configfile import commands_of, guess
from slbroker.commands.options import Command
from slbroker.errors import Exit, UsageError
from slbroker.option import Number, Option, Whole

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

_WIDTH: Final = 116
_HEAD: Final = """\
# Made by slbroker config, of the help of the options.
#
# All keys that the file of --config may have. Each stands with its default, behind a #: take that away, and set
# what you like. What has no default stands with an example, and says so. At the top a key is for each command
# that has the option; in a command's table it is for that one.
"""
EXAMPLE: Final = "  # for example"


def _complete(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in configurable(commands_of(ctx)) if name.startswith(incomplete)]


@click.command()
@click.argument("commands", nargs=-1, metavar="[COMMAND]...", shell_complete=_complete)
def config(commands: tuple[str, ...]) -> int:
    """Write an example of the file for --config: every key with its meaning and default, commented out.

    With COMMANDS, such as edge handler, the keys of these alone.
    """
    known = configurable(commands_of(click.get_current_context()))
    for name in commands:
        if name not in known:
            raise UsageError(f"{name} is no command with options{guess(name, set(known))}")
    wanted = {name: command for name, command in known.items() if name in commands or not commands}
    click.echo(example(wanted, known), nl=False)
    return Exit.OK


def configurable(commands: Mapping[str, click.Command]) -> dict[str, Command]:
    """Return the commands that a file is for; `check` has what others have."""
    return {name: each for name, each in commands.items() if isinstance(each, Command) and name != "check"}


def example(commands: Mapping[str, Command], tables: Collection[str]) -> str:
    """Return the text: what several commands have, then a table for each with its own; `tables` are all there are."""
    having: dict[str, dict[str, Option]] = {}
    for name, command in commands.items():
        for option in command.described:
            having.setdefault(option.key, {})[name] = option
    # A key at the top that is called like a command, as `trace` is, could not stand beside that command's table.
    may_share = having.keys() - set(tables)
    shared = {key for key in may_share if len(having[key]) > 1 and _is_one(having[key])}
    lines = [_HEAD.rstrip("\n")]
    for key, options in having.items():
        if key in shared:
            (words, _), *_ = Counter(each.help for each in options.values()).most_common(1)
            option = next(each for each in options.values() if each.help == words)
            lines += ["", *_lines(option, f"{option.help} [{', '.join(options)}]")]
    for name in commands:
        own = [options[name] for key, options in having.items() if name in options and key not in shared]
        if own:
            lines += ["", f"[{name}]"]
            for option in own:
                lines += ["", *_lines(option, option.help)]
    return "\n".join(lines) + "\n"


def _is_one(options: Mapping[str, Option]) -> bool:
    """Return whether commands mean the same by a key where nothing is said."""
    return len({each.default_word for each in options.values()}) == 1


def _lines(option: Option, words: str) -> Iterator[str]:
    yield from textwrap.wrap(words, _WIDTH, initial_indent="# ", subsequent_indent="# ")
    yield f"#{setting(option)}"


def setting(option: Option) -> str:
    """Return a line that sets an option to its default, or to an example, and says so."""
    if option.kind is bool:
        return f"{option.key} = false"
    word = option.default_word or option.example
    assert word, f"{option.flag} needs an example"
    value = word if isinstance(option.kind, Whole | Number) else f'"{word}"'
    line = f"{option.key} = [{value}]" if option.many else f"{option.key} = {value}"
    return line if option.default_word else f"{line}{EXAMPLE}"
