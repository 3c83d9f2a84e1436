"""The key ring: rotation without a gap, and no secret on any screen."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from slbroker import keys
from slbroker.keys import RETIRED_KEY_LIFETIME, Key, KeyRing
from tests.slbroker.somekeys import NOW, A, B, C, D, retired

if TYPE_CHECKING:
    from collections.abc import Callable

# The ring ---------------------------------------------------------------------------------------------------------


def test_the_lifetime_covers_the_longest_ack() -> None:
    assert RETIRED_KEY_LIFETIME >= 64 * 0.5


def test_rotation_promotes_the_next_key_and_keeps_the_old_one() -> None:
    ring = KeyRing(A, B).rotate(NOW)
    assert ring.current == B
    assert ring.earlier == (retired(A, NOW),)
    assert ring.next.id not in (A.id, B.id)
    assert set(ring.accepted(NOW)) == {A.id, B.id, ring.next.id}


def test_a_retired_key_verifies_for_its_lifetime_and_no_longer() -> None:
    ring = KeyRing(A, B, (retired(C, NOW),))
    assert C.id in ring.accepted(NOW + RETIRED_KEY_LIFETIME)
    assert C.id not in ring.accepted(NOW + RETIRED_KEY_LIFETIME + 0.001)
    assert {A.id, B.id} <= set(ring.accepted(NOW + 1e9))
    assert C.id in ring.accepted(NOW - 3_600)  # a clock that was set back costs no ACK


def test_rotation_prunes_what_has_expired() -> None:
    ring = KeyRing(A, B, (retired(C, NOW - 10), retired(D, NOW - RETIRED_KEY_LIFETIME - 1))).rotate(NOW)
    assert [key.id for key in ring.earlier] == [A.id, C.id]


def test_many_rotations_at_once_lose_no_key() -> None:
    ring = KeyRing.generate()
    seen = {ring.current.id, ring.next.id}
    for _ in range(50):
        ring = ring.rotate(NOW)
        seen.add(ring.next.id)
    assert set(ring.accepted(NOW)) == seen
    assert len(seen) == 52


def test_a_new_key_takes_no_id_that_is_in_the_ring(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([A.id, B.id, A.id, C.id])
    monkeypatch.setattr(os, "urandom", lambda size: bytes.fromhex(next(drawn).decode()) if size == 2 else bytes(size))
    assert KeyRing(A, B).rotate(NOW).next.id == C.id


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda: Key(b"00A1", bytes(32)), "lower-case hex"),
        (lambda: Key(b"0a1", bytes(32)), "lower-case hex"),
        (lambda: Key(b"0a1b\n", bytes(32)), "lower-case hex"),
        (lambda: Key(b"0a1b", bytes(31)), "32 bytes"),
        (lambda: Key(b"0a1b", bytes(33)), "32 bytes"),
        (lambda: Key(b"0a1b", bytes(32), float("nan")), "unix seconds"),
        (lambda: Key(b"0a1b", bytes(32), float("inf")), "unix seconds"),
        (lambda: Key(b"0a1b", bytes(32), -1), "unix seconds"),
        (lambda: Key(b"0a1b", bytes(32), 10**400), "unix seconds"),
        (lambda: KeyRing(A, A), "same id"),
        (lambda: KeyRing(A, B, (retired(A, NOW),)), "same id"),
        (lambda: KeyRing(A, B, (retired(C, 1), retired(C, 2))), "same id"),
        (lambda: KeyRing(retired(A, NOW), B), "must not be retired"),
        (lambda: KeyRing(A, retired(B, NOW)), "must not be retired"),
        (lambda: KeyRing(A, B, (C,)), "when it was retired"),
    ],
)
def test_rings_that_cannot_be(build: Callable[[], object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        build()


# What is shown ----------------------------------------------------------------------------------------------------


def test_describe() -> None:
    ring = KeyRing(A, B, (retired(C, NOW - 42), retired(D, NOW - 3 * 86_400)))
    assert keys.describe(ring, NOW).splitlines() == [
        f"current  000a  fingerprint {A.fingerprint}  signs since 42 s ago",
        f"next     000b  fingerprint {B.fingerprint}  signs after the next rotation",
        f"earlier  000c  fingerprint {C.fingerprint}  retired 42 s ago, accepted for 9 min more",
        f"earlier  000d  fingerprint {D.fingerprint}  retired 3 d ago, no longer accepted",
    ]


def test_describe_with_a_clock_behind_the_file() -> None:
    assert "retired 0 s ago" in keys.describe(KeyRing(A, B, (retired(C, NOW + 60),)), NOW)


@pytest.mark.parametrize(
    ("age", "shown"), [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7_199, "119 min"), (7_200, "2 h"), (172_800, "2 d")]
)
def test_ages_are_shown_in_their_largest_unit(age: float, shown: str) -> None:
    assert f"signs since {shown} ago" in keys.describe(KeyRing(A, B, (retired(C, NOW - age),)), NOW)


def test_fingerprints_tell_secrets_apart() -> None:
    assert re.fullmatch("[0-9a-f]{8}", A.fingerprint)
    assert A.fingerprint == Key(b"1234", A.secret).fingerprint != B.fingerprint


def test_secrets_are_not_shown() -> None:
    ring = KeyRing.generate().rotate(NOW)
    for shown in (repr(ring), str(ring), repr(ring.current), keys.describe(ring, NOW)):
        for key in ring.all_keys():
            assert key.secret.hex() not in shown
            assert repr(key.secret) not in shown
            assert "secret" not in shown
