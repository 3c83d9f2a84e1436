"""Taking over the sockets of an edge that runs, so that a restart or an upgrade loses no datagram.

    new edge                                   old edge, each of its processes at a UNIX socket (`handover`)
      sockets, I have N processes  ->
                                   <-  as many as I have: descriptors (SCM_RIGHTS), and what else is yours now
      (binds what is missing, and the bus)
      workers                      ->      (tells its workers that they have another edge at the same address)
                                   <-  so many
      (waits for them, and reads the sockets)
      leave                        ->
                                   <-  leaves; answers what it has read

A socket that is passed is the same socket: what waits in its buffer, and the connections that nobody has accepted yet,
are there for whoever reads next. Until the last word the old edge serves on, and again if the connection breaks. If it
is the old edge that ends, the new one has its sockets, and goes on without it.

Each message is a msgpack map in a packet of its own. Who speaks to us must be our own user: SO_PEERCRED tells.
"""

from __future__ import annotations

import logging
import mmap
import os
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgpack

from slbroker.bus.roster import MAX_WORKERS
from slbroker.errors import TakeoverError
from slbroker_edge.transports.binding import where_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from slbroker.listen import ListenAddress
    from slbroker.settings.edge import EdgeSettings

logger = logging.getLogger(__name__)

PROTOCOL: Final = 1
MOST_PROCESSES: Final = 64
MOST_SOCKETS: Final = 128  # in one packet; Linux passes 253
MOST_OTHERS: Final = 32  # that are not SIP's
MOST_PID: Final = 4_194_304  # Linux's PID_MAX_LIMIT
MAX_PACKET: Final = 65_536
ANSWER_TIME: Final = 5.0  # seconds; an edge that is not busy answers within a millisecond
_CREDENTIALS: Final = struct.Struct("3i")  # struct ucred: process, user, group


class Gone(TakeoverError):
    """The edge whose place we take has ended; what it has passed is ours."""


class Busy(TakeoverError):
    """The edge gives us nothing yet: `process` is taking its place, or has left us one that is about to end."""

    def __init__(self, words: str, process: int = 0) -> None:
        super().__init__(words)
        self.process = process


class Peer(NamedTuple):
    """Who is at the other end of a UNIX socket."""

    process: int  # 0 where it is not of our container
    user: int


def peer_of(sock: socket.socket) -> Peer:
    """Return who is at the other end."""
    process, user, _group = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return Peer(process, user)


def path_of(settings: EdgeSettings, process: int) -> Path | None:
    """Return where a process of an edge gives its sockets: beside its bus's socket file, where nothing else is said.

    None where nothing is said and the bus has no such file.
    """
    if settings.takeover_path is not None:
        return settings.takeover_path.with_name(settings.takeover_path.name + (f".{process}" if process else ""))
    bus = settings.bus.of_process(process)
    return Path(f"{bus.path}.takeover") if bus.path else None


def write(words: dict[str, Any]) -> bytes:
    """Return a message."""
    packed: bytes = msgpack.packb(words)
    return packed


def read(packet: bytes) -> dict[str, Any]:
    """Return what a message says; raise TakeoverError for what is none."""
    try:
        words = msgpack.unpackb(packet)
    except (ValueError, msgpack.UnpackException) as error:
        raise TakeoverError(f"cannot take over: the other edge says what we do not understand: {error}") from error
    if not isinstance(words, dict):
        raise TakeoverError("cannot take over: the other edge says what we do not understand")
    return words


def count_in(words: dict[str, Any], name: str, most: int, otherwise: int = 0) -> int:
    """Return a number that a message has, `otherwise` where it has none; raise TakeoverError for what is none."""
    number = words.get(name, otherwise)
    if not isinstance(number, int) or not 0 <= number <= most:
        raise TakeoverError(f"cannot take over: the other edge says what we do not understand: {name} {number!r}")
    return number


class Predecessor:
    """A process of the edge that is there, asked by blocking calls.

    Who serves already, or has workers, makes them in a thread: calls wait for nobody, and libzmq 4.3.5 has ended an
    edge whose loop stood still for seconds (its issues 3937 and 4364).
    """

    def __init__(self, path: Path, sock: socket.socket, number: int) -> None:
        self.path = path
        self.number = number
        self.sockets: list[socket.socket] = []
        self.bus: list[socket.socket] = []  # what its workers connect to, where that is no file
        self.channel: socket.socket | None = None  # on which it tells, as it ends, what it has yet to answer
        self.memory = -1  # the descriptor of the ACK filters' memory, where that is no file
        self.processes = 1
        self.workers = 0  # that it has
        self.version = ""
        self._sock = sock

    @staticmethod
    def find(path: Path, number: int = 0) -> Predecessor | None:
        """Return who listens at `path`, process `number` of its edge, None where nobody does.

        Raises TakeoverError for one that we may not ask.
        """
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            sock.settimeout(ANSWER_TIME)
            sock.connect(str(path))
            user = peer_of(sock).user
        except (FileNotFoundError, ConnectionRefusedError):
            sock.close()
            return None
        except OSError as error:
            sock.close()
            raise TakeoverError(f"cannot take over at {path}: {error.strerror or error}") from error
        if user != os.geteuid():
            sock.close()
            raise TakeoverError(f"cannot take over at {path}: the edge there is user {user}'s; run as that user")
        return Predecessor(path, sock, number)

    def fetch(self, processes: int) -> None:
        """Have it pass its sockets, to an edge of so many processes; raise TakeoverError, and have nothing of it."""
        try:
            self._fetch(processes)
        except TakeoverError:
            self._sock.close()
            raise

    def _fetch(self, processes: int) -> None:
        words, descriptors = self._ask({"asks": "sockets", "protocol": PROTOCOL, "processes": processes})
        try:
            count, bus = count_in(words, "sockets", MOST_SOCKETS), count_in(words, "bus", MOST_OTHERS)
            self.workers = count_in(words, "workers", MAX_WORKERS)
            self.processes = count_in(words, "processes", MOST_PROCESSES, 1)
            if not count + bus <= len(descriptors) <= count + bus + 1:
                told = f"{count + bus} sockets told, {len(descriptors)} passed"
                raise TakeoverError(f"cannot take over at {self.path}: {told}")
        except TakeoverError:
            for descriptor in descriptors:
                os.close(descriptor)
            raise
        self.sockets += [socket.socket(fileno=descriptor) for descriptor in descriptors[:count]]
        self.bus += [socket.socket(fileno=descriptor) for descriptor in descriptors[count : count + bus]]
        for descriptor in descriptors[count + bus :]:
            self.memory = descriptor
        self.version = str(words.get("version", ""))

    def leave(self, taken: Iterable[socket.socket]) -> None:
        """Have it answer what it has, and end; of `taken` it reads no more, the rest of its sockets it reads empty."""
        numbers = [self.sockets.index(sock) for sock in taken if sock in self.sockets]
        self._ask({"asks": "leave", "taken": numbers})
        self._sock.close()

    def hang_up(self) -> None:
        """Close our connections: other processes of ours have theirs."""
        self._sock.close()
        if self.channel is not None:
            self.channel.close()

    def close_bus(self) -> None:
        """Close our copies of what its workers connect to: else they might wait there when it has gone."""
        while self.bus:
            self.bus.pop().close()

    def introduce(self) -> int:
        """Have it send its workers to us, too; return how many there are. Raises TakeoverError.

        By a connection of its own, since the process that calls is not always the one that has fetched the sockets.
        """
        other = Predecessor.find(self.path)
        if other is None:
            raise Gone(f"the edge at {self.path} has gone")
        self.channel = other._sock
        return count_in(other._ask({"asks": "workers"})[0], "workers", MAX_WORKERS)

    def _ask(self, words: dict[str, Any]) -> tuple[dict[str, Any], list[int]]:
        try:
            self._sock.send(write(words))
            packet, descriptors, flags, _ = socket.recv_fds(self._sock, MAX_PACKET, MOST_SOCKETS + MOST_OTHERS)
        except (BrokenPipeError, ConnectionError) as error:
            raise Gone(f"the edge at {self.path} has ended") from error
        except OSError as error:
            raise TakeoverError(f"cannot take over at {self.path}: {error.strerror or error}") from error
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        if not packet:
            raise Gone(f"the edge at {self.path} has ended")
        if flags & socket.MSG_CTRUNC:
            raise TakeoverError(f"cannot take over at {self.path}: no room for its sockets (ulimit -n)")
        said = read(packet)
        if "refused" in said:
            why = f"cannot take over at {self.path}: {said['refused']}"
            raise Busy(why, count_in(said, "busy", MOST_PID)) if "busy" in said else TakeoverError(why)
        return said, descriptors


class Heirloom:
    """What one process of the new edge has of the old one."""

    def __init__(
        self, sockets: list[tuple[ListenAddress, socket.socket]], before: Predecessor | None, first: Predecessor
    ) -> None:
        """`before` is the process whose place on the bus is taken; without one, `first` knows how many workers come."""
        self._sockets = sockets
        self._before = before
        self._first = first
        self.is_alone = False  # the edge before has ended, and nobody else serves

    @property
    def bus(self) -> list[socket.socket]:
        """What workers connect to at the process whose place this is, where that is no file."""
        return self._before.bus if self._before is not None else []

    @property
    def channel(self) -> socket.socket | None:
        """Where the process before tells, as it ends, what it has yet to answer (`inherited`)."""
        return self._before.channel if self._before is not None else None

    def take(self, address: ListenAddress) -> list[socket.socket]:
        """Return the sockets on an address, as many as there are: each may have something in it."""
        found = [sock for at, sock in self._sockets if at == address]
        self._sockets = [(at, sock) for at, sock in self._sockets if at != address]
        return found

    def workers(self) -> int:
        """Have the workers sent to us, now that the bus is bound; return how many there are. Raises TakeoverError."""
        self._first.close_bus()
        if self._before is None:
            return self._first.workers
        self._before.close_bus()
        try:
            return self._before.introduce()
        except Gone as gone:
            logger.warning("%s in the middle of this; going on without it", gone)
            self.is_alone, self._before.channel = True, None
            return self._before.workers


class Takeover:
    """The edge that is there, all its processes, and what becomes of its sockets."""

    def __init__(self, settings: EdgeSettings, predecessors: list[Predecessor]) -> None:
        """The sockets on addresses that are wanted no more are closed here."""
        self._over = mmap.mmap(-1, 1)  # one byte, which processes forked from now on share
        self._predecessors = predecessors
        self._sockets: list[list[tuple[ListenAddress, socket.socket]]] = [[] for _ in range(settings.processes)]
        self._taken: set[socket.socket] = set()
        wanted = {where_of(each): each for each in settings.listen}
        for each in predecessors:
            for sock in each.sockets:
                at = sock.getsockname()
                address = wanted.get((sock.family, sock.type, at))
                if address is not None:
                    self._taken.add(sock)
                    self._sockets[each.number % settings.processes].append((address, sock))
                else:
                    logger.info("no longer listening on %s port %d, which the edge before reads empty", *at[:2])
                    sock.close()

    @property
    def is_over(self) -> bool:
        """Whether the old edge has been told to leave, by whichever of our processes."""
        return self._over[0] != 0

    @property
    def memory(self) -> int:
        """The descriptor of the memory of its ACK filters, -1 where that is a file."""
        return self._predecessors[0].memory

    def of_process(self, number: int) -> Heirloom:
        """Return what a process has of it."""
        before = next((each for each in self._predecessors if each.number == number), None)
        return Heirloom(self._sockets[number], before, self._predecessors[0])

    def keep_only(self, number: int) -> None:
        """Close, in process `number`, what is others': theirs alone, it goes when they do."""
        for other, sockets in enumerate(self._sockets):
            if other != number:
                for _address, sock in sockets:
                    sock.close()
        for each in self._predecessors:
            each.hang_up()
            if each.number not in (0, number):
                each.close_bus()

    def finish(self) -> None:
        """Have the old edge leave, now that the new one serves."""
        for each in self._predecessors:
            each.close_bus()
            try:
                each.leave(self._taken)
            except TakeoverError as error:  # it has crashed, say, just now
                logger.warning("%s; going on without it", error)
        self._over[0] = 1

    def let_go(self) -> None:
        """Close the sockets here, in a parent whose processes have them."""
        for sockets in self._sockets:
            for _address, sock in sockets:
                sock.close()
            sockets.clear()
