"""What of a KEMI script works here: what `slbroker check --kemi FILE.py` prints, and why a script is not loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from slbroker_handlers.kemi import elsewhere
from slbroker_handlers.kemi.ksr import find, is_module
from slbroker_handlers.kemi.pvspec import parse_spec
from slbroker_handlers.kemi.pvstore import GETTERS
from slbroker_handlers.kemi.transform import is_known

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slbroker_handlers.kemi.source import Use


_UNKNOWN: Final = "Kamailio 5.6 has no such function; is it spelt right?"
_NOT_IN_PYTHON: Final = "Kamailio has it for Lua and JavaScript only; Python says sys.exit()"
_LUA: Final = {("x", "exit"): _NOT_IN_PYTHON, ("x", "drop"): _NOT_IN_PYTHON}


class Entry(NamedTuple):
    """One function or pseudo-variable of a report: where it is mentioned, and what there is to say of it."""

    title: str
    lines: tuple[int, ...]
    remark: str


class Report(NamedTuple):
    """All that a script mentions. Only `missing` and `unknown` keep it from being loaded."""

    whole: list[Entry]
    partial: list[Entry]
    missing: list[Entry]  # Kamailio has them, and they cannot work here
    unknown: list[Entry]  # Kamailio has none called so
    unreached: list[Entry]  # cannot work here, and are never called here
    variables: list[Entry]  # pseudo-variables that are null here

    @property
    def faults(self) -> list[Entry]:
        """Return what would fail, by line."""
        return sorted(self.missing + self.unknown, key=lambda entry: entry.lines)

    def summary(self) -> str:
        """Return the report in one line."""
        counts = [f"{len(self.whole)} functions run as in Kamailio", f"{len(self.partial)} in part"]
        counts.append(f"{len(self.missing)} cannot work here")
        if self.unknown:
            counts.append(f"{len(self.unknown)} do not exist")
        if self.variables:
            counts.append(f"{len(self.variables)} pseudo-variables are null")
        return ", ".join(counts)

    def text(self) -> str:
        """Return the whole report, a line for each entry."""
        sections = (
            ("runs as in Kamailio", self.whole),
            ("runs in part", self.partial),
            ("cannot work here", self.missing),
            ("does not exist", self.unknown),
            ("cannot work here, in functions that nothing here calls", self.unreached),
            ("pseudo-variables that are always null here", self.variables),
        )
        return "\n".join(line for title, entries in sections if entries for line in (f"  {title}:", *_lines(entries)))


def _lines(entries: list[Entry]) -> list[str]:
    width = max(len(entry.title) for entry in entries)
    return [f"    {entry.title:<{width}}  {_places(entry.lines)}{_behind(entry.remark)}" for entry in entries]


def _places(lines: tuple[int, ...]) -> str:
    return f"line{'s' if len(lines) > 1 else ''} {', '.join(map(str, lines))}"


def _behind(remark: str) -> str:
    return f": {remark}" if remark else ""


def make_report(uses: Sequence[Use]) -> Report:
    """Return the report of what a script mentions."""
    report = Report([], [], [], [], [], [])
    groups: dict[tuple[str, str, bool], list[Use]] = {}
    for use in uses:
        if not use.module and is_module(use.name):
            continue  # KSR.pv with nothing behind it, as in getattr(KSR.pv, name)
        groups.setdefault((use.module, use.name, use.is_reached), []).append(use)
    for (module, name, is_reached), mentions in sorted(groups.items()):
        _sort_in(report, module, name, is_reached, mentions)
    report.variables.extend(_null_variables(uses))
    return report


def _sort_in(report: Report, module: str, name: str, is_reached: bool, mentions: list[Use]) -> None:
    lines = tuple(dict.fromkeys(use.line for use in mentions))
    title = mentions[0].title
    export = find(module, name)
    if export is not None:
        target = report.partial if export.partial else report.whole
        known = next((at for at, entry in enumerate(target) if entry.title == title), None)
        if known is None:
            target.append(Entry(title, lines, export.partial))
        else:  # mentioned in what is reached and in what is not
            target[known] = Entry(title, tuple(sorted({*target[known].lines, *lines})), export.partial)
    elif elsewhere.result_of(module, name):
        remark = elsewhere.reason_for(module)
        (report.missing if is_reached else report.unreached).append(Entry(title, lines, remark))
    else:
        report.unknown.append(Entry(title, lines, _LUA.get((module, name), _UNKNOWN)))


def _null_variables(uses: Sequence[Use]) -> list[Entry]:
    """Return the pseudo-variables that a script reads by name and that there are none of here."""
    lines: dict[str, list[int]] = {}
    for use in uses:
        spec = parse_spec(use.variable) if use.variable else None
        is_fine = spec is not None and spec.name in GETTERS and all(map(is_known, spec.transformations))
        if use.variable and not is_fine:
            lines.setdefault(use.variable, []).append(use.line)
    return [Entry(variable, tuple(found), "") for variable, found in sorted(lines.items())]
