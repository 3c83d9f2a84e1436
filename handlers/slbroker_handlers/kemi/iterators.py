"""Iterators of scripts: over headers, over the lines of the body, and over those of the SDP in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slbroker.sip.grammar import title
from slbroker.sip.uri import text
from slbroker_handlers.kemi.exports import BODY_STAYS, Module

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker_handlers.kemi.call import Call
    from slbroker_handlers.kemi.values import Xval


def header_at(call: Call, iterator: str) -> tuple[str, str] | tuple[None, None]:
    """Return the long name and the value of the header that an iterator is at, Nones when it is at none."""
    at = call.iterators.get(iterator, -1)
    return (text(title(call.headers[2 * at])), text(call.headers[2 * at + 1])) if at >= 0 else (None, None)


def line_at(call: Call, kind: str, name: str) -> Xval:
    """Return the line that an iterator is at, with its end; None when it is at none."""
    lines, at = call.line_iterators.get((kind, name), ([], -1))
    return lines[at] if 0 <= at < len(lines) else None


def declare(module: Module, kind: str, of: str, lines_in: Callable[[Call], list[str] | None]) -> None:
    """Declare KIND_iterator_start and so on; `lines_in` returns what they go through, None where there is nothing."""

    def start(call: Call, name: str) -> int:
        lines = lines_in(call)
        if lines is None:
            return -1
        call.line_iterators[kind, name] = (lines, -1)
        return 1

    def go_on(call: Call, name: str) -> int:
        lines, at = call.line_iterators.get((kind, name), ([], -1))
        if (kind, name) in call.line_iterators:
            call.line_iterators[kind, name] = (lines, min(at + 1, len(lines)))
        return 1 if at + 1 < len(lines) else -1

    def end(call: Call, name: str) -> int:
        call.line_iterators.pop((kind, name), None)
        return 1

    def value(call: Call, name: str) -> Xval:
        return line_at(call, kind, name)

    own = f"{kind}_iterator"
    module.add(f"{own}_start", start, f"Begin to go through the lines of the {of}.")
    module.add(f"{own}_next", go_on, "Go to the next line; -1 behind the last one.")
    module.add(f"{own}_end", end, "Stop going through the lines.")
    module.add(f"{own}_value", value, "Return the line that the iterator is at, with its end; None when it is at none.")
    changes = {
        f"{own}_rm(name: str)": "Take the line out.",
        f"{own}_append(name: str, line: str)": "Put text behind the line.",
        f"{own}_insert(name: str, line: str)": "Put text before the line.",
    }
    module.answer(1, changes, partial=BODY_STAYS)
