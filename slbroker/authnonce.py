"""The nonce of a digest challenge (RFC 7616 3.3): signed and timed, so that any worker checks what another sent.

    nonce = "n1" + key id (4 hex digits) + when it was made (8 hex digits) + MAC (32 hex digits)    46 characters
    MAC = keyed BLAKE2b, 128 bits, over that time, the realm and what the nonce is bound to

It is keyed with a subkey of the key ring, so that no MAC made here is valid elsewhere. The time is in unix seconds. No
worker remembers a nonce: within its life one may be used again, by whoever has seen the credentials that go with it.
"""

from __future__ import annotations

import hashlib
import re
import struct
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slbroker.keys import Key

_VERSION: Final = "n1"
_MAC_SIZE: Final = 16  # bytes
_PERSON: Final = b"slbroker-nonce"
# Seconds by which the clocks of two workers' hosts may differ.
CLOCK_SKEW: Final = 30.0
_is_nonce = re.compile(r"n1([0-9a-f]{4})([0-9a-f]{8})([0-9a-f]{32})", re.ASCII).fullmatch
_pack = struct.Struct(">II").pack


class NonceKeys:
    """Makes nonces with one key and checks them with several; a snapshot of a key ring at one time, as `Signer` is."""

    __slots__ = ("_accepted", "_id", "_own")

    def __init__(self, current: Key, accepted: Mapping[bytes, Key]) -> None:
        self._id = current.id.decode()
        self._own = _subkey(current)
        self._accepted = {key.id.decode(): _subkey(key) for key in accepted.values()}

    def make(self, realm: bytes, binding: bytes, now: float) -> str:
        """Return a nonce made at `now` (unix seconds). The same request within one second gets the same one."""
        seconds = int(now) % 2**32
        return f"{_VERSION}{self._id}{seconds:08x}{_mac(self._own, seconds, realm, binding).hex()}"

    def age(self, nonce: str, realm: bytes, binding: bytes, now: float) -> float | None:
        """Return how many seconds old a nonce is, None when it is none of ours, or of the future. Takes any text."""
        found = _is_nonce(nonce)
        key = self._accepted.get(found[1]) if found else None
        if found is None or key is None:
            return None
        seconds = int(found[2], 16)
        if not compare_digest(bytes.fromhex(found[3]), _mac(key, seconds, realm, binding)):
            return None
        age = now - seconds
        return age if age >= -CLOCK_SKEW else None


def _subkey(key: Key) -> bytes:
    return hashlib.blake2b(key=key.secret, digest_size=32, person=_PERSON).digest()


def _mac(subkey: bytes, seconds: int, realm: bytes, binding: bytes) -> bytes:
    # Each part behind its length, so that no two ever feed the MAC the same bytes.
    content = b"%b%b%b" % (_pack(seconds, len(realm)), realm, binding)
    return hashlib.blake2b(content, key=subkey, digest_size=_MAC_SIZE, person=_PERSON).digest()
