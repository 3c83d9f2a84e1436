"""The hash tables of module htable: names with text or numbers, which may expire. Each worker has its own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from slbroker.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from slbroker_handlers.kemi.values import Value

MAX_ENTRIES: Final = 1_000_000  # of one table; beyond it nothing new is kept, as when Kamailio's memory is full
_match_definition = re.compile(r"([A-Za-z0-9_]+)\s*(?:=>\s*(.*))?").fullmatch


@dataclass
class Walk:
    """Where a script is that goes through a table; the entries are those of the time it began."""

    table: Table
    entries: Iterator[tuple[str, Value]]
    item: tuple[str, Value] | None = None  # name and value of the entry that it is at


class Table:
    """One table; times in seconds, monotonic.

    Kamailio counts whole seconds, and an entry is there until the second in which it ends is over. In a table that has
    no life for its entries (autoexpire) none ends, whatever life it is given.
    """

    def __init__(self, name: str, expire: int = 0, initial: Value | None = None, *, renews: bool = True) -> None:
        self.name = name
        self.expire = expire  # life of an entry that is given none of its own; 0: for ever
        self.initial = initial  # what an entry that is not there counts from
        self.renews = renews  # whether an entry that is written to begins its life anew
        self._entries: dict[str, tuple[Value, int]] = {}  # value, second in which it ends (0: never)

    @classmethod
    def define(cls, definition: str) -> Table:
        """Return the table that `modparam("htable", "htable", ...)` defines; raises ConfigError."""
        found = _match_definition(definition.strip())
        if found is None:
            raise ConfigError(f"htable {definition!r}: write NAME=>size=8;autoexpire=300")
        table = cls(found[1])
        for piece in filter(None, (found[2] or "").split(";")):
            name, _, value = piece.strip().partition("=")
            if name in ("autoexpire", "initval", "updateexpire") and value.isdecimal():
                if name == "autoexpire":
                    table.expire = int(value)
                elif name == "initval":
                    table.initial = int(value)
                else:
                    table.renews = int(value) != 0
        return table

    def _find(self, name: str, now: float) -> tuple[Value, int] | None:
        """Return an entry that is still there."""
        entry = self._entries.get(name)
        if entry is None or _is_there(entry, now):
            return entry
        del self._entries[name]
        return None

    def get(self, name: str, now: float) -> Value | None:
        """Return an entry's value, None when it is not there, or no longer."""
        entry = self._find(name, now)
        return self.initial if entry is None else entry[0]

    def has(self, name: str, now: float) -> bool:
        """Return whether an entry is there itself."""
        return self._find(name, now) is not None

    def set(self, name: str, value: Value, now: float, life: int | None = None) -> bool:
        """Keep a value, for `life` seconds, else as long as the table says; return whether there was room."""
        entry = self._find(name, now)
        if entry is None and len(self._entries) >= MAX_ENTRIES:
            self._entries = {name: entry for name, entry in self._entries.items() if _is_there(entry, now)}
            if len(self._entries) >= MAX_ENTRIES:
                return False
        if life is None and entry is not None and not self.renews:
            self._entries[name] = value, entry[1]
        else:
            life = self.expire if life is None or life <= 0 else life
            self._entries[name] = value, int(now) + life if self.expire else 0
        return True

    def add(self, name: str, number: int, now: float) -> int | None:
        """Add to a number that is there, or to the table's initial one; return it, None when there is none."""
        value = self.get(name, now)
        if not isinstance(value, int):
            return None
        self.set(name, value + number, now)
        return value + number

    def touch(self, name: str, life: int, now: float) -> None:
        """Let an entry live for `life` seconds from now."""
        entry = self._find(name, now)
        if entry is not None:
            self.set(name, entry[0], now, life)

    def left(self, name: str, now: float) -> int:
        """Return how many seconds an entry has left, 0 for one that never ends or is not there."""
        entry = self._entries.get(name)
        return max(0, entry[1] - int(now)) if entry and entry[1] else 0

    def remove(self, name: str) -> None:
        """Forget an entry."""
        self._entries.pop(name, None)

    def remove_all(self, unwanted: Callable[[str, Value], bool], now: float) -> None:
        """Forget every entry that `unwanted` is true of."""
        for name, value in list(self.items(now)):
            if unwanted(name, value):
                del self._entries[name]

    def items(self, now: float) -> Iterator[tuple[str, Value]]:
        """Yield name and value of each entry that is still there."""
        return ((name, entry[0]) for name, entry in self._entries.items() if _is_there(entry, now))

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()


def _is_there(entry: tuple[Value, int], now: float) -> bool:
    return not entry[1] or entry[1] >= int(now)
