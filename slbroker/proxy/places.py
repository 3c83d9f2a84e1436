"""Changes of single headers, by where they stand: what Kamailio's `append_hf`, `insert_hf` and `subst_hf` make.

A header is told by its name and its number among those of this name, as the message came: no change moves another's
place. A line goes before a header or behind it, whether that one goes or stays; several at one place keep their order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from slbroker.proxy.head import START, with_value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from slbroker.proxy.head import Head

GONE: Final = b"-"  # the header goes
VALUE: Final = b"="  # `text` is its value from now on, its name stays as written
BEFORE: Final = b"<"  # `text` is a header's line, which comes before it
BEHIND: Final = b">"  # ... which comes behind it; behind all headers where `name` is b""
KINDS: Final = frozenset((GONE, VALUE, BEFORE, BEHIND))
MAX_NUMBER: Final = 512  # more than a message has headers


_Pairs: TypeAlias = "list[tuple[bytes, bytes]]"  # names and lines
_Slot: TypeAlias = tuple[_Pairs, _Pairs, _Pairs]  # what comes before a header, itself unless it goes, what comes behind


class Change(NamedTuple):
    """One change. `name` is canonical."""

    kind: bytes
    name: bytes
    number: int = 0
    text: bytes = b""


def make_changes(changes: Iterable[tuple[Change, bytes]], head: Head) -> None:
    """Change the headers of `head`, all at once; beside each change stands the name of the line that it brings.

    Of a header that is not there nothing is changed, and what would stand beside it comes behind all others.
    """
    found: dict[bytes, list[int]] = {START: []}
    slots: list[_Slot] = [([], [pair], []) for pair in zip(head.names, head.lines, strict=True)]
    end: list[tuple[bytes, bytes]] = []
    for (kind, name, number, text), own in changes:
        if name not in found:
            found[name] = head.find_all(name)
        if number >= len(found[name]):
            if kind in (BEFORE, BEHIND):
                end.append((own, text))
            continue
        before, itself, behind = slots[found[name][number]]
        if kind == GONE:
            itself.clear()
        elif kind == VALUE:
            itself[:] = [(title, with_value(line, text)) for title, line in itself]
        else:
            (before if kind == BEFORE else behind).append((own, text))
    pairs = [pair for slot in slots for part in slot for pair in part] + end
    head.names[:] = [name for name, _ in pairs]
    head.lines[:] = [line for _, line in pairs]
