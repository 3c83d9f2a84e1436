"""The next hops of one edge process: its groups and their file, the names it looks up, the pings it sends."""

from __future__ import annotations

import logging
import secrets
import time
from typing import TYPE_CHECKING, Any, Final

from slbroker.bus.routes import stands_for
from slbroker.errors import ConfigError
from slbroker.filewatch import Watch
from slbroker.groupfile import load_groups
from slbroker.proxy.locate import is_numeric
from slbroker.proxy.nexthop import Group
from slbroker_edge.destinations import Destinations
from slbroker_edge.lookups import Lookups
from slbroker_edge.members import Members
from slbroker_edge.pinger import Pinger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from slbroker.listen import ListenAddress
    from slbroker.proxy.groups import Destination
    from slbroker.proxy.locate import Query
    from slbroker.proxy.nexthop import NextHop
    from slbroker.settings.groups import GroupSettings
    from slbroker_edge.destinations import Candidate
    from slbroker_edge.resolver import Resolver
    from slbroker_edge.ways import Way

logger = logging.getLogger(__name__)

TRANSPORTS: Final = ("udp", "tcp", "tls")  # that requests can leave by


class NextHops:
    """What `Destinations` stands on, and where its questions go."""

    def __init__(
        self,
        settings: GroupSettings,
        said: Iterable[NextHop | Group],
        listen: Sequence[ListenAddress],
        way_of_ping: Callable[[Candidate, float], Way | None],
        on_turn: Callable[[], None],
    ) -> None:
        """`said` are the next hops that options name, `listen` what the edge listens on.

        `on_turn` is called when a name has been looked up. Raises ConfigError for a list that cannot be read, a group
        that is not in it, and for names where the library is missing that looks them up.
        """
        self.file = settings.file
        self.watch = Watch((settings.file,) if settings.file is not None else (), time.monotonic())
        self._said = tuple(said)
        self._listen = listen
        self._settings = settings
        self._on_turn = on_turn
        self._resolver: Resolver | None = None
        self._is_told = False  # that names cannot be looked up
        members = Members(settings.rules, pings=settings.ping_interval > 0)
        groups = self._read()
        members.use(groups)
        self.destinations = Destinations(Lookups(self._ask), members, settings.algorithm, TRANSPORTS)
        self.pinger = Pinger(settings, self.destinations, way_of_ping, lambda: secrets.token_hex(8))
        self.destinations.hurry = self.pinger.hurry
        if not all(is_numeric(hop.host) for hop in self._hops(groups)):
            self._load_resolver()

    def _read(self) -> dict[int, list[Destination]]:
        groups = load_groups(self.file) if self.file is not None else {}
        for hop in self._said:
            if isinstance(hop, Group) and hop.number not in groups:
                where = (
                    f"{self.file} has no such group" if self.file is not None else "name the list with --groups FILE"
                )
                raise ConfigError(f"group:{hop.number}: {where}")
        for member in (member for members in groups.values() for member in members if member.socket):
            self._check_socket(member)
        return groups

    def _check_socket(self, member: Destination) -> None:
        """Raise ConfigError for a destination whose requests could never leave: nothing listens there."""
        names = [str(address) for address in self._listen if address.transport == "udp" and address.port]
        if not names or not member.socket.startswith("udp:"):
            return
        if not any(name == member.socket or stands_for(name, member.socket) for name in names):
            words = f"socket={member.socket}: the edge listens on {', '.join(names)}"
            raise ConfigError(f"{self.file}: {member.hop.uri.decode(errors='replace')} has {words}")

    def _hops(self, groups: dict[int, list[Destination]]) -> Iterable[NextHop]:
        yield from (hop for hop in self._said if not isinstance(hop, Group))
        yield from (member.hop for members in groups.values() for member in members)

    def reload(self) -> None:
        """Read the list again. Raises ConfigError, and all stays as it was."""
        if self.file is None:
            return
        self.watch.look()
        groups = self._read()
        if not all(is_numeric(hop.host) for hop in self._hops(groups)):
            self._load_resolver()
        self.destinations.use(groups)
        logger.info("%s read: %s", self.file, _words(groups))

    def _load_resolver(self) -> Resolver:
        if self._resolver is None:
            from slbroker_edge.resolver import Resolver  # noqa: PLC0415 - it needs an extra's library, and 6 MB

            self._resolver = Resolver(self._settings.resolver, on_turn=self._on_turn)
        return self._resolver

    def _ask(self, query: Query, now: float) -> None:
        """Send off a question; a name may be a handler's, or a request's, and the library be missing."""
        try:
            self._load_resolver().ask(query, self.destinations.lookups)
        except ConfigError as error:
            if not self._is_told:
                self._is_told = True
                logger.error("cannot look up %s: %s", query.name, error)
            self.destinations.lookups.unanswered(query, now)

    def look(self, now: float) -> None:
        """Do what time brings."""
        self.destinations.look(now)
        self.pinger.look(now)

    def figures(self) -> dict[str, list[dict[str, Any]]]:
        """Return the groups, and the state of each destination."""
        return self.destinations.members.figures()

    def close(self) -> None:
        """Await no more answers."""
        if self._resolver is not None:
            self._resolver.close()


def _words(groups: dict[int, list[Destination]]) -> str:
    return ", ".join(f"group {number} with {len(members)}" for number, members in groups.items()) or "no group"
