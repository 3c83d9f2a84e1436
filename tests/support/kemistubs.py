"""Writes KSR.pyi, the type stubs that are shipped, from what KSR exports: make kemi."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Final

from slbroker_handlers.kemi import ksr
from slbroker_handlers.kemi.exports import MODULES
from tests.support.processes import ROOT

if TYPE_CHECKING:
    from slbroker_handlers.kemi.exports import Export

assert ksr  # by which all modules are there
PATH: Final = ROOT / "handlers" / "slbroker_handlers" / "kemi" / "stubs" / "KSR.pyi"
_HEAD: Final = '''"""Kamailio's KEMI interface, as far as slbroker runs it. Made by its stubwriter; do not edit.

Functions that return int succeed above 0 and fail below: they are neither True nor False. Names of arguments are for
reading: KSR takes no keywords.
"""

from typing import Any, TypeAlias

# Scripts join and search what they get without asking first whether it is there, so neither makes them ask.
Xval: TypeAlias = Any  # str, int or None, as the pseudo-variable is
Text: TypeAlias = str | Any  # str, or None where there is none

'''
# The modules whose values are text, but for ports; get_ gives None where there is none, gete_ and getw_ never.
_OF_TEXT: Final = ("corex", "hdr", "kx", "textopsx", "uuid")


def write_stubs() -> str:
    """The text of the stubs."""
    parts = [_HEAD]
    for name, module in sorted(MODULES.items()):
        exports = [module.exports[key] for key in sorted(module.exports)]
        if not name:
            parts += [f"{_function(export)}\n" for export in exports]
            continue
        parts.append(f"\nclass _{name}:\n")
        parts += [f"    @staticmethod\n    {_function(export)}\n" for export in exports]
    parts.append("\n")
    parts += [f"{name}: _{name}\n" for name in sorted(MODULES) if name]
    return "".join(parts)


def _function(export: Export) -> str:
    params = [f"{name}: {kind}" for name, kind in export.params]
    if params:
        params.insert(len(params) - params[-1].startswith("*"), "/")
    head = f"def {export.name}({', '.join(params)}) -> {_result(export)}:"
    remark = f" Here: {export.partial}." if export.partial else ""
    summary = (inspect.getdoc(export.function) or "").partition("\n")[0]
    indent = "        " if export.module else "    "
    return f'{head}\n{indent}"""{summary.replace(chr(92), chr(92) * 2)}{remark}{_closing(summary + remark)}'


def _result(export: Export) -> str:
    if export.result != "Xval" or export.module not in _OF_TEXT or export.name.endswith("port"):
        return export.result
    return "str" if export.name.startswith(("gete", "getw")) else "Text"


def _closing(text: str) -> str:
    return ' """' if text.endswith('"') else '"""'


if __name__ == "__main__":
    PATH.write_text(write_stubs(), encoding="utf-8")
