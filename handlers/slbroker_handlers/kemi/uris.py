"""URIs and addresses as KEMI scripts see them: their parts as written, nothing unescaped, nothing lowered."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from slbroker.errors import Reject
from slbroker.sip.address import Address, parse_address, parse_address_list
from slbroker.sip.uri import text
from slbroker_handlers.kemi.remembering import remembering

_BAD: Final = r"\x00-\x20<>\"\x7f"  # what stands in no URI
_match_sip = re.compile(
    rf"(sips?):(?:([^@:{_BAD}]++)(?::([^@{_BAD}]*+))?@(?![.-]))?"
    r"(\[[0-9A-Fa-f:.]++(?:%[0-9A-Za-z._~-]++)?\]|[0-9A-Za-z._-]++)(?::([0-9]{1,5}))?"
    rf"((?:;[^?@{_BAD}]*+)?)((?:\?[^@?;{_BAD}]*+)?)",
    re.IGNORECASE | re.ASCII,
).fullmatch
_match_tel = re.compile(rf"(tels?):([^;?{_BAD}]++)((?:;[^?{_BAD}]*+)?)((?:\?[^{_BAD}]*+)?)", re.IGNORECASE).fullmatch
# A namespace alone, which may have parameters; or one with a name in it, which then may not.
_match_urn = re.compile(
    rf"urn:(?:([^:;?@{_BAD}]++):([^:;?@{_BAD}]++)|([^:;?@{_BAD}]++)((?:;[^?{_BAD}]*+)?))", re.IGNORECASE
).fullmatch
_match_quoted = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*"', re.DOTALL).match

# Kamailio's numbers of transports.
PROTOCOL_NUMBERS: Final = {"udp": 1, "tcp": 2, "tls": 3, "sctp": 4, "ws": 5, "wss": 6}


def in_brackets(host: str) -> str:
    """Return an address as a URI has it."""
    return f"[{host}]" if ":" in host else host


class UriParts(NamedTuple):
    """A URI in parts; "" for each that is not there. `params` begins with ";", `headers` with "?".

    A sip URI with ;user=phone is one of a telephone: parameters in its user are no part of the number, but
    `user_params`, beginning with ";". Of urn:service:sos, "service" is the user and "sos" the host.
    """

    scheme: str
    user: str
    password: str
    host: str
    port: str
    params: str
    headers: str
    user_params: str = ""

    def __str__(self) -> str:
        if self.scheme == "urn":
            return f"urn:{self.user}:{self.host}" if self.user else f"urn:{self.host}{self.params}"
        if self.scheme not in ("sip", "sips"):
            return f"{self.scheme}:{self.user}{self.params}{self.headers}"
        password = f":{self.password}" if self.password else ""
        user = f"{self.user}{self.user_params}{password}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        return f"{self.scheme}:{user}{self.host}{port}{self.params}{self.headers}"

    @property
    def kind(self) -> str:
        """Return what the URI is of: its scheme, "tel" for a sip URI of a telephone."""
        return "tel" if self.host and ";user=phone" in self.params and self.param("user") == "phone" else self.scheme

    def with_user(self, user: str) -> str:
        """Return the URI with another user; "" takes it out. Of a urn nothing else is left."""
        if self.scheme == "urn":
            return f"sip:{user}"
        return str(self._replace(user=user, password=self.password if user else ""))

    def with_host(self, host: str) -> str:
        """Return the URI with another host, which is not looked at; one that is no sip URI becomes one."""
        if self.scheme in ("tel", "tels"):
            return f"sip:{self.user}{self.params}@{host};user=phone"
        if self.scheme == "urn":
            return f"sip:{self.user}@{host}" if self.user else f"sip:{host}"
        return str(self._replace(host=host))

    def with_port(self, port: str) -> str | None:
        """Return the URI with another port, which is not looked at; None for one that cannot have a port."""
        if self.scheme in ("tel", "tels"):
            return None
        if self.scheme == "urn":
            return f"sip:{self.user}:{port}" if port else f"sip:{self.user}"
        return str(self._replace(port=port))

    def param(self, name: str) -> str | None:
        """Return a parameter's value, "" for one without a value, None where it is not there."""
        for piece in self.params.split(";")[1:]:
            key, _, value = piece.partition("=")
            if key.strip().lower() == name.lower():
                return value.strip()
        return None

    def without_param(self, name: str) -> str:
        """Return the URI without a parameter."""
        kept = [piece for piece in self.params.split(";")[1:] if piece.partition("=")[0].lower() != name.lower()]
        return str(self._replace(params="".join(f";{piece}" for piece in kept)))


@remembering(1_024, 256)
def split_uri(uri: str) -> UriParts | None:
    """Return the parts of a sip, sips, tel or urn URI, None for what is none."""
    found = _match_sip(uri)
    if found is not None:
        scheme, user, password, host, port, params, headers = (part or "" for part in found.groups())
        if (port and int(port) > 65_535) or (user and "_" in host):
            return None
        parts = UriParts(scheme.lower(), user, password, host, port, params, headers)
        if ";" in user and parts.kind == "tel":
            number, semicolon, more = user.partition(";")
            return parts._replace(user=number, user_params=semicolon + more)
        return parts
    tel = _match_tel(uri)
    if tel is not None:
        return UriParts(tel[1].lower(), tel[2], "", "", "", tel[3], tel[4])
    urn = _match_urn(uri)
    return UriParts("urn", urn[1] or "", "", urn[2] or urn[3], "", urn[4] or "", "") if urn else None


class NameAddr(NamedTuple):
    """An address header as Kamailio has it: display name with its quotes, URI, tag; "" for what is not there."""

    display: str
    uri: str
    tag: str


NOBODY: Final = NameAddr("", "", "")


def read_address(value: bytes | None) -> NameAddr:
    """Return the parts of From or To, or of the first address in a Contact; `NOBODY` for one that cannot be read."""
    return _read(value) if value else NOBODY


@remembering(1_024, 256)
def _read(value: bytes) -> NameAddr:
    try:
        address = _first_address(value)
    except Reject:
        return NOBODY
    return NameAddr(text(_display(value.lstrip(b" \t"), address.uri_bytes)), text(address.uri_bytes), address.tag)


def _first_address(value: bytes) -> Address:
    try:
        return parse_address(value)
    except Reject:
        for address in parse_address_list(value):
            return address
        raise


def _display(value: bytes, uri: bytes) -> bytes:
    """Return the display name as written, quotes and all; b"" where the URI stands without <>."""
    if value.startswith(uri):
        return b""
    quoted = _match_quoted(value)
    return quoted[0] if quoted else value.partition(b"<")[0].rstrip(b" \t")


# Quoted text and what is in angle brackets stands whole: a comma in them is between nothing. What is not closed goes on
# to the end, so that nothing is read twice.
_find_entries = re.compile(r'(?:"[^"\\]*+(?:\\.[^"\\]*+)*"?|<[^>]*+>?|[^,"<]++)+', re.DOTALL).findall


def split_list(value: str) -> list[str]:
    """Return the entries of a header that is a list (RFC 3261 7.3.1), without the white space around them."""
    return [entry for entry in map(str.strip, _find_entries(value)) if entry]
