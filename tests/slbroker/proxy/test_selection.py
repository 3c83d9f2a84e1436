"""Choosing by hash: evenly, by weight, and with as little moving as can be when one goes."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker.proxy.selection import ranked

KEYS = [b"call-%d@example.com" % number for number in range(6_000)]


def first(key: bytes, weights: dict[str, int]) -> str:
    return ranked(key, weights, str.encode, weights.__getitem__)[0]


@pytest.mark.parametrize(
    "weights", [{"a": 1, "b": 1}, {"a": 1, "b": 1, "c": 1}, {"a": 3, "b": 1}, {"a": 50, "b": 30, "c": 20}]
)
def test_each_gets_its_share(weights: dict[str, int]) -> None:
    counts = Counter(first(key, weights) for key in KEYS)
    for name, weight in weights.items():
        assert counts[name] / len(KEYS) == pytest.approx(weight / sum(weights.values()), abs=0.03)


def test_names_that_differ_late_share_as_well() -> None:
    """URIs may be long: pods of one service differ in their ends alone, or in a parameter."""
    long = "sip:" + "a" * 63 + ".gateways.example.com;transport=tcp;pod="
    counts = Counter(first(key, {long + "a": 1, long + "b": 1}) for key in KEYS)
    assert counts[long + "a"] / len(KEYS) == pytest.approx(0.5, abs=0.03)


def test_when_one_goes_its_keys_alone_move_and_evenly() -> None:
    weights = dict.fromkeys("abcd", 1)
    before = {key: first(key, weights) for key in KEYS}
    del weights["b"]
    after = {key: first(key, weights) for key in KEYS}
    moved = Counter(after[key] for key in KEYS if before[key] != after[key])
    assert {before[key] for key in KEYS if before[key] != after[key]} == {"b"}
    assert max(moved.values()) < 1.3 * min(moved.values())
    assert set(moved) == set("acd")


def test_who_comes_next_is_who_takes_over() -> None:
    weights = dict.fromkeys("abcd", 1)
    for key in KEYS[:200]:
        order = ranked(key, weights, str.encode, weights.__getitem__)
        left = {name: 1 for name in weights if name != order[0]}
        assert first(key, left) == order[1]


def test_weight_0_comes_behind_all_others() -> None:
    weights = {"a": 0, "b": 1, "c": 1}
    assert all(ranked(key, weights, str.encode, weights.__getitem__)[-1] == "a" for key in KEYS[:100])


@given(st.binary(), st.lists(st.text("abcdefgh", min_size=1, max_size=3), unique=True), st.data())
def test_the_order_of_the_list_does_not_matter(key: bytes, names: list[str], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(names))
    assert ranked(key, names, str.encode, lambda _: 1) == ranked(key, shuffled, str.encode, lambda _: 1)
    assert sorted(ranked(key, names, str.encode, lambda _: 1)) == sorted(names)


def test_a_golden_order() -> None:
    """It must not change unnoticed: edges of two versions serve one call."""
    assert "".join(ranked(b"a84b4c76e66710@192.0.2.1", "abcdef", str.encode, lambda _: 1)) == "fbcdae"
