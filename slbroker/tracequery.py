"""Asking a running edge for the messages of some calls, as they pass."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import zmq

from slbroker.bus import curve, envelope
from slbroker.bus.envelope import Kind
from slbroker.bus.sockets import connect_dealer
from slbroker.errors import EnvelopeError, NoAnswerError, UsageError
from slbroker.query import first_two, processes_of, reach

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slbroker.bus.address import BusAddress
    from slbroker.bus.curve import ClientKeys
    from slbroker.settings.bus import BusSecurity

_ENDING: Final = 1.0  # seconds beyond its time in which an edge says that a trace has ended


class Passed(NamedTuple):
    """A message that an edge has received, or sent; the peer's address, and the name of what it came or went by."""

    edge: str
    at: float  # unix seconds
    is_sent: bool
    name: str  # "udp:192.0.2.1:5060"
    host: str
    port: int
    data: bytes


class TraceQuery:
    """One trace at all processes of an edge. Iterating gives messages until each of them has ended it."""

    def __init__(self, address: BusAddress, timeout: float, security: BusSecurity | None = None) -> None:
        """The first answer may take `timeout` seconds."""
        self._keys: ClientKeys | None = curve.load_client(security, [address])[address] if security else None
        self._address = reach(address, timeout)
        self._timeout = timeout
        self.edges: set[str] = set()  # the names of those that trace
        self.left_out = 0  # messages that were too many at once
        self.why = ""  # the trace has ended: count, time
        self._wanted = {self._address}  # the processes of the edge, as far as they are known
        self._heard: set[BusAddress] = set()
        self._ended: set[BusAddress] = set()

    @property
    def silent(self) -> list[BusAddress]:
        """The processes that have not answered."""
        return sorted(self._wanted - self._heard)

    def messages(self, wanted: str, count: int, seconds: float) -> Iterator[Passed]:
        """Yield messages; raise NoAnswerError where no edge answers, UsageError for what one refuses."""
        question = envelope.encode(Kind.TRACE, {"of": wanted, "count": count, "seconds": seconds})
        with zmq.Context() as context, _Listening(context, self._keys, question) as listening:
            for place in first_two(self._address):
                listening.ask(place)
            for passed in self._hear(listening, time.monotonic() + seconds + _ENDING):
                yield passed
                count -= 1
                if not count:
                    self.why = "count"
                    return
        if not self._heard:
            raise NoAnswerError(
                f"no edge answers at {self._address}: is it the address of its --bus, and is it of this version?"
            )

    def _hear(self, listening: _Listening, until: float) -> Iterator[Passed]:
        patience = time.monotonic() + self._timeout
        while self._wanted - self._ended:
            left = (until if self._heard else min(until, patience)) - time.monotonic()
            if left <= 0:
                return
            for place, news in listening.hear(left):
                if place not in self._heard:
                    self._meet(place, news, listening)
                if place in self._wanted:
                    yield from self._take(place, news)

    def _meet(self, place: BusAddress, news: dict[str, Any], listening: _Listening) -> None:
        """Take note of a process that answers, and ask the others of its edge."""
        wanted = {self._address.of_process(number) for number in range(processes_of(news))}
        if place not in wanted:  # another edge, which has the next port
            return
        self._heard.add(place)
        self._wanted = wanted
        self.edges.add(str(news.get("name")))
        for each in wanted:
            listening.ask(each)

    def _take(self, place: BusAddress, news: dict[str, Any]) -> Iterator[Passed]:
        if news.get("refused"):
            raise UsageError(f"the edge does not trace that: {news.get('ended')}")
        yield from _passed(news)
        left_out, ended = news.get("left_out"), news.get("ended")
        self.left_out += left_out if isinstance(left_out, int) else 0
        if ended:
            self._ended.add(place)
            self.why = str(ended)


class _Listening:
    """Places that are asked, with a socket for each."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], keys: ClientKeys | None, question: list[bytes]) -> None:
        self._context = context
        self._keys = keys
        self._question = question
        self._asked: dict[zmq.Socket[bytes], BusAddress] = {}
        self._poller = zmq.Poller()

    def __enter__(self) -> _Listening:
        return self

    def __exit__(self, *_: object) -> None:
        for dealer in self._asked:
            dealer.close(0)

    def ask(self, place: BusAddress) -> None:
        """Ask one place, once."""
        if place not in self._asked.values():
            dealer = connect_dealer(self._context, place, self._keys)
            self._asked[dealer] = place
            self._poller.register(dealer, zmq.POLLIN | zmq.POLLOUT)  # it can be written to when it is connected

    def hear(self, seconds: float) -> Iterator[tuple[BusAddress, dict[str, Any]]]:
        """Yield what comes within some seconds, or nothing."""
        for dealer, events in self._poller.poll(max(math.ceil(seconds * 1000), 0)):
            place = self._asked[dealer]
            if events & zmq.POLLOUT:
                with suppress(zmq.Again):  # the connection has gone again
                    dealer.send_multipart(self._question, zmq.NOBLOCK)
                    self._poller.modify(dealer, zmq.POLLIN)
            if events & zmq.POLLIN:
                yield place, _read(dealer.recv_multipart(), place)


def _read(frames: list[bytes], place: BusAddress) -> dict[str, Any]:
    try:
        if envelope.decode_head(frames).kind is not Kind.TRACED:
            raise EnvelopeError("not TRACED")
        return envelope.decode_info(frames[1])
    except EnvelopeError as error:
        raise NoAnswerError(f"what answers at {place} is no edge of this version: {error}") from error


def _passed(news: dict[str, Any]) -> Iterator[Passed]:
    edge, messages = news.get("name"), news.get("messages")
    for message in messages if isinstance(messages, tuple) else ():
        match message:
            case (float(at), bool(is_sent), str(name), str(host), int(port), bytes(data)):
                yield Passed(str(edge), at, is_sent, name, host, port, data)
