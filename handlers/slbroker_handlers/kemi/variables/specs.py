"""How pseudo-variables are written: `$rm`, `$hdr(Name)`, `$(hdr(Name)[1])`, `$(ru{uri.user})`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from slbroker_handlers.kemi.remembering import remembering
from slbroker_handlers.kemi.values import pick

if TYPE_CHECKING:
    from collections.abc import Callable

_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*"
# An inner name may hold pseudo-variables with parentheses of their own, one deep.
_INNER: Final = r"\(((?:[^()]|\([^()]*\))*)\)"
_PLAIN: Final = rf"\$({_NAME})(?:{_INNER})?"
# What stands in a transformation may be one more that has some.
_TRANSFORMATION: Final = r"\{(?:[^{}]|\{[^{}]*\})*\}"
_FULL: Final = rf"\$\(({_NAME})(?:{_INNER})?(?:\[(\*|-?[0-9]{{1,6}})\])?((?:{_TRANSFORMATION})*)\)"
_match_plain = re.compile(_PLAIN).fullmatch
_match_full = re.compile(_FULL).fullmatch
_find_any = re.compile(rf"\$\$|{_FULL}|{_PLAIN}|\$")
_find_transformations = re.compile(_TRANSFORMATION).findall


class Spec(NamedTuple):
    """A pseudo-variable as written; `inner` is "" where there is none, `position` None, a number as text, or "*"."""

    name: str
    inner: str = ""
    position: str | None = None
    transformations: tuple[str, ...] = ()

    def pick(self, values: list[str]) -> str | None:
        """Return the value at `position`, all of them joined for "*", None where there is none."""
        if self.position == "*":
            return ",".join(values) if values else None
        return pick(values, int(self.position or 0))


@remembering(4_096, 128)
def parse_spec(text: str) -> Spec | None:
    """Return what `text` means, None when it is not one pseudo-variable."""
    plain = _match_plain(text)
    if plain is not None:
        return Spec(plain[1], plain[2] or "")
    full = _match_full(text)
    if full is not None:
        transformations = tuple(braced[1:-1] for braced in _find_transformations(full[4]))
        return Spec(full[1], full[2] or "", full[3], transformations)
    return None


def find_specs(text: str) -> list[str]:
    """Return the pseudo-variables in a text, as they are written."""
    return [found[0] for found in _find_any.finditer(text) if found[0] != "$$"]


def expand(text: str, value_of: Callable[[str], str]) -> str:
    """Return `text` with each pseudo-variable in it replaced by its value; `$$` is a dollar sign.

    A dollar sign that begins none is given to `value_of`, too.
    """
    if "$" not in text:
        return text
    return _find_any.sub(lambda found: "$" if found[0] == "$$" else value_of(found[0]), text)
