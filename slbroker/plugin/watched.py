"""A request that notes what is read of it, so that its edge may give the same decision again to who is alike in that.

What comes once is noted as such: the Call-ID, tags, CSeq, Vias, the source's port, all headers at once. A decision that
has looked at these is good for no other request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from slbroker.bus.fields import SOURCE_IN
from slbroker.plugin.request import Request
from slbroker.plugin.watchedvalues import (
    Watch,
    WatchedAddress,
    WatchedHeaders,
    WatchedTuple,
    WatchedUri,
    copied,
    pass_for,
)  # fmt: skip
from slbroker.sip.message import Message, Source
from slbroker.sip.networks import in_networks
from slbroker.sip.uri import parse_uri

if TYPE_CHECKING:
    from slbroker.bus.items import Item
    from slbroker.plugin.settings import Context
    from slbroker.sip.address import Address
    from slbroker.sip.networks import Networks
    from slbroker.sip.textheaders import TextHeaders
    from slbroker.sip.uri import Uri

MAX_NETWORKS: Final = 512  # characters; a longer list of networks is not told to the edge, which goes by the host then
# What of a message no other request has.
_ONCE: Final = {"call_id": "the Call-ID", "from_tag": "From's tag", "cseq": "the CSeq number"}
_PORT: Final = "the source's port"  # what of a source comes once: who takes all of it has read that
_SOURCE_FIELDS: Final = {
    "host": "source.host",
    "transport": "source.transport",
    **dict.fromkeys(("listen", "asked", "advertised"), "source.listen"),
}


class WatchedMessage(WatchedTuple, Message):
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


class WatchedSource(WatchedTuple, Source):
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
        return copied, (self._all(),)

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
        return copied, (Request.of(self.real, self.context),)


pass_for(WatchedMessage, Message)
pass_for(WatchedSource, Source)
pass_for(WatchingRequest, Request)
