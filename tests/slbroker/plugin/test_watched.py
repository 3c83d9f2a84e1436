"""A request that is watched: however a handler reads it, it finds what it always finds, and that counts as read."""

from __future__ import annotations

import copy
import dataclasses
import functools
import json
import operator
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from slbroker import Handlers, Request
from slbroker.bus.items import Item
from slbroker.plugin.keeping import fields_of
from slbroker.plugin.responder import Responder
from slbroker.plugin.watched import WatchingRequest
from slbroker.sip.message import Message, Source
from slbroker.sip.parser import parse
from slbroker.sip.uri import Uri, parse_uri
from tests.support.edge import SIGNER
from tests.support.sip import request

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.sip.address import Address

SOURCE = Source("192.0.2.1", 5060, "udp:192.0.2.7:5060")
MESSAGE = parse(
    request(
        "INVITE", "sip:bob:pw@example.com;transport=tcp?a=b", from_='"Al" <sip:alice@example.org>;tag=1', subject="1"
    )
)
CONTEXT = Responder(Handlers(), SIGNER)._context
URI, ONCE = ("uri",), None  # all of the Request-URI; what no other request has


def _in_sequence(value: Any) -> Any:
    match value:
        case (first, *rest):
            return first, rest
    return None


def _in_class(uri: Uri) -> Any:
    match uri:
        case Uri(user="bob"):
            return True
    return False


def _is_one(address: Address) -> bool:
    return address.uri is address.uri


WAYS: dict[str, tuple[Callable[[Request], Any], tuple[str, ...] | None]] = {
    # A URI as the tuple that it is
    "replace": (lambda r: r.uri._replace(user="x").host, URI),
    "asdict": (lambda r: r.uri._asdict(), URI),
    "sequence": (lambda r: _in_sequence(r.uri), URI),
    "class": (lambda r: _in_class(r.uri), ("uri.user",)),
    "itemgetter": (lambda r: operator.itemgetter(2)(r.uri), URI),
    "attrgetter": (lambda r: operator.attrgetter("user", "host")(r.uri), ("uri.host", "uri.user")),
    "behind another": (lambda r: operator.add(("x",), r.uri), URI),
    "before another": (lambda r: operator.add(r.uri, ("x",)), URI),
    "sorted": (lambda r: sorted([r.uri, Uri(b"a", "b")]), URI),
    "in a set": (lambda r: r.uri in {parse_uri(MESSAGE.uri)}, URI),
    "format": (lambda r: f"{r.uri} {r.uri!r}", URI),
    "cached": (lambda r: functools.lru_cache(lambda uri: uri.user)(r.uri), URI),
    "copied": (lambda r: copy.copy(r.uri).user, URI),
    "JSON": (lambda r: json.dumps({"uri": r.uri}, default=str), URI),
    # Two of them compared: both have been read
    "as To": (lambda r: r.uri == r.to_uri, ("to.uri", "uri")),
    "unlike From": (lambda r: r.from_uri != r.uri, ("from.uri", "uri")),
    "From as To": (lambda r: r.from_uri == r.to_uri, ("from.uri", "to.uri")),
    "before To": (lambda r: r.uri < r.to_uri, ("to.uri", "uri")),
    "one of": (lambda r: r.uri in [r.from_uri, r.to_uri], ("from.uri", "to.uri", "uri")),
    "one of a set": (lambda r: r.uri in {r.from_uri, r.to_uri}, ("from.uri", "to.uri", "uri")),
    "in a list": (lambda r: [r.uri] == [r.to_uri], ("to.uri", "uri")),
    # An address
    "address copied": (lambda r: copy.copy(r.to_address).display, ("header:to", "to.display", "to.uri")),
    "address replaced": (
        lambda r: dataclasses.replace(r.to_address, display="x"), ("header:to", "to.uri"),
    ),
    "From copied": (lambda r: copy.copy(r.from_address).tag, ONCE),
    "address and itself": (lambda r: _is_one(r.to_address), ()),
    # Headers
    "all as a dict": (lambda r: dict(r.headers), ONCE),
    "headers copied": (lambda r: copy.copy(r.headers).get("Subject"), ONCE),
    "headers copied deeply": (lambda r: copy.deepcopy(r.headers).get("Call-ID"), ONCE),
    "headers pickled": (lambda r: pickle.loads(pickle.dumps(r.headers)).get("Call-ID"), ONCE),
    "a name that is none": (lambda r: (r.headers.get("no such"), "\u00fc" in r.headers, r.words("a b")), ()),
    "a name in another case": (lambda r: (r.message.first(b"Subject"), r.message.all(b"s")), ()),
    "a name that is no text": (lambda r: r.message.first(b"\xfc"), ()),
    "a name that is no bytes": (lambda r: r.message.first("subject"), ()),  # type: ignore[arg-type]
    # The message and the source as the tuples that they are
    "message copied": (lambda r: copy.copy(r.message), ONCE),
    "message copied deeply": (lambda r: copy.deepcopy(r.message), ONCE),
    "message pickled": (lambda r: pickle.loads(pickle.dumps(r.message)), ONCE),
    "message in parts": (lambda r: Message(*r.message), ONCE),
    "message replaced": (lambda r: r.message._replace(body=b"x"), ONCE),
    "message compared": (lambda r: (r.message == MESSAGE, r.message < (b"Z",), operator.add(r.message, (1,))), ONCE),
    "source copied": (lambda r: copy.copy(r.source), ONCE),
    "source pickled": (lambda r: pickle.loads(pickle.dumps(r.source)), ONCE),
    "source in a text": (lambda r: "%s %s %s" % r.source, ONCE),  # noqa: UP031
    "source repeated in a text": (lambda r: "%r %r %r" % r.source, ONCE),  # noqa: UP031
    "source in parts": (lambda r: "{} {} {}".format(*r.source), ONCE),
    "source in JSON": (lambda r: json.dumps({"source": r.source}), ONCE),
    "source sorted": (lambda r: sorted([r.source, Source("a", 1, "b")]), ONCE),
    "source in a set": (lambda r: r.source in {SOURCE}, ONCE),
    "source in sequence": (lambda r: _in_sequence(r.source), ONCE),
    "source behind another": (lambda r: operator.add(("x",), r.source), ONCE),
    "source's parts": (
        lambda r: (r.source.host, r.source.transport, r.source.asked, isinstance(r.source, Source)),
        ("source.host", "source.listen", "source.transport"),
    ),
    # The request
    "request copied": (lambda r: copy.copy(r).headers.get("Call-ID"), ONCE),
    "request pickled": (lambda r: pickle.loads(pickle.dumps(Request(r.message, r.source))).call_id, ONCE),
    "request made anew": (lambda r: Request(r.message, r.source).uri.user, URI),
    "item copied": (lambda r: copy.copy(r.item).message, ONCE),
    "shown": (lambda r: (repr(r), type(r).__name__), URI),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_what_a_handler_finds_is_the_same_and_counts_as_read(way: str) -> None:
    look, read = WAYS[way]
    plain, watched = Request.of(Item(1, MESSAGE, SOURCE), CONTEXT), WatchingRequest(Item(1, MESSAGE, SOURCE), CONTEXT)
    assert look(watched) == look(plain)
    if read is None:
        assert watched.watch.unfit
    else:
        assert (fields_of(watched.watch), watched.watch.unfit) == (read, "")


def test_what_was_said_of_a_reply_that_is_not_given_counts_for_nothing() -> None:
    def seconds(decide: Callable[[Request], Any], declared: float | None = None) -> float | None:
        watched = WatchingRequest(Item(1, MESSAGE, SOURCE), CONTEXT)
        if declared is not None:
            watched.declared_for(declared)
        return watched.watch.seconds_for(decide(watched))

    def unused(request: Request) -> Any:
        request.reply(404, remember=60)
        request.drop(remember=60)
        return request.reply(200)

    def wishing(request: Request) -> Any:
        request.remember(7)
        return request.reply(200)

    assert seconds(unused) is None
    assert seconds(unused, 5.0) == 5.0
    assert seconds(lambda request: request.reply(404, remember=60), 5.0) == 60
    assert seconds(lambda request: request.drop(remember=0), 5.0) == 0
    assert seconds(wishing, 5.0) == 7
