"""What a handler is given: the request as the edge read it, turned into text where the handler asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

from slbroker.plugin.reply import DROP, Drop, Headers, Reply, header_lines
from slbroker.plugin.slerrors import SlError, error_reply
from slbroker.sip.address import Address, parse_address, parse_address_list
from slbroker.sip.credentials import Credentials, parse_credentials
from slbroker.sip.grammar import canonical_name
from slbroker.sip.uri import Uri, parse_uri, text
from slbroker.sip.vialist import Via, parse_vias

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slbroker.sip.message import Message, Source


class RequestHeaders:
    """A request's headers by name, in any case, long or compact; iterating gives (name, value) in order."""

    __slots__ = ("_message",)

    def __init__(self, message: Message) -> None:
        self._message = message

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((text(name), text(value)) for name, value in self._message.pairs())

    def __contains__(self, name: str) -> bool:
        return self._message.first(canonical_name(name.encode())) is not None

    def __getitem__(self, name: str) -> str:
        """Return the first value; raise KeyError when there is no such header."""
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    @overload
    def get(self, name: str) -> str | None: ...
    @overload
    def get(self, name: str, default: str) -> str: ...
    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the first value of the header called `name`, or `default`."""
        value = self._message.first(canonical_name(name.encode()))
        return default if value is None else text(value)

    def get_all(self, name: str) -> list[str]:
        """Return every value of the header called `name`, a line each, in order."""
        return [text(value) for value in self._message.all(canonical_name(name.encode()))]


class Request:
    """One SIP request. `message` holds its bytes, `source` where it came from (host, port, transport, listen)."""

    __slots__ = ("_uri", "message", "source")

    def __init__(self, message: Message, source: Source) -> None:
        self.message = message
        self.source = source
        self._uri: Uri | None = None

    def __repr__(self) -> str:
        return f"<Request {self.method} {text(self.message.uri)}>"

    # Reading ----------------------------------------------------------------------------------------------------

    @property
    def method(self) -> str:
        """Return the method, as written: methods are case-sensitive (RFC 3261 7.1)."""
        return text(self.message.method)

    @property
    def uri(self) -> Uri:
        """Return the Request-URI; raise Reject(400) when it has no SIP URI's form."""
        if self._uri is None:
            self._uri = parse_uri(self.message.uri)
        return self._uri

    @property
    def headers(self) -> RequestHeaders:
        """Return all headers."""
        return RequestHeaders(self.message)

    @property
    def body(self) -> bytes:
        """Return the body, as long as Content-Length says."""
        return self.message.body

    @property
    def call_id(self) -> str:
        """Return the Call-ID."""
        return text(self.message.call_id)

    @property
    def cseq(self) -> int:
        """Return the CSeq number."""
        return self.message.cseq

    @property
    def from_tag(self) -> str:
        """Return From's tag, "" when it has none (RFC 2543 peers)."""
        return text(self.message.from_tag)

    @property
    def to_tag(self) -> str:
        """Return To's tag, "" outside a dialog."""
        return text(self.message.to_tag)

    @property
    def from_address(self) -> Address:
        """Return From: display name, URI, parameters; raise Reject(400) when it cannot be read."""
        return parse_address(self.message.first(b"from") or b"")

    @property
    def to_address(self) -> Address:
        """Return To: display name, URI, parameters; raise Reject(400) when it cannot be read."""
        return parse_address(self.message.first(b"to") or b"")

    @property
    def from_uri(self) -> Uri:
        """Return From's URI; raise Reject(400) when it cannot be read."""
        return self.from_address.uri

    @property
    def to_uri(self) -> Uri:
        """Return To's URI; raise Reject(400) when it cannot be read."""
        return self.to_address.uri

    @property
    def contacts(self) -> list[Address]:
        """Return all Contact values in order; raise Reject(400) when they cannot be read."""
        return [address for value in self.message.all(b"contact") for address in parse_address_list(value)]

    @property
    def vias(self) -> list[Via]:
        """Return all Vias in order, the one of the request's sender first; raise Reject(400) for what is none."""
        return [via for value in self.message.all(b"via") for via in parse_vias(value)]

    @property
    def authorization(self) -> Credentials | None:
        """Return what the first Authorization holds; raise Reject(400) when it cannot be read."""
        return self._credentials(b"authorization")

    @property
    def proxy_authorization(self) -> Credentials | None:
        """Return what the first Proxy-Authorization holds; raise Reject(400) when it cannot be read."""
        return self._credentials(b"proxy-authorization")

    def _credentials(self, name: bytes) -> Credentials | None:
        value = self.message.first(name)
        return None if value is None else parse_credentials(value)

    # Answering --------------------------------------------------------------------------------------------------

    def reply(
        self, status: int, reason: str | None = None, headers: Headers | None = None, body: bytes | str = b""
    ) -> Reply:
        """Return a reply: `sl_send_reply(status, reason)`. Raises ValueError as `Reply` does."""
        return Reply(status, reason, headers, body)

    def reply_error(self, error: SlError = SlError.E_UNSPEC) -> Reply:
        """Return the reply that describes an internal error: `sl_reply_error()`."""
        return error_reply(error)

    def redirect(
        self, *contacts: str, status: int = 302, reason: str | None = None, headers: Headers | None = None
    ) -> Reply:
        """Return a 3xx reply to the given URIs or name-addrs (RFC 3261 8.3); raise ValueError for none, or no 3xx."""
        if not contacts or not 300 <= status <= 399:
            raise ValueError("redirect wants a contact and a status between 300 and 399")
        values = [contact if "<" in contact else f"<{contact}>" for contact in contacts]
        reply = Reply(status, reason, headers)
        reply.extra += header_lines({"Contact": values})
        return reply

    def drop(self) -> Drop:
        """Return the decision to stay silent."""
        return DROP
