"""A whole edge and a whole worker without sockets or clock, with what the fuzz targets want to know of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.lab.fuzz.plugin import app
from tests.support.edge import MemoryWorker, Rig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slbroker.settings.dispatch import DispatchSettings
    from slbroker.sip.reading import Address

SOURCE: Final = ("192.0.2.77", 40_077)


class Pair(Rig):
    """An edge, the good worker that has `joined` it or not yet, and `others`: identities whose words a target makes."""

    def __init__(
        self, *, joined: bool = True, settings: DispatchSettings | None = None, others: Sequence[bytes] = ()
    ) -> None:
        super().__init__(settings)
        for identity in others:
            self.workers[identity] = silent = MemoryWorker(app, "other", 1)
            silent.frozen = True
        if joined:
            self.join(app)

    def take(self, *datagrams: bytes) -> list[tuple[bytes, Address]]:
        """Give the edge datagrams, and return what it has sent after that."""
        before = len(self.listener.sent)
        self.receive(*datagrams, source=SOURCE)
        return self.listener.sent[before:]

    def say(self, identity: bytes, frames: Sequence[bytes]) -> None:
        """Give the edge an envelope from another worker."""
        self.edge.answer(identity, frames, self.now)
        self.turn()

    def wait(self, seconds: float) -> None:
        """Let time pass in one leap: `advance` would take hundreds of steps."""
        self.now += seconds
        self.edge.expire(self.now)
        self.turn()

    def turn(self) -> None:
        """Do what the service does at the end of a turn; then every account has to be in order."""
        for identity in self.dispatcher.asked:
            self.dispatcher.tell(identity, {"workers": self.dispatcher.figures()})
        self.dispatcher.asked.clear()
        super().turn()
        assert self.dispatcher.open == sum(len(account.open) for account in self.dispatcher.workers.values())
        for identity, account in self.dispatcher.workers.items():
            assert identity == account.identity
            assert not account.open.keys() & account.overdue.keys()
