"""Keys and a moment for the tests of the key ring and its file."""

from __future__ import annotations

from slbroker.keys import Key

NOW = 1_700_000_000.0
A, B, C, D = (Key(name, bytes([number]) * 32) for number, name in enumerate((b"000a", b"000b", b"000c", b"000d")))


def retired(key: Key, at: float) -> Key:
    return Key(key.id, key.secret, at)
