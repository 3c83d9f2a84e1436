"""What people get wrong when they declare: found where it stands, before the first request meets it."""

from __future__ import annotations

import difflib
import inspect
import sys
import weakref
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from slbroker.plugin.guard import is_async, name_of
from slbroker.sip.grammar import METHODS, is_token

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

_OURS: Final = str(Path(__file__).parent)
_KNOWN: Final = sorted(method.decode() for method in METHODS)
_ALIKE: Final = 0.75  # INVTIE and INVITE are; INFO and SINFO, too: it is a warning only

_declared: weakref.WeakSet[Any] = weakref.WeakSet()


def note_declared(handler: object) -> None:
    """Keep in mind that requests reach `handler` as it is."""
    with suppress(TypeError):  # what has no weak reference, or no hash
        _declared.add(handler)


def is_being_declared(handler: object) -> bool:
    """Return whether a decorator is put around what requests reach already: `handler`, declared, has no name yet.

    A function that has one may well be guarded for one method, or one plugin, and open for another.
    """
    try:
        if handler not in _declared:
            return False
    except TypeError:
        return False
    name = name_of(handler)
    frame = _caller()
    places = (getattr(handler, "__globals__", {}), frame.f_locals, frame.f_globals)
    return name != "<lambda>" and not any(place.get(name) is handler for place in places)


def _caller() -> FrameType:
    """Return the frame of the plugin's own code that is running."""
    frame = sys._getframe(1)  # inspect.stack reads every file on the way
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_OURS):
        frame = frame.f_back
    return frame


def where() -> str:
    """Return file and line of the plugin's own code that is running."""
    frame = _caller()
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def check_methods(methods: Sequence[object]) -> list[str]:
    """Return warnings of methods that are likely slips; raise ValueError for what no request can have."""
    warnings = []
    for method in methods:
        if not isinstance(method, str) or not is_token(method.encode()):
            raise ValueError(f"on() wants SIP methods, such as on('OPTIONS'), not {method!r:.80}")
        if "*" in method:
            raise ValueError(
                f"on({method!r}): methods are no patterns; for what no handler takes there is @app.otherwise"
            )
        if method.encode() in METHODS:
            continue
        if method.upper().encode() in METHODS:
            raise ValueError(f"on({method!r}): methods are case-sensitive; write on({method.upper()!r})")
        if alike := difflib.get_close_matches(method.upper(), _KNOWN, 1, _ALIKE):
            warnings.append(f"on({method!r}) is for a method that no RFC has; {alike[0]}?")
    if not methods:
        raise ValueError("on() wants SIP methods, such as on('OPTIONS')")
    return warnings


def check_function(function: object, what: str, *takes: str, waits: bool = True) -> None:
    """Raise ValueError for what cannot be called with `takes`, or gives no decision: `what` is how it is declared.

    Without `waits` nobody awaits it, so it must not be an `async def`.
    """
    if not callable(function):
        raise ValueError(f"{what} goes before a function, not {function!r:.80}")
    name = name_of(function)
    wanted = f"def {name}({', '.join(takes)})"
    try:
        signature = inspect.signature(function, follow_wrapped=False)
    except (ValueError, TypeError):  # of what is built in
        return
    try:
        signature.bind(*takes)
    except TypeError as error:
        raise ValueError(
            f"{what}: {name} cannot be called as {name}({', '.join(takes)}), {error}; write {wanted}"
        ) from None
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ValueError(f"{what}: {name} has a yield in it; it is to return what it has decided")
    if not waits and is_async(function):
        raise ValueError(f"{what}: {name} is not awaited; write {wanted}")
