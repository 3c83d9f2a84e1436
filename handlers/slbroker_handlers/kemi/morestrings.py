"""Transformations that scripts seldom use, or that Kamailio 5.6 has not: hashes, escapes, lines, socket aliases.

Each takes the text, a character for each byte, and the words behind the name.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import TYPE_CHECKING, Final

from slbroker_handlers.kemi.uris import split_uri

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker_handlers.kemi.exports import Xval
    from slbroker_handlers.kemi.release import Release
    from slbroker_handlers.kemi.uris import UriParts

_WORD: Final = 2**32
_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_COMMON: Final = {"'": "\\'", '"': '\\"', "\\": "\\\\", "\0": "\\0"}
_UNCOMMON: Final = {written[1]: meant for meant, written in _COMMON.items()}
_LINE_ENDS: Final = {"\r": "\\r", "\n": "\\n"}
_PROTOCOLS: Final = {"udp": 1, "tcp": 2, "tls": 3, "sctp": 4, "ws": 5, "wss": 6}
_match_alias = re.compile(r"(.*)~([^~]*)~([1-6])", re.DOTALL).fullmatch
_match_number = re.compile(r"[+-]?[0-9]{1,64}").match


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


def _decode_base64url(value: str) -> str | None:
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True).decode("latin-1")
    except binascii.Error:
        return None


def _unescape(value: str, meanings: dict[str, str]) -> str:
    return re.sub(r"\\(.)", lambda found: meanings.get(found[1], found[0]), value, flags=re.DOTALL)


# Lines, words, characters ---------------------------------------------------------------------------------------


def _lines(value: str) -> list[str]:
    lines = [line.removesuffix("\r") for line in value.split("\n")]
    return lines[:-1] if value.endswith("\n") else lines


def _line_at(value: str, index: str) -> str:
    lines, at = _lines(value), int(index)
    return lines[at] if -len(lines) <= at < len(lines) else ""


def _word(value: str, index: str) -> str:
    words, at = value.split(), int(index)
    return words[at] if -len(words) <= at < len(words) else ""


def _character(value: str, index: str) -> str:
    return value[int(index) : int(index) + 1] if int(index) >= 0 else ""


def _byte(value: str, index: str) -> Xval:
    character = _character(value, index)
    return ord(character) - (256 if ord(character) > 127 else 0) if character else -1


def _digit(value: str, *, first: bool) -> int:
    """Return the first or the last digit of a number, 0 of what is none."""
    found = _match_number(value)
    digits = found[0].lstrip("+-") if found and found[0] == value else "0"
    return int((digits.lstrip("0") or "0")[0] if first else digits[-1])


# Sockets --------------------------------------------------------------------------------------------------------


def _transport(parts: UriParts) -> str:
    transport = (parts.param("transport") or "udp").lower()
    return transport if transport in _PROTOCOLS else "udp"


def _encode_alias(value: str) -> str:
    parts = split_uri(value)
    return f"{parts.host}~{parts.port or 5060}~{_PROTOCOLS[_transport(parts)]}" if parts else ""


def _decode_alias(value: str) -> str:
    found = _match_alias(value)
    if found is None:
        return ""
    transport = next(name for name, number in _PROTOCOLS.items() if str(number) == found[3])
    return f"sip:{found[1]}:{found[2]}{'' if transport == 'udp' else f';transport={transport}'}"


def _short_uri(parts: UriParts, *, with_user: bool, with_port: bool) -> str:
    user = f"{parts.user}@" if with_user and parts.user else ""
    if not parts.host:
        return f"{parts.scheme}:{parts.user}"
    transport = parts.param("transport") if with_port else None
    port = f":{parts.port}" if with_port and parts.port else ""
    return f"{parts.scheme}:{user}{parts.host}{port}{f';transport={transport}' if transport else ''}"


def _without_param(parts: UriParts, name: str) -> str:
    kept = [piece for piece in parts.params.split(";")[1:] if piece.partition("=")[0].strip().lower() != name.lower()]
    return str(parts._replace(params="".join(f";{piece}" for piece in kept)))


def _to_socket(parts: UriParts) -> str:
    transport = parts.param("transport")
    return f"{transport.lower()}:{parts.host}:{parts.port or 5060}" if transport else ""


# ----------------------------------------------------------------------------------------------------------------

STRINGS: Final[dict[str, Callable[..., Xval]]] = {
    "s.corehash": _core_hash,
    "s.encode.base58": _encode_base58,
    "s.decode.base58": _decode_base58,
    "s.encode.base64url": lambda value: base64.urlsafe_b64encode(_raw(value)).decode(),
    "s.encode.base64urlt": lambda value: base64.urlsafe_b64encode(_raw(value)).decode().rstrip("="),
    "s.decode.base64url": _decode_base64url,
    "s.decode.base64urlt": lambda value: _decode_base64url(value.rstrip("=")),
    "s.escape.common": lambda value: "".join(_COMMON.get(character, character) for character in value),
    "s.unescape.common": lambda value: _unescape(value, _UNCOMMON),
    "s.escape.csv": lambda value: '"' + value.replace('"', '""') + '"',
    "s.escape.crlf": lambda value: "".join(_LINE_ENDS.get(character, character) for character in value),
    "s.unescape.crlf": lambda value: _unescape(value, {"r": "\r", "n": "\n"}),
    "s.rmhdws": lambda value: re.sub(r"\r?\n[ \t]+", " ", value),
    "s.rmhlws": lambda value: re.sub(r"\r?\n[ \t]+", "", value),
    "s.sha1": lambda value: hashlib.sha1(_raw(value), usedforsecurity=False).hexdigest(),
    "s.crc32": lambda value: binascii.crc32(_raw(value)),
    "s.selectsw": _word,
    "s.selectws": _word,
    "s.charat": _character,
    "s.byteat": _byte,
    "num.fdigit": lambda value: _digit(value, first=True),
    "num.ldigit": lambda value: _digit(value, first=False),
    "line.count": lambda value: str(len(_lines(value))) if value else None,
    "line.at": lambda value, index: _line_at(value, index) if value else None,
    "line.sw": lambda value, prefix: next((line for line in _lines(value) if line.startswith(prefix)), "")
    if value
    else None,
    "urialias.encode": lambda value: _encode_alias(value) if value else None,
    "urialias.decode": lambda value: _decode_alias(value) if value else None,
}
URIS: Final[dict[str, Callable[..., Xval]]] = {
    "uri.duri": lambda parts: _short_uri(parts, with_user=False, with_port=True),
    "uri.saor": lambda parts: _short_uri(parts, with_user=True, with_port=False),
    "uri.suri": lambda parts: _short_uri(parts, with_user=True, with_port=True),
    "uri.tosocket": _to_socket,
    "uri.rmparam": _without_param,
    "uri.domain": lambda parts: parts.host,
    "uri.ttl": lambda parts: parts.param("ttl") or "",
    "uri.lr": lambda parts: parts.param("lr") or "",
    "uri.r2": lambda parts: parts.param("r2") or "",
    "uri.method": lambda parts: parts.param("method") or "",
    "uri.uparam": lambda parts: parts.param("user") or "",
}
# What they take, as `arguments.KINDS` writes it.
KINDS: Final = {
    "s.corehash": "n", "s.selectsw": "n", "s.selectws": "n", "s.charat": "n", "s.byteat": "n", "line.at": "n",
    "line.sw": "t", "uri.rmparam": "t", "re.subst": "m",
}  # fmt: skip
# The releases that brought those which 5.6 has not.
SINCE: Final[dict[str, Release]] = {
    **dict.fromkeys(("s.escape.crlf", "s.unescape.crlf", "s.rmhdws", "s.rmhlws"), (6, 0)),
    **dict.fromkeys(
        ("s.sha1", "s.crc32", "s.selectsw", "s.selectws", "s.charat", "s.byteat", "num.fdigit", "num.ldigit"), (6, 1)
    ),
    "uri.rmparam": (6, 1),
}
