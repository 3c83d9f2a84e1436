"""Who follows several processes: all of them or none, whichever word comes first."""

from __future__ import annotations

import pytest

from slbroker.following import FOLLOWING, NOBODY, Following


def test_once_one_is_followed_the_others_are_soon() -> None:
    following = Following()
    assert following.wait(10.0) is None
    assert following.follow(4711, 10.0)
    assert following.wait(11.0) == FOLLOWING - 1.0
    assert following.wait(20.0) == 0.0


@pytest.mark.parametrize("words", [("follow", "fail"), ("fail", "follow")])
def test_one_that_has_gone_is_in_nobodys_place_whichever_word_comes_first(words: tuple[str, ...]) -> None:
    following = Following()
    said = {word: getattr(following, word)(4711, 10.0) for word in words}
    assert said == ({"follow": True, "fail": True} if words[0] == "follow" else {"fail": False, "follow": False})
    assert following.heir == NOBODY
    assert following.wait(10.0) is None


@pytest.mark.parametrize("process", [0, 4711])
def test_the_next_one_may_have_the_number_of_one_that_has_gone(process: int) -> None:
    """As all of another container have: 0."""
    following = Following()
    following.fail(process, 10.0)
    assert following.follow(process, 10.0 + FOLLOWING + 0.1)
    assert following.heir == process


def test_that_another_one_has_gone_is_no_matter() -> None:
    following = Following()
    assert following.follow(4712, 10.0)
    assert not following.fail(4711, 10.1)
    assert following.heir == 4712
