"""The tables of docs/operations.md, made of the table of metrics: python -m tests.support.metricpages writes them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from slbroker.metrics.table import BROKER, COMMON, EDGE, WORKER
from tests.support.processes import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGE: Final = ROOT / "docs" / "operations.md"
SETS: Final = {
    "every process": ("slbroker_edge_`, `slbroker_broker_`, `slbroker_worker_", COMMON),
    "edges": ("slbroker_edge_", EDGE), "brokers": ("slbroker_broker_", BROKER), "workers": ("slbroker_worker_", WORKER),
}  # fmt: skip
BEGIN, END = "<!-- {}: made by tests.support.metricpages -->\n", "<!-- end -->\n"


def table(name: str) -> str:
    """One table, as it stands in the page."""
    prefix, metrics = SETS[name]
    lines = [f"| `{prefix}...` | kind | labels | meaning |", "|---|---|---|---|"]
    for metric in metrics:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        lines.append(f"| `{metric.name}` | {metric.kind.value} | {labels} | {metric.help} |")
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """The page with all tables as they should be."""
    for name in SETS:
        begin = BEGIN.format(name)
        pattern = re.compile(re.escape(begin) + ".*?" + re.escape(END), re.DOTALL)
        assert pattern.search(text), f"docs/operations.md has no place for {name}"
        text = pattern.sub(lambda _, name=name, begin=begin: begin + table(name) + END, text)  # type: ignore[misc]
    return text


def main(path: Path = PAGE) -> None:
    """Write the tables into the page."""
    path.write_text(page(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
