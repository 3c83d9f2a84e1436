"""The bus on real ZeroMQ sockets, served by the asyncio loop: the only module here that does I/O."""

from __future__ import annotations

import logging
import socket
import threading
from typing import TYPE_CHECKING, Final

import zmq

from slbroker.bus import curve as curves
from slbroker.bus import socketfile
from slbroker.bus.envelope import MAX_ENVELOPE
from slbroker.bus.frames import Frames
from slbroker.bus.reach import is_name, resolve
from slbroker.errors import BindError, ConfigError
from slbroker.loop import unwatch, watch

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from slbroker.bus.address import BusAddress
    from slbroker.bus.curve import ClientKeys, KeyPair

logger = logging.getLogger(__name__)

MAX_PER_TURN: Final = 64  # messages taken before the loop may look at other sockets
MAX_BYTES_PER_TURN: Final = 1_048_576  # ... and bytes, beyond which the next message waits
OLDEST_LIBZMQ: Final = (4, 3, 4)  # earlier ones let a peer crash or exhaust the process before authentication
HANDSHAKE_MS: Final = 5_000
RECONNECT_MS: Final = 50
MAX_RECONNECT_MS: Final = 150  # an edge that starts again sheds until its workers are back
CONNECT_MS: Final = 1_000  # then the next attempt: TCP's own pauses between SYNs double up to a minute
# A worker whose host or network is gone is noticed within PING_MS + DEAD_HOST_MS. ZeroMQ's own thread answers a PING,
# so a worker whose handler blocks is not taken for gone; one that is stopped (SIGSTOP) is.
# The ROUTER alone asks. When a DEALER's PING lies behind RECEIVE_HWM messages, and the DEALER is gone by the time that
# these are read, libzmq 4.3.5 answers on the dead connection and ends the process ("!_io_error", its issues 3937, 4364
# and 4767): so ended every other edge that had been paused for 3 s. A worker hears in other ways that its edge is gone:
# nothing for two seconds, where it hears four words a second, and TCP_MAXRT.
PING_MS: Final = 500
DEAD_HOST_MS: Final = 1_500  # silence after a PING; a frame lost twice over 100 ms stalls TCP for about a second
UNACKNOWLEDGED_MS: Final = 5_000  # for what a closed connection still wants to say to a host that is gone
PARTING_MS: Final = 1_000  # how long last words may take after close
LONGEST_END: Final = 3.0  # seconds that the end of a context is waited for: last words, and time for a busy machine

# Messages that wait for us to read them, from each peer; then ZeroMQ reads no more from it, and TCP holds it back:
# nothing is lost. A flood thus takes RECEIVE_HWM * MAX_ENVELOPE = 64 MiB of our memory at most (16 MiB if its envelopes
# are as large as slbroker's own), and 16 are enough for full speed.
RECEIVE_HWM: Final = 16
# A worker whose handler blocks reads nothing, and a full queue would keep ZeroMQ from seeing, and answering, PINGs. The
# edge's heartbeats, four a second, come in even then: this is room for those of four minutes.
HEARTBEATS_HWM: Final = 1_024
# Messages that wait for each peer to read them; then a send fails, and its requests go to somebody else. Of requests
# a worker holds no more than its credit, here or there, so what this limits is the small talk with one that asks
# and never reads: HEARTBEAT, WELCOME, FIGURES of some kB each.
SEND_HWM: Final = 1_024


def _new_socket(context: zmq.Context[zmq.Socket[bytes]], kind: int) -> zmq.Socket[bytes]:
    if zmq.zmq_version_info() < OLDEST_LIBZMQ:
        raise ConfigError(f"libzmq {zmq.zmq_version()} is too old, slbroker wants 4.3.4: pip install -U pyzmq")
    made = context.socket(kind)
    made.set(zmq.LINGER, PARTING_MS)
    made.set(zmq.MAXMSGSIZE, MAX_ENVELOPE)
    made.set(zmq.RCVHWM, RECEIVE_HWM)
    made.set(zmq.SNDHWM, SEND_HWM)
    made.set(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
    made.set(zmq.TCP_MAXRT, UNACKNOWLEDGED_MS)
    made.set(zmq.CONNECT_TIMEOUT, CONNECT_MS)
    made.set(zmq.IPV6, 1)
    return made


def bind_router(
    context: zmq.Context[zmq.Socket[bytes]],
    address: BusAddress,
    curve: KeyPair | None = None,
    *,
    beside: Sequence[socket.socket] | None = None,
) -> zmq.Socket[bytes]:
    """Return an edge's socket, bound to `address`; raise BindError when that is taken or cannot be had.

    With `beside` it is bound where another edge is, which has passed the sockets that it listens with if the bus is
    TCP: whoever connects from then on comes here.

    With `curve` it talks to those alone whom the context's ZAP handler accepts: to nobody before there is one.
    """
    router = _new_socket(context, zmq.ROUTER)
    router.set(zmq.ROUTER_MANDATORY, 1)  # a send to a worker that has gone fails, instead of vanishing
    router.set(zmq.HEARTBEAT_IVL, PING_MS)
    router.set(zmq.HEARTBEAT_TIMEOUT, DEAD_HOST_MS)
    router.set(zmq.HEARTBEAT_TTL, PING_MS + DEAD_HOST_MS)  # tells the worker's end to look out, too
    try:
        if curve is not None:
            curves.make_server(router, curve)
        if address.path:
            socketfile.bind(router, address, takes_over=beside is not None)
        elif beside:
            from slbroker.bus.beside import bind_beside  # noqa: PLC0415 - few edges take the place of one

            bind_beside(router, address, beside)
        else:
            _bind_tcp(router, address)
    except (zmq.ZMQError, OSError) as error:
        router.close(0)
        raise BindError(f"bus {address}: {error.strerror}; choose another address with --bus") from error
    except BindError:
        router.close(0)
        raise
    return router


def connect_dealer(
    context: zmq.Context[zmq.Socket[bytes]], address: BusAddress, curve: ClientKeys | None = None, *, credit: int = 0
) -> zmq.Socket[bytes]:
    """Return a worker's socket, connecting to `address` for as long as it takes.

    A host is a number here: `slbroker.bus.reach` says why, and finds it.

    With `curve` it talks to the owner of that server key alone. `credit` envelopes more than usual may wait in it: so
    many requests a busy worker may have been given, each in an envelope of its own.
    """
    dealer = _new_socket(context, zmq.DEALER)
    dealer.set(zmq.IMMEDIATE, 1)  # nothing piles up for an edge that is not there
    dealer.set(zmq.RECONNECT_IVL, RECONNECT_MS)
    dealer.set(zmq.RECONNECT_IVL_MAX, MAX_RECONNECT_MS)
    dealer.set(zmq.RCVHWM, HEARTBEATS_HWM + credit)
    try:
        if curve is not None:
            curves.make_client(dealer, curve)
        dealer.connect(str(address))
    except zmq.ZMQError as error:
        dealer.close(0)
        raise ConfigError(f"bus {address}: {error.strerror}") from error
    return dealer


def _bind_tcp(router: zmq.Socket[bytes], address: BusAddress) -> None:
    """Bind to an address of this host, or to all that a name has here; raise ZMQError, BindError."""
    if not is_name(address) or address.host in {name for _index, name in socket.if_nameindex()}:
        router.bind(str(address))
        return
    try:
        places = resolve(address)
    except OSError as error:
        raise BindError(f"bus {address}: unknown host {address.host}; choose another address with --bus") from error
    bound = 0
    for at, place in enumerate(places):
        try:
            router.bind(str(place))
        except zmq.ZMQError:
            if at == len(places) - 1 and not bound:
                raise
        else:
            bound += 1


def end_context(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    """End a context whose sockets are closed; when it takes too long, say so and go on.

    libzmq waits for its own thread, which is within the second that last words have, unless the system holds it up.
    """
    ending = threading.Thread(target=context.term, name="end of the bus", daemon=True)
    ending.start()
    ending.join(LONGEST_END)
    if ending.is_alive():
        logger.warning("the bus did not end within %g s; it is left as it is", LONGEST_END)


class BusSocket:
    """A ZeroMQ socket on the loop. ZeroMQ's descriptor tells of *changes*, so each turn reads until nothing is left."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        zsocket: zmq.Socket[bytes],
        on_message: Callable[[list[bytes]], None],
        on_turn: Callable[[], None],
        receive: Callable[[], list[bytes] | None] | None = None,
        *,
        greets: bool = False,
    ) -> None:
        """`on_message` is called for each message, `on_turn` after the last one of a turn.

        With `greets` that is called, too, when the socket takes something again that it refused, or for the first time:
        of a DEALER that is as soon as it is connected.

        `receive`, if not ZeroMQ's own, returns a message that has come, [] for one to pass over, None when there is
        none.
        """
        self._loop = loop
        self._frames = Frames(zsocket)
        self._on_message = on_message
        self._on_turn = on_turn
        self._receive = receive or self._frames.receive
        self._scheduled = False
        self._greets = greets
        self._was_refused = greets
        self._is_reading = False  # messages are taken until there is none
        self._last = 0  # messages that the last turn took
        self._descriptor = int(zsocket.get(zmq.FD))
        self._is_closed = False
        watch(loop, self._descriptor, self._read)
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._read_again)

    def _read_again(self) -> None:
        self._scheduled = False
        if not self._is_closed:
            self._read()

    def _read(self) -> None:
        receive = self._receive
        taken = told = size = 0
        drained = False
        self._is_reading = True
        try:
            while taken < MAX_PER_TURN and size < MAX_BYTES_PER_TURN:
                frames = receive()
                if frames is None:
                    drained = True
                    break
                taken += 1
                if frames:
                    size += len(frames[-1])
                    self._on_message(frames)
                if taken == 1 >= self._last:  # it is likely the only one: what it leads to leaves before we ask again
                    told = 1
                    self._was_refused = False
                    self._on_turn()
        finally:
            self._is_reading = False
            self._last = taken
            if not drained:  # nor when `on_message` raised: the descriptor would not tell of the rest
                self._schedule()
        if taken > told or (not told and self._was_refused and self._frames.has_room()):
            self._was_refused = False
            self._on_turn()

    def send(self, messages: Sequence[list[bytes]]) -> list[list[bytes]]:
        """Send without ever blocking; return what could not be sent: there is no such peer, or its queue is full."""
        if not messages:
            return []
        send = self._frames.send
        refused = [frames for frames in messages if not send(frames)]
        if refused:
            self._was_refused = self._greets
        # The send may have swallowed the descriptor's signal; who is reading asks again in any case.
        if not self._is_reading and self._frames.has_message():
            self._schedule()
        return refused

    def close(self) -> None:
        """Close the socket; what was sent has a second to leave."""
        self._is_closed = True
        unwatch(self._loop, self._descriptor)
        self._frames.close()
