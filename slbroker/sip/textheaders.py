"""The headers of a request or a reply as plugins and their tests see them: by name, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

from slbroker.sip.grammar import canonical_name
from slbroker.sip.message import pairs
from slbroker.sip.uri import text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class TextHeaders:
    """A message's headers by name, in any case, long or compact; iterating gives (name, value) in order.

    Names are long and in lower case. Bytes of a peer's that are no UTF-8 are surrogates, as in all text of slbroker's.
    """

    __slots__ = ("_flat",)

    def __init__(self, flat: Sequence[bytes]) -> None:
        """`flat` is as in `Message`: name, value, name, value."""
        self._flat = flat

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((text(name), text(value)) for name, value in pairs(self._flat))

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, TextHeaders) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self._flat))

    def __repr__(self) -> str:
        return f"<headers {list(self)!r}>"

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def __getitem__(self, name: str) -> str:
        """Return the first value; raise KeyError when there is no such header."""
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    @overload
    def get(self, name: str) -> str | None: ...
    @overload
    def get(self, name: str, default: str) -> str: ...
    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the first value of the header called `name`, or `default`."""
        return next(self._called(name), default)

    def get_all(self, name: str) -> list[str]:
        """Return every value of the header called `name`, a line each, in order."""
        return list(self._called(name))

    def _called(self, name: str) -> Iterator[str]:
        wanted = canonical_name(name.encode())
        return (text(value) for candidate, value in pairs(self._flat) if candidate == wanted)
