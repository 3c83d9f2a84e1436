"""Asking an edge for its statistics over the bus."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import zmq

from slbroker.bus import curve, envelope
from slbroker.bus.address import MAX_IPC_PATH
from slbroker.bus.envelope import Kind
from slbroker.bus.reach import find_within
from slbroker.bus.sockets import connect_dealer
from slbroker.errors import EnvelopeError, NoAnswerError
from slbroker.metrics.model import plain
from slbroker.sip.grammar import MAX_PORT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from slbroker.bus.address import BusAddress
    from slbroker.bus.curve import ClientKeys
    from slbroker.settings.bus import BusSecurity

MAX_PROCESSES: Final = 64  # that an edge may say it has


class Survey(NamedTuple):
    """The statistics of the processes that answered, and the addresses of those that did not."""

    answers: list[dict[str, Any]]
    silent: list[BusAddress]


def survey(address: BusAddress, timeout: float, security: BusSecurity | None = None) -> Survey:
    """Ask the edge at `address` and its further processes; raise NoAnswerError when none answers, ConfigError.

    Each answer may take `timeout` seconds. Any process knows how many there are; the first two are asked.
    """
    return _ask_all(address, timeout, security, envelope.encode(Kind.STATS))


def forget(address: BusAddress, timeout: float, security: BusSecurity | None = None, pool: str = "") -> Survey:
    """Have an edge forget what it remembers of a pool, or of all; raises as `survey` does.

    Each answer has `forgotten`, how many decisions these were.
    """
    return _ask_all(address, timeout, security, envelope.encode(Kind.FORGET, {"pool": pool} if pool else {}))


def _ask_all(address: BusAddress, timeout: float, security: BusSecurity | None, question: list[bytes]) -> Survey:
    keys = curve.load_client(security, [address])[address] if security else None
    address = reach(address, timeout)
    with zmq.Context() as context, _Inquiry(context, timeout, keys, question) as inquiry:
        inquiry.ask(first_two(address), awaited=[address])
        count = max(map(processes_of, inquiry.answers.values()), default=0)
        # An answer from the second place alone may be that of another edge, which has the next port.
        if not count or (count == 1 and address not in inquiry.answers):
            wanted = "is it the address of its --bus?" if keys is None else "is it its --bus, and do the bus keys fit?"
            raise NoAnswerError(f"no edge answers at {address}; {wanted}")
        places = [address.of_process(number) for number in range(count)]
        inquiry.ask(places, awaited=places)
        answers = [inquiry.answers[place] for place in places if place in inquiry.answers]
        silent = [place for place in places if place not in inquiry.answers]
    for figures in answers:
        figures.pop("processes", None)
    return Survey(answers, silent)


def reach(address: BusAddress, timeout: float) -> BusAddress:
    """Return `address` with a number in place of a host's name; raise NoAnswerError when nobody listens there."""
    causes = []
    for place in first_two(address):
        found = find_within(place, timeout)
        if found.address is not None:
            return address._replace(host=found.address.host)
        causes.append(found.cause)
        if found.is_grave:
            break
    raise NoAnswerError(f"no edge answers at {address}: {causes[0]}; is it the address of its --bus?")


def first_two(address: BusAddress) -> list[BusAddress]:
    """Return the addresses of an edge's first two processes: the first one may be restarting."""
    second = address.of_process(1)
    exists = second.port <= MAX_PORT and len(second.path.encode()) <= MAX_IPC_PATH
    return [address, second] if exists else [address]


def processes_of(figures: dict[str, Any]) -> int:
    """Return how many processes an edge has, as one of them says."""
    count = figures.get("processes", 1)
    return min(max(count, 1), MAX_PROCESSES) if isinstance(count, int) else 1


class _Inquiry:
    """Places that are asked, with a socket for each, and what they have answered."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], timeout: float, keys: ClientKeys | None, question: list[bytes]
    ) -> None:
        self.answers: dict[BusAddress, dict[str, Any]] = {}
        self._question = question
        self._context = context
        self._timeout = timeout
        self._keys = keys
        self._asked: dict[zmq.Socket[bytes], BusAddress] = {}
        self._poller = zmq.Poller()

    def __enter__(self) -> _Inquiry:
        return self

    def __exit__(self, *_: object) -> None:
        for dealer in self._asked:
            dealer.close(0)

    def ask(self, places: Iterable[BusAddress], awaited: Collection[BusAddress]) -> None:
        """Ask these places, once each, and wait for the answers of `awaited`; raise NoAnswerError for nonsense."""
        for place in places:
            if place not in self._asked.values():
                dealer = connect_dealer(self._context, place, self._keys)
                self._asked[dealer] = place
                self._poller.register(dealer, zmq.POLLIN | zmq.POLLOUT)  # it can be written to when it is connected
        deadline = time.monotonic() + self._timeout
        while not self.answers.keys() >= set(awaited) and (left := deadline - time.monotonic()) > 0:
            for dealer, events in self._poller.poll(math.ceil(left * 1000)):
                self._attend(dealer, events)

    def _attend(self, dealer: zmq.Socket[bytes], events: int) -> None:
        if events & zmq.POLLIN:
            self._poller.unregister(dealer)
            place = self._asked[dealer]
            self.answers[place] = _read(dealer.recv_multipart(), place)
        else:
            with suppress(zmq.Again):  # the connection has gone again
                dealer.send_multipart(self._question, zmq.NOBLOCK)
                self._poller.modify(dealer, zmq.POLLIN)


def _read(frames: list[bytes], place: BusAddress) -> dict[str, Any]:
    try:
        if envelope.decode_head(frames).kind is not Kind.FIGURES:
            raise EnvelopeError("not FIGURES")
        return {key: plain(value) for key, value in envelope.decode_info(frames[1]).items()}
    except EnvelopeError as error:
        raise NoAnswerError(f"what answers at {place} is no edge of this version: {error}") from error
