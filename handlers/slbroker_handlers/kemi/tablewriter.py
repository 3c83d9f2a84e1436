"""Prints the tables of docs/kemi.md from what KSR exports: python -m slbroker_handlers.kemi.tablewriter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slbroker_handlers.kemi.ksr import MODULES
from slbroker_handlers.kemi.pvstore import GETTERS, SETTERS
from slbroker_handlers.kemi.pvstore import SINCE as VARIABLES_SINCE
from slbroker_handlers.kemi.release import name_release
from slbroker_handlers.kemi.transform import KNOWN
from slbroker_handlers.kemi.transform import SINCE as TRANSFORMATIONS_SINCE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from slbroker_handlers.kemi.exports import Module
    from slbroker_handlers.kemi.release import Release


def write_functions() -> str:
    """Return the table of functions: a row for each module."""
    rows = ["| module | runs as in Kamailio | runs in part |", "|---|---|---|"]
    for name, module in MODULES.items():
        whole = [export.name for export in module.exports.values() if not export.partial]
        title = f"`KSR.{name}`" if name else "`KSR`"
        rows.append(f"| {title} | {_names(whole)} | {_partly(module)} |")
    return "\n".join(rows)


def _partly(module: Module) -> str:
    """Return what runs in part, functions with the same remark together."""
    remarks: dict[str, list[str]] = {}
    for export in module.exports.values():
        if export.partial:
            remarks.setdefault(export.partial, []).append(export.name)
    return "<br>".join(f"{_names(names)}: {remark.replace('|', '&#124;')}" for remark, names in remarks.items())


def _names(names: Iterable[str]) -> str:
    return " ".join(f"`{name}`" for name in sorted(names))


def write_variables() -> str:
    """Return the names of the pseudo-variables, those that can be set first, and of the transformations."""
    rows = {
        "read and set": [(f"${name}", VARIABLES_SINCE.get(name)) for name in SETTERS],
        "read": [(f"${name}", VARIABLES_SINCE.get(name)) for name in GETTERS if name not in SETTERS],
        "transformations": [(name, TRANSFORMATIONS_SINCE.get(name)) for name in KNOWN],
    }
    lines = (f"| {title} | {' '.join(map(_dated, sorted(names)))} |" for title, names in rows.items())
    return "\n".join(("| | |", "|---|---|", *lines))


def _dated(named: tuple[str, Release | None]) -> str:
    """Return a name as the tables have it, with the release of Kamailio that brought it."""
    name, since = named
    return f"`{name}`{f' ({name_release(since)})' if since else ''}"


if __name__ == "__main__":
    print(write_functions(), write_variables(), sep="\n\n")
