"""The hash tables of module htable: names with text or numbers, which may expire. Each worker has its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

from slbroker.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Value: TypeAlias = str | int

MAX_ENTRIES: Final = 1_000_000  # of one table; beyond it nothing new is kept, as when Kamailio's memory is full
_match_definition = re.compile(r"([A-Za-z0-9_]+)\s*(?:=>\s*(.*))?").fullmatch


class Table:
    """One table; times in seconds, monotonic."""

    def __init__(self, name: str, expire: float = 0.0, initial: Value | None = None) -> None:
        self.name = name
        self.expire = expire  # life of an entry that is given none of its own; 0: for ever
        self.initial = initial  # what an entry that is not there counts from
        self._entries: dict[str, tuple[Value, float, float]] = {}  # value, life, when it ends (0: never)

    @classmethod
    def define(cls, definition: str) -> Table:
        """Return the table that `modparam("htable", "htable", ...)` defines; raises ConfigError."""
        found = _match_definition(definition.strip())
        if found is None:
            raise ConfigError(f"htable {definition!r}: write NAME=>size=8;autoexpire=300")
        table = cls(found[1])
        for piece in filter(None, (found[2] or "").split(";")):
            name, _, value = piece.strip().partition("=")
            if name in ("autoexpire", "initval") and value.isdecimal():
                if name == "autoexpire":
                    table.expire = float(value)
                else:
                    table.initial = int(value)
        return table

    def get(self, name: str, now: float) -> Value | None:
        """Return an entry's value, None when it is not there, or no longer."""
        entry = self._entries.get(name)
        if entry is None:
            return self.initial
        if entry[2] and entry[2] <= now:
            del self._entries[name]
            return self.initial
        return entry[0]

    def set(self, name: str, value: Value, now: float, life: float | None = None) -> bool:
        """Keep a value, for `life` seconds, else as long as the table says; return whether there was room."""
        if len(self._entries) >= MAX_ENTRIES and name not in self._entries:
            self.expire_old(now)
            if len(self._entries) >= MAX_ENTRIES:
                return False
        life = self.expire if life is None else life
        self._entries[name] = (value, life, now + life if life else 0.0)
        return True

    def add(self, name: str, number: int, now: float) -> int | None:
        """Add to a number that is there; return it, None when there is none. Its end stays what it was."""
        value = self.get(name, now)
        if not isinstance(value, int):
            return None
        entry = self._entries.get(name)
        if entry is None:
            self.set(name, value + number, now)
        else:
            self._entries[name] = (value + number, entry[1], entry[2])
        return value + number

    def touch(self, name: str, life: float, now: float) -> None:
        """Let an entry live for `life` seconds from now."""
        value = self.get(name, now)
        if value is not None:
            self.set(name, value, now, life)

    def left(self, name: str, now: float) -> int:
        """Return how many seconds an entry has left, 0 for one that never ends or is not there."""
        entry = self._entries.get(name)
        return max(0, int(entry[2] - now)) if entry and entry[2] else 0

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
        return ((name, entry[0]) for name, entry in self._entries.items() if not entry[2] or entry[2] > now)

    def expire_old(self, now: float) -> None:
        """Forget what has expired."""
        self._entries = {name: entry for name, entry in self._entries.items() if not entry[2] or entry[2] > now}

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
