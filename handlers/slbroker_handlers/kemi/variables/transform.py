"""Transformations of pseudo-variables, `$(ru{uri.user})`, as Kamailio 5.6.3 makes them: which there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from slbroker_handlers.kemi.release import NEWEST, Release
from slbroker_handlers.kemi.remembering import remembering
from slbroker_handlers.kemi.variables import addressparts, encodings, strings
from slbroker_handlers.kemi.variables.arguments import Form, split_words, value_of_word

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker_handlers.kemi.values import Xval

FORMS: Final[dict[str, Form]] = {**strings.FORMS, **encodings.FORMS, **addressparts.FORMS}
WRAPS: Final = (5, 8)  # the release from which {s.int} keeps the last 32 bits of a number


class Written(NamedTuple):
    """A transformation as written: its name, and its words with what they are to be."""

    name: str
    words: tuple[tuple[str, str], ...]


@remembering(1_024, 1_024)
def _read(text: str) -> Written | None:
    """Return what a transformation is; None where there is none called so, or the words are not those that it takes."""
    name, comma, rest = text.partition(",")
    name = name.rstrip(" ")
    form = FORMS.get(name)
    words = split_words(rest if comma else None, form.takes) if form is not None else None
    return Written(name, tuple(zip(form.takes, words, strict=False))) if form and words is not None else None


def transform(value: Xval, transformation: str, value_of: Callable[[str], Xval], release: Release = NEWEST) -> Xval:
    """Return `value` transformed; None when it is None, or when there is no such transformation.

    `value_of` tells the value of a pseudo-variable that is an argument; it raises KeyError for what is none.
    """
    written = _read(transformation)
    form = FORMS[written.name] if written is not None else None
    if written is None or form is None or release < form.since:
        return None
    if form.reads_null:
        return form.function(value)
    if value is None:
        return None
    try:
        words = [value_of_word(kind, word, value_of) for kind, word in written.words]
        if written.name == "s.int" and release >= WRAPS:
            return strings.wrap(str(value))
        return form.function(str(value), *words)
    except (TypeError, ValueError, IndexError, OverflowError, OSError):  # arguments, or a number that cannot be
        return None


def is_known(transformation: str, release: Release) -> bool:
    """Return whether there is such a transformation here, and in a release of Kamailio's."""
    form = FORMS.get(transformation.split(",")[0])
    return form is not None and form.since <= release
