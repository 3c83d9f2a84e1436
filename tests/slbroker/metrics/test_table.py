"""docs/operations.md has every metric, as it is."""

from __future__ import annotations

import re

import pytest

from slbroker.metrics.table import BY_KIND
from tests.support.metricpages import PAGE, page
from tests.support.optionpages import all_options
from tests.support.processes import ROOT

SOURCES = [file for folder in ("slbroker", "edge", "handlers") for file in (ROOT / folder).rglob("*.py")]


def test_the_page_has_the_table_as_it_is() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "write it anew: python -m tests.support.metricpages"


def rows(title: str) -> str:
    """The table of a section for operators."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    assert len(lines) > 10
    return "\n".join(lines)


@pytest.mark.parametrize("title", ["What to look at first", "When a part dies"])
def test_what_operators_are_told_to_look_at_is_there(title: str) -> None:
    """Metrics and options by their names, and the words of log lines."""
    told = rows(title)
    metrics = {metric.name for metrics in BY_KIND.values() for metric in metrics} | {"slbroker_up"}
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)(?:\{[^`]*\})?`", told))
    assert named <= metrics, named - metrics
    flags = set(re.findall(r"(?<![\w-])--[a-z-]+", told))
    assert flags <= {each.option.flag for each in all_options()}
    source = "\n".join(file.read_text(encoding="utf-8") for file in SOURCES)
    words = re.sub(r'"\s+f?"', "", source)  # a text in several pieces
    said = re.findall(r'"([a-zA-Z -]{7,}?)(?: \.\.\.)?"', told)
    assert said
    assert [one for one in said if one not in words] == []
