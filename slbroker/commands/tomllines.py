"""On which lines of a TOML file its keys stand: `tomllib` does not say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# The table, "" for the top, and the key; the key "" stands for the table itself.
Place: TypeAlias = tuple[str, str]


def key_lines(text: str) -> dict[Place, int]:
    """Return the line, from 1, on which each key begins, of a text that `tomllib` takes.

    Of tables within tables the outermost key is told: that is what a command's table has.
    """
    lines: dict[Place, int] = {}
    table: tuple[str, ...] = ()
    for number, statement, content in _statements(text):
        if statement.startswith("["):
            table = tuple(_path(content))
            for place in (table[0], ""), (table[0], table[1] if len(table) > 1 else ""):
                lines.setdefault(place, number)
            continue
        for key, value in content.items():
            for place in _places(table, key, value):
                lines.setdefault(place, number)
    return lines


def _statements(text: str) -> Iterator[tuple[int, str, Mapping[str, Any]]]:
    """Yield the headers and settings of a text: where each begins, its words, and what it says by itself.

    One ends with the first line up to which it can be read: brackets and texts that are open cannot.
    """
    import tomllib

    begun, statement = 0, ""
    for number, line in enumerate(text.split("\n"), 1):
        if not statement and (not line.strip() or line.lstrip().startswith("#")):
            continue
        begun, statement = (begun, f"{statement}\n{line}") if statement else (number, line.lstrip())
        try:
            content = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        yield begun, statement, content
        statement = ""


def _path(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of a header, outermost first; one in double brackets has a list with a table inside."""
    while content:
        ((name, inner),) = content.items()
        yield name
        content = inner[0] if isinstance(inner, list) else inner


def _places(table: tuple[str, ...], key: str, value: object) -> Iterator[Place]:
    if len(table) > 1:
        return  # the header has said it
    if table:
        yield table[0], key
        return
    yield "", key
    if isinstance(value, dict):  # edge.listen = ..., or edge = {listen = ...}
        yield key, ""
        for inner in value:
            yield key, inner
