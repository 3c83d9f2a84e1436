"""What is decided of a request for which a rule file at an edge has no word: nothing, so that it goes its way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from slbroker.plugin.request import Request


class Undecided:
    """The kind of `UNDECIDED`."""

    def __repr__(self) -> str:
        return "UNDECIDED"


UNDECIDED: Final = Undecided()


def let_be(_request: Request) -> Any:
    """Decide nothing."""
    return UNDECIDED
