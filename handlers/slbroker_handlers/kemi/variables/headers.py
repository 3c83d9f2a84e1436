"""Headers by name or as lists, $hdr, $hfl; what some of them hold; and the credentials in two of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from slbroker.errors import Reject
from slbroker.plugin import Request
from slbroker.sip.grammar import canonical_name, is_digits
from slbroker_handlers.kemi.iterators import header_at
from slbroker_handlers.kemi.uris import split_list
from slbroker_handlers.kemi.values import pick
from slbroker_handlers.kemi.variables.access import declare

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.sip.credentials import Credentials
    from slbroker_handlers.kemi.call import Call
    from slbroker_handlers.kemi.values import Xval
    from slbroker_handlers.kemi.variables.access import Getter
    from slbroker_handlers.kemi.variables.specs import Spec

# From this release on the entries of a Contact header are in order; before, the last one was the first.
CONTACTS_IN_ORDER: Final = (5, 8)
_COUNTED_FROM_TWO: Final = (b"contact", b"route", b"record-route")
_LISTS: Final = (*_COUNTED_FROM_TWO, b"via")
_is_number = re.compile(r"[0-9]{1,9}").fullmatch


def _canonical(name: str) -> bytes:
    return canonical_name(name.encode(errors="surrogateescape"))


def entries(call: Call, name: str) -> list[str]:
    """Return the entries of the headers that Kamailio knows to be lists of addresses or Vias, as `$hfl` counts them.

    Of other headers each is one. White space and commas around an entry are not part of it.
    """
    title = _canonical(name)
    values = call.all(name)
    if title not in _LISTS:
        return values
    if title == b"contact" and values == ["*"]:
        return []
    split = [split_list(value) for value in values]
    if title == b"contact" and call.state.release < CONTACTS_IN_ORDER:
        split = [found[::-1] for found in split]
    return [entry for found in split for entry in found]


def _entry(call: Call, spec: Spec) -> Xval:
    """Return an entry of a list; from the end they count from -2 on, where Kamailio knows the header to be a list."""
    if spec.position == "*":
        return spec.pick(call.all(spec.inner))
    at = int(spec.position or 0)
    if at < 0 and _canonical(spec.inner) in _COUNTED_FROM_TWO:
        at += 1
        if at == 0:
            return None
    return pick(entries(call, spec.inner), at)


def _first(name: str) -> Getter:
    return lambda call, _spec: next(iter(call.all(name)), None)


def _content_length(call: Call, _spec: Spec) -> Xval:
    value = call.first(b"content-length")
    return int(value) if value is not None and is_digits(value) else None


def _expires(call: Call, spec: Spec) -> Xval:
    """Return the least or the greatest number of seconds that contacts ask for, those without one by Expires."""
    if spec.inner not in ("min", "max"):
        return None
    asked = [_expires_in(piece) for value in call.all("Contact") for piece in split_list(value)] or [None]
    usual = next((int(value) for value in call.all("Expires")[:1] if _is_number(value)), None)
    seconds = [int(each) if each is not None and _is_number(each) else usual for each in asked]
    found = [each for each in seconds if each is not None]
    return (min if spec.inner == "min" else max)(found) if found else None


def _expires_in(contact: str) -> str | None:
    """Return a contact's expires parameter as written, behind its URI."""
    behind = contact.rpartition(">")[2]
    pairs = (piece.strip().partition("=") for piece in behind.split(";")[1:])
    return next((value.strip() for name, _, value in pairs if name.strip().lower() == "expires"), None)


# Credentials ----------------------------------------------------------------------------------------------------


def _credentials(call: Call) -> Credentials | None:
    """Return the request's digest credentials, a proxy's first; None where there are none or they cannot be read.

    Nobody is asked for them in ACK and CANCEL, and nobody looks for them there (RFC 3261 22.1).
    """
    if call.message.method in (b"ACK", b"CANCEL"):
        return None
    request = Request(call.message, call.source)
    try:
        found = request.proxy_authorization or request.authorization
    except Reject:
        return None
    return found if found is not None and found.scheme == "digest" and found.params else None


def _in_credentials(read: Callable[[Credentials], str | None]) -> Getter:
    """Return the getter of something in the credentials, null where there are none."""
    return lambda call, _spec: read(found) if (found := _credentials(call)) else None


declare(
    {
        "hdr": lambda call, spec: spec.pick(call.all(spec.inner)),
        "hdrc": lambda call, spec: len(call.all(spec.inner)),
        "hfl": _entry,
        "hflc": lambda call, spec: len(entries(call, spec.inner)),
        "hfitname": lambda call, spec: header_at(call, spec.inner)[0],
        "hfitbody": lambda call, spec: header_at(call, spec.inner)[1],
        "cs": lambda call, _: str(call.message.cseq) if call.message.method else None,
        "csb": _first("CSeq"),
        "ct": _first("Contact"),
        "cT": _first("Content-Type"),
        "cl": _content_length,
        "ua": _first("User-Agent"),
        "expires": _expires,
        "au": _in_credentials(lambda found: found.params.get("username", "").partition("@")[0]),
        "aU": _in_credentials(lambda found: found.params.get("username")),
        "ad": _in_credentials(lambda found: found.params.get("username", "").partition("@")[2]),
        "ar": _in_credentials(lambda found: found.params.get("realm")),
        "aa": _in_credentials(lambda found: found.params.get("algorithm", "")),
        "adu": _in_credentials(lambda found: found.params.get("uri")),
        "an": lambda _call, _: None,
    }
)
declare({"cts": lambda call, _: int((call.first(b"contact") or b"").strip() == b"*")}, since=(6, 0))
