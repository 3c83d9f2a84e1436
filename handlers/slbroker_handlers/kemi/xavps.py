"""$xavp, $xavi and $xavu: named lists of values or of fields, `$xavp(caller[0]=>name)`, which end with the request.

A new value, or a field without a position, comes before those that are there; with a position it takes the place of
one. $xavi does not tell upper from lower case; of $xavu there is one of each name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from slbroker_handlers.kemi.values import pick

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker_handlers.kemi.values import Value, Xval

Fields: TypeAlias = "dict[str, list[Value]]"
Item: TypeAlias = "Value | Fields"

_PART: Final = r"([^\[\]=>\s]+)\s*(?:\[\s*(-?[0-9]{1,4}|\*)\s*\])?"
_match = re.compile(rf"\s*{_PART}\s*(?:=>\s*{_PART}\s*)?").fullmatch


class Path(NamedTuple):
    """What stands in the brackets of $xavp(...): a name and a field, each with a position or None."""

    name: str
    at: int | None
    field: str
    field_at: int | None


def read_path(text: str) -> Path | None:
    """Return the parts of `name[0]=>field[0]`, None when it is something else; * means the first."""
    found = _match(text)
    if found is None:
        return None
    positions = [None if at is None else 0 if at == "*" else int(at) for at in (found[2], found[4])]
    return Path(found[1], positions[0], found[3] or "", positions[1])


class Lists:
    """The values of one kind."""

    def __init__(self, key: Callable[[str], str] = str, *, is_unique: bool = False) -> None:
        self._key = key
        self._is_unique = is_unique
        self._items: dict[str, list[Item]] = {}

    def find(self, name: str, at: int = 0) -> Item | None:
        """Return what is called so, at a position; None where there is none."""
        return pick(self._items.get(self._key(name), []), at)

    def fields(self, name: str, at: int = 0) -> Fields | None:
        """Return the fields of what is called so; None where it has none."""
        item = self.find(name, at)
        return item if isinstance(item, dict) else None

    def field(self, name: str, at: int, field: str, field_at: int = 0) -> Xval:
        """Return a field's value."""
        fields = self.fields(name, at)
        return pick(fields.get(self._key(field), []), field_at) if fields is not None else None

    def get(self, path: Path) -> Xval:
        """Return what a path means; what has fields has no value that would mean something."""
        if path.field:
            return self.field(path.name, path.at or 0, path.field, path.field_at or 0)
        item = self.find(path.name, path.at or 0)
        return f"<<xavp:{hex(id(item))}>>" if isinstance(item, dict) else item

    def put(self, name: str, item: Item, at: int | None = None) -> None:
        """Put something before what is called so, or in the place of what is at a position."""
        items = self._items.setdefault(self._key(name), [])
        if at is None and self._is_unique:
            items.clear()
        if at is None:
            items.insert(0, item)
        elif -len(items) <= at < len(items):
            items[at] = item

    def append(self, name: str, item: Item) -> None:
        """Put something behind what is called so."""
        self._items.setdefault(self._key(name), []).append(item)

    def count(self, name: str) -> int:
        """Return how many values are called so."""
        return len(self._items.get(self._key(name), []))

    def all(self) -> dict[str, list[Item]]:
        """Return everything by its name."""
        return self._items

    def put_field(self, name: str, at: int, field: str, value: Value, field_at: int | None = None) -> None:
        """Put a value into a field of what is there."""
        fields = self.fields(name, at)
        if fields is None:
            return
        values = fields.setdefault(self._key(field), [])
        if field_at is None and not self._is_unique:
            values.insert(0, value)
        elif -len(values) <= (field_at or 0) < len(values):
            values[field_at or 0] = value
        elif self._is_unique:
            values.append(value)

    def set(self, path: Path, value: Value | None) -> bool:
        """Do what assigning to a path does, null takes the first one out; return False where the place is not there."""
        if path.at is not None and value is not None:
            item = self.find(path.name, path.at)
            if path.field and item is not None and not isinstance(item, dict):
                return False
            if not path.field and path.at != 0 and item is None:
                return False
        if value is None:
            self.remove(path.name, path.at or 0, path.field)
        elif not path.field:
            self.put(path.name, value, path.at)
        elif (path.at is not None and self.fields(path.name, path.at) is not None) or (
            self._is_unique and self.fields(path.name) is not None
        ):
            self.put_field(path.name, path.at or 0, path.field, value, path.field_at)
        elif path.at is None or self._is_unique:
            self.put(path.name, {self._key(path.field): [value]})
        return True

    def set_field(self, name: str, field: str, value: Value) -> None:
        """Give a field of the first that is called so one value; make it where there is none."""
        fields = self.fields(name)
        if fields is None:
            self.put(name, {self._key(field): [value]})
        else:
            fields[self._key(field)] = [value]

    def remove(self, name: str, at: int = 0, field: str = "") -> None:
        """Take what is at a position out, or the first value of one of its fields."""
        if field:
            fields = self.fields(name, at)
            if fields is not None:
                del fields.get(self._key(field), [])[:1]
            return
        items = self._items.get(self._key(name), [])
        if -len(items) <= at < len(items):
            del items[at]

    def remove_all(self, name: str) -> bool:
        """Take everything out that is called so; return whether there was something."""
        return bool(self._items.pop(self._key(name), []))


def empty_lists() -> dict[str, Lists]:
    """Return $xavp, $xavi and $xavu, by these names, of a request that has just come."""
    return {"xavp": Lists(), "xavi": Lists(str.lower), "xavu": Lists(is_unique=True)}
