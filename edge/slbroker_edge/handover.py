"""Giving our sockets to an edge that takes our place (`takeover` has the conversation, and the other side of it)."""

from __future__ import annotations

import errno
import logging
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

from slbroker.errors import TakeoverError
from slbroker.loop import unwatch, watch
from slbroker.version import VERSION
from slbroker_edge.inherited import told_of
from slbroker_edge.takeover import (
    MAX_PACKET,
    MOST_PROCESSES,
    MOST_SOCKETS,
    PROTOCOL,
    Busy,
    count_in,
    peer_of,
    read,
    write,
)

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Container, Iterable, Sequence
    from pathlib import Path

    from slbroker.bus.jobs import Job

logger = logging.getLogger(__name__)

LOOK_INTERVAL: Final = 0.1  # seconds between two looks at whether the socket file is still ours
WAITING: Final = 16  # connections not accepted yet
MOST_TOLD: Final = 57_344  # bytes of requests that the other edge is told of, in one packet: a hundred or so
ROOM_BESIDE: Final = 96  # bytes that are told besides the datagram
MOST_TALKS: Final = 128  # connections at once: those of an edge's processes


class Giver(Protocol):
    """The edge process that gives."""

    def sockets(self) -> Sequence[socket.socket]:
        """Return what is listened on."""

    def bus_sockets(self) -> Sequence[socket.socket]:
        """Return what workers connect to, each once more, where that is no file."""

    @property
    def memory(self) -> int:
        """Return the descriptor of the ACK filters' memory, -1 where that is a file."""

    @property
    def processes(self) -> int:
        """Return how many processes the edge has."""

    @property
    def workers(self) -> int:
        """Return how many workers there are."""

    @property
    def is_interim(self) -> bool:
        """Return whether we end without ever having had the place: our parent has died while it was taking it."""

    def hold(self) -> None:
        """Take note that another edge has our sockets, and is about to take our place on the bus."""

    def introduce(self) -> None:
        """Tell the workers of the other edge."""

    def go_on(self, process: int) -> None:
        """Take note that nothing comes of it: that process has gone."""

    def leave_to(self, process: int, taken: Sequence[socket.socket]) -> None:
        """End: the other edge, which is that process, reads the sockets that it has taken."""


class Handover:
    """The UNIX socket at which a process of an edge gives what it has, to one edge at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, path: Path, giver: Giver) -> None:
        self._loop = loop
        self._path = path
        self._giver = giver
        self._socket: socket.socket | None = None
        self._inode = (0, 0)
        self._next_look = 0.0
        self._talks: dict[int, socket.socket] = {}
        self._heir: socket.socket | None = None  # the connection of who has our sockets
        self._given: list[socket.socket] = []
        self._is_over = False
        self._followers: list[socket.socket] = []  # connections on which the other edge hears of what is open here
        self._told: set[int] = set()

    def open(self) -> None:
        """Listen; where that cannot be, say that nobody can take over from us."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        umask = os.umask(0o177)  # for us alone from its first moment
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._path.is_socket():  # of the edge whose place we take, or that has ended
                self._path.unlink()
            sock.bind(str(self._path))
            sock.listen(WAITING)
            sock.setblocking(False)
            found = self._path.stat()
        except OSError as error:
            sock.close()
            logger.warning("no edge can take over from this one: %s: %s", self._path, error.strerror or error)
            return
        finally:
            os.umask(umask)
        self._socket, self._inode = sock, (found.st_dev, found.st_ino)
        watch(self._loop, sock.fileno(), self._accept)

    def _accept(self) -> None:
        assert self._socket is not None
        with suppress(OSError):
            sock, _ = self._socket.accept()
            sock.setblocking(False)
            if len(self._talks) >= MOST_TALKS or peer_of(sock).user not in (0, os.geteuid()):
                sock.close()
                return
            self._talks[sock.fileno()] = sock
            watch(self._loop, sock.fileno(), lambda: self._hear(sock))

    def _hear(self, sock: socket.socket) -> None:
        try:
            packet = sock.recv(MAX_PACKET)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:
            self._hang_up(sock)
            return
        try:
            self._answer(sock, read(packet))
        except Busy as busy:
            self._say(sock, {"refused": str(busy), "busy": busy.process})
        except TakeoverError as error:
            self._say(sock, {"refused": str(error)})
        except OSError:
            self._hang_up(sock)

    def _answer(self, sock: socket.socket, words: dict[str, Any]) -> None:
        match words.get("asks"):
            case "sockets":
                self._give(sock, words)
            case "workers" if self._heir is not None:
                self._giver.introduce()
                self._followers.append(sock)
                self._say(sock, {"workers": self._giver.workers})
            case "leave" if sock is self._heir:
                self._leave(sock, words)
            case _:
                raise TakeoverError("it does not understand that: it is of another version, or nobody has its sockets")

    def _give(self, sock: socket.socket, words: dict[str, Any]) -> None:
        if self._heir is not None:
            who = peer_of(self._heir).process
            raise Busy(f"another edge is taking over already, process {who}", who)
        if self._giver.is_interim:
            ours = os.getpid()
            raise Busy(f"process {ours} there ends, since its parent has died while it was taking over", ours)
        if words.get("protocol") != PROTOCOL:
            raise TakeoverError(f"it is of slbroker {VERSION}, which gives its sockets otherwise; restart it")
        given = list(self._giver.sockets())
        if len(given) > MOST_SOCKETS:  # an edge has a handful
            raise TakeoverError(f"it has {len(given)} sockets, and can pass {MOST_SOCKETS}")
        if count_in(words, "processes", MOST_PROCESSES, 1) > 1:
            for each in given:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # others are to be bound beside it
        memory = [self._giver.memory] if self._giver.memory >= 0 else []
        bus = self._giver.bus_sockets()
        said = {
            "version": VERSION, "processes": self._giver.processes, "sockets": len(given), "bus": len(bus),
            "workers": self._giver.workers,
        }  # fmt: skip
        try:
            socket.send_fds(sock, [write(said)], [each.fileno() for each in (*given, *bus)] + memory)
        finally:
            for each in bus:
                each.close()
        self._heir, self._given = sock, given
        self._giver.hold()
        logger.info("process %d is taking over: it has our sockets, and we serve on", peer_of(sock).process)

    def _leave(self, sock: socket.socket, words: dict[str, Any]) -> None:
        numbers = words.get("taken")
        if not isinstance(numbers, list) or not all(_is_below(number, len(self._given)) for number in numbers):
            raise TakeoverError(f"it does not understand which sockets are taken: {numbers!r}")
        if _has_ended(sock):  # behind its last word
            self._hang_up(sock)
            return
        taken = [self._given[number] for number in numbers]
        self._is_over = True
        self._giver.leave_to(peer_of(sock).process, taken)
        self._say(sock, {"leaves": True})  # from here on new connections are the other edge's

    def tell_open(self, jobs: Iterable[Job]) -> None:
        """Tell the other edge what we have yet to answer: who sends it again gets our answer, and needs no other.

        As many requests as there is room for; what is beyond, it gives to a worker once more.
        """
        room, told = MOST_TOLD, []
        for job in jobs:
            told.append(told_of(job))
            room -= len(job.data) + ROOM_BESIDE
            if room < 0:
                break
        self._told = {each[0] for each in told}
        for sock in self._followers:
            self._say(sock, {"open": told})

    def tell_still_open(self, numbers: Container[int]) -> None:
        """Tell the other edge which of these have been answered, now that those `numbers` have not."""
        ended = [number for number in self._told if number not in numbers]
        if ended:
            self._told.difference_update(ended)
            for sock in self._followers:
                self._say(sock, {"ended": ended})

    def _say(self, sock: socket.socket, words: dict[str, Any]) -> None:
        with suppress(OSError):
            sock.send(write(words))

    def _hang_up(self, sock: socket.socket) -> None:
        self._talks.pop(sock.fileno(), None)
        process = peer_of(sock).process
        if sock in self._followers:
            self._followers.remove(sock)
        unwatch(self._loop, sock.fileno())
        sock.close()
        if sock is self._heir and not self._is_over:
            self._heir, self._given = None, []
            logger.warning("whoever was taking over has gone; we serve on")
            self._giver.go_on(process)
            if self._is_replaced():
                self._shut()
                self.open()

    def look(self, now: float) -> None:
        """Listen anew where the socket file has gone, or was another edge's that has died; `now` is in seconds."""
        if now >= self._next_look and self._heir is None and self._socket is not None:
            self._next_look = now + LOOK_INTERVAL
            if self._is_replaced() and not self._is_listened_to():
                logger.warning("the socket file %s, by which edges take over, had gone; it is there again", self._path)
                self._shut()
                self.open()

    def _is_listened_to(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
            probe.setblocking(False)
            return probe.connect_ex(str(self._path)) in (0, errno.EAGAIN)

    def _is_replaced(self) -> bool:
        try:
            found = self._path.stat()
        except OSError:
            return True
        return (found.st_dev, found.st_ino) != self._inode

    def _shut(self) -> None:
        if self._socket is not None:
            unwatch(self._loop, self._socket.fileno())
            self._socket.close()
            self._socket = None

    def close(self) -> None:
        """Listen no more; the socket file goes, unless it is another edge's."""
        if self._socket is not None and not self._is_replaced():
            with suppress(OSError):
                self._path.unlink()
        self._shut()
        for sock in list(self._talks.values()):
            unwatch(self._loop, sock.fileno())
            sock.close()
        self._talks.clear()


def _is_below(number: object, count: int) -> bool:
    return isinstance(number, int) and 0 <= number < count


def _has_ended(sock: socket.socket) -> bool:
    """Return whether who is at the other end of a connection has closed it, and all that it said has been read."""
    try:
        return not sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
