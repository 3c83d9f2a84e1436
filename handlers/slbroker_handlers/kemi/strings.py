"""Transformations of text, `$(var(x){s.substr,0,3})`, as Kamailio 5.6.3 makes them.

Each takes the text with a character for each byte, as Kamailio counts, and the words behind the name.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import time
from typing import TYPE_CHECKING, Final

from slbroker_handlers.kemi import morestrings, valuestrings

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker_handlers.kemi.exports import Xval

_SPACE: Final = " \t\r\n"
_INT_MIN: Final = -(2**31)
_INT_MAX: Final = 2**31 - 1
WRAPS: Final = (5, 8)  # the release from which {s.int} keeps the last 32 bits of a number
MAX_DIGITS: Final = 64
_ALNUM: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# What is not written with %: RFC 3261's user, its parameters, and what a form may have.
_USER: Final = frozenset(_ALNUM + "!$&'()*+,-._;=?~")
_PARAM: Final = frozenset(_ALNUM + "!$&'()*+-./:[]_~")
_FORM: Final = frozenset(_ALNUM + "-._~")
_match_int = re.compile(r"([+-]?)([0-9]*)").fullmatch
_escapes = re.compile(r"%(..?)?", re.DOTALL)
_is_hexa = re.compile(r"[0-9A-Fa-f]{2}").fullmatch
_BRACKETS: Final = ("<>", "[]", "()", "{}")


def _raw(value: str) -> bytes:
    return value.encode("latin-1")


def _substr(value: str, start: str, length: str) -> str | None:
    first, count = int(start), int(length)
    first = first + len(value) if first < 0 else first
    if not 0 <= first < len(value) or count < 0:
        return None
    return value[first : first + count] if count else value[first:]


def _select(value: str, index: str, separator: str) -> str:
    pieces, at = value.split(separator), int(index)
    return pieces[at] if -len(pieces) <= at < len(pieces) else ""


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


def _before(value: str, mark: str) -> str:
    """Return what stands before the first `mark`, a character; all where there is none."""
    return value.partition(mark[0])[0]


def _after(value: str, mark: str) -> str:
    """Return what stands behind the first `mark`, a character; nothing where there is none."""
    return value.partition(mark[0])[2]


def _prefixes(value: str, most: str = "0") -> str:
    count = int(most) or len(value)
    return ",".join(value[:length] for length in range(1, min(count, len(value)) + 1))


def _unquote(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def _unbracket(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] + value[-1] in _BRACKETS else value


def _escape(value: str, plain: frozenset[str]) -> str:
    return "".join(character if character in plain else f"%{ord(character):02x}" for character in value)


def _escape_printable(value: str, plain: frozenset[str]) -> str | None:
    return _escape(value, plain) if all(" " <= character <= "~" for character in value) else None


def _decode_form(value: str) -> str:
    """Return the text with each %XX for what it means; raise ValueError for one that means nothing."""

    def meant(found: re.Match[str]) -> str:
        if not _is_hexa(found[1] or ""):
            raise ValueError(found[0])
        return chr(int(found[1], 16))

    return _escapes.sub(meant, value)


def _unescape(value: str) -> str | None:
    decoded = _decode_form(value)
    is_new = len(decoded) < len(value)
    return None if is_new and not all(" " <= character <= "~" for character in decoded) else decoded


def _decode_base64(value: str, *, padded: bool = True) -> str | None:
    try:
        return base64.b64decode(value if padded else value + "=" * (-len(value) % 4), validate=True).decode("latin-1")
    except binascii.Error:
        return None


STRINGS: Final[dict[str, Callable[..., Xval]]] = {
    "s.len": len,
    "s.int": _number,
    "s.toupper": lambda value: _raw(value).upper().decode("latin-1"),
    "s.tolower": lambda value: _raw(value).lower().decode("latin-1"),
    "s.substr": _substr,
    "s.select": _select,
    "s.strip": lambda value, count: value[max(0, int(count)) :],
    "s.striptail": lambda value, count: value[: max(0, len(value) - max(0, int(count)))],
    "s.trim": lambda value: value.strip(_SPACE),
    "s.ltrim": lambda value: value.lstrip(_SPACE),
    "s.rtrim": lambda value: value.rstrip(_SPACE),
    "s.rm": lambda value, what: value.replace(what, ""),
    "s.rmws": lambda value: "".join(character for character in value if character not in _SPACE),
    "s.replace": lambda value, what, by: value.replace(what, by),
    "s.before": _before,
    "s.after": _after,
    "s.count": lambda value, mark: value.count(mark[0]) if mark else 0,
    "s.prefixes": _prefixes,
    "s.numeric": lambda value: "".join(character for character in value if "0" <= character <= "9"),
    "s.unquote": _unquote,
    "s.unbracket": _unbracket,
    "s.md5": lambda value: hashlib.md5(_raw(value), usedforsecurity=False).hexdigest(),
    "s.sha256": lambda value: hashlib.sha256(_raw(value)).hexdigest(),
    "s.sha384": lambda value: hashlib.sha384(_raw(value)).hexdigest(),
    "s.sha512": lambda value: hashlib.sha512(_raw(value)).hexdigest(),
    "s.encode.hexa": lambda value: _raw(value).hex(),
    "s.encode.base64": lambda value: base64.b64encode(_raw(value)).decode(),
    "s.encode.base64t": lambda value: base64.b64encode(_raw(value)).decode().rstrip("="),
    "s.decode.hexa": lambda value: bytes.fromhex(value[: len(value) // 2 * 2]).decode("latin-1"),
    "s.decode.base64": _decode_base64,
    "s.decode.base64t": lambda value: _decode_base64(value.rstrip("="), padded=False),
    "s.escape.user": lambda value: _escape_printable(value, _USER),
    "s.escape.param": lambda value: _escape_printable(value, _PARAM),
    "s.unescape.user": _unescape,
    "s.unescape.param": _unescape,
    "s.urlencode.param": lambda value: _escape(value, _FORM),
    "s.urldecode.param": lambda value: _decode_form(value.replace("+", " ")),
    **morestrings.STRINGS,
    **valuestrings.STRINGS,
    "s.ftime": lambda value, form: time.strftime(form, time.localtime(int(value))),
}


def transform_string(name: str, value: str, arguments: list[str]) -> Xval:
    """Return `value` transformed; raises TypeError or ValueError for arguments that do not fit."""
    if value.isascii():
        return STRINGS[name](value, *arguments)
    answer = STRINGS[name](*(word.encode(errors="surrogateescape").decode("latin-1") for word in (value, *arguments)))
    return answer.encode("latin-1").decode(errors="surrogateescape") if isinstance(answer, str) else answer
