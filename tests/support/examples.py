"""How many examples Hypothesis tries where its usual hundred are too few."""

from __future__ import annotations

from hypothesis import settings


def examples(count: int, *, steps: int = 50) -> settings:
    """Return settings for `count` examples, of a machine with so many steps; a quick run tries its share of them.

    That is `--hypothesis-profile quick` (tests/conftest.py), which says how many instead of 100.
    """
    share = settings.default.max_examples / 100 if settings.default else 1.0
    return settings(max_examples=max(1, round(count * share)), stateful_step_count=steps, deadline=None)
