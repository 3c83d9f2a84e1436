"""Every torture message by the name its RFC gives it, in the RFC's order."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from tests.torture import rfc4475_beyond, rfc4475_invalid, rfc4475_valid, rfc5118

if TYPE_CHECKING:
    from tests.torture.case import Case

RFC4475: Final[dict[str, Case]] = {
    case.name: case for case in chain(rfc4475_valid.CASES, rfc4475_invalid.CASES, rfc4475_beyond.CASES)
}
RFC5118: Final[dict[str, Case]] = {case.name: case for case in rfc5118.CASES}
CASES: Final[dict[str, Case]] = RFC4475 | RFC5118
