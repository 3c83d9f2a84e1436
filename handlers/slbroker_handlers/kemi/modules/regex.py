"""KSR.regex: regular expressions, Python's in the place of PCRE."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from slbroker_handlers.kemi.exports import Module
from slbroker_handlers.kemi.expressions import search

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call

regex = Module("regex")


@regex.export(partial="a Python regular expression; Kamailio's are PCRE")
def pcre_match(_call: Call, subject: str, expression: str) -> int:
    """Return 1 when the expression matches in a text, in any case."""
    return 1 if search(expression, subject, re.IGNORECASE) else -1
