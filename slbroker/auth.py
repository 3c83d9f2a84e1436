"""The arithmetic of digest access authentication (RFC 7616 3.4, with the algorithms that RFC 8760 gives SIP).

Text goes into the hashes as UTF-8; a peer's bytes that are none go in as they came.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

MD5: Final = "MD5"
SHA_256: Final = "SHA-256"
SHA_512_256: Final = "SHA-512-256"
ALGORITHMS: Final = (SHA_512_256, SHA_256, MD5)  # the strongest first, as RFC 8760 2.4 wants challenges

_HASHLIB_NAMES: Final = {MD5: "md5", SHA_256: "sha256", SHA_512_256: "sha512_256"}
_HA1_LENGTHS: Final = {MD5: 32, SHA_256: 64, SHA_512_256: 64}
_HEX: Final = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Ha1:
    """What may be stored in place of a password: H(username:realm:password) as hex, by algorithm, "" for none.

    Raises ValueError for what has no such form.
    """

    md5: str = ""
    sha_256: str = ""
    sha_512_256: str = ""

    def __post_init__(self) -> None:
        for algorithm in ALGORITHMS:
            value = self.of(algorithm)
            if value and (len(value) != _HA1_LENGTHS[algorithm] or not _HEX.issuperset(value)):
                raise ValueError(f"an HA1 of {algorithm} has {_HA1_LENGTHS[algorithm]} hex digits")

    def of(self, algorithm: str) -> str:
        """Return the one for `algorithm` in lower case, "" where there is none."""
        return {MD5: self.md5, SHA_256: self.sha_256, SHA_512_256: self.sha_512_256}[algorithm].lower()


def hash_text(algorithm: str, text: str) -> str:
    """Return H(text) as lower-case hex; raises ValueError for an algorithm that this Python lacks."""
    name = _HASHLIB_NAMES[algorithm]
    return hashlib.new(name, text.encode(errors="surrogateescape"), usedforsecurity=False).hexdigest()


def is_available(algorithm: str) -> bool:
    """Return whether `algorithm` is one of ALGORITHMS and this Python has it: SHA-512-256 comes with OpenSSL."""
    try:
        return bool(hash_text(algorithm, ""))
    except (KeyError, ValueError):
        return False


def ha1(algorithm: str, username: str, realm: str, password: str) -> str:
    """Return H(username:realm:password), the form in which a password can be kept (RFC 7616 3.4.2)."""
    return hash_text(algorithm, f"{username}:{realm}:{password}")


def response(algorithm: str, secret: str, method: str, params: Mapping[str, str]) -> str:
    """Return the response that belongs to `secret` (an HA1) and to the rest of the credentials.

    With qop=auth as RFC 7616 3.4.1 has it; without qop as RFC 2069 had it, which RFC 3261 22.4 keeps for old clients.
    """
    ha2 = hash_text(algorithm, f"{method}:{params.get('uri', '')}")
    nonce = params.get("nonce", "")
    if "qop" not in params:
        return hash_text(algorithm, f"{secret}:{nonce}:{ha2}")
    middle = ":".join(params.get(name, "") for name in ("nc", "cnonce", "qop"))
    return hash_text(algorithm, f"{secret}:{nonce}:{middle}:{ha2}")


def is_right(algorithm: str, secret: str, method: str, params: Mapping[str, str]) -> bool:
    """Return whether credentials hold the response that `secret` gives; the time taken does not tell how near it is."""
    given = params.get("response", "").lower().encode(errors="surrogateescape")
    return compare_digest(given, response(algorithm, secret, method, params).encode())
