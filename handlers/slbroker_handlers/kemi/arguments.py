"""The words behind a transformation's name, `{s.select,0,;}`: read once, and given their values for each request."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from slbroker_handlers.kemi import morestrings, valuestrings

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker_handlers.kemi.exports import Xval

# What each transformation takes; one that is not here takes nothing. n: a number; t: text, without a comma; m: text
# whose first character counts, which may be a comma; c: one character as written; d: one, which may be left out.
# Numbers and texts may be a pseudo-variable.
KINDS: Final = {
    "s.substr": "nn", "s.select": "nc", "s.strip": "n", "s.striptail": "n", "s.prefixes": "n", "s.rm": "t",
    "s.replace": "tt", "s.before": "m", "s.after": "m", "s.count": "m", "s.ftime": "t", "uri.param": "t",
    "param.value": "td", "param.valueat": "nd", "param.name": "nd", "param.count": "d", "param.in": "td",
    **morestrings.KINDS,
    **valuestrings.KINDS,
}  # fmt: skip
_OPTIONAL: Final = {"s.prefixes": 1, "s.prefixes.quoted": 1, "s.corehash": 1}
MAX_REMEMBERED: Final = 1_024


class Written(NamedTuple):
    """A transformation as written: its name, and its arguments with their kinds."""

    name: str
    arguments: tuple[tuple[str, str], ...]


def read_transformation(text: str) -> Written | None:
    """Return what a transformation is, None when its arguments are not those that it takes."""
    return _read(text) if len(text) > MAX_REMEMBERED else _remember(text)


def _read(text: str) -> Written | None:
    name, comma, rest = text.partition(",")
    name = name.rstrip(" ")
    kinds = KINDS.get(name, "")
    if not comma:
        fewest = len(kinds.rstrip("d")) - _OPTIONAL.get(name, 0)
        return Written(name, ()) if fewest == 0 else None
    if not kinds:
        return None
    words = _split(rest, kinds)
    if words is None:
        return None
    return Written(name, tuple(zip(kinds, words, strict=False)))


_remember: Final = lru_cache(maxsize=MAX_REMEMBERED)(_read)


def _split(rest: str, kinds: str) -> list[str] | None:
    """Return the words of arguments of these kinds; None for too few, too many, or what they cannot be."""
    if kinds in ("m", "d"):
        return [rest] if rest and (kinds == "m" or len(rest) == 1) else None
    words: list[str] = []
    for at, kind in enumerate(kinds):
        is_last = at == len(kinds) - 1
        if kind in "cd":
            if kind == "d" and rest == "":
                return words
            words.append(rest[1:])
            return words if rest[:1] == "," and len(rest) == 2 else None
        end = _end_of_word(rest)
        words.append(rest[:end].lstrip(" "))
        rest = rest[end:]
        if is_last:
            return words if not rest else None
        if kinds[at + 1] not in "cd":
            if not rest:
                return None
            rest = rest[1:]
    return words


def _end_of_word(text: str) -> int:
    """Return where the next comma stands that is in no brackets, or the end."""
    depth = 0
    for at, character in enumerate(text):
        if character in "({":
            depth += 1
        elif character in ")}":
            depth -= 1
        elif character == "," and not depth:
            return at
    return len(text)


def values(written: Written, value_of: Callable[[str], Xval]) -> list[str]:
    """Return the arguments' values; raise ValueError where a variable has none, or none of the kind."""
    return [
        _value(kind, word, value_of) if "$" in word and kind in "ntm" and len(word) > 1 else word
        for kind, word in written.arguments
    ]


def _value(kind: str, word: str, value_of: Callable[[str], Xval]) -> str:
    try:
        value = value_of(word.strip(" "))
    except KeyError as error:
        raise ValueError(word) from error
    if value is None or (kind == "n" and not isinstance(value, int)) or value == "":
        raise ValueError(word)
    return str(value)
