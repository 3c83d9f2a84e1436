"""What a transformation is, and the words behind its name, `{s.select,0,;}`: read once, with values for each request.

What a transformation takes is written with a letter for each word. n: a number; N: one that may be left out; t: text,
without a comma; m: text whose first character counts, which may be a comma; c: one character as written; d: one, which
may be left out; x: text in which pseudo-variables may stand. Numbers and texts may be a pseudo-variable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from slbroker_handlers.kemi.release import RELEASES
from slbroker_handlers.kemi.variables.specs import expand

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from slbroker_handlers.kemi.release import Release
    from slbroker_handlers.kemi.values import Xval


class Form(NamedTuple):
    """A transformation: a function of the text, or of the value with null where it `reads_null`, and of the words.

    It returns None, or raises TypeError, ValueError, IndexError, OverflowError or OSError, for what it cannot read.
    """

    function: Callable[..., Xval]
    takes: str
    since: Release  # the release that brought it
    reads_null: bool = False


def forms(
    functions: Mapping[str, Callable[..., Xval]], takes: str = "", since: Release = RELEASES[0]
) -> dict[str, Form]:
    """Return transformations by their names that take the same words."""
    return {name: Form(function, takes, since) for name, function in functions.items()}


def text_forms(
    functions: Mapping[str, Callable[..., Xval]], takes: str = "", since: Release = RELEASES[0]
) -> dict[str, Form]:
    """Return transformations whose functions get texts with a character for each byte, as Kamailio counts."""
    return forms({name: _of_bytes(function) for name, function in functions.items()}, takes, since)


def _of_bytes(function: Callable[..., Xval]) -> Callable[..., Xval]:
    def transform(value: str, *words: str) -> Xval:
        if value.isascii():
            return function(value, *words)
        answer = function(*(word.encode(errors="surrogateescape").decode("latin-1") for word in (value, *words)))
        return answer.encode("latin-1").decode(errors="surrogateescape") if isinstance(answer, str) else answer

    return transform


def split_words(rest: str | None, takes: str) -> list[str] | None:
    """Return the words behind a name, of which there are none for None; None for too few, too many, or unfit ones."""
    if rest is None:
        return None if takes.rstrip("dN") else []
    if takes in ("m", "d", "x"):
        return [rest] if rest and (takes != "d" or len(rest) == 1) else None
    words: list[str] = []
    for at, kind in enumerate(takes):
        if kind in "cd":
            if kind == "d" and rest == "":
                return words
            words.append(rest[1:])
            return words if rest[:1] == "," and len(rest) == 2 else None
        end = _end_of_word(rest)
        words.append(rest[:end].lstrip(" "))
        rest = rest[end:]
        if at == len(takes) - 1:
            return words if not rest else None
        if takes[at + 1] not in "cd":
            if not rest:
                return None
            rest = rest[1:]
    return None


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


def value_of_word(kind: str, word: str, value_of: Callable[[str], Xval]) -> str:
    """Return a word's value; raise ValueError where a variable has none, or none of the kind."""
    if kind == "x":
        return expand(word, lambda name: str(value_of(name)))
    if "$" not in word or kind not in "nNtm" or len(word) == 1:
        return word
    try:
        value = value_of(word.strip(" "))
    except KeyError as error:
        raise ValueError(word) from error
    if value is None or (kind in "nN" and not isinstance(value, int)) or value == "":
        raise ValueError(word)
    return str(value)
