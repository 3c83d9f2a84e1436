"""Whole messages of some calls, as they come and go: into the log, or to whoever asks over the bus (`slbroker trace`).

Each trace ends by itself, after so many messages or seconds; while there is none, an edge does nothing for it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from slbroker.errors import ConfigError
from slbroker.settings.logs import read_wanted
from slbroker.sip.tracing import Tracer
from slbroker_edge.transports.siblings import Handing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from slbroker.settings.logs import LogSettings
    from slbroker.sip.reading import Address
    from slbroker.sip.tracing import Wanted
    from slbroker_edge.listener import Listener, Tap

MOST_TRACES: Final = 8  # at a time, for whoever asks
MOST_MESSAGES: Final = 100_000  # that may be asked for
MOST_SECONDS: Final = 3_600.0
MOST_LOGGED: Final = 1_000  # messages of one --trace
MOST_HELD: Final = 1_048_576  # bytes that wait for the end of a turn; what comes beyond is left out, and counted
MOST_AT_ONCE: Final = 512  # messages in one envelope

COUNT: Final = "count"  # why a trace has ended
TIME: Final = "time"
STOPPED: Final = "the edge has stopped"


class Trace:
    """One of them: what it has to tell since the last time, and why it has ended."""

    def __init__(self, wanted: Wanted, count: int, until: float) -> None:
        """`until` is when it ends, monotonic, in seconds."""
        self.wanted = wanted
        self.left = count
        self.until = until
        self.ended = ""
        self.left_out = 0
        self.messages: list[tuple[float, bool, str, str, int, bytes]] = []
        self._held = 0
        self._tracer = Tracer(wanted)

    def take(self, at: float, is_sent: bool, name: str, address: Address, data: bytes) -> None:
        """Take a message, if it is wanted; `at` is in unix seconds, `address` is the peer's."""
        if self.ended or not self._tracer.wants(data, address[0]):
            return
        if self._held + len(data) > MOST_HELD or len(self.messages) >= MOST_AT_ONCE:
            self.left_out += 1
            return
        self.messages.append((at, is_sent, name, address[0], address[1], data))
        self._held += len(data)
        self.left -= 1
        if self.left <= 0:
            self.ended = COUNT

    def news(self) -> dict[str, Any]:
        """Return what there is to tell since the last time, as TRACED has it."""
        messages, self.messages = self.messages, []
        left_out, self.left_out = self.left_out, 0
        self._held = 0
        return {"messages": messages, "left_out": left_out, "ended": self.ended}


class Tracing:
    """All traces of one edge process."""

    def __init__(self, settings: LogSettings, log: Callable[[Wanted, dict[str, Any]], None]) -> None:
        """`log` writes news of those that are in the settings."""
        self._log = log
        self._of_log = [Trace(wanted, MOST_LOGGED, float("inf")) for wanted in settings.traces]
        self._of_peers: dict[bytes, Trace] = {}
        self.behind: Tap | None = None  # who sees all messages besides

    @property
    def is_used(self) -> bool:
        """Whether there are any."""
        return bool(self._of_log or self._of_peers)

    # What passes ------------------------------------------------------------------------------------------------

    def came(self, messages: Sequence[tuple[bytes, Address]], listener: Listener) -> None:
        """Take messages that were received, each with where it came from."""
        if self.behind is not None:
            self.behind.came(messages, listener)
        self._take(False, messages, listener)

    def went(self, messages: Sequence[tuple[bytes, Address]], listener: Listener) -> None:
        """Take messages that were sent, each with where it went."""
        if self.behind is not None:
            self.behind.went(messages, listener)
        if not isinstance(listener, Handing):  # what is handed to another process, that one sends
            self._take(True, messages, listener)

    def _take(self, is_sent: bool, messages: Sequence[tuple[bytes, Address]], listener: Listener) -> None:
        at, name = time.time(), listener.name.partition(" ")[0]
        peer = getattr(listener, "address", None)  # a connection's, whatever the Via says
        for trace in (*self._of_log, *self._of_peers.values()):
            for data, address in messages:
                trace.take(at, is_sent, name, peer or address, data)

    # Who wants to see it ----------------------------------------------------------------------------------------

    def ask(self, identity: bytes, info: dict[str, Any], now: float) -> str:
        """Begin to trace for a peer, in place of what it has asked for before; return what is wrong, "" for nothing."""
        word, count, seconds = info.get("of"), info.get("count"), info.get("seconds")
        if not isinstance(word, str) or type(count) is not int or not isinstance(seconds, int | float):
            return "TRACE says of what, how many messages and how many seconds"
        if not 0 < count <= MOST_MESSAGES or not 0 < seconds <= MOST_SECONDS:
            return f"a trace has {MOST_MESSAGES} messages and {MOST_SECONDS:g} seconds at most"
        if len(self._of_peers) >= MOST_TRACES and identity not in self._of_peers:
            return f"{MOST_TRACES} traces are at work"
        try:
            self._of_peers[identity] = Trace(read_wanted(word), count, now + seconds)
        except ConfigError as error:
            return str(error)
        return ""

    def lose(self, identity: bytes) -> None:
        """Trace no more for a peer that has gone."""
        self._of_peers.pop(identity, None)

    def news(self, now: float) -> list[tuple[bytes, dict[str, Any]]]:
        """Return what peers are to be told; log the rest."""
        for trace in [each for each in self._of_log if each.messages or each.ended]:
            self._log(trace.wanted, trace.news())
        self._of_log = [trace for trace in self._of_log if not trace.ended]
        told = []
        for identity, trace in list(self._of_peers.items()):
            if now >= trace.until:
                trace.ended = trace.ended or TIME
            if trace.messages or trace.ended:
                told.append((identity, trace.news()))
            if trace.ended:
                del self._of_peers[identity]
        return told

    def stop(self) -> list[tuple[bytes, dict[str, Any]]]:
        """End all; return what peers are to be told."""
        for trace in self._of_peers.values():
            trace.ended = STOPPED
        return self.news(0.0)
