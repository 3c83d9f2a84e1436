"""docs/operations.md has every metric, as it is."""

from __future__ import annotations

from tests.support.metricpages import PAGE, page


def test_the_page_has_the_table_as_it_is() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "write it anew: python -m tests.support.metricpages"
