"""KSR.sanity: checks of a request's form, chosen by bits; a check that fails replies by itself.

The edge has refused much before a script sees it: docs/checks.md. So several checks cannot fail here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

from slbroker.errors import Reject
from slbroker.sip.credentials import parse_credentials
from slbroker.sip.grammar import is_digits
from slbroker.sip.uri import text
from slbroker_handlers.kemi.exports import Module
from slbroker_handlers.kemi.uris import read_address, split_uri

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker_handlers.kemi.call import Call

    Fault: TypeAlias = tuple[int, str, str]  # status, 0 where nothing is replied, reason, Unsupported

sanity = Module("sanity")

# Bits of the first argument. 4, the headers that a request must have, is always judged by the edge.
RURI_SCHEME: Final = 2
EXPIRES_VALUE: Final = 256
PROXY_REQUIRE: Final = 512
PARSE_URIS: Final = 1024
CHECK_DIGEST: Final = 2048
CHECK_AUTHORIZATION: Final = 8192
DEFAULT_CHECKS: Final = 999
# Bits of the second one.
RURI: Final = 1
FROM: Final = 2
TO: Final = 4
CONTACT: Final = 8
DEFAULT_URIS: Final = 7

SPELLED: Final = (5, 8)  # the release from which "Invalid To Header" is spelled so
MAX_SECONDS: Final = 2**32  # one too many, as in Kamailio
_is_known_scheme = re.compile(r"(?:sips?|tels?|urn):", re.IGNORECASE).match
_is_digest = re.compile(r"digest[ \t]", re.IGNORECASE).match
_DIGEST_PARTS: Final = ("username", "realm", "nonce", "uri", "response")


def _check_scheme(call: Call, _uris: int) -> Fault | None:
    return None if _is_known_scheme(text(call.message.uri)) else (400, "Bad Request URI", "")


def _check_expires(call: Call, _uris: int) -> Fault | None:
    value = call.first(b"expires")
    if value == b"":
        return 400, "Bad Expires Header", ""
    if value is None or (is_digits(value) and int(value) <= MAX_SECONDS):
        return None
    return 400, "Expires value is illegal", ""


def _check_proxy_require(call: Call, _uris: int) -> Fault | None:
    """Nothing that a proxy would have to know is known; the first extension is named, as Kamailio does."""
    wanted = call.all("Proxy-Require")
    return (420, "Bad Proxy Require Extension", wanted[0].partition(",")[0].strip()) if wanted else None


def _check_uris(call: Call, uris: int) -> Fault | None:
    if uris & RURI and split_uri(text(call.message.uri)) is None:
        return 400, "Bad Request URI", ""
    if uris & FROM and not _is_uri_in(call, b"from"):
        return 400, "Invalid From Header", ""
    if uris & TO and not _is_uri_in(call, b"to"):
        return 400, "Invalid To Header" if call.state.release >= SPELLED else "Ivalid To Header", ""
    if uris & CONTACT and call.first(b"contact") not in (None, b"*") and not _is_uri_in(call, b"contact"):
        return 400, "Bad Contact URI", ""
    return None


def _is_uri_in(call: Call, name: bytes) -> bool:
    return split_uri(read_address(call.first(name)).uri) is not None


def _check_digest(call: Call, uris: int) -> Fault | None:
    """Take Digest credentials only; others fail, and Kamailio replies nothing then."""
    if all(map(_is_digest, _authorizations(call))):
        return _check_authorization(call, uris)
    return 0, "", ""


def _check_authorization(call: Call, _uris: int) -> Fault | None:
    for value in filter(_is_digest, _authorizations(call)):
        try:
            found = parse_credentials(value.encode(errors="surrogateescape"))
        except Reject:
            return 400, "Bad Auth Header", ""
        if found.token:
            return 400, "Bad Auth Header", ""
        if not all(part in found.params for part in _DIGEST_PARTS):
            return 400, "Bad Auth Credentials", ""
        if not found.params["username"]:
            return 400, "Auth Empty User", ""
    return None


def _authorizations(call: Call) -> list[str]:
    return [*call.all("Authorization"), *call.all("Proxy-Authorization")]


_CHECKS: Final[dict[int, Callable[[Call, int], Fault | None]]] = {
    RURI_SCHEME: _check_scheme,
    EXPIRES_VALUE: _check_expires,
    PROXY_REQUIRE: _check_proxy_require,
    PARSE_URIS: _check_uris,
    CHECK_DIGEST: _check_digest,
    CHECK_AUTHORIZATION: _check_authorization,
}


@sanity.export(
    partial="version, required headers, CSeq, Content-Length, Via and duplicate tags were judged by the edge, which"
    " answers in its own words; bits 32768 and 65536 (sizes) check nothing, as in Kamailio 5.6"
)
def sanity_check(call: Call, checks: int, uris: int) -> int:
    """Judge the request by the checks and URIs whose bits are set: 1, or -1 when one failed, which has then replied."""
    for bit, check in _CHECKS.items():
        if checks & bit:
            fault = check(call, uris)
            if fault is not None:
                if fault[0]:
                    call.sanity = fault
                    sanity_reply(call)
                return -1
    return 1


@sanity.export(partial="the module's default checks (999 and 7); its parameters are not read")
def sanity_check_defaults(call: Call) -> int:
    """Judge the request by the usual checks."""
    return sanity_check(call, DEFAULT_CHECKS, DEFAULT_URIS)


@sanity.export(partial="a check that failed has replied already: 1, and nothing is sent twice")
def sanity_reply(call: Call) -> int:
    """Send the reply of the check that failed."""
    if call.sanity is None:
        return 1
    status, reason, unsupported = call.sanity
    call.sanity = None
    if call.message.method == b"ACK":
        return 1
    return call.reply(status, reason, [("Unsupported", unsupported)] if unsupported else None)
