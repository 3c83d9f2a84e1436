"""Header values so that they can be compared: what RFC 3261 has alike reads alike."""

from __future__ import annotations

import re

from slbroker.sip.uri import text

# RFC 3261 25.1: media-type = m-type SLASH m-subtype *( SEMI m-parameter ); SLASH may have white space around it. What
# follows the subtype is left alone, be it a parameter or none: whoever compares does so with what is in front.
_match_type = re.compile(rb"[ \t]*+([^/;, \t]++)[ \t]*+/[ \t]*+([^/;, \t]++)").match
# RFC 3261 25.1: white space around a separator, or more than one blank between words, means nothing.
_around_separators = re.compile(r"[ \t]*+([/;,=:<>])[ \t]*+").sub
_blanks = re.compile(r"[ \t]++").sub


def media_type(value: bytes) -> str:
    """Return a Content-Type without parameters and white space, in lower case: "application/sdp"."""
    found = _match_type(value)
    return text(b"%b/%b" % found.groups() if found else value.partition(b";")[0].strip(b" \t")).lower()


def squeezed(value: str) -> str:
    """Return a header's value without the white space that means nothing."""
    return _around_separators(r"\1", _blanks(" ", value)).strip(" \t")
