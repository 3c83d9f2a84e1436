"""What of a KEMI script works here: what `slbroker check --kemi FILE.py` prints, and why a script is not loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from slbroker_handlers.kemi.catalogue import OLDEST, find_known, reason_for
from slbroker_handlers.kemi.exports import MODULES, find_export
from slbroker_handlers.kemi.ksr import is_module
from slbroker_handlers.kemi.release import NEWEST, name_release
from slbroker_handlers.kemi.variables.access import is_readable
from slbroker_handlers.kemi.variables.specs import find_specs, parse_spec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from slbroker_handlers.kemi.catalogue import Known
    from slbroker_handlers.kemi.check.mentions import Argument, Use
    from slbroker_handlers.kemi.check.mistakes import Slip
    from slbroker_handlers.kemi.exports import Export
    from slbroker_handlers.kemi.release import Release

_UNKNOWN: Final = f"no Kamailio up to {name_release(NEWEST)} has such a function; is it spelt right?"
_NOT_IN_PYTHON: Final = "Kamailio has it for Lua and JavaScript only; Python says sys.exit()"
_LUA: Final = {("x", "exit"): _NOT_IN_PYTHON, ("x", "drop"): _NOT_IN_PYTHON}
_RELAYS: Final = "--kemi-relay stateless has t_relay forward without one"
_READING: Final = (
    "get", "gete", "getw", "geti", "getl", "getvn", "getvs", "seti", "sets", "setl", "unset", "is_null",
)  # fmt: skip
_FITTING: Final = {"int": ("int", "bool"), "str": ("str",)}
_WORDS: Final = {"int": "a number", "str": "text"}


class Entry(NamedTuple):
    """One function or pseudo-variable of a report: where it is mentioned, and what there is to say of it."""

    title: str
    lines: tuple[int, ...]
    remark: str
    others: tuple[str, ...] = ()  # FILE:LINE in the modules beside the script

    @property
    def place(self) -> str:
        """Return the first place, as what stands behind the script's name, or another file's."""
        return str(self.lines[0]) if self.lines else self.others[0]


class Report(NamedTuple):
    """All that a script mentions. Only `missing` and `unknown` keep it from being loaded."""

    whole: list[Entry]
    partial: list[Entry]
    missing: list[Entry]  # Kamailio has them, and they cannot work here
    unknown: list[Entry]  # the Kamailio that is followed has none called so
    unreached: list[Entry]  # cannot work here, and are never called here
    variables: list[Entry]  # pseudo-variables that are null here
    slips: list[Entry]  # what fails in Kamailio, or answers False, here as there

    @property
    def faults(self) -> list[Entry]:
        """Return what would fail, by line."""
        return sorted(self.missing + self.unknown, key=lambda entry: (not entry.lines, entry.lines, entry.others))

    def summary(self) -> str:
        """Return the report in one line."""
        counts = [f"{len(self.whole)} functions run as in Kamailio", f"{len(self.partial)} in part"]
        counts.append(f"{len(self.missing)} cannot work here")
        if self.unknown:
            counts.append(f"{len(self.unknown)} do not exist")
        if self.variables:
            counts.append(f"{len(self.variables)} pseudo-variables are null")
        if self.slips:
            counts.append(f"{len(self.slips)} slips")
        return ", ".join(counts)

    def text(self) -> str:
        """Return the whole report, a line for each entry."""
        sections = (
            ("runs as in Kamailio", self.whole),
            ("runs in part", self.partial),
            ("cannot work here", self.missing),
            ("does not exist", self.unknown),
            ("cannot work here, in functions that nothing here calls", self.unreached),
            ("pseudo-variables that are always null here: what the script makes of them may differ", self.variables),
            ("slips of the script's own", self.slips),
        )
        return "\n".join(line for title, entries in sections if entries for line in (f"  {title}:", *_lines(entries)))


def _lines(entries: list[Entry]) -> list[str]:
    width = max(len(entry.title) for entry in entries)
    said = (": ".join(filter(None, (_places(entry), entry.remark))) for entry in entries)
    return [f"    {entry.title:<{width}}  {text}" for entry, text in zip(entries, said, strict=True)]


def _places(entry: Entry) -> str:
    lines = f"line{'s' if len(entry.lines) > 1 else ''} {', '.join(map(str, entry.lines))}" if entry.lines else ""
    return ", ".join(filter(None, (lines, *entry.others)))


def make_entry(title: str, uses: Iterable[Use | Slip], remark: str) -> Entry:
    """Return the entry of something that is mentioned at some places."""
    own, others = [], []
    for use in uses:
        if use.file:
            others.append(f"{use.file}:{use.line}")
        else:
            own.append(use.line)
    return Entry(title, tuple(sorted(set(own))), remark, tuple(dict.fromkeys(others)))


def make_report(
    uses: Sequence[Use], release: Release = NEWEST, slips: Sequence[Slip] = (), *, relays: bool = False
) -> Report:
    """Return the report of what a script mentions, for a script of a release of Kamailio's.

    `relays` says that its t_relay forwards.
    """
    report = Report([], [], [], [], [], [], [])
    groups: dict[tuple[str, str, bool], list[Use]] = {}
    for use in uses:
        if not use.module and is_module(use.name):
            continue  # KSR.pv with nothing behind it, as in getattr(KSR.pv, name)
        groups.setdefault((use.module, use.name, use.is_reached), []).append(use)
    works: dict[tuple[str, str], list[Use]] = {}
    for (module, name, is_reached), mentions in sorted(groups.items()):
        known = find_known(module, name)
        if known is None or not known.is_in(release):
            _note_absent(report, known, mentions, release)
        elif (export := find_export(module, name)) is not None and (relays or not export.relays):
            works.setdefault((module, name), []).extend(mentions)
        else:
            reason = reason_for(module) if export is None else f"{reason_for(module)}; {_RELAYS}"
            entry = make_entry(mentions[0].title, mentions, reason)
            (report.missing if is_reached else report.unreached).append(entry)
    for (module, name), mentions in works.items():
        export = MODULES[module].exports[name]
        target = report.partial if export.partial else report.whole
        target.append(make_entry(export.title, mentions, _remark(export)))
    report.variables.extend(_null_variables(uses, release))
    report.slips.extend(_bad_arguments(uses))
    report.slips.extend(make_entry(slip.title, [slip], slip.text) for slip in slips)
    return report


def _remark(export: Export) -> str:
    """Return what there is to say of a function that works here: what differs, and which releases have it not."""
    known = find_known(export.module, export.name)
    later = ""
    if known is not None and known.since != OLDEST:
        later = f"Kamailio {name_release(OLDEST)} has it not, but {_first(known)}"
    return "; ".join(filter(None, (export.partial, later)))


def _first(known: Known) -> str:
    """Return the first release that has a function: 5.8 of what is younger than 5.6."""
    return name_release(max(known.since, (5, 8)))


def _note_absent(report: Report, known: Known | None, mentions: list[Use], release: Release) -> None:
    """Note what the release has not; where a script asks whether there is one, it will be told."""
    mentions = [use for use in mentions if not use.is_optional]
    if not mentions:
        return
    use = mentions[0]
    remark = _LUA.get((use.module, use.name), _UNKNOWN)
    if known is not None:
        gone = known.until is not None and release >= known.until
        when = "it no longer" if gone else f"it not yet, but {_first(known)} (--kemi-version)"
        remark = f"Kamailio {name_release(release)} has {when}"
    report.unknown.append(make_entry(use.title, mentions, remark))


def _null_variables(uses: Sequence[Use], release: Release) -> list[Entry]:
    """Return the pseudo-variables that a script reads by name and that there are none of here."""
    places: dict[str, list[Use]] = {}
    for use in uses:
        for written in _variables(use):
            spec = parse_spec(written)
            if spec is None or not is_readable(spec, release):
                places.setdefault(written, []).append(use)
    return [make_entry(variable, found, "") for variable, found in sorted(places.items())]


def _variables(use: Use) -> Iterator[str]:
    """Yield the pseudo-variables that a call names."""
    texts = [value for _, value in use.arguments or () if isinstance(value, str)]
    if use.module == "pv" and use.name in _READING:
        yield from texts[:1]
    elif use.module == "xlog" or (use.module, use.name) == ("pvx", "evalx"):
        for text in texts:
            yield from find_specs(text)


def _bad_arguments(uses: Sequence[Use]) -> Iterator[Entry]:
    """Yield the calls of functions with arguments that they surely refuse."""
    for use in uses:
        known = find_known(use.module, use.name)
        if known is None or not known.params or use.arguments is None:
            continue  # nobody looks at the arguments of a function that takes none
        fault = _fault(known.params, use.arguments)
        if fault:
            yield make_entry(use.title, [use], f"{fault}: it answers False, and raises in Kamailio 5.6")


def _fault(params: tuple[str, ...], arguments: tuple[Argument, ...]) -> str:
    if len(arguments) != len(params):
        return f"it takes {len(params)} argument{'s' if len(params) > 1 else ''} and is given {len(arguments)}"
    for at, (wanted, (kind, _)) in enumerate(zip(params, arguments, strict=True), 1):
        if kind and kind not in _FITTING[wanted]:
            return f"argument {at} is {kind}, and {_WORDS[wanted]} is wanted"
    return ""
