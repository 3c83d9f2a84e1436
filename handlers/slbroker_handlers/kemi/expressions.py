"""Regular expressions of scripts, and substitutions as sed writes them: what is none is logged.

Kamailio's are POSIX extended or PCRE; these are Python's.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from slbroker_handlers.kemi.scriptlog import script_logger

logger = script_logger(__name__)

_FLAGS: Final = frozenset("igs")


def read_expression(expression: str, flags: int = 0) -> re.Pattern[str] | None:
    """Return a regular expression; None, logged, for what is none."""
    try:
        return re.compile(expression, flags)
    except (re.error, OverflowError, RecursionError) as error:
        logger.error("%.80r is no regular expression: %s", expression, error)
        return None


def search(expression: str, subject: str, flags: int = 0) -> re.Match[str] | None:
    """Return the first match; None where there is none, or for what is no expression."""
    found = read_expression(expression, flags)
    return found.search(subject) if found is not None else None


def holds(operator: str, subject: str, pattern: str, flags: int = 0) -> bool:
    """Return whether an operator is true of two texts: eq, ne, sw, in, or re; any other one is not."""
    if operator == "re":
        return search(pattern, subject, flags) is not None
    if operator == "sw":
        return subject.startswith(pattern)
    if operator == "in":
        return pattern in subject
    return operator in ("eq", "ne") and (subject == pattern) is (operator == "eq")


class Substitution(NamedTuple):
    """A Python regular expression, what its matches become, and how many are changed (0: all)."""

    expression: re.Pattern[str]
    replacement: str
    most: int

    @classmethod
    def read(cls, text: str) -> Substitution | None:
        """Return what a text means; None, logged, where it is none. The flags are i: any case, g: all, s: . is all."""
        pieces = re.split(rf"(?<!\\){re.escape(text[:1])}", text) if text else []
        if len(pieces) != 4 or pieces[0] or not _FLAGS.issuperset(pieces[3]):
            logger.error("%.80r is no substitution: write /expression/replacement/flags", text)
            return None
        flags = (re.IGNORECASE if "i" in pieces[3] else 0) | (re.DOTALL if "s" in pieces[3] else 0)
        try:
            expression = re.compile(pieces[1], flags)
        except (re.error, OverflowError, RecursionError) as error:
            logger.error("%.80r is no substitution: %s", text, error)
            return None
        replacement = re.sub(r"\\0(?![0-9])", r"\\g<0>", pieces[2])
        return cls(expression, replacement, 0 if "g" in pieces[3] else 1)

    def changed(self, subject: str) -> str | None:
        """Return a text with what matches replaced; None where nothing matches, or there is no such replacement."""
        try:
            changed, count = self.expression.subn(self.replacement, subject, count=self.most)
        except (re.error, IndexError) as error:
            logger.error("%.80r is no replacement: %s", self.replacement, error)
            return None
        return changed if count else None


def substitute(text: str, subject: str) -> str | None:
    """Return `subject` changed by /expression/replacement/flags; None where nothing matches, or it is none."""
    wanted = Substitution.read(text)
    return wanted.changed(subject) if wanted is not None else None
