"""Transformations of text, its parts, words, lines and numbers; and of values, null too.

Texts have a character for each byte.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final

from slbroker_handlers.kemi.expressions import Substitution
from slbroker_handlers.kemi.values import pick
from slbroker_handlers.kemi.variables.arguments import Form, forms, text_forms

if TYPE_CHECKING:
    from slbroker_handlers.kemi.values import Xval

_SPACE: Final = " \t\r\n"
_INT_MIN: Final = -(2**31)
_INT_MAX: Final = 2**31 - 1
MAX_DIGITS: Final = 64
_match_int = re.compile(r"([+-]?)([0-9]*)").fullmatch
_match_number = re.compile(r"[+-]?[0-9]{1,64}").fullmatch
_BRACKETS: Final = ("<>", "[]", "()", "{}")


# Parts ----------------------------------------------------------------------------------------------------------


def _substr(value: str, start: str, length: str) -> str | None:
    first, count = int(start), int(length)
    first = first + len(value) if first < 0 else first
    if not 0 <= first < len(value) or count < 0:
        return None
    return value[first : first + count] if count else value[first:]


def _prefixes(value: str, most: str = "0", quote: str = "") -> str:
    count = int(most) or len(value)
    return ",".join(f"{quote}{value[:length]}{quote}" for length in range(1, min(count, len(value)) + 1))


def unquote(value: str) -> str:
    """Return the text without the quotes, or single ones, that it stands in."""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def _unbracket(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] + value[-1] in _BRACKETS else value


def _character(value: str, index: str) -> str:
    return value[int(index) : int(index) + 1] if int(index) >= 0 else ""


def _byte(value: str, index: str) -> int:
    character = _character(value, index)
    return ord(character) - (256 if ord(character) > 127 else 0) if character else -1


def _substitute(value: str, expression: str) -> Xval:
    """Return a text changed by /expression/replacement/flags; as it is where nothing matches."""
    wanted = Substitution.read(expression) if value else None
    if wanted is None:
        return None
    changed = wanted.changed(value)
    return value if changed is None else changed


# Lines ----------------------------------------------------------------------------------------------------------


def _lines(value: str) -> list[str]:
    lines = [line.removesuffix("\r") for line in value.split("\n")]
    return lines[:-1] if value.endswith("\n") else lines


def _line_at(value: str, index: str) -> Xval:
    return pick(_lines(value), int(index)) or "" if value else None


def _line_with(value: str, prefix: str) -> Xval:
    return next((line for line in _lines(value) if line.startswith(prefix)), "") if value else None


def _format(value: str, width: str, indent: str, blank: str) -> str:
    if int(width) <= 0 or int(indent) < 0:
        raise ValueError(width)
    pieces = [value[at : at + int(width)] for at in range(0, len(value), int(width))]
    return ("\r\n" + blank * int(indent)).join(pieces)


# Numbers --------------------------------------------------------------------------------------------------------


def _number(value: str) -> int | None:
    """Return a number of 32 bits; None for what is none, 0 for nothing."""
    found = _match_int(value)
    if found is None or len(found[2]) > len(str(_INT_MAX)):
        return None
    number = int(found[1] + (found[2] or "0"))
    return number if _INT_MIN <= number <= _INT_MAX else None


def wrap(value: str) -> int | None:
    """Return a number as the 32 bits that are left of it; None for what is none, 0 for nothing."""
    found = _match_int(value)
    if found is None or len(found[2]) > MAX_DIGITS:
        return None
    number = int(found[1] + (found[2] or "0"))
    return (number - _INT_MIN) % 2**32 + _INT_MIN


def _digit(value: str, *, first: bool) -> int:
    """Return the first or the last digit of a number, 0 of what is none."""
    digits = value.lstrip("+-") if _match_number(value) else "0"
    return int((digits.lstrip("0") or "0")[0] if first else digits[-1])


# Values ---------------------------------------------------------------------------------------------------------

_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _json(text: str) -> str:
    """Return text as it stands between the quotes of JSON (RFC 8259 7)."""
    return "".join(_ESCAPES.get(each, each if each >= " " else f"\\u{ord(each):04x}") for each in text)


_OF_VALUES: Final = forms(
    {
        "val.n0": lambda value: 0 if value is None else value,
        "val.ne": lambda value: "" if value is None else value,
        "val.json": lambda value: value if isinstance(value, int) else _json(value or ""),
        "val.jsonqe": lambda value: value if isinstance(value, int) else f'"{_json(value or "")}"',
    },
    since=(5, 8),
)

# ----------------------------------------------------------------------------------------------------------------

FORMS: Final[dict[str, Form]] = {
    **{name: form._replace(reads_null=True) for name, form in _OF_VALUES.items()},
    **text_forms({
        "s.len": len,
        "s.int": _number,
        "s.trim": lambda value: value.strip(_SPACE),
        "s.ltrim": lambda value: value.lstrip(_SPACE),
        "s.rtrim": lambda value: value.rstrip(_SPACE),
        "s.rmws": lambda value: "".join(character for character in value if character not in _SPACE),
        "s.numeric": lambda value: "".join(character for character in value if "0" <= character <= "9"),
        "s.unquote": unquote,
        "s.unbracket": _unbracket,
        "line.count": lambda value: str(len(_lines(value))) if value else None,
    }),
    **text_forms({
        "s.rmhdws": lambda value: re.sub(r"\r?\n[ \t]+", " ", value),
        "s.rmhlws": lambda value: re.sub(r"\r?\n[ \t]+", "", value),
    }, since=(6, 0)),
    **text_forms({
        "num.fdigit": lambda value: _digit(value, first=True),
        "num.ldigit": lambda value: _digit(value, first=False),
    }, since=(6, 1)),
    **text_forms({
        "s.strip": lambda value, count: value[max(0, int(count)) :],
        "s.striptail": lambda value, count: value[: max(0, len(value) - max(0, int(count)))],
        "line.at": _line_at,
    }, "n"),
    **text_forms({
        **dict.fromkeys(("s.selectsw", "s.selectws"), lambda value, index: pick(value.split(), int(index)) or ""),
        "s.charat": _character,
        "s.byteat": _byte,
    }, "n", (6, 1)),
    **text_forms({
        "s.prefixes": _prefixes, "s.prefixes.quoted": lambda value, most="0": _prefixes(value, most, "'")
    }, "N"),
    **text_forms({
        "s.substr": _substr,
        "s.fmtlines": lambda value, width, indent: _format(value, width, indent, " "),
        "s.fmtlinet": lambda value, width, indent: _format(value, width, indent, "\t"),
    }, "nn"),
    **text_forms({"s.select": lambda value, index, mark: pick(value.split(mark), int(index)) or ""}, "nc"),
    **text_forms({
        "s.rm": lambda value, what: value.replace(what, ""),
        "s.ftime": lambda value, form: time.strftime(form, time.localtime(int(value))),
        "line.sw": _line_with,
    }, "t"),
    **text_forms({"s.replace": lambda value, what, by: value.replace(what, by)}, "tt"),
    # What stands before or behind the first `mark`, a character, or the last one.
    **text_forms({
        "s.before": lambda value, mark: value.partition(mark[0])[0],
        "s.after": lambda value, mark: value.partition(mark[0])[2],
        "s.rbefore": lambda value, mark: value.rpartition(mark[0])[0] if mark[0] in value else value,
        "s.rafter": lambda value, mark: value.rpartition(mark[0])[2] if mark[0] in value else "",
        "s.count": lambda value, mark: value.count(mark[0]),
    }, "m"),
    **forms({"re.subst": _substitute}, "x"),
}  # fmt: skip
