"""A table of a rule file: values by name and type, and a complaint that names the key for all that does not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Value = TypeVar("Value")
Given = TypeVar("Given")


class RuleTable:
    """Gives out each value once; what nobody has asked for is no key. Raises ValueError for what is wrong."""

    def __init__(self, content: dict[str, Any], path: str = "") -> None:
        """`path` is how the table is called in the file, such as `[[on]] 2`."""
        self.path = path or "the file"
        self._content = dict(content)
        self._prefix = f"{path}: " if path else ""

    def __bool__(self) -> bool:
        return True  # also when it is empty: it is there

    def has(self, key: str) -> bool:
        """Return whether there is a value of `key`."""
        return key in self._content

    def take(self, key: str, kind: type[Value], default: Any) -> Any:
        """Return the value of `key`, which has to be a `kind`, or `default`; a whole number will do for a float."""
        value = self._content.pop(key, default)
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            raise ValueError(f"{self._prefix}{key} = {value!r} is no {_NAMES[kind]}")
        return value

    def given(self, **kinds: type[Any] | tuple[type[Any], ...]) -> dict[str, Any]:
        """Return the values that there are of keys, which have to be of a kind, or one of several, as arguments.

        What is not said is left to whoever takes them. An argument's name has underscores where its key has hyphens.
        """
        values = {}
        for name, kind in kinds.items():
            key = name.replace("_", "-")
            if key in self._content:
                several = kind if isinstance(kind, tuple) else (kind,)
                own = type(self._content[key])
                values[name] = self.take(key, own if own in several else several[0], None)
        return values

    def need(self, key: str, kind: type[Value]) -> Any:
        """Return the value of `key`, which has to be there."""
        if key not in self._content:
            raise ValueError(f"{self._prefix}{key} is missing")
        return self.take(key, kind, None)

    def words(self, key: str, default: Iterable[str] = ()) -> tuple[str, ...]:
        """Return the words of `key`: one, or an array of them."""
        value = self._content.pop(key, tuple(default))
        words = (value,) if isinstance(value, str) else value
        if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
            raise ValueError(f"{self._prefix}{key} = {value!r} is no text, nor an array of texts")
        return tuple(words)

    def headers(self, key: str) -> dict[str, str | list[str]]:
        """Return a table of headers: for each name a text, or an array of them for several lines."""
        value = self._content.pop(key, {})
        if not isinstance(value, dict):
            raise ValueError(f"{self._prefix}{key} = {value!r} is no table")
        table = RuleTable(value, f"{self._prefix}{key}")
        return {name: list(table.words(name)) for name in value}

    def status(self, key: str, words: str) -> tuple[int, str | None]:
        """Return status and reason of "403 Forbidden"; the reason is None in "403"."""
        code, _, reason = words.partition(" ")
        if not (code.isascii() and code.isdigit() and len(code) == 3):
            raise ValueError(f'{self._prefix}{key} = {words!r}: write "403" or "403 Forbidden"')
        return int(code), reason.strip() or None

    def table(self, key: str) -> RuleTable | None:
        """Return the table called `key`, None where there is none."""
        value = self._content.pop(key, None)
        if value is not None and not isinstance(value, dict):
            raise ValueError(f"{self._prefix}{key} is no table: write [{key}]")
        return None if value is None else RuleTable(value, f"[{key}]")

    def tables(self, key: str) -> list[RuleTable]:
        """Return the tables of an array, `[[key]]`."""
        value = self._content.pop(key, [])
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise ValueError(f"{self._prefix}{key} is no array of tables: write [[{key}]]")
        return [RuleTable(one, f"[[{key}]] {number}") for number, one in enumerate(value, 1)]

    def wrong(self, key: str, make: Callable[[Given], Value], given: Given) -> Value:
        """Return `make(given)`; say of a ValueError which key it is about."""
        try:
            return make(given)
        except ValueError as error:
            raise ValueError(f"{self._prefix}{key}: {error}") from None

    def finish(self) -> None:
        """Raise ValueError for a key that nobody has asked for."""
        for key in self._content:
            raise ValueError(f"{self._prefix}there is no key {key}")


_NAMES: dict[type[Any], str] = {int: "whole number", float: "number", str: "text", bool: "true or false"}
