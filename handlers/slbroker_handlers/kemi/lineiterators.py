"""Iterators over lines, those of the body and those of the SDP in it: alike but for what they go through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slbroker_handlers.kemi.exports import FORWARDED, Module, Xval

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker_handlers.kemi.call import Call


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

    start.__doc__ = f"Begin to go through the lines of the {of}."
    go_on.__doc__ = "Go to the next line; -1 behind the last one."
    end.__doc__ = "Stop going through the lines."
    value.__doc__ = "Return the line that the iterator is at, with its end; None when it is at none."
    for name, function in {"start": start, "next": go_on, "end": end, "value": value}.items():
        module.add(f"{kind}_iterator_{name}", function)
    module.add(f"{kind}_iterator_rm", _remove, FORWARDED)
    module.add(f"{kind}_iterator_append", _append, FORWARDED)
    module.add(f"{kind}_iterator_insert", _insert, FORWARDED)


def _remove(_call: Call, name: str) -> int:
    """Take the line out."""
    del name
    return 1


def _append(_call: Call, name: str, line: str) -> int:
    """Put text behind the line."""
    del name, line
    return 1


def _insert(_call: Call, name: str, line: str) -> int:
    """Put text before the line."""
    del name, line
    return 1
