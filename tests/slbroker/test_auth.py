"""Digest arithmetic against the RFCs' own examples, and the nonces that any worker can check."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker import auth
from slbroker.auth import Ha1
from slbroker.authnonce import CLOCK_SKEW, NonceKeys
from slbroker.keys import KeyRing

NOW = 1_760_000_000.0
RFC_7616 = {
    "uri": "/dir/index.html",
    "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
    "nc": "00000001",
    "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    "qop": "auth",
}
RFC_2617 = {
    "uri": "/dir/index.html",
    "nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093",
    "nc": "00000001",
    "cnonce": "0a4f113b",
    "qop": "auth",
}


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_example_of_rfc_7616(algorithm: str, response: str) -> None:
    secret = auth.ha1(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life")
    assert auth.response(algorithm, secret, "GET", RFC_7616) == response
    assert auth.is_right(algorithm, secret, "GET", {**RFC_7616, "response": response.upper()})
    assert not auth.is_right(algorithm, secret, "PUT", {**RFC_7616, "response": response})


def test_the_example_of_rfc_2617() -> None:
    secret = auth.ha1("MD5", "Mufasa", "testrealm@host.com", "Circle Of Life")
    assert auth.response("MD5", secret, "GET", RFC_2617) == "6629fae49393a05397450978507c4ef1"


def test_sha_512_256_is_the_hash_of_fips_180_4() -> None:
    assert auth.hash_text("SHA-512-256", "abc") == "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"


def test_credentials_without_qop_are_those_of_rfc_2069() -> None:
    secret = auth.ha1("MD5", "Mufasa", "testrealm@host.com", "CircleOfLife")
    params = {"uri": "/dir/index.html", "nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093"}
    assert auth.response("MD5", secret, "GET", params) == "1949323746fe6a43ef61f9606e7febea"  # as its erratum has it


@pytest.mark.parametrize("given_response", ["", "\udcff", "ä", "0" * 32])
def test_a_response_may_be_any_text(given_response: str) -> None:
    assert not auth.is_right("MD5", "0" * 32, "GET", {**RFC_2617, "response": given_response})


def test_what_a_password_can_be_kept_as() -> None:
    kept = Ha1(md5="AB" * 16)
    assert (kept.of("MD5"), kept.of("SHA-256")) == ("ab" * 16, "")
    for wrong in ({"md5": "ab"}, {"md5": "zz" * 16}, {"sha_256": "ab" * 16}):
        with pytest.raises(ValueError, match="hex digits"):
            Ha1(**wrong)
    assert [auth.is_available(name) for name in ("MD5", "SHA-1", "md5")] == [True, False, False]


# Nonces ---------------------------------------------------------------------------------------------------------

RING = KeyRing.generate()


def keys_of(ring: KeyRing) -> NonceKeys:
    return NonceKeys(ring.current, ring.accepted(NOW))


def test_a_worker_checks_what_another_made() -> None:
    nonce = keys_of(RING).make(b"realm", b"", NOW)
    assert len(nonce) == 46
    assert keys_of(RING).age(nonce, b"realm", b"", NOW + 7) == 7.0


def test_a_nonce_is_good_for_its_realm_and_binding_and_ring() -> None:
    nonce = keys_of(RING).make(b"realm", b"192.0.2.1", NOW)
    keys = keys_of(RING)
    assert keys.age(nonce, b"realm", b"192.0.2.1", NOW) == 0.0
    assert keys.age(nonce, b"real", b"m192.0.2.1", NOW) is None
    assert keys.age(nonce, b"realm", b"192.0.2.2", NOW) is None
    assert keys_of(KeyRing.generate()).age(nonce, b"realm", b"192.0.2.1", NOW) is None


def test_a_nonce_outlives_a_rotation() -> None:
    nonce = keys_of(RING).make(b"r", b"", NOW)
    rotated = RING.rotate(NOW + 1)
    assert keys_of(rotated).age(nonce, b"r", b"", NOW + 2) == 2.0
    assert keys_of(RING).age(keys_of(rotated).make(b"r", b"", NOW), b"r", b"", NOW) == 0.0  # the other has the old ring


def test_clocks_may_differ_a_little() -> None:
    nonce = keys_of(RING).make(b"r", b"", NOW)
    assert keys_of(RING).age(nonce, b"r", b"", NOW - CLOCK_SKEW) == -CLOCK_SKEW
    assert keys_of(RING).age(nonce, b"r", b"", NOW - CLOCK_SKEW - 1) is None


@given(st.integers(0, 45), st.sampled_from("0123456789abcdefn"))
def test_an_altered_nonce_is_none_of_ours(place: int, letter: str) -> None:
    nonce = keys_of(RING).make(b"r", b"", NOW)
    altered = nonce[:place] + letter + nonce[place + 1 :]
    assert (keys_of(RING).age(altered, b"r", b"", NOW) is None) is (altered != nonce)


@given(st.text())
def test_any_text_may_be_given_for_a_nonce(text: str) -> None:
    assert keys_of(RING).age(text, b"r", b"", NOW) is None
