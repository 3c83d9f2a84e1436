"""The request that a KEMI script is looking at: what KSR's functions read and change."""

from __future__ import annotations

from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from slbroker.plugin import Reply, Request
from slbroker.sip.grammar import canonical_name
from slbroker.sip.message import Message, Source, pairs, write_request
from slbroker.sip.reply import MAX_REMEMBERED_PHRASE
from slbroker.sip.slerrors import SlError
from slbroker.sip.uri import text
from slbroker_handlers.kemi.draft import Passage
from slbroker_handlers.kemi.scriptlog import script_logger
from slbroker_handlers.kemi.uris import UriParts, read_address, split_uri
from slbroker_handlers.kemi.xavps import empty_lists

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from slbroker.plugin.onreply import ForwardedReply
    from slbroker.proxy.decision import Forward
    from slbroker.sip.credentials import Credentials
    from slbroker_handlers.kemi.memory import State
    from slbroker_handlers.kemi.values import Xval
    from slbroker_handlers.kemi.xavps import Lists

logger = script_logger(__name__)

NO_MESSAGE: Final = Message(b"", b"", (), b"", b"", b"", b"", 0)
_NOWHERE: Final = Source("", 0, "udp::0")
MAX_REPLIES: Final = 16  # to one request; a script that sends more is in a loop
MAX_BRANCHES: Final = 12  # Kamailio's own limit
MIN_FINAL: Final = 200
ALREADY_ANSWERED: Final = -2
UNANSWERED: Final = frozenset((b"", b"ACK"))  # no request, and what gets no reply (RFC 3261 17.1.1.3)


class Local(NamedTuple):
    """The socket that a request came to. IPv6 has its brackets in `name` only."""

    transport: str
    host: str
    port: int
    name: str


@lru_cache(maxsize=256)
def read_socket(listen: str) -> Local:
    """Return the parts of `Source.asked`, such as "udp:[::1]:5060"."""
    transport, _, rest = listen.partition(":")
    host, _, port = rest.rpartition(":")
    return Local(transport, host.strip("[]"), int(port) if port.isdecimal() else 0, listen)


class Call:
    """One request, while a script's route runs; or none, while the script is loaded.

    `uri` is the Request-URI, and `headers` are the names and values, as the script has changed them; `branches` are
    further targets, with their q. Flags are bit fields. `replies` are what the script has sent so far; `on_reply` is
    told of each. `passage` is what it wants of the request if that goes on, `forwarded` the decision that it does.
    """

    __slots__ = (
        "_by_name",
        "_passage",
        "_xavps",
        "avps",
        "branch_flags",
        "branch_notes",
        "branches",
        "changed",
        "checked",
        "closes",
        "destination",
        "error",
        "flags",
        "forwarded",
        "has_transaction",
        "headers",
        "hops",
        "iterators",
        "line_iterators",
        "message",
        "number",
        "on_reply",
        "reason",
        "replies",
        "reply_body",
        "reply_headers",
        "request",
        "sanity",
        "script_flags",
        "source",
        "state",
        "status",
        "uri",
        "xflags",
    )  # fmt: skip

    def __init__(
        self, state: State, request: Request | None = None, on_reply: Callable[[Call], object] | None = None
    ) -> None:
        self.take(state, request or Request(NO_MESSAGE, _NOWHERE), on_reply)
        self.look()

    def take(self, state: State, request: Request, on_reply: Callable[[Call], object] | None) -> None:
        """Take a request that nothing was asked of yet."""
        self.request = request
        self.state = state
        self.on_reply = on_reply
        self.replies: list[Reply] = []
        self.reply_headers: tuple[tuple[str, str], ...] = ()
        self.reply_body = b""
        self.closes = False  # whether the connection is closed behind the replies made from now on
        self.status = 0  # of a reply, which a script may look at in the place of a request
        self.forwarded: Forward | None = None  # the decision that the request goes on

    def look(self) -> None:
        """Read the request, and begin with nothing set."""
        self.message = self.request.message
        self.source = self.request.source
        self.reason = ""  # of a reply
        self.number = self.state.requests
        self.headers: Sequence[bytes] = self._first_headers()
        self._by_name: dict[bytes, list[bytes]] | None = None
        self.uri = text(self.message.uri)
        self.changed = False  # whether the script has set `uri`, if only to what it was
        self.branches: list[tuple[str, str]] = []
        self.destination: str | None = None
        self.flags = self.xflags = self.script_flags = 0
        self.checked: Credentials | None = None  # those that were judged last, right or wrong
        self.branch_flags: dict[int, int] = {}
        self.branch_notes: dict[tuple[int, str], str | None] = {}  # what a script has set of $(branch(name)[n])
        self.avps: dict[str, list[Xval]] = {}
        self._xavps: dict[str, Lists] | None = None
        self._passage: Passage | None = None
        # What Max-Forwards is at most if the request goes on: most scripts say so of each, few let any go on.
        self.hops: int | None = None
        self.iterators: dict[str, int] = {}
        # The lines that each iterator over those of SDP or body goes through, and where it is.
        self.line_iterators: dict[tuple[str, str], tuple[list[str], int]] = {}
        self.has_transaction = False  # as KSR.tm says
        self.error = SlError.E_UNSPEC
        self.sanity: tuple[int, str, str] | None = None  # the reply that a sanity check has made up

    def _first_headers(self) -> Sequence[bytes]:
        """Return the headers as they came."""
        return self.message.headers

    @property
    def xavps(self) -> dict[str, Lists]:
        """Return the values of $xavp, $xavi and $xavu, by these names; made when a script first asks."""
        if self._xavps is None:
            self._xavps = empty_lists()
        return self._xavps

    @property
    def passage(self) -> Passage:
        """Return what the script wants of the request if it goes on; made when something first asks."""
        if self._passage is None:
            self._passage = Passage()
        return self._passage

    # Reading ----------------------------------------------------------------------------------------------------

    @property
    def method(self) -> str:
        """Return the method, "" where there is no request."""
        return text(self.request.item.method)

    @property
    def title(self) -> str:
        """Return what there is, in a word or two, for a log line."""
        return f"the reply {self.status} to {self.method}" if self.status else self.method or "no request"

    @property
    def local(self) -> Local:
        """Return the socket that the request came to."""
        return read_socket(self.source.asked)

    @property
    def parts(self) -> UriParts | None:
        """Return the Request-URI in parts, None when it is no URI."""
        return split_uri(self.uri)

    @property
    def next_hop(self) -> str:
        """Return where a forwarded request would go."""
        return self.uri if self.destination is None else self.destination

    def all(self, name: str) -> list[str]:
        """Return the values of the headers called `name`, long or compact, in any case."""
        return [text(value) for value in self._values(canonical_name(name.encode(errors="surrogateescape")))]

    def some(self, name: str, which: str) -> list[str]:
        """Return the first of the values that `all` does where `which` begins with f, the last for l, else all."""
        values = self.all(name)
        return {"f": values[:1], "l": values[-1:]}.get(which[:1], values)

    def first(self, name: bytes) -> bytes | None:
        """Return the value of the first header called `name`, which is canonical."""
        values = self._values(name)
        return values[0] if values else None

    def _values(self, name: bytes) -> list[bytes]:
        """Return what the headers called `name` hold; all are sorted by name when the first is asked for."""
        if self._by_name is None:
            self._by_name = {}
            for key, value in pairs(self.headers):
                self._by_name.setdefault(key, []).append(value)
        return self._by_name.get(name, [])

    def written(self) -> bytes:
        """Return the request as it is now, written out again: `$mb`. Workers never see the datagram."""
        return write_request(self.message.method, self.message.uri, self.headers, self.message.body)

    def uri_in(self, name: bytes) -> str:
        """Return the URI in the first header called `name`, From or To, "" where it cannot be read."""
        return read_address(self.first(name)).uri

    def set_header(self, name: bytes, value: bytes) -> None:
        """Give the first header called `name`, which is canonical, another value; add it where there is none."""
        headers = list(self.headers)
        places = [at for at in range(0, len(headers), 2) if headers[at] == name]
        if places:
            headers[places[0] + 1] = value
        else:
            headers += (name, value)
        self.show(headers)

    def show(self, headers: Sequence[bytes]) -> None:
        """Let the script see these headers, names and values, from now on."""
        self.headers = headers
        self._by_name = None

    # Answering --------------------------------------------------------------------------------------------------

    def set_uri(self, uri: str) -> None:
        """Change the Request-URI."""
        self.uri = uri
        self.changed = True

    def set_user(self, user: str) -> bool:
        """Change the user of the Request-URI, "" takes it out; return whether it can have one."""
        if (parts := self.parts) is not None:
            self.set_uri(parts.with_user(user))
        return parts is not None

    def set_host(self, host: str) -> bool:
        """Change the host of the Request-URI, which is no URI any more where that is empty."""
        if (parts := self.parts) is not None:
            self.set_uri(parts.with_host(host))
        return parts is not None

    @property
    def contacts(self) -> list[str]:
        """Return where a redirection leads: the Request-URI when it was changed, and the branches."""
        changed = [(self.uri, "")] if self.changed else []
        return [f"<{uri}>;q={q}" if q else f"<{uri}>" for uri, q in (*changed, *self.branches)]

    def reply(self, status: int, reason: str, headers: list[tuple[str, str]] | None = None) -> int:
        """Send a reply with what the script has put aside for it; return 1, -1 where there is none to send."""
        if self.request.item.method in UNANSWERED or self.status:
            logger.error("a reply %d %s to %s cannot be sent", status, reason, self.title)
            return -1
        if not reason and self.state.release >= (6, 0):
            logger.error("a reply %d to %s has no reason, and cannot be sent", status, self.method)
            return -1
        if len(self.replies) >= MAX_REPLIES:
            logger.error("more than %d replies to one %s; is the script in a loop?", MAX_REPLIES, self.method)
            return -1
        try:
            reply = self._make_reply(status, reason, headers or ())
        except ValueError as error:
            logger.error("a reply %d %.80r cannot be sent: %s", status, reason, error)
            return -1
        self.replies.append(reply.closing() if self.closes else reply)
        if self.on_reply is not None:
            self.on_reply(self)  # may reply in its turn, and is told of that too, up to MAX_REPLIES
        return 1

    def _make_reply(self, status: int, reason: str, headers: Sequence[tuple[str, str]]) -> Reply:
        is_redirection = 300 <= status <= 399
        if not (
            headers or self.reply_headers or self.reply_body or is_redirection or len(reason) > MAX_REMEMBERED_PHRASE
        ):
            return _remember_reply(status, reason)
        lines = [*self.reply_headers, *headers]
        if is_redirection and (contacts := self.contacts):
            lines.append(("Contact", ", ".join(contacts)))
        return Reply(status, reason or None, lines, self.reply_body)

    def reply_error(self) -> int:
        """Send the reply that describes the last internal error; -2, and none, behind a final one (Kamailio 5.8)."""
        if self.state.release >= (5, 8) and any(reply.status >= MIN_FINAL for reply in self.replies):
            return ALREADY_ANSWERED
        reply = self.request.reply_error(self.error)
        return self.reply(reply.status, reply.reason)


def call_of_reply(state: State, reply: ForwardedReply) -> Call:
    """Return the call in which a script looks at a reply on its way back: a message without a Request-URI."""
    message = reply.message._replace(method=reply.method.encode(errors="surrogateescape"), uri=b"")
    call = Call(state, Request(message, reply.source))
    call.status, call.reason = reply.status, reply.reason
    return call


class FreshCall(Call):
    """A call that nothing was asked of yet: it becomes a `Call`, with all that one has, when something is.

    Many scripts look at the method and answer: the request is not made into objects for that.
    """

    __slots__ = ()
    becomes: type[Call] = Call

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            """Look at the request: something was asked for that has no value yet."""
            object.__setattr__(self, "__class__", type(self).becomes)
            self.look()
            return getattr(self, name)

        def __setattr__(self, name: str, value: object) -> None:
            """Look at the request first: what a script sets is not to be set back by that."""
            object.__setattr__(self, "__class__", type(self).becomes)
            self.look()
            setattr(self, name, value)


def begin_call(
    state: State, request: Request, on_reply: Callable[[Call], object] | None, kind: type[FreshCall] = FreshCall
) -> Call:
    """Return the call of a request that has just come."""
    call = _new(Call)
    call.take(state, request, on_reply)
    call.__class__ = kind
    return call


_new: Final = object.__new__


@lru_cache(maxsize=256)
def _remember_reply(status: int, reason: str) -> Reply:
    """Return a reply that is all status line; nobody changes one that a script has sent."""
    return Reply(status, reason or None)


# One request at a time: KEMI scripts are synchronous, and KSR is one for the whole process. At the bottom, once a
# script is loaded, is a call without a request, for a thread that the script has started.
_current: list[Call] = []


def stand_by(call: Call) -> None:
    """Let `call`, which has no request, be the current one between requests."""
    _current[:1] = [call]


def current() -> Call:
    """Return the request that the script is looking at; raises RuntimeError where no script runs."""
    if not _current:
        raise RuntimeError("KSR is for a script that slbroker runs: slbroker handler --kemi FILE.py")
    return _current[-1]


def current_state() -> State | None:
    """Return the memory of the script that runs, None where none runs."""
    return _current[-1].state if _current else None


# What `active` does, for each request: a call becomes the current one, and is no longer.
begin: Final = _current.append
end: Final = _current.pop


@contextmanager
def active(call: Call) -> Iterator[Call]:
    """Make a call the current one, while `with` lasts."""
    begin(call)
    try:
        yield call
    finally:
        end()
