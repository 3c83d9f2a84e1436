"""What is read on the way to a decision, and values of a request that note what is taken of them: URIs, addresses.

Whatever a handler does with what it has read is its own affair: a value counts as read when it is taken out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from slbroker.bus.fields import HEADER, UNIQUE_HEADERS, URI_PARTS
from slbroker.sip.address import Address, parse_address
from slbroker.sip.grammar import canonical_name
from slbroker.sip.textheaders import TextHeaders
from slbroker.sip.uri import Uri, parse_uri

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slbroker.sip.message import Message

_TITLES: Final = {b"via": "Via", b"call-id": "the Call-ID", b"cseq": "the CSeq number"}
_NOTE_AS_URI: Final = frozenset(URI_PARTS)


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


class WatchedTuple:
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
        return copied, (self._all(),)

    def __str__(self) -> str:
        return str(self._all())

    def __format__(self, how: str) -> str:
        return format(self._all(), how)

    def __radd__(self, other: Any) -> Any:
        return other + self._all()


def copied(plain: Any) -> Any:
    """Return what a copy is made of, or what was pickled."""
    return plain


def _itself(value: Any) -> Any:
    """Return what is watched, all of which counts as read; anything else as it is."""
    return value._all() if isinstance(value, WatchedTuple) else value


def _whole(name: str) -> Any:
    """Return a tuple's method so that all of it counts as read when it is called, and of what it is compared with."""

    def taken(self: WatchedTuple, *arguments: Any) -> Any:
        return getattr(self._all(), name)(*map(_itself, arguments))

    taken.__name__ = name
    return taken


for _name in (
    "__iter__", "__getitem__", "__contains__", "__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__add__",
    "__mul__", "__rmul__", "__repr__", "__hash__", "__getnewargs__", "count", "index",
):  # fmt: skip
    setattr(WatchedTuple, _name, _whole(_name))


class WatchedUri(WatchedTuple, Uri):
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
        return copied, (Address(self.raw, self.display, self.uri_bytes, self.params, self.tag),)

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
        return copied, (TextHeaders(self._flat),)


def pass_for(watched: type[Any], plain: type[Any]) -> None:
    """Have those who print one see what they see of another."""
    watched.__name__ = watched.__qualname__ = plain.__name__


pass_for(WatchedUri, Uri)
pass_for(WatchedAddress, Address)
pass_for(WatchedHeaders, TextHeaders)
