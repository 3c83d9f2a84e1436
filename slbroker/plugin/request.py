"""What a handler is given: the request as the edge read it, turned into text where the handler asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slbroker.bus.envelope import FILTERED_ACK, FORWARDED_REPLY
from slbroker.bus.items import Item
from slbroker.listen import SECURE
from slbroker.plugin.arguments import check_remembered
from slbroker.plugin.contact import contact_value, own_contact, target_of
from slbroker.plugin.passing import going_on
from slbroker.plugin.registration import DEFAULT, MAXIMUM, MINIMUM, bindings, registered
from slbroker.plugin.reply import DROP, Drop, Headers, Reply, header_lines
from slbroker.plugin.settings import ALONE, Context
from slbroker.sip.address import Address, parse_address, parse_address_list
from slbroker.sip.credentials import Credentials, parse_credentials
from slbroker.sip.grammar import canonical_name
from slbroker.sip.media import media_type
from slbroker.sip.networks import in_networks, read_networks
from slbroker.sip.slerrors import SlError, error_text
from slbroker.sip.textheaders import TextHeaders
from slbroker.sip.uri import Uri, parse_uri, text
from slbroker.sip.validate import MAX_HOPS, MAX_SECONDS, read_number
from slbroker.sip.vialist import Via, parse_vias

if TYPE_CHECKING:
    from slbroker.plugin.arguments import Words
    from slbroker.proxy.decision import Forward
    from slbroker.sip.message import Message, Source
    from slbroker.sip.networks import Networks


_new: Final = object.__new__
_SHOWN: Final = {FILTERED_ACK: "ACK", FORWARDED_REPLY: "reply"}  # the second one in log lines alone


class Request:
    """One SIP request."""

    __slots__ = ("_uri", "context", "item")

    def __init__(self, message: Message, source: Source, context: Context = ALONE) -> None:
        self.item = Item(0, message, source)
        self._uri: Uri | None = None
        self.context = context

    @classmethod
    def of(cls, item: Item, context: Context) -> Request:
        """Return what a handler is given of an item of the bus."""
        request = _new(cls)
        request.item = item
        request._uri = None
        request.context = context
        return request

    @property
    def message(self) -> Message:
        """Return the request's bytes, as the edge read them."""
        return self.item.message

    @property
    def source(self) -> Source:
        """Return where the request came from: host, port, transport, listen."""
        return self.item.source

    def __repr__(self) -> str:
        return f"<Request {self.method} {text(self.message.uri)}>"

    # Reading ----------------------------------------------------------------------------------------------------

    @property
    def method(self) -> str:
        """Return the method, as written: methods are case-sensitive (RFC 3261 7.1). An absorbed ACK's is ACK."""
        method = self.item.method
        return _SHOWN.get(method) or text(method)

    @property
    def uri(self) -> Uri:
        """Return the Request-URI; raise Reject(400) when it has no SIP URI's form."""
        if self._uri is None:
            self._uri = parse_uri(self.message.uri)
        return self._uri

    @property
    def headers(self) -> TextHeaders:
        """Return all headers."""
        return TextHeaders(self.message.headers)

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
    def via(self) -> Via:
        """Return the topmost Via, the sender's own; raise Reject(400) when it is none."""
        return parse_vias(self.message.first(b"via") or b"")[0]

    @property
    def routes(self) -> list[Address]:
        """Return all Route values in order; raise Reject(400) when they cannot be read."""
        return [address for value in self.message.all(b"route") for address in parse_address_list(value)]

    @property
    def record_routes(self) -> list[Address]:
        """Return all Record-Route values in order; raise Reject(400) when they cannot be read."""
        return [address for value in self.message.all(b"record-route") for address in parse_address_list(value)]

    @property
    def max_forwards(self) -> int | None:
        """Return Max-Forwards, None where there is none; raise Reject(400) for no number up to 255 (RFC 3261 20.22)."""
        return read_number(self.message, b"max-forwards", "Max-Forwards", MAX_HOPS)

    @property
    def expires(self) -> int | None:
        """Return Expires in seconds, None where there is none; raise Reject(400) for no number below 2**32."""
        return read_number(self.message, b"expires", "Expires", MAX_SECONDS)

    @property
    def user_agent(self) -> str:
        """Return User-Agent, "" where there is none."""
        return text(self.message.first(b"user-agent") or b"")

    @property
    def content_type(self) -> str:
        """Return Content-Type without parameters and white space, in lower case, "" where there is none."""
        return media_type(self.message.first(b"content-type") or b"")

    @property
    def require(self) -> list[str]:
        """Return the option tags in Require, in lower case."""
        return self.words("Require")

    @property
    def supported(self) -> list[str]:
        """Return the option tags in Supported, in lower case."""
        return self.words("Supported")

    def words(self, name: str) -> list[str]:
        """Return the values of a header that lists words with commas, such as Allow, in lower case."""
        values = self.message.all(canonical_name(name.encode()))
        return [text(tag).lower() for value in values for word in value.split(b",") if (tag := word.strip(b" \t"))]

    @property
    def listen(self) -> str:
        """Return the address of the edge's that the request asked, in Kamailio's form: "udp:192.0.2.7:5060".

        Where the edge listens on all addresses, it is the one that the packet was sent to, or the connection's own.
        """
        return self.source.asked

    def is_from(self, *networks: str) -> bool:
        """Return whether it came from one of `networks`, such as "192.0.2.0/24"; raise ValueError for what is none."""
        return self.is_within(read_networks(networks))

    def is_within(self, networks: Networks) -> bool:
        """Return whether it came from one of `networks`, which have been read."""
        return in_networks(self.source.host, networks)

    @property
    def is_initial(self) -> bool:
        """Return whether the request is outside a dialog: its To has no tag (sl: `!has_totag()`)."""
        return not self.message.to_tag

    @property
    def reply_tag(self) -> str:
        """Return the To-tag that replies to this request carry, theirs or ours: `$ltt(s)`. "" outside a worker."""
        message, signer = self.message, self.context.signer
        if message.to_tag or signer is None:
            return text(message.to_tag)
        return signer.sign(message.call_id, message.from_tag, message.cseq).decode()

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
        self,
        status: int | None = None,
        reason: str | None = None,
        headers: Headers | None = None,
        body: bytes | str = b"",
        *,
        close: bool = False,
        remember: float | None = None,
    ) -> Reply:
        """Return a reply: `sl_send_reply(status, reason)`; without a status the plugin's default code and reason.

        `headers` is a mapping or pairs; a list as a value gives several lines. `close` is as in `Reply.closing`,
        `remember` as in `Request.remember`. Raises ValueError as `Reply` does.
        """
        if status is None:
            status, reason = self.context.settings.default_code, reason or self.context.settings.default_reason
        reply = Reply(status, reason, headers, body)
        if close:
            reply = reply.closing()
        if remember is not None:
            self.wish(remember, reply)
        return reply

    def reply_error(self, error: SlError = SlError.E_UNSPEC) -> Reply:
        """Return the reply that describes an internal error: `sl_reply_error()`."""
        return Reply(*error_text(error, self.context.settings.errors))

    def redirect(
        self,
        *contacts: str | tuple[str, float],
        status: int = 302,
        reason: str | None = None,
        headers: Headers | None = None,
    ) -> Reply:
        """Return a 3xx reply to the given URIs or name-addrs, each alone or with its q (RFC 3261 8.3, 20.10).

        Each is one URI: a part gets the escapes that it lacks, so `f"sip:{request.uri.user}@gw"` leads to that user,
        whatever it is. Text of a peer that goes elsewhere, into a parameter or a header, is quoted by the handler.

        Raises ValueError for none, for no 3xx, for a q that is not from 0 to 1, and for what is no single URI, or could
        be taken for another one: with two "@", a password, a "?" before the "@".
        """
        reply = Reply(status, reason, headers)
        if not contacts or not 300 <= status <= 399:
            raise ValueError("redirect wants a contact and a status between 300 and 399")
        reply.extra += header_lines({"Contact": [contact_value(*target_of(one)) for one in contacts]})
        return reply

    def registered(
        self,
        *,
        minimum: int = MINIMUM,
        maximum: int = MAXIMUM,
        default: int = DEFAULT,
        refuse: bool = True,
        path: bool = False,
        service_route: Words = (),
        headers: Headers | None = None,
    ) -> Reply:
        """Return the 200 to a REGISTER (RFC 3261 10.3): its contacts, each with the seconds that it is granted.

        Nothing is kept: `slbroker.plugin.registration` has what is granted, `bindings`, and what the other arguments
        mean. A REGISTER without Contact, and one that takes contacts away, gets a 200 without them. Raises Reject(423)
        with Min-Expires for less than `minimum` seconds, Reject(400) for a Contact or "*" that cannot be; ValueError
        for another method, for bounds that cannot be, and as `Reply` does.
        """
        granted = bindings(self, minimum=minimum, maximum=maximum, default=default, refuse=refuse)
        return registered(self, granted, path=path, service_route=service_route, headers=headers)

    def contact(self, user: str | None = None, *, sips: bool | None = None) -> str:
        """Return a Contact that leads back here: `<sip:user@192.0.2.7:5060;transport=tcp>`.

        A 2xx to an INVITE needs one, or its ACK and BYE go astray (RFC 3261 12.1.1). Its address is the one that the
        request came to, or what `--advertise` says of that. `user` is text, which gets the escapes that it lacks, or a
        `uri.user`; the Request-URI's when it is None, and none when it is "". `sips`: whether its scheme is sips; where
        it is None that is so if the request came over TLS or WSS, to a sips URI.

        Raises ValueError where the address is none that can be reached, such as 0.0.0.0.
        """
        if sips is None:
            sips = self.source.transport in SECURE and self.uri.scheme == "sips"
        return own_contact(self.source, self.uri.user if user is None else user, sips=sips)

    def drop(self, *, remember: float | None = None) -> Drop:
        """Return the decision to stay silent; `remember` is as in `Request.remember`."""
        if remember is not None:
            self.wish(remember, DROP)
        return DROP

    def forward(
        self,
        to: str = "",
        *,
        uri: str | Uri | None = None,
        remove: Words = (),
        replace: Headers | None = None,
        add: Headers | None = None,
        record_route: bool | None = None,
        path: bool | None = None,
        remember: float | None = None,
    ) -> Forward:
        """Return the decision that the request goes on, statelessly (RFC 3261 16.11): `forward()`.

        `to` is the next hop: a SIP URI, "sip:10.0.0.5:5060;transport=tcp", which may have a name (RFC 3263); "group:1",
        of the edge's `--groups`; "target", where the request says itself, its Route or its Request-URI: then whoever
        sends it chooses where the edge sends to, and the handler vouches for that; or "", the edge's `--pass`.

        On its way `uri` becomes the Request-URI; headers named in `remove` go, those in `replace` stand once, and those
        in `add` come at the end; never what makes it that request, nor its body. `record_route` and `path` say whether
        a Record-Route and, of a REGISTER, a Path of the edge's is put in; None leaves that to the edge's options.
        `remember` is as in `Request.remember`. Raises ValueError for what cannot be.
        """
        forward = going_on(to, uri, remove, replace, add, record_route, path)
        if remember is not None:
            self.wish(remember, forward)
        return forward

    # Deciding for others, too -----------------------------------------------------------------------------------

    def remember(self, seconds: float) -> None:
        """Have the edge say what is decided here again, for so many seconds, to all requests that are alike.

        Alike in all that was read on the way to it (docs/remember.md). It goes before what was declared of the handler;
        0 is for this decision not to be remembered. Raises ValueError for no number from 0 to 3600.
        """
        self.wish(seconds)

    def wish(self, seconds: float, decision: object = None) -> None:
        """Do as `remember`, of one decision if it is the one that is given, or with None of any."""
        check_remembered("remember", seconds)
        if self.context.wish is not None:
            self.context.wish()

    def unfit(self, why: str) -> None:
        """Say that what is decided here is good for no other request, since it has an effect beside its reply.

        `why` completes "not remembered, for", as in "it is counted": for a log line and `slbroker explain`.
        """

    def declared_for(self, seconds: float) -> None:
        """Take note for how long the hook that has decided was declared to do so; who is watched has a use for it."""
