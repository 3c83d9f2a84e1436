"""Writes the tables of docs/kemi.md from what KSR exports: make kemi."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from slbroker_handlers.kemi import ksr
from slbroker_handlers.kemi.exports import MODULES
from slbroker_handlers.kemi.release import RELEASES, name_release
from slbroker_handlers.kemi.variables import access
from slbroker_handlers.kemi.variables.transform import FORMS
from tests.support.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from slbroker_handlers.kemi.exports import Module
    from slbroker_handlers.kemi.release import Release

assert ksr  # by which all modules are there
DOCS: Final = ROOT / "docs" / "kemi.md"


def write_functions() -> str:
    """The table of functions: a row for each module."""
    rows = ["| module | runs as in Kamailio | runs in part |", "|---|---|---|"]
    for name, module in sorted(MODULES.items()):
        whole = [export.name for export in module.exports.values() if not export.partial]
        title = f"`KSR.{name}`" if name else "`KSR`"
        rows.append(f"| {title} | {_names(whole)} | {_partly(module)} |")
    return "\n".join(rows)


def _partly(module: Module) -> str:
    """What runs in part, functions with the same remark together."""
    remarks: dict[str, list[str]] = {}
    for export in module.exports.values():
        if export.partial:
            remarks.setdefault(export.partial, []).append(export.name)
    return "<br>".join(f"{_names(names)}: {remark.replace('|', '&#124;')}" for remark, names in remarks.items())


def _names(names: Iterable[str]) -> str:
    return " ".join(f"`{name}`" for name in sorted(names))


def write_variables() -> str:
    """The names of the pseudo-variables, those that can be set first, and of the transformations."""
    rows: dict[str, list[tuple[str, Release | None]]] = {
        "read and set": [(f"${name}", access.SINCE.get(name)) for name in access.SETTERS],
        "read": [(f"${name}", access.SINCE.get(name)) for name in access.GETTERS if name not in access.SETTERS],
        "transformations": [(name, form.since) for name, form in FORMS.items()],
    }
    lines = (f"| {title} | {' '.join(map(_dated, sorted(names)))} |" for title, names in rows.items())
    return "\n".join(("| | |", "|---|---|", *lines))


def _dated(named: tuple[str, Release | None]) -> str:
    """A name as the tables have it, with the release of Kamailio that brought it."""
    name, since = named
    return f"`{name}`{f' ({name_release(since)})' if since and since > RELEASES[0] else ''}"


def replaced(page: str) -> str:
    """The page with its two tables as they are now."""
    for table in (write_functions(), write_variables()):
        begin = re.escape(table.partition("\n")[0])
        found = re.findall(rf"^{begin}\n(?:\|.*\n)+", page, re.MULTILINE)
        assert len(found) == 1, begin
        page = page.replace(found[0], f"{table}\n")
    return page


if __name__ == "__main__":
    DOCS.write_text(replaced(DOCS.read_text(encoding="utf-8")), encoding="utf-8")
