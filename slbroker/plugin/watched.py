"""A request that notes what is read of it, so that its edge may give the same decision again to who is alike in that.

What comes once is noted as such: the Call-ID, tags, CSeq, Vias, the source's port, all headers at once. A decision that
has looked at these is good for no other request. Whatever a handler does with what it has read is its own affair:
a value counts as read when it is taken out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from slbroker.bus.fields import HEADER, SOURCE_IN, UNIQUE_HEADERS, URI_PARTS
from slbroker.plugin.request import Request
from slbroker.sip.address import Address, parse_address
from slbroker.sip.grammar import canonical_name
from slbroker.sip.networks import in_networks
from slbroker.sip.textheaders import TextHeaders
from slbroker.sip.uri import Uri, parse_uri

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from slbroker.bus.items import Item
    from slbroker.plugin.settings import Context
    from slbroker.sip.message import Message
    from slbroker.sip.networks import Networks

MAX_NETWORKS: Final = 512  # characters; a longer list of networks is not told to the edge, which goes by the host then
_TITLES: Final = {b"via": "Via", b"call-id": "the Call-ID", b"cseq": "the CSeq number"}
# What of a message no other request has.
_ONCE: Final = {"call_id": "the Call-ID", "from_tag": "From's tag", "cseq": "the CSeq number"}
_NOTE_AS_URI: Final = frozenset(URI_PARTS)


class Watch:
    """What was read on the way to one decision, and what is said of it."""

    __slots__ = ("fields", "seconds", "unfit")

    def __init__(self) -> None:
        self.fields: dict[str, None] = {}  # in the order in which they were read
        self.unfit = ""  # why the decision is good for no other request, in words; the first reason that there was
        self.seconds: float | None = None  # how long it is good for, where the handler says so itself

    def note(self, field: str) -> None:
        """Note that a field was read."""
        self.fields[field] = None

    def refuse(self, why: str) -> None:
        """Note that the decision is good for no other request."""
        self.unfit = self.unfit or why

    def once(self, what: str) -> None:
        """Note that something was read which no other request has."""
        self.refuse(f"it reads {what}")

    def header(self, name: bytes, message: Message) -> None:
        """Note that all headers called `name` were read, or that there are none."""
        if name in UNIQUE_HEADERS:
            self.once(_TITLES[name])
        elif name == b"from" and message.from_tag:
            self.once("From with its tag")
        elif name == b"to" and message.to_tag:
            self.once("To with its tag")
        else:
            self.note(HEADER + name.decode())


class WatchedUri(Uri):
    """A URI whose parts are noted one by one, and the whole of it when it is taken as one."""

    _watch: Watch
    _name: str
    _whole: str

    @classmethod
    def of(cls, uri: Uri, watch: Watch, name: str, whole: str) -> WatchedUri:
        """Return `uri`, whose parts are the fields `name` with theirs behind it; the field `whole` is all of it."""
        watched = tuple.__new__(cls, uri)
        watched._watch = watch
        watched._name = name
        watched._whole = whole
        return watched

    def __getattribute__(self, part: str) -> Any:
        get = super().__getattribute__
        if part in _NOTE_AS_URI:
            get("_watch").note(f"{get('_name')}.{part}")
        elif part == "raw":
            get("_watch").note(get("_whole"))
        return get(part)


class WatchedAddress(Address):
    """The address in From or To: its URI and display name are noted, and all of it when anything else is taken."""

    __slots__ = ("_message", "_name", "_watch")

    _message: Message
    _name: str
    _watch: Watch

    @classmethod
    def of(cls, message: Message, watch: Watch, name: str) -> WatchedAddress:
        """Return the address in the header called `name`; raise Reject where it cannot be read."""
        header = name.encode()
        try:
            read = parse_address(message.first(header) or b"")
        except Exception:
            watch.header(header, message)
            raise
        address = cls(read.raw, read.display, read.uri_bytes, read.params, read.tag)
        for slot, value in (("_watch", watch), ("_name", name), ("_message", message)):
            object.__setattr__(address, slot, value)
        return address

    def __getattribute__(self, part: str) -> Any:
        get = super().__getattribute__
        if part == "uri":
            return self._read_uri()
        if part in ("display", "uri_bytes"):
            get("_watch").note(f"{get('_name')}.{'uri' if part == 'uri_bytes' else part}")
        elif part in ("raw", "params", "tag"):
            get("_watch").header(get("_name").encode(), get("_message"))
        elif part == "wildcard":
            get("_watch").note(f"{get('_name')}.uri")
            get("_watch").note(f"{get('_name')}.display")
        return get(part)

    def __eq__(self, other: object) -> bool:
        return self.raw == other.raw if isinstance(other, Address) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.raw,))

    def _read_uri(self) -> Uri:
        get = super().__getattribute__
        watch, name = get("_watch"), get("_name")
        try:
            uri = parse_uri(get("uri_bytes"))
        except Exception:
            watch.note(f"{name}.uri")
            raise
        return WatchedUri.of(uri, watch, name, f"{name}.uri")


class WatchedHeaders(TextHeaders):
    """Headers that note which are looked for."""

    __slots__ = ("_message", "_watch")

    def __init__(self, message: Message, watch: Watch) -> None:
        super().__init__(message.headers)
        self._message = message
        self._watch = watch

    def _called(self, name: str) -> Iterator[str]:
        self._watch.header(canonical_name(name.encode()) or b"x", self._message)
        return super()._called(name)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        self._watch.once("all headers")
        return super().__iter__()

    def __eq__(self, other: object) -> bool:
        self._watch.once("all headers")
        return super().__eq__(other)

    def __hash__(self) -> int:
        self._watch.once("all headers")
        return super().__hash__()


class _Watched:
    """Something of a request, behind which stands the whole: what is not known by name is all of it."""

    __slots__ = ("_real", "_watch")
    _whole = ""  # what all of it is, in words
    _fields: ClassVar[Mapping[str, str]] = {}  # its attributes that are fields, or nobody's decision: ""

    def __init__(self, real: Any, watch: Watch) -> None:
        self._real = real
        self._watch = watch

    def __getattr__(self, name: str) -> Any:
        field = self._fields.get(name)
        if field is None:
            self._watch.once(self._whole)
        elif field:
            self._watch.note(field)
        return getattr(self._real, name)

    @property  # type: ignore[misc] # a thing of the same kind, to those who ask
    def __class__(self) -> Any:
        return type(self._real)

    def __iter__(self) -> Any:
        self._watch.once(self._whole)
        return iter(self._real)

    def __len__(self) -> int:
        return len(self._real)

    def __getitem__(self, at: Any) -> Any:
        self._watch.once(self._whole)
        return self._real[at]

    def __eq__(self, other: object) -> bool:
        self._watch.once(self._whole)
        return bool(self._real == other)

    def __hash__(self) -> int:
        self._watch.once(self._whole)
        return hash(self._real)

    def __repr__(self) -> str:
        self._watch.once(self._whole)
        return repr(self._real)


class WatchedMessage(_Watched):
    """A request's bytes, by header and part."""

    __slots__ = ()
    _whole = "all headers"
    _fields: ClassVar = {"method": "", "uri": "uri", "body": "body"}

    def __getattr__(self, name: str) -> Any:
        if name in _ONCE:
            self._watch.once(_ONCE[name])
            return getattr(self._real, name)
        return super().__getattr__(name)

    @property
    def to_tag(self) -> bytes:
        """Return To's tag; that there is none is a field."""
        self._watch.note("initial")
        if self._real.to_tag:
            self._watch.once("To's tag")
        return self._real.to_tag  # type: ignore[no-any-return]

    def first(self, name: bytes) -> bytes | None:
        """Return the value of the first header called `name` (canonical), or None."""
        self._watch.header(name, self._real)
        return self._real.first(name)  # type: ignore[no-any-return]

    def all(self, name: bytes) -> list[bytes]:
        """Return the values of every header called `name` (canonical), in order."""
        self._watch.header(name, self._real)
        return self._real.all(name)  # type: ignore[no-any-return]


class WatchedSource(_Watched):
    """Where a request came from, part by part."""

    __slots__ = ()
    _whole = "the source's port"
    _fields: ClassVar = {
        "host": "source.host",
        "transport": "source.transport",
        **dict.fromkeys(("listen", "asked", "advertised"), "source.listen"),
    }


class WatchedItem(_Watched):
    """A request as it came over the bus. What `reply` echoes is nobody's decision."""

    __slots__ = ()
    _whole = "what came over the bus"
    _fields: ClassVar = {"method": "", "reply": ""}

    @property
    def message(self) -> Any:
        """Return the request."""
        return WatchedMessage(self._real.message, self._watch)

    @property
    def source(self) -> Any:
        """Return where it came from."""
        return WatchedSource(self._real.source, self._watch)


class WatchingRequest(Request):
    """A request that notes in `watch` what is read of it."""

    __slots__ = ("handler", "real", "watch")

    def __init__(self, item: Item, context: Context) -> None:
        self.handler = 0  # the id of what was found to answer it
        self.real = item
        self.watch = Watch()
        self.context = context
        self._uri = None

    if not TYPE_CHECKING:

        @property
        def item(self):
            """Return what came over the bus, watched as well."""
            return WatchedItem(self.real, self.watch)

        @property
        def message(self):
            """Return the request's bytes."""
            return WatchedMessage(self.real.message, self.watch)

        @property
        def source(self):
            """Return where the request came from."""
            return WatchedSource(self.real.source, self.watch)

    @property
    def uri(self) -> Uri:
        """Return the Request-URI; raise Reject(400) when it has no SIP URI's form."""
        if self._uri is None:
            try:
                uri = parse_uri(self.real.message.uri)
            except Exception:
                self.watch.note("uri")
                raise
            self._uri = WatchedUri.of(uri, self.watch, "uri", "uri")
        return self._uri

    @property
    def headers(self) -> TextHeaders:
        """Return all headers."""
        return WatchedHeaders(self.real.message, self.watch)

    @property
    def from_address(self) -> Address:
        """Return From; raise Reject(400) when it cannot be read."""
        return WatchedAddress.of(self.real.message, self.watch, "from")

    @property
    def to_address(self) -> Address:
        """Return To; raise Reject(400) when it cannot be read."""
        return WatchedAddress.of(self.real.message, self.watch, "to")

    @property
    def is_initial(self) -> bool:
        """Return whether the request is outside a dialog: its To has no tag."""
        self.watch.note("initial")
        return not self.real.message.to_tag

    @property
    def reply_tag(self) -> str:
        """Return the To-tag that replies to this request carry."""
        self.watch.once("the reply's tag")
        return super().reply_tag

    def is_within(self, networks: Networks) -> bool:
        """Return whether the request came from one of `networks`."""
        words = ",".join(map(str, networks))
        if not networks or len(words) > MAX_NETWORKS:
            self.watch.note("source.host")
        else:
            self.watch.note(SOURCE_IN + words)
        return in_networks(self.real.source.host, networks)

    def unfit(self, why: str) -> None:
        """Have the decision remembered for nobody."""
        self.watch.refuse(why)

    def decided_for(self, seconds: float) -> None:
        """Have the decision remembered for so many seconds, 0 for none."""
        self.watch.seconds = seconds


def _whole(name: str) -> Any:
    """Return a tuple's method so that all of a URI counts as read when it is called."""
    method = getattr(Uri, name)

    def taken(self: WatchedUri, *arguments: Any) -> Any:
        _ = self.raw
        return method(self, *arguments)

    taken.__name__ = name
    return taken


# Those who print one see what they see of another.
WatchedUri.__name__ = WatchedUri.__qualname__ = Uri.__name__
WatchedAddress.__name__ = WatchedAddress.__qualname__ = Address.__name__
for _name in (
    "__iter__", "__getitem__", "__contains__", "__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__add__",
    "__mul__", "__rmul__", "__repr__", "__getnewargs__", "count", "index",
):  # fmt: skip
    setattr(WatchedUri, _name, _whole(_name))
