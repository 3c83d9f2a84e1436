"""The flags of KSR's core: of the request, of its branches, of the script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slbroker_handlers.kemi.core import MAX_FLAG, core
from slbroker_handlers.kemi.place import script_logger

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call

logger = script_logger(__name__)


def is_flag(flag: int) -> bool:
    """Return whether there is such a flag; log that there is none."""
    if 0 <= flag <= MAX_FLAG:
        return True
    logger.error("flag %d is not between 0 and %d", flag, MAX_FLAG)
    return False


def _change(call: Call, flag: int, branch: int, value: bool) -> bool:
    if not is_flag(flag):
        return False
    if not 0 <= branch <= len(call.branches):
        return True  # a branch that is not there keeps nothing
    flags = call.branch_flags.get(branch, 0)
    call.branch_flags[branch] = flags | 1 << flag if value else flags & ~(1 << flag)
    return True


def _is_set(call: Call, flag: int, branch: int) -> bool:
    return is_flag(flag) and bool(call.branch_flags.get(branch, 0) >> flag & 1)


@core.export
def setflag(call: Call, flag: int) -> bool:
    """Set a flag of the request, 0 to 31."""
    if not is_flag(flag):
        return False
    call.flags |= 1 << flag
    return True


@core.export
def resetflag(call: Call, flag: int) -> bool:
    """Clear a flag of the request."""
    if not is_flag(flag):
        return False
    call.flags &= ~(1 << flag)
    return True


@core.export
def isflagset(call: Call, flag: int) -> bool:
    """Return whether a flag of the request is set."""
    return is_flag(flag) and bool(call.flags >> flag & 1)


@core.export(partial="nothing is forwarded, so the flag serves the script alone")
def setbflag(call: Call, flag: int) -> bool:
    """Set a flag of the first branch."""
    return _change(call, flag, 0, True)


@core.export
def resetbflag(call: Call, flag: int) -> bool:
    """Clear a flag of the first branch."""
    return _change(call, flag, 0, False)


@core.export
def isbflagset(call: Call, flag: int) -> bool:
    """Return whether a flag of the first branch is set."""
    return _is_set(call, flag, 0)


@core.export
def setbiflag(call: Call, flag: int, branch: int) -> bool:
    """Set a flag of a branch."""
    return _change(call, flag, branch, True)


@core.export
def resetbiflag(call: Call, flag: int, branch: int) -> bool:
    """Clear a flag of a branch."""
    return _change(call, flag, branch, False)


@core.export
def isbiflagset(call: Call, flag: int, branch: int) -> bool:
    """Return whether a flag of a branch is set."""
    return _is_set(call, flag, branch)


@core.export
def setsflag(call: Call, flag: int) -> bool:
    """Set a script flag; it is cleared with the route's end, as the flags of the request are."""
    if not is_flag(flag):
        return False
    call.script_flags |= 1 << flag
    return True


@core.export
def resetsflag(call: Call, flag: int) -> bool:
    """Clear a script flag."""
    if not is_flag(flag):
        return False
    call.script_flags &= ~(1 << flag)
    return True


@core.export
def issflagset(call: Call, flag: int) -> bool:
    """Return whether a script flag is set."""
    return is_flag(flag) and bool(call.script_flags >> flag & 1)
