"""An exception of a plugin in one line: what it says, and where it happened."""

from __future__ import annotations

import asyncio
import traceback
from pathlib import Path
from typing import Final

MAX_MEMBERS: Final = 4  # of an exception group that are told
_OURS: Final = str(Path(__file__).parent)
GIVEN_UP: Final = "slbroker: given up"  # what a worker cancels a handler with, when nobody waits for it any more


def is_given_up(error: BaseException) -> bool:
    """Return whether `error` is a worker's own cancellation, and none of what the plugin awaited."""
    return isinstance(error, asyncio.CancelledError) and GIVEN_UP in error.args


def describe(error: BaseException) -> str:
    """Return an exception's type and words, on one line, whatever breaks lines in them; a group's members, too."""
    try:
        words = " ".join(str(error).split())
    except BaseException:
        words = ""
    if isinstance(error, BaseExceptionGroup):
        members = [describe(member) for member in error.exceptions[:MAX_MEMBERS]]
        words = f"{words}: {'; '.join(members)}"
        return f"{type(error).__name__}: {words[:600]}"
    return f"{type(error).__name__}: {words[:200]}" if words else type(error).__name__


def place(error: BaseException) -> str:
    """Return the line that raised, and the plugin's line that led there when that is another file's."""
    frames = traceback.extract_tb(error.__traceback__)[1:]  # the first one is ours
    while len(frames) > 1 and frames[0].filename.startswith(_OURS):
        del frames[0]  # what stands around a handler
    if not frames:
        return "its call (does it take the request as its one argument?)"
    last, entry = frames[-1], frames[0]
    where = f"{last.filename}:{last.lineno} in {last.name}"
    return where if last.filename == entry.filename else f"{where}, called from {entry.filename}:{entry.lineno}"
