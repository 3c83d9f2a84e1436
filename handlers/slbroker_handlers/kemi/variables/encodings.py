"""Transformations of text by rule: hashes, case, hexadecimal digits, base64 and 58, escapes.

Texts have a character for each byte.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Final

from slbroker_handlers.kemi.variables.arguments import Form, text_forms

_WORD: Final = 2**32
_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_COMMON: Final = {"'": "\\'", '"': '\\"', "\\": "\\\\", "\0": "\\0"}
_LINE_ENDS: Final = {"\r": "\\r", "\n": "\\n"}
_ALNUM: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# What is not written with %: RFC 3261's user, its parameters, and what a form may have.
_USER: Final = frozenset(_ALNUM + "!$&'()*+,-._;=?~")
_PARAM: Final = frozenset(_ALNUM + "!$&'()*+-./:[]_~")
_FORM: Final = frozenset(_ALNUM + "-._~")
_escapes = re.compile(r"%(..?)?", re.DOTALL)
_is_hexa = re.compile(r"[0-9A-Fa-f]{2}").fullmatch


def _raw(value: str) -> bytes:
    return value.encode("latin-1")


# Hashes ---------------------------------------------------------------------------------------------------------


def core_hash(*texts: bytes) -> int:
    """Return the number, of 32 bits, that Kamailio's core makes of texts. Bytes from 128 on are negative, as in C."""
    total = 0
    for value in texts:
        signed = [byte - 256 if byte > 127 else byte for byte in value]
        for at in range(0, len(signed) + 1, 4):  # the last word has the bytes that are left, or none
            word = 0
            for byte in signed[at : at + 4]:
                word = (word * 256 + byte) % _WORD
            total = (total + (word ^ word >> 3)) % _WORD
    return (total + (total >> 11) + (total >> 13) + (total >> 23)) % _WORD


def _core_hash(value: str, size: str = "0") -> str:
    hashed = core_hash(_raw(value))
    return str(hashed & (int(size) - 1) if int(size) else hashed)


# Encodings ------------------------------------------------------------------------------------------------------


def _encode_base58(value: str) -> str:
    number, digits = int.from_bytes(_raw(value), "big"), ""
    while number:
        number, rest = divmod(number, 58)
        digits = _BASE58[rest] + digits
    return "1" * (len(value) - len(value.lstrip("\0"))) + digits


def _decode_base58(value: str) -> str:
    number = 0
    for digit in value:
        number = number * 58 + _BASE58.index(digit)
    zeros = len(value) - len(value.lstrip("1"))
    return (b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")).decode("latin-1")


def _decode_base64(value: str, signs: bytes = b"+/") -> str:
    """Return what base64 means, with its padding or without it; raises ValueError."""
    return base64.b64decode(value + "=" * (-len(value) % 4), altchars=signs, validate=True).decode("latin-1")


# Escapes --------------------------------------------------------------------------------------------------------


def _escape(value: str, written: dict[str, str]) -> str:
    return "".join(written.get(character, character) for character in value)


def _unescape(value: str, written: dict[str, str]) -> str:
    meanings = {escape[1]: meant for meant, escape in written.items()}
    return re.sub(r"\\(.)", lambda found: meanings.get(found[1], found[0]), value, flags=re.DOTALL)


def _is_printable(value: str) -> bool:
    return all(" " <= character <= "~" for character in value)


def _encode_percent(value: str, plain: frozenset[str]) -> str:
    return "".join(character if character in plain else f"%{ord(character):02x}" for character in value)


def _decode_percent(value: str) -> str:
    """Return the text with each %XX for what it means; raise ValueError for one that means nothing."""

    def meant(found: re.Match[str]) -> str:
        if not _is_hexa(found[1] or ""):
            raise ValueError(found[0])
        return chr(int(found[1], 16))

    return _escapes.sub(meant, value)


def _decode_printable(value: str) -> str | None:
    decoded = _decode_percent(value)
    return decoded if len(decoded) == len(value) or _is_printable(decoded) else None


FORMS: Final[dict[str, Form]] = {
    **text_forms({
        "s.toupper": lambda value: _raw(value).upper().decode("latin-1"),
        "s.tolower": lambda value: _raw(value).lower().decode("latin-1"),
        "s.md5": lambda value: hashlib.md5(_raw(value), usedforsecurity=False).hexdigest(),
        "s.sha256": lambda value: hashlib.sha256(_raw(value)).hexdigest(),
        "s.sha384": lambda value: hashlib.sha384(_raw(value)).hexdigest(),
        "s.sha512": lambda value: hashlib.sha512(_raw(value)).hexdigest(),
        "s.encode.hexa": lambda value: _raw(value).hex(),
        "s.decode.hexa": lambda value: bytes.fromhex(value[: len(value) // 2 * 2]).decode("latin-1"),
        "s.encode.base58": _encode_base58,
        "s.decode.base58": _decode_base58,
        "s.encode.base64": lambda value: base64.b64encode(_raw(value)).decode(),
        "s.encode.base64t": lambda value: base64.b64encode(_raw(value)).decode().rstrip("="),
        "s.encode.base64url": lambda value: base64.urlsafe_b64encode(_raw(value)).decode(),
        "s.encode.base64urlt": lambda value: base64.urlsafe_b64encode(_raw(value)).decode().rstrip("="),
        "s.decode.base64": lambda value: base64.b64decode(value, validate=True).decode("latin-1"),
        "s.decode.base64t": lambda value: _decode_base64(value.rstrip("=")),
        "s.decode.base64url": lambda value: _decode_base64(value, b"-_"),
        "s.decode.base64urlt": lambda value: _decode_base64(value.rstrip("="), b"-_"),
        "s.escape.user": lambda value: _encode_percent(value, _USER) if _is_printable(value) else None,
        "s.escape.param": lambda value: _encode_percent(value, _PARAM) if _is_printable(value) else None,
        **dict.fromkeys(("s.unescape.user", "s.unescape.param"), _decode_printable),
        "s.urlencode.param": lambda value: _encode_percent(value, _FORM),
        "s.urldecode.param": lambda value: _decode_percent(value.replace("+", " ")),
        "s.escape.common": lambda value: _escape(value, _COMMON),
        "s.unescape.common": lambda value: _unescape(value, _COMMON),
        "s.escape.csv": lambda value: '"' + value.replace('"', '""') + '"',
    }),
    **text_forms({
        "s.escape.crlf": lambda value: _escape(value, _LINE_ENDS),
        "s.unescape.crlf": lambda value: _unescape(value, _LINE_ENDS),
    }, since=(6, 0)),
    **text_forms({
        "s.sha1": lambda value: hashlib.sha1(_raw(value), usedforsecurity=False).hexdigest(),
        "s.crc32": lambda value: binascii.crc32(_raw(value)),
    }, since=(6, 1)),
    **text_forms({"s.corehash": _core_hash}, "N"),
}  # fmt: skip
