"""What a script's child_init does: most write a line to the log and return 0, some open what the routes need."""

from __future__ import annotations

import dis
from types import CodeType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

# The names that a function may use which only writes to the log, and what it would do besides.
_OF_THE_LOG: Final = frozenset((
    "KSR", "crit", "dbg", "err", "info", "log", "notice", "warn", "xlog", "xalert", "xcrit", "xdbg", "xerr", "xinfo",
    "xnotice", "xwarn", "print", "str", "format",
))  # fmt: skip
_CHANGES: Final = (
    "STORE_ATTR", "STORE_GLOBAL", "STORE_SUBSCR", "STORE_DEREF", "DELETE_ATTR", "DELETE_GLOBAL", "DELETE_SUBSCR",
    "IMPORT_", "YIELD_VALUE",
)  # fmt: skip


def does_more_than_log(function: Callable[..., object]) -> bool:
    """Return whether a function, as far as can be seen, does something that a test which leaves it out would miss."""
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType):
        return True
    return not _OF_THE_LOG.issuperset(code.co_names) or any(
        instruction.opname.startswith(_CHANGES) for instruction in dis.get_instructions(code)
    )
