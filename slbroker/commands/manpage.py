"""Manual pages made of the commands' own help: python -m slbroker.commands.manpage FOLDER writes them, one a command.

`man slbroker edge` finds slbroker-edge(1). The date is that of SOURCE_DATE_EPOCH, so that a package can be built again
the same.
"""

from __future__ import annotations

import os
import re
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from slbroker.commands.configfile import options_of
from slbroker.errors import Exit
from slbroker.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDTH: Final = 79
_STATUS: Final = {
    Exit.OK: "done",
    Exit.FAILURE: "failure",
    Exit.USAGE: "usage: words that are no option, or do not go together",
    Exit.CONFIG: "configuration: a value, a file, a key ring",
    Exit.BIND: "a listen address cannot be had",
    Exit.PLUGIN: "the plugin cannot be loaded",
    Exit.NO_ANSWER: "no answer",
    Exit.REFUSED: "ping: an answer other than 2xx",
    Exit.TAKEOVER: "edge --takeover: the edge that is there does not give its sockets",
}


def pages(cli: click.Group, date: str) -> Iterator[tuple[str, str]]:
    """Yield the name and text of each page."""
    yield from _pages(click.Context(cli, info_name="slbroker"), date)


def _pages(ctx: click.Context, date: str) -> Iterator[tuple[str, str]]:
    name = ctx.command_path.replace(" ", "-")
    yield f"{name}.1", "\n".join([*_page(ctx, name, date), ""])
    if isinstance(ctx.command, click.Group):
        for inner, command in ctx.command.commands.items():
            yield from _pages(click.Context(command, info_name=inner, parent=ctx), date)


def _page(ctx: click.Context, name: str, date: str) -> Iterator[str]:
    command = ctx.command
    yield f'.TH {_text(name.upper())} 1 "{date}" "slbroker {VERSION}" "slbroker"'
    yield ".ad l"  # long words, such as an option's choices, are no reason for wide gaps
    yield ".nh"
    yield ".SH NAME"
    yield from _wrapped(f"{name} - {command.get_short_help_str(300).rstrip('.')}")
    yield ".SH SYNOPSIS"
    yield f".B {_text(ctx.command_path)}"
    yield _text(" ".join(command.collect_usage_pieces(ctx)))
    yield ".SH DESCRIPTION"
    yield from _paragraphs(command.help or "")
    records = [each.get_help_record(ctx) for each in command.get_params(ctx) if isinstance(each, click.Option)]
    if any(records):
        yield ".SH OPTIONS"
        for record in filter(None, records):
            yield from _entry(*record)
    if isinstance(command, click.Group):
        yield ".SH COMMANDS"
        for inner, each in command.commands.items():
            yield from _entry(f"{ctx.command_path} {inner}", each.get_short_help_str(300))
    if command.epilog:
        yield ".SH NOTES"
        yield from _paragraphs(command.epilog)
    if options_of(command):
        yield ".SH ENVIRONMENT AND FILES"
        yield from _wrapped(
            "An option that the command line does not say is taken from its variable, then from the TOML file that"
            f" --config or SLBROKER_CONFIG names: from its table [{ctx.info_name}], else from its top."
            " slbroker config writes an example; slbroker check says what counts in the end."
        )
    yield ".SH EXIT STATUS"
    for code, meaning in _STATUS.items():
        yield from _entry(str(int(code)), meaning)
    others = _others(ctx)
    if others:
        yield ".SH SEE ALSO"
        for other in others:
            yield f".BR {_text(other)} (1){',' if other != others[-1] else ''}"


def _others(ctx: click.Context) -> list[str]:
    if ctx.parent is not None:
        return [ctx.parent.command_path.replace(" ", "-")]
    assert isinstance(ctx.command, click.Group)
    return [f"{ctx.command_path}-{inner}" for inner in ctx.command.commands]


def _entry(term: str, words: str) -> Iterator[str]:
    yield ".TP"
    yield f".B {_text(term)}".replace("|", r"|\:")  # a list of choices may be broken behind each
    yield from _wrapped(words)


def _paragraphs(text: str) -> Iterator[str]:
    """Yield help as click has it: paragraphs, and such whose lines stay as they are, behind a line of \\b alone."""
    for number, paragraph in enumerate(re.split(r"\n\s*\n", text.strip())):
        if number:
            yield ".PP"
        if paragraph.startswith("\b"):
            yield ".nf"
            yield from (_text(line) for line in paragraph.strip("\b\n").splitlines())
            yield ".fi"
        else:
            yield from _wrapped(paragraph)


def _wrapped(text: str) -> Iterator[str]:
    """Yield a paragraph: each sentence begins a line, as in man pages, and no line is long."""
    for sentence in re.split(r"(?<=[.?!]) +(?=[A-Z])", " ".join(text.split())):
        lines = textwrap.wrap(_text(sentence), _WIDTH, break_long_words=False, break_on_hyphens=False)
        yield from (rf"\&{line}" if line.startswith(".") else line for line in lines)


def _text(text: str) -> str:
    """Return a line of text with nothing in it that troff would take for its own."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq").replace("^", r"\(ha")
    escaped = escaped.replace("~", r"\(ti").replace("`", r"\(ga").replace('"', r"\(dq")
    return rf"\&{escaped}" if escaped.startswith(".") else escaped


def main(words: list[Any]) -> None:
    """Write all pages into a folder."""
    from slbroker.cli import cli

    (folder,) = map(Path, words)
    folder.mkdir(parents=True, exist_ok=True)
    day = time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time())))
    for name, text in pages(cli, time.strftime("%Y-%m-%d", day)):
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
