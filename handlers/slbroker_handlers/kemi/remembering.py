"""Functions of a text that remember what they have returned: scripts ask the same again and again."""

from __future__ import annotations

from functools import lru_cache, wraps
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

AnyText = TypeVar("AnyText", str, bytes)
Result = TypeVar("Result")


def remembering(most: int, longest: int) -> Callable[[Callable[[AnyText], Result]], Callable[[AnyText], Result]]:
    """Have a function remember its last `most` results, but those of texts that are longer than `longest`.

    What a peer has written may be as long as a datagram: a thousand of them would be many megabytes.
    """

    def decorate(function: Callable[[AnyText], Result]) -> Callable[[AnyText], Result]:
        remember = lru_cache(maxsize=most)(function)

        @wraps(function)
        def recall(text: AnyText) -> Result:
            return function(text) if len(text) > longest else remember(text)

        return recall

    return decorate
