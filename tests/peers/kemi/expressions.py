"""What every shape of request is asked, from expressions.txt: pseudo-variables, transformations, functions, steps.

Sections: [variables] are read as they are; [texts], [uris] and [addresses] are transformations of some variables;
[functions] are calls that change nothing; each line of [steps] is calls one after the other, for a request of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

GROUP: Final = 150  # expressions that one request is asked: their values fit into a datagram
# What the transformations are applied to.
TRANSFORMED: Final = {
    "texts": ("hdr(Subject)", "rb", "ua", "hdr(none)"),
    "uris": ("ru", "ou", "fu", "tu", "nh(u)"),
    "addresses": ("ct", "hdr(From)", "hdr(To)", "hdr(P-Asserted-Identity)", "hdr(Diversion)"),
}


def _read_sections() -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in Path(__file__).with_name("expressions.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("[") and line.endswith("]"):
            lines = sections[line[1:-1]] = []
        elif line and not line.startswith("#"):
            lines.append(line)
    return sections


def _get(written: str) -> str:
    return f"KSR.pv.get({written!r})"


def _steps(line: str) -> str:
    """The values of calls one after the other, as a tuple."""
    calls = (_get(call) if call.startswith("$") else f"KSR.{call}" for call in line.split(" | "))
    return f"({', '.join(calls)},)"


_sections = _read_sections()
ASKED: Final = [
    *(_get(name) for line in _sections["variables"] for name in line.split(" ")),
    *(
        _get(f"$({name}{transformation})")
        for section, names in TRANSFORMED.items()
        for name in names
        for line in _sections[section]
        for transformation in line.split(" | ")
    ),
    *(f"KSR.{call}" for line in _sections["functions"] for call in line.split(" | ")),
]
STEPS: Final = [_steps(line) for line in _sections["steps"]]
GROUPS: Final = [*(ASKED[at : at + GROUP] for at in range(0, len(ASKED), GROUP)), *([steps] for steps in STEPS)]
FIRST_STEPS: Final = len(GROUPS) - len(STEPS)  # the number of the first group that is one of steps
