"""A request that notes what is read of it, so that its edge may give the same decision again to who is alike in that.

What comes once is noted as such: the Call-ID, tags, CSeq, Vias, the source's port, all headers at once. A decision that
has looked at these is good for no other request. Whatever a handler does with what it has read is its own affair:
a value counts as read when it is taken out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from slbroker.bus.fields import HEADER, SOURCE_IN, UNIQUE_HEADERS, URI_PARTS
from slbroker.plugin.request import Request
from slbroker.sip.address import Address, parse_address
from slbroker.sip.grammar import canonical_name
from slbroker.sip.message import Message, Source
from slbroker.sip.networks import in_networks
from slbroker.sip.textheaders import TextHeaders
from slbroker.sip.uri import Uri, parse_uri

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slbroker.bus.items import Item
    from slbroker.plugin.settings import Context
    from slbroker.sip.networks import Networks

MAX_NETWORKS: Final = 512  # characters; a longer list of networks is not told to the edge, which goes by the host then
_TITLES: Final = {b"via": "Via", b"call-id": "the Call-ID", b"cseq": "the CSeq number"}
# What of a message no other request has.
_ONCE: Final = {"call_id": "the Call-ID", "from_tag": "From's tag", "cseq": "the CSeq number"}
_NOTE_AS_URI: Final = frozenset(URI_PARTS)
_PORT: Final = "the source's port"  # what of a source comes once: who takes all of it has read that
_SOURCE_FIELDS: Final = {
    "host": "source.host",
    "transport": "source.transport",
    **dict.fromkeys(("listen", "asked", "advertised"), "source.listen"),
}


class Watch:
    """What was read on the way to one decision, and what is said of it."""

    __slots__ = ("declared", "fields", "unfit", "wishes")

    def __init__(self) -> None:
        self.fields: dict[str, None] = {}  # in the order in which they were read
        self.unfit = ""  # why the decision is good for no other request, in words; the first reason that there was
        self.declared: float | None = None  # how long it is good for, where the hook that made it was declared so
        self.wishes: list[tuple[object, float]] = []  # and where a handler says so itself: of which decision, None: any

    def seconds_for(self, decision: object) -> float | None:
        """Return for how long a decision is good by what was said of it; None where nothing was.

        What was said of a reply that was made and not given counts for nothing.
        """
        for about, seconds in reversed(self.wishes):
            if about is None or about is decision:
                return seconds
        return self.declared

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
        if not isinstance(name, bytes) or not name or canonical_name(name) != name:
            return  # no request has one of that name, so that nothing was read
        if name in UNIQUE_HEADERS:
            self.once(_TITLES[name])
        elif name == b"from" and message.from_tag:
            self.once("From with its tag")
        elif name == b"to" and message.to_tag:
            self.once("To with its tag")
        else:
            self.note(HEADER + name.decode())


class _WatchedTuple:
    """A named tuple, parts of which are noted when they are taken by name, and all of which when it is taken as one.

    It is a tuple for those who look at it from C, too. It holds what they may take without asking it.
    """

    __slots__ = ()
    _real: Any
    _watch: Watch

    def _all(self) -> Any:
        """Return the tuple itself: it counts as read."""
        raise NotImplementedError

    def _replace(self, **changes: Any) -> Any:
        return self._all()._replace(**changes)

    __replace__ = _replace  # copy.replace, from Python 3.13 on

    def _asdict(self) -> Any:
        return self._all()._asdict()

    def __reduce_ex__(self, protocol: Any) -> Any:  # a copy, or what is pickled, is watched by nobody
        return _copied, (self._all(),)

    def __str__(self) -> str:
        return str(self._all())

    def __format__(self, how: str) -> str:
        return format(self._all(), how)

    def __radd__(self, other: Any) -> Any:
        return other + self._all()


def _copied(plain: Any) -> Any:
    """Return what a copy is made of, or what was pickled."""
    return plain


def _itself(value: Any) -> Any:
    """Return what is watched, all of which counts as read; anything else as it is."""
    return value._all() if isinstance(value, _WatchedTuple) else value


def _whole(name: str) -> Any:
    """Return a tuple's method so that all of it counts as read when it is called, and of what it is compared with."""

    def taken(self: _WatchedTuple, *arguments: Any) -> Any:
        return getattr(self._all(), name)(*map(_itself, arguments))

    taken.__name__ = name
    return taken


for _name in (
    "__iter__", "__getitem__", "__contains__", "__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__add__",
    "__mul__", "__rmul__", "__repr__", "__hash__", "__getnewargs__", "count", "index",
):  # fmt: skip
    setattr(_WatchedTuple, _name, _whole(_name))


class WatchedUri(_WatchedTuple, Uri):
    """A URI whose parts are noted one by one, and the whole of it when it is taken as one."""

    _name: str
    _title: str

    @classmethod
    def of(cls, uri: Uri, watch: Watch, name: str, whole: str) -> WatchedUri:
        """Return `uri`, whose parts are the fields `name` with theirs behind it; the field `whole` is all of it."""
        watched = tuple.__new__(cls, uri)
        watched._real = uri
        watched._watch = watch
        watched._name = name
        watched._title = whole
        return watched

    def __getattribute__(self, part: str) -> Any:
        get = super().__getattribute__
        if part in _NOTE_AS_URI:
            get("_watch").note(f"{get('_name')}.{part}")
        elif part == "raw":
            get("_watch").note(get("_title"))
        return get(part)

    def _all(self) -> Uri:
        self._watch.note(self._title)
        return self._real  # type: ignore[no-any-return]


class WatchedAddress(Address):
    """The address in From or To: its URI and display name are noted, and all of it when anything else is taken."""

    __slots__ = ("_known", "_message", "_name", "_watch")

    _known: Uri | None  # its URI, as soon as it was asked for
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
        for slot, value in (("_watch", watch), ("_name", name), ("_message", message), ("_known", None)):
            object.__setattr__(address, slot, value)
        return address

    def __getattribute__(self, part: str) -> Any:
        get = super().__getattribute__
        if part == "uri":
            return get("_known") or self._read_uri()
        if part == "__class__":  # what is made of it is watched by nobody: dataclasses.replace
            return Address
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

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _copied, (Address(self.raw, self.display, self.uri_bytes, self.params, self.tag),)

    def _read_uri(self) -> Uri:
        get = super().__getattribute__
        watch, name = get("_watch"), get("_name")
        try:
            uri = parse_uri(get("uri_bytes"))
        except Exception:
            watch.note(f"{name}.uri")
            raise
        object.__setattr__(self, "_known", WatchedUri.of(uri, watch, name, f"{name}.uri"))
        return get("_known")  # type: ignore[no-any-return]


class WatchedHeaders(TextHeaders):
    """Headers that note which are looked for."""

    __slots__ = ("_message", "_watch")

    def __init__(self, message: Message, watch: Watch) -> None:
        super().__init__(message.headers)
        self._message = message
        self._watch = watch

    def _called(self, name: str) -> Iterator[str]:
        self._watch.header(canonical_name(name.encode()), self._message)
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

    def __reduce_ex__(self, protocol: Any) -> Any:
        self._watch.once("all headers")
        return _copied, (TextHeaders(self._flat),)


class WatchedMessage(_WatchedTuple, Message):
    """A request's bytes, by header and part."""

    @classmethod
    def of(cls, message: Message, watch: Watch) -> WatchedMessage:
        """Return `message`, watched."""
        watched = tuple.__new__(cls, message)
        watched._real = message
        watched._watch = watch
        return watched

    def __getattribute__(self, part: str) -> Any:
        get = super().__getattribute__
        if part in ("uri", "body"):
            get("_watch").note(part)
        elif part in _ONCE:
            get("_watch").once(_ONCE[part])
        elif part == "to_tag":
            _note_to_tag(get("_watch"), get("_real"))
        elif part == "headers":
            get("_watch").once("all headers")
        return get(part)

    def _all(self) -> Message:
        self._watch.once("all headers")
        return self._real  # type: ignore[no-any-return]

    def pairs(self) -> Any:
        """Yield (canonical name, value) in order."""
        return self._all().pairs()

    def first(self, name: bytes) -> bytes | None:
        """Return the value of the first header called `name` (canonical), or None."""
        self._watch.header(name, self._real)
        return self._real.first(name)  # type: ignore[no-any-return]

    def all(self, name: bytes) -> list[bytes]:
        """Return the values of every header called `name` (canonical), in order."""
        self._watch.header(name, self._real)
        return self._real.all(name)  # type: ignore[no-any-return]


def _note_to_tag(watch: Watch, message: Message) -> None:
    """Note that To's tag was read; that there is none is a field."""
    watch.note("initial")
    if message.to_tag:
        watch.once("To's tag")


class _Host(str):
    """A source's host as it is found by who takes the source apart in C: `"%s:%s %s" % source` does."""

    __slots__ = ("watch",)
    watch: Watch

    def __str__(self) -> str:
        self.watch.once(_PORT)
        return super().__str__()

    def __repr__(self) -> str:
        self.watch.once(_PORT)
        return super().__repr__()


class WatchedSource(_WatchedTuple, Source):
    """Where a request came from, part by part."""

    @classmethod
    def of(cls, source: Source, watch: Watch) -> WatchedSource:
        """Return `source`, watched."""
        host = _Host(source.host)
        host.watch = watch
        watched = tuple.__new__(cls, (host, source.port, source.listen))
        watched._real = source
        watched._watch = watch
        return watched

    def __getattribute__(self, part: str) -> Any:
        get = super().__getattribute__
        field = _SOURCE_FIELDS.get(part)
        if field is not None:
            get("_watch").note(field)
        elif part == "port":
            get("_watch").once(_PORT)
        else:
            return get(part)
        return getattr(get("_real"), part)

    def _all(self) -> Source:
        self._watch.once(_PORT)
        return self._real  # type: ignore[no-any-return]


class WatchedItem:
    """A request as it came over the bus. What `reply` echoes is nobody's decision."""

    __slots__ = ("_real", "_watch")

    def __init__(self, real: Item, watch: Watch) -> None:
        self._real = real
        self._watch = watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real if name in ("method", "reply") else self._all(), name)

    def _all(self) -> Item:
        self._watch.once("what came over the bus")
        return self._real

    @property  # type: ignore[misc] # a thing of the same kind, to those who ask
    def __class__(self) -> Any:
        return type(self._real)

    def __iter__(self) -> Any:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._real)

    def __getitem__(self, at: Any) -> Any:
        return self._all()[at]

    def __eq__(self, other: object) -> bool:
        return self._all() == (other._all() if type(other) is WatchedItem else other)

    def __hash__(self) -> int:
        return hash(self._all())

    def __repr__(self) -> str:
        return repr(self._all())

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _copied, (self._all(),)

    @property
    def message(self) -> Any:
        """Return the request."""
        return WatchedMessage.of(self._real.message, self._watch)

    @property
    def source(self) -> Any:
        """Return where it came from."""
        return WatchedSource.of(self._real.source, self._watch)


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
            return WatchedMessage.of(self.real.message, self.watch)

        @property
        def source(self):
            """Return where the request came from."""
            return WatchedSource.of(self.real.source, self.watch)

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

    def wish(self, seconds: float, decision: object = None) -> None:
        """Have the decision remembered for so many seconds, 0 for none."""
        super().wish(seconds, decision)
        self.watch.wishes.append((decision, seconds))

    def declared_for(self, seconds: float) -> None:
        """Take note for how long the hook that has decided was declared to do so."""
        self.watch.declared = seconds

    def __reduce_ex__(self, protocol: Any) -> Any:
        self.watch.once("all of the request, to copy it")
        return _copied, (Request.of(self.real, self.context),)


# Those who print one see what they see of another.
for _watched, _plain in (
    (WatchedUri, Uri), (WatchedAddress, Address), (WatchedMessage, Message), (WatchedSource, Source),
    (WatchedHeaders, TextHeaders), (WatchingRequest, Request),
):  # fmt: skip
    _watched.__name__ = _watched.__qualname__ = _plain.__name__
