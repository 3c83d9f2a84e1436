"""Pings: who is asked when, and what is heard of it (dispatcher's keepalives); no sockets, no clock.

look -> who is due -> Destinations: its places -> Outgoing: a way -> OPTIONS, repeated over UDP as RFC 3261 17.1.2
heard <- a reply whose Call-ID is one of ours
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from slbroker.listen import STREAMS
from slbroker.proxy.health import counted_statuses
from slbroker.proxy.record import uri_of, via_of
from slbroker.sip.pingrequest import ping_request
from slbroker.sip.response import parse_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.settings.groups import GroupSettings
    from slbroker_edge.destinations import Candidate, Destinations
    from slbroker_edge.listener import Tap
    from slbroker_edge.members import Target
    from slbroker_edge.ways import Way

T1: Final = 0.5  # seconds; RFC 3261 17.1.2.2: a request over UDP is repeated after T1, 2*T1, 4*T1
PATIENCE: Final = 4.0  # seconds that an answer may take
SOON: Final = 1.0  # seconds between two pings of one that is asked at once, since it has failed
MAX_PINGS: Final = 4_096  # on their way at once
CALL_ID_END: Final = "@slbroker-ping"
# In the Via of a ping. Replies with a Via of ours on top that is signed are not looked at here.
_BRANCH: Final = "z9hG4bKping-"


class _Ping(NamedTuple):
    """One that is on its way."""

    target: Target
    candidate: Candidate
    way: Way
    data: bytes
    deadline: float
    repeat_at: float
    pause: float


class Pinger:
    """Asks the destinations of groups whether they are there, and tells what it hears to `Destinations`."""

    def __init__(
        self,
        settings: GroupSettings,
        destinations: Destinations,
        way_to: Callable[[Candidate, float], Way | None],
        token: Callable[[], str],
    ) -> None:
        """`way_to` says how a ping leaves, at a time; `token` returns characters that nobody can guess."""
        self._settings = settings
        self._destinations = destinations
        self._way_to = way_to
        self._token = token
        self._counts = counted_statuses(settings.ping_codes)
        self._patience = min(PATIENCE, settings.ping_interval)
        self._due: dict[Target, float] = {}
        self._pings: dict[str, _Ping] = {}
        self._asked: dict[Target, float] = {}
        self.tap: Tap | None = None  # who sees what goes out

    def look(self, now: float) -> None:
        """Send the pings that are due, repeat those that may be lost, give up those that have had their time."""
        for call_id in [each for each, ping in self._pings.items() if min(ping.repeat_at, ping.deadline) <= now]:
            ping = self._pings[call_id]
            if ping.deadline <= now:
                del self._pings[call_id]
                self._destinations.missed(ping.candidate, now, f"no answer to {self._settings.ping_method}")
            else:
                self._pings[call_id] = ping._replace(repeat_at=now + ping.pause * 2, pause=ping.pause * 2)
                self._send(ping.way, ping.data)
        if not self._settings.ping_interval:
            return
        members = self._destinations.members
        for target in members.targets:
            if self._due.get(target, now) <= now and members.is_pinged(target):
                self._begin(target, now)
        if len(self._due) > len(members.targets):  # the list has changed
            self._due = {target: due for target, due in self._due.items() if target in members.targets}
            self._asked = {target: asked for target, asked in self._asked.items() if target in members.targets}

    def hurry(self, target: Target, now: float) -> None:
        """Ask a destination at once: something says that it is gone, and that may be wrong, or over."""
        if target in self._due:
            self._due[target] = min(self._due[target], max(now, self._asked.get(target, now) + SOON))

    def _begin(self, target: Target, now: float) -> None:
        self._due[target] = now + self._settings.ping_interval
        self._asked[target] = now
        self._destinations.places_of(target, now, lambda candidates: self._ask(target, candidates, now))

    def _ask(self, target: Target, candidates: list[Candidate], now: float) -> None:
        if not candidates:
            self._destinations.lost(target, now, "its name leads nowhere")
        for candidate in candidates:
            way = self._way_to(candidate, now) if len(self._pings) < MAX_PINGS else None
            if way is None:
                self._destinations.missed(candidate, now, "there is no way to it")
                continue
            call_id = f"{self._token()}{CALL_ID_END}"
            data = self._request(target, way, call_id)
            reliable = way.hop.transport in STREAMS
            repeat_at = now + (self._patience if reliable else T1)
            self._pings[call_id] = _Ping(target, candidate, way, data, now + self._patience, repeat_at, T1)
            self._send(way, data)

    def _send(self, way: Way, data: bytes) -> None:
        messages = [(data, way.address)]
        if way.listener.send(messages) and self.tap is not None:
            self.tap.went(messages, way.listener)

    def _request(self, target: Target, way: Way, call_id: str) -> bytes:
        via = f"{via_of(way.hop.listen).decode()};rport;branch={_BRANCH}{self._token()}"
        sender = self._settings.ping_from or uri_of(way.hop.listen, b"ping", secure=False).decode()
        uri = target.hop.uri.decode("utf-8", "surrogateescape")
        return ping_request(self._settings.ping_method, uri, via, sender, call_id)

    def heard(self, data: bytes, now: float) -> bool:
        """Take a reply that answers nothing which has gone on; return whether it answers a ping of ours."""
        if CALL_ID_END.encode() not in data:
            return False
        response = parse_response(data)
        call_id = response.first("call-id") if response is not None else None
        if response is None or call_id is None or not call_id.endswith(CALL_ID_END):
            return False
        ping = self._pings.get(call_id)
        if ping is None:
            return True  # a second answer, or a late one
        if response.status < 200:
            return True
        del self._pings[call_id]
        if self._counts(response.status):
            self._destinations.answered(ping.candidate, now)
        else:
            self._destinations.missed(ping.candidate, now, f"{response.status} to {self._settings.ping_method}")
        return True
