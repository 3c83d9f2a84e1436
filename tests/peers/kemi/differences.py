"""Where slbroker answers otherwise than Kamailio, and why. Any other difference is a fault."""

from __future__ import annotations

import re
from typing import Final, NamedTuple


class Difference(NamedTuple):
    """Expressions that match the first one may differ where Kamailio's value matches `theirs`: regular expressions."""

    expression: str
    reason: str
    theirs: str = ""

    def explains(self, expression: str, theirs: str) -> bool:
        """Whether it is what makes this expression's value another one than Kamailio's."""
        return bool(re.search(self.expression, expression) and re.search(self.theirs, theirs))


DIFFERENCES: Final = (
    Difference(
        r"",
        "Kamailio hands Python no text that is not UTF-8; here a script gets it, as Python has it",
        r"UnicodeDecodeError",
    ),
    Difference(r"'\$oz'", "Kamailio 5.6 has no such variable; it is the scheme of $ou", r"^None$"),
    Difference(r"seturi\('sip:a@h:'\)", "a colon without a port is no URI here (RFC 3261 25.1)"),
    Difference(r"%zz", "what is no escape is refused; Kamailio decodes it to something", r"'Ab c"),
    Difference(
        r"\$rm\.\$rU",
        "a dot ends a variable's name here; for Kamailio it is a part of it, and such a line is not logged",
        r"^\(-1, 1, -1, -1, 1, -1, 1,",
    ),
    Difference(
        r"hdr\.append\('junk'\)", "what is no header's line goes into no message; Kamailio writes it", r"^\(1, None, 1,"
    ),
    Difference(
        r"siputils\.add_uri_param\(",
        "Kamailio puts the parameter behind the headers of the URI, and has no URI any more",
        r"^\(1, None,",
    ),
    Difference(
        r"pv\.unset\('\$rU'\)",
        "Kamailio leaves the parameters of a user that it takes out, and forgets the @",
        r"'sip:;phone-context",
    ),
    Difference(r"\$blitval", "Kamailio puts a NUL behind a last line that has no end", r"\\x00'"),
    Difference(
        r"handle_ruri_alias\(\)",
        "Kamailio has changed the Request-URI when it fails",
        r"^\(-1, 'sip:bob@192\.0\.2\.4;alias=192\.0\.2\.7:5'",
    ),
)
