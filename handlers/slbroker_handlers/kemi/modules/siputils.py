"""KSR.siputils: tests of requests, URIs and numbers."""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from slbroker.sip.grammar import canonical_name
from slbroker.sip.uri import text
from slbroker_handlers.kemi.contacts import change_contacts
from slbroker_handlers.kemi.exports import Module
from slbroker_handlers.kemi.ourselves import is_ours
from slbroker_handlers.kemi.uris import read_address, split_uri

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call
    from slbroker_handlers.kemi.uris import UriParts

siputils = Module("siputils")

_is_digits = re.compile(r"[0-9]+").fullmatch
_is_tel = re.compile(r"\+?[0-9]+").fullmatch
_is_alphanum = re.compile(r"[0-9A-Za-z]+").fullmatch
OUTDATED = -4


def _truth(value: object) -> int:
    return 1 if value else -1


# Requests -------------------------------------------------------------------------------------------------------


@siputils.export
def has_totag(call: Call) -> int:
    """Return 1 when To has a tag: the request is inside a dialog."""
    return _truth(call.message.to_tag)


for _name, _what in {
    "is_sip": "what handlers get is SIP, and no HTTP", "sip_parse_headers": "all headers have been read",
}.items():  # fmt: skip
    siputils.add(_name, lambda call: _truth(call.message.method), f"Return 1: {_what}.", result="int")


@siputils.export
def is_request(call: Call) -> int:
    """Return 1 for a request, -1 in the route of a reply."""
    return _truth(call.message.method and not call.status)


@siputils.export
def is_reply(call: Call) -> int:
    """Return 1 in the route of a reply, -1 for a request."""
    return _truth(call.status)


@siputils.export
def contact_param_check(call: Call, name: str) -> int:
    """Return 1 when the URI in Contact has this parameter, else -1."""
    parts = split_uri(read_address(call.first(b"contact")).uri)
    return _truth(parts is not None and parts.param(name) is not None)


@siputils.export(partial="Contact goes on as it came: answered as if it had been changed")
def contact_param_encode_alias(call: Call, name: str, saddr: str) -> int:
    """Put an alias into Contact: 1, -1 where there is no URI in it."""
    del name, saddr
    return _truth(split_uri(read_address(call.first(b"contact")).uri))


@siputils.export
def contact_param_rm(call: Call, name: str) -> int:
    """Take a parameter out of the URI of each Contact: 1, whether it is there or not."""
    change_contacts(
        call,
        "siputils.contact_param_rm",
        lambda entry, parts: entry.with_uri(parts.without_param(name)) if parts.param(name) is not None else None,
        None,
    )
    return 1


@siputils.export
def hdr_date_check(call: Call, seconds: int) -> int:
    """Return 1 when the Date header is no older than so many seconds, -4 when it is, -1 without one."""
    value = call.first(b"date")
    if value is None:
        return -1
    try:
        dated = parsedate_to_datetime(text(value))
    except (TypeError, ValueError):
        return -1
    if dated.tzinfo is None:
        dated = dated.replace(tzinfo=UTC)
    return 1 if dated.timestamp() >= int(call.state.date()) - seconds else OUTDATED


siputils.answer(
    -1,
    {
        "is_http()": "Return -1: what handlers get is SIP, and no HTTP.",
    },
)


@siputils.export
def is_first_hop(call: Call) -> int:
    """Return 1 when the request has one Via: it comes from the client itself."""
    return _truth(sum(value.count(",") + 1 for value in call.all("Via")) == 1)


@siputils.export(partial="the mode changes nothing")
def is_first_hop_mode(call: Call, mode: int) -> int:
    """Return 1 when the request has one Via."""
    del mode
    return is_first_hop(call)


@siputils.export
def is_user(call: Call, user: str) -> int:
    """Return 1 when the credentials that were judged, by pv_auth_check and its like, are those of `user`."""
    found = call.checked
    return _truth(found is not None and found.params.get("username") == user)


@siputils.export
def is_gruu(call: Call) -> int:
    """Return 1 for a public, 2 for a temporary GRUU in the Request-URI, else -1 (RFC 5627)."""
    value = call.parts.param("gr") if call.parts else None
    return -1 if value is None else 1 if value else 2


@siputils.export
def options_reply(call: Call) -> int:
    """Reply 200 to OPTIONS that is for this server itself (a Request-URI without user) with what it accepts."""
    parts = call.parts
    if call.method != "OPTIONS" or parts is None or parts.user or not is_ours(call, parts.host, int(parts.port or 0)):
        return -1
    texts = call.state.params.texts
    headers = [
        (title, texts[f"siputils.options_{name}"])
        for title, name in {
            "Accept": "accept", "Accept-Encoding": "accept_encoding", "Accept-Language": "accept_language",
            "Supported": "support",
        }.items()
    ]  # fmt: skip
    return call.reply(200, "OK", headers)


# URIs -----------------------------------------------------------------------------------------------------------


@siputils.export
def is_uri(call: Call, uri: str) -> int:
    """Return 1 for a sip, sips or tel URI; before Kamailio 5.8, for a urn, too."""
    parts = split_uri(uri.replace(" ", "+"))
    return _truth(parts is not None and (parts.scheme != "urn" or call.state.release < (5, 8)))


def _param(call: Call, name: str) -> str | None:
    """Return a parameter of the Request-URI by its name as written, "" for one without a value; None for none."""
    pieces = (piece.partition("=") for piece in (call.parts.params if call.parts else "").split(";")[1:])
    return next((value.strip() for key, _, value in pieces if key.strip() == name), None)


@siputils.export
def uri_param(call: Call, name: str) -> int:
    """Return 1 when the Request-URI has this parameter, without a value."""
    return _truth(_param(call, name) == "")


@siputils.export
def uri_param_value(call: Call, name: str, value: str) -> int:
    """Return 1 when the Request-URI has this parameter with this value."""
    return _truth(_param(call, name) == value)


@siputils.export
def uri_param_any(call: Call, name: str) -> int:
    """Return 1 when the Request-URI has this parameter, with a value or without."""
    return _truth(_param(call, name) is not None)


@siputils.export
def uri_param_rm(call: Call, name: str) -> int:
    """Take a parameter out of the Request-URI."""
    parts = call.parts
    if parts is None:
        return -1
    call.set_uri(parts.without_param(name))
    return 1


@siputils.export
def add_uri_param(call: Call, param: str) -> int:
    """Put a parameter into the Request-URI."""
    parts = call.parts
    if parts is None:
        return -1
    call.set_uri(str(parts._replace(params=f"{parts.params};{param}")))
    return 1


@siputils.export
def cmp_uri(_call: Call, first: str, second: str) -> int:
    """Return 1 for URIs that are equal (RFC 3261 19.1.4), -1 for others, -2 for what is no URI."""
    one, other = split_uri(first), split_uri(second)
    if one is None or other is None:
        return -2
    return _truth(_aor(one) == _aor(other) and one.port == other.port and _same_params(one, other))


@siputils.export
def cmp_aor(_call: Call, first: str, second: str) -> int:
    """Return 1 for the same address of record: user, host and port; -1 for another, -2 for what is no URI."""
    one, other = split_uri(first), split_uri(second)
    if one is None or other is None:
        return -2
    return _truth(_aor(one) == _aor(other) and int(one.port or 5060) == int(other.port or 5060))


def _aor(uri: UriParts) -> tuple[str, str]:
    return uri.user, uri.host.lower()


def _same_params(one: UriParts, other: UriParts) -> bool:
    """RFC 3261 19.1.4: of parameters that only one of them has, user, ttl, method and maddr count."""
    names = {piece.partition("=")[0].lower() for uri in (one, other) for piece in uri.params.split(";")[1:]}
    for name in names:
        first, second = one.param(name), other.param(name)
        if first is not None and second is not None:
            if first.lower() != second.lower():
                return False
        elif name in ("user", "ttl", "method", "maddr"):
            return False
    return True


@siputils.export
def cmp_hdr_name(_call: Call, first: str, second: str) -> int:
    """Return 1 when both name the same header, long or compact."""
    one, other = (canonical_name(name.encode(errors="surrogateescape")) for name in (first, second))
    return _truth(one and one == other)


# Texts ----------------------------------------------------------------------------------------------------------


@siputils.export
def is_tel_number(_call: Call, text: str) -> int:
    """Return 1 for digits, with or without a leading +, else -2."""
    return 1 if _is_tel(text) else -2


@siputils.export
def is_numeric(_call: Call, text: str) -> int:
    """Return 1 for digits alone, else -2."""
    return 1 if _is_digits(text) else -2


@siputils.export
def is_alphanum(_call: Call, text: str) -> int:
    """Return 1 for letters and digits alone, -2 for "", -3 for anything else."""
    return -2 if not text else 1 if _is_alphanum(text) else -3


@siputils.export
def is_alphanumex(_call: Call, text: str, more: str) -> int:
    """Return 1 for letters, digits and the characters in `more` alone, -2 for "", -3 for anything else."""
    if not text:
        return -2
    return 1 if all(_is_alphanum(character) or character in more for character in text) else -3
