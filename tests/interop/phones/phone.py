"""What all phones have in common: they register as some users, and then call some numbers one after the other."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from tests.interop.verdicts import HELD

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.conftest import Start

REGISTERING: Final = 8.0  # seconds: until a phone that was told to come back after 3 has done so, or has not
TALKING: Final = 1.5  # seconds until a call is answered, and until what a phone does then is done


@dataclass(frozen=True)
class Task:
    """What a phone is to do, with which server (host:port)."""

    server: str
    transport: str
    users: Sequence[str]
    numbers: Sequence[str]
    folder: Path
    registering: float = REGISTERING
    talking: float = TALKING
    held: frozenset[str] = field(default=HELD)

    @property
    def host(self) -> str:
        """The server's address."""
        return self.server.rpartition(":")[0]

    @property
    def seconds(self) -> float:
        """How long all of it may take."""
        return 30 + self.registering * (1 + len(self.users)) + 3 * (self.talking + 1) * len(self.numbers)

    def uri(self, user: str) -> str:
        """How a phone writes `user` at the server."""
        return f"sip:{user}@{self.server};transport={self.transport}"


class Phone(Protocol):
    """A kind of client."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def transports(self) -> Sequence[str]:
        """What it can use."""

    @property
    def registered(self) -> str:
        """A pattern of what it writes when it takes itself for registered as {user}; "" where it does not say."""

    def version(self) -> str:
        """Return its name and version where it sends no User-Agent, else ""."""

    def require(self) -> None:
        """Skip the test, or let it fail where peers are required, when the client is missing."""

    def play(self, start: Start, task: Task) -> str:
        """Do the task; return what the client has written, for who has to find out why."""


def is_registered(phone: Phone, said: str, user: str) -> bool | None:
    """Whether a phone takes itself for registered, None where it does not say."""
    return bool(re.search(phone.registered.format(user=user), said)) if phone.registered else None
