"""The URIs of a request and their parts, $ru, $fu, $tu, $du, those of identities; and the branches of a redirection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slbroker.sip.uri import text
from slbroker_handlers.kemi.uris import read_address, split_list, split_uri
from slbroker_handlers.kemi.variables.access import declare
from slbroker_handlers.kemi.variables.headers import entries

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker_handlers.kemi.call import Call
    from slbroker_handlers.kemi.values import Value, Xval
    from slbroker_handlers.kemi.variables.access import Getter
    from slbroker_handlers.kemi.variables.specs import Spec


def uri_of(uri: Callable[[Call], str | None], part: str) -> Getter:
    """Return the getter of one part of a URI: whole, user, host, port, transport or scheme."""

    def read(call: Call, _spec: Spec) -> Xval:
        written = uri(call)
        parts = split_uri(written) if written else None
        if parts is None and part == "whole" and uri is _destination:
            return written or None
        if parts is None:
            is_shown = part == "whole" and uri is request_uri and call.state.release >= (6, 0)
            return written or None if is_shown else None
        if part == "whole":
            return written
        if part == "port":
            is_tls = (parts.param("transport") or "").lower() == "tls"
            return parts.port or ("5061" if is_tls else "5060")  # whatever the scheme
        if part == "transport":
            return parts.param("transport") or "UDP"
        if part == "scheme":
            return parts.kind
        return getattr(parts, part) or None

    return read


def request_uri(call: Call) -> str:
    """Return the Request-URI as the script has changed it."""
    return call.uri


def _destination(call: Call) -> str | None:
    return call.destination


def _uri_in(name: bytes) -> Callable[[Call], str]:
    return lambda call: call.uri_in(name)


def _name_in(name: bytes) -> Getter:
    return lambda call, _spec: read_address(call.first(name)).display or None


from_uri: Final = _uri_in(b"from")
to_uri: Final = _uri_in(b"to")


def contact_uri(call: Call) -> str:
    """Return the URI of the first Contact: before Kamailio 5.8, of the last one in the first header."""
    found = entries(call, "Contact")
    return read_address(found[0].encode(errors="surrogateescape")).uri if found else ""


def _next_hop(call: Call, spec: Spec) -> Xval:
    if spec.inner == "p":
        parts = split_uri(call.next_hop)
        return (parts.port or "5060") if parts is not None else None  # for tls, too
    if spec.inner == "u":
        return call.next_hop or None  # if it is no URI, too
    part = {"U": "user", "d": "host", "P": "transport"}.get(spec.inner)
    return uri_of(lambda call: call.next_hop, part)(call, spec) if part else None


def _user_length(uri: Callable[[Call], str | None]) -> Getter:
    def read(call: Call, _spec: Spec) -> Xval:
        parts = split_uri(uri(call) or "")
        return len(parts.user.encode(errors="surrogateescape")) if parts is not None else 0

    return read


def _asserted(call: Call, spec: Spec) -> Xval:
    """Return the URI in P-Asserted-Identity, of the one at a position (RFC 3325)."""
    listed = [piece for value in call.all("P-Asserted-Identity") for piece in split_list(value)]
    uris = (read_address(piece.encode(errors="surrogateescape")).uri for piece in listed)
    return spec.pick([uri for uri in uris if uri])


# Setting --------------------------------------------------------------------------------------------------------


def _set_uri(call: Call, _spec: Spec, value: Value | None) -> bool:
    if not isinstance(value, str):
        return False
    call.set_uri(value)
    return True


def _set_user(call: Call, _spec: Spec, value: Value | None) -> bool:
    """Set the user; null or "" takes it out."""
    return not isinstance(value, int) and call.set_user(value or "")


def _set_domain(call: Call, _spec: Spec, value: Value | None) -> bool:
    return isinstance(value, str) and call.set_host(value)


def _set_port(call: Call, _spec: Spec, value: Value | None) -> bool:
    parts = call.parts
    changed = parts.with_port("" if value is None else str(value)) if parts is not None else None
    if changed is None:
        return False
    call.set_uri(changed)  # which may be no URI any more
    return True


def _set_destination(call: Call, _spec: Spec, value: Value | None) -> bool:
    if isinstance(value, int):
        return False
    call.destination = value
    return True


# Branches -------------------------------------------------------------------------------------------------------

_BRANCH_TEXTS: Final = (
    "dst_uri", "path", "send_socket", "socket", "ruid", "location_ua", "instance", "otcpid", "msgbuf",
)  # fmt: skip


def _branch(call: Call, spec: Spec) -> Xval:
    """Return a branch's uri, q in thousandths, flags, or what a script has noted of it; count: how many there are."""
    if spec.inner == "count":
        return len(call.branches) or None
    found = _branch_at(call, spec)
    if found is None:
        return None
    uri, q = call.branches[found]
    values: dict[str, Xval] = {"uri": uri, "q": round(float(q) * 1000) if q else None, "flags": 0}
    return values.get(spec.inner, call.branch_notes.get((found, spec.inner)))


def _branch_at(call: Call, spec: Spec) -> int | None:
    at = 0 if spec.position in (None, "*") else int(spec.position or 0)
    at = at + len(call.branches) if at < 0 else at
    return at if 0 <= at < len(call.branches) else None


def _set_branch(call: Call, spec: Spec, value: Value | None) -> bool:
    found = _branch_at(call, spec)
    if found is None:
        return False
    q = call.branches[found][1]
    if spec.inner == "uri" and isinstance(value, str):
        call.branches[found] = (value, q)
    elif spec.inner in _BRANCH_TEXTS:
        call.branch_notes[found, spec.inner] = None if value is None else str(value)
    return True


_PARTS: Final = {"u": "whole", "U": "user", "d": "host", "p": "port", "P": "transport", "z": "scheme"}
declare(
    {
        f"{letter}{suffix}": uri_of(uri, _PARTS[suffix])
        for letter, uri, suffixes in (
            ("r", request_uri, "uUdpPz"), ("o", lambda call: text(call.message.uri), "uUdpPz"), ("f", from_uri, "uUd"),
            ("t", to_uri, "uUd"), ("d", _destination, "uUdpP"), ("p", _uri_in(b"p-preferred-identity"), "uUd"),
        )
        for suffix in suffixes
    }
)  # fmt: skip
declare(
    {
        "nh": _next_hop,
        "fn": _name_in(b"from"),
        "tn": _name_in(b"to"),
        "pn": _name_in(b"p-preferred-identity"),
        "ai": _asserted,
        "di": uri_of(_uri_in(b"diversion"), "whole"),
        "re": uri_of(_uri_in(b"remote-party-id"), "whole"),
        "rt": uri_of(_uri_in(b"refer-to"), "whole"),
        "fUl": _user_length(from_uri),
        "tUl": _user_length(to_uri),
        "rUl": _user_length(request_uri),
        "ds": lambda call, _: f"Contact: {', '.join(call.contacts)}" if call.contacts else None,
        "br": lambda call, _: call.branches[0][0] if call.branches else None,
        "branch": _branch,
    },
    {
        "ru": _set_uri, "rU": _set_user, "rd": _set_domain, "rp": _set_port, "du": _set_destination,
        "branch": _set_branch,
    },
)  # fmt: skip
declare({"ctu": lambda call, _: read_address(call.first(b"contact")).uri or None}, since=(6, 0))
