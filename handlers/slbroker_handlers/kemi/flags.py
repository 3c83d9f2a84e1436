"""Flags: bits that scripts set and ask for by their numbers."""

from __future__ import annotations

from typing import Final

from slbroker_handlers.kemi.scriptlog import script_logger

logger = script_logger(__name__)

MAX_FLAG: Final = 31


def is_flag(flag: int) -> bool:
    """Return whether there is such a flag; log that there is none."""
    if 0 <= flag <= MAX_FLAG:
        return True
    logger.error("flag %d is not between 0 and %d", flag, MAX_FLAG)
    return False


def changed(flags: int, flag: int, value: bool) -> int:
    """Return flags with one of them set or cleared."""
    return flags | 1 << flag if value else flags & ~(1 << flag)
