"""Who gets in: sockets of every kind of stranger at an encrypted bus, over ipc and over TCP on loopback."""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest
import zmq

from slbroker import filewatch
from slbroker.bus import curve, sockets
from slbroker.bus.address import BusAddress
from slbroker.bus.curve import ClientKeys, KeyPair
from slbroker.bus.sockets import BusSocket, bind_router, connect_dealer
from slbroker.bus.zap import MAX_NAMED, ZapHandler
from slbroker.errors import ConfigError, KeyFileError
from slbroker.settings.bus import BusSecurity
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    Socket = zmq.Socket[bytes]

STRANGERS_SECONDS = 1.0  # in which a friend is let in a hundred times


class Site:
    """A bus with its ZAP handler on the running loop, and what it has heard; and the keys of all who play."""

    def __init__(self, folder: Path) -> None:
        self.clients = folder / "clients"
        self.clients.mkdir()
        self.edge = curve.create(folder / "edge")
        self.friend = curve.create(self.clients / "friend")
        self.stranger = curve.create(folder / "stranger")
        self.security = BusSecurity(folder / "edge.key_secret", self.clients)
        self.heard: list[list[bytes]] = []
        self.revoked: list[bytes] = []
        self.context: zmq.Context[Socket] = zmq.Context()
        self.others: zmq.Context[Socket] = zmq.Context()
        self.zap: ZapHandler | None = None
        self._bus: BusSocket | None = None
        self._made: list[Socket] = []

    def open(self, address: BusAddress) -> BusAddress:
        """Bind the bus; return where it is."""
        loop = asyncio.get_running_loop()
        self.zap = zap = ZapHandler(self.security)
        zap.start(loop, self.context)
        router = bind_router(self.context, address, zap.pair)
        self._bus = BusSocket(loop, router, self.heard.append, lambda: None, zap.receiver(router, self.revoked.append))
        return where(router, address)

    def say(self, identity: bytes, word: bytes) -> bool:
        assert self._bus is not None
        return not self._bus.send([[identity, word]])

    def connect(self, address: BusAddress, own: KeyPair | None, server: bytes = b"") -> Socket:
        keys = ClientKeys(own, server or self.edge.public) if own else None
        self._made.append(connect_dealer(self.others, address, keys))
        return self._made[-1]

    def log_in(self, address: BusAddress, name: bytes, password: bytes) -> Socket:
        """PLAIN, the mechanism with a password."""
        self._made.append(dealer := self.others.socket(zmq.DEALER))
        dealer.set(zmq.PLAIN_USERNAME, name)
        dealer.set(zmq.PLAIN_PASSWORD, password)
        dealer.set(zmq.IMMEDIATE, 1)
        dealer.connect(str(address))
        return dealer

    def pose_as_edge(self, address: BusAddress, keys: KeyPair | None) -> tuple[Socket, BusAddress]:
        """Bind a bus in a context that has no ZAP handler; where it is."""
        self._made.append(router := bind_router(self.others, address, keys))
        return router, where(router, address)

    def words(self) -> list[bytes]:
        return [frames[-1] for frames in self.heard]

    def close(self) -> None:
        if self._bus is not None:
            self._bus.close()
        if self.zap is not None:
            self.zap.close()
        for made in self._made:
            made.close(0)
        self.others.term()
        self.context.term()


def where(router: Socket, address: BusAddress) -> BusAddress:
    """Where a router bound to `address` really is."""
    endpoint = router.get(zmq.LAST_ENDPOINT)
    assert isinstance(endpoint, bytes)
    return address if address.path else address._replace(port=int(endpoint.rpartition(b":")[2]))


@pytest.fixture(params=["ipc", "tcp"])
def address(request: pytest.FixtureRequest, folder: Path) -> BusAddress:
    return BusAddress(str(folder / "bus"), "", 0) if request.param == "ipc" else BusAddress("", "127.0.0.1", 0)


def play(folder: Path, test: Callable[[Site], Coroutine[object, object, None]]) -> None:
    async def limited() -> None:
        site = Site(folder)
        try:
            await asyncio.wait_for(test(site), within(20.0))
        finally:
            site.close()

    asyncio.run(limited())


async def tell(socket: Socket, word: bytes, heard: Callable[[], object], seconds: float = 10.0) -> bool:
    """Say a word again and again, until it is heard or the time is up."""
    deadline = asyncio.get_running_loop().time() + within(seconds)
    while not heard() and asyncio.get_running_loop().time() < deadline:
        try:
            socket.send(word, zmq.NOBLOCK)
        except zmq.Again:  # not connected
            await asyncio.sleep(0.01)
        else:
            await asyncio.sleep(0.05)
    return bool(heard())


def test_a_friend_is_heard_and_answered(folder: Path, address: BusAddress) -> None:
    async def test(site: Site) -> None:
        friend = site.connect(site.open(address), site.friend)
        assert await tell(friend, b"hello", lambda: b"hello" in site.words())
        assert site.say(site.heard[0][0], b"welcome")
        assert friend.poll(int(within(5_000)))
        assert friend.recv() == b"welcome"

    play(folder, test)


@pytest.mark.parametrize("who", ["unknown key", "no key", "wrong server key", "server's own key", "plain password"])
def test_a_stranger_is_not_heard(folder: Path, address: BusAddress, who: str, caplog: pytest.LogCaptureFixture) -> None:
    async def test(site: Site) -> None:
        place = site.open(address)
        match who:
            case "unknown key":
                stranger = site.connect(place, site.stranger)
            case "no key":
                stranger = site.connect(place, None)
            case "wrong server key":
                stranger = site.connect(place, site.friend, site.stranger.public)
            case "server's own key":
                stranger = site.connect(place, site.edge)
            case _:
                stranger = site.log_in(place, b"friend", b"friend")
        assert not await tell(stranger, b"let me in", lambda: bool(site.heard), STRANGERS_SECONDS)
        assert not stranger.poll(0)
        friend = site.connect(place, site.friend)
        assert await tell(friend, b"hello", lambda: bool(site.heard))
        assert set(site.words()) == {b"hello"}
        named = {"unknown key": site.stranger, "server's own key": site.edge}.get(who)
        refused = [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]
        assert len(refused) == (named is not None)
        assert named is None or f"key {named.public.decode()}; to accept it, put its .key file into" in refused[0]

    play(folder, test)


def test_without_a_zap_handler_nobody_gets_in(folder: Path, address: BusAddress) -> None:
    async def test(site: Site) -> None:
        router, place = site.pose_as_edge(address, site.edge)
        friend = site.connect(place, site.friend)
        assert not await tell(friend, b"hello", partial(router.poll, 0), STRANGERS_SECONDS)

    play(folder, test)


@pytest.mark.parametrize("has_keys", [True, False])
def test_a_fake_edge_hears_nothing(folder: Path, address: BusAddress, has_keys: bool) -> None:
    """It has the address, and keys of its own or none."""

    async def test(site: Site) -> None:
        fake, place = site.pose_as_edge(address, site.stranger if has_keys else None)
        worker = site.connect(place, site.friend)
        assert not await tell(worker, b"hello", partial(fake.poll, 0), STRANGERS_SECONDS)

    play(folder, test)


def test_a_refused_client_gets_in_when_its_key_is_added(
    folder: Path, address: BusAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "HANDSHAKE_MS", 200)

    async def test(site: Site) -> None:
        late = site.connect(site.open(address), site.stranger)
        assert not await tell(late, b"hello", lambda: bool(site.heard), STRANGERS_SECONDS)
        (site.clients / "late.key").write_bytes((folder / "stranger.key").read_bytes())
        assert site.zap is not None
        site.zap.reload()
        assert await tell(late, b"hello", lambda: bool(site.heard))

    play(folder, test)


def test_a_key_taken_out_is_out_at_once_and_may_come_back(folder: Path, address: BusAddress) -> None:
    async def test(site: Site) -> None:
        other = curve.create(site.clients / "other")
        place = site.open(address)
        friend, colleague = site.connect(place, site.friend), site.connect(place, other)
        assert await tell(friend, b"friend", lambda: b"friend" in site.words())
        assert await tell(colleague, b"colleague", lambda: b"colleague" in site.words())
        identities = {frames[-1]: frames[0] for frames in site.heard}
        (site.clients / "friend.key").rename(folder / "friend.key")
        assert site.zap is not None
        site.zap.reload()
        assert site.revoked == [identities[b"friend"]]
        site.heard.clear()
        assert not await tell(friend, b"friend", lambda: bool(site.heard), STRANGERS_SECONDS)
        assert await tell(colleague, b"colleague", lambda: bool(site.heard))
        (folder / "friend.key").rename(site.clients / "friend.key")
        site.zap.reload()
        assert await tell(friend, b"friend", lambda: b"friend" in site.words())
        assert site.revoked == [identities[b"friend"]]

    play(folder, test)


def test_a_bad_file_changes_nothing(folder: Path) -> None:
    async def test(site: Site) -> None:
        friend = site.connect(site.open(BusAddress("", "127.0.0.1", 0)), site.friend)
        (site.clients / "friend.key").write_text("")
        assert site.zap is not None
        with pytest.raises(KeyFileError, match=r"friend\.key holds no public key"):
            site.zap.reload()
        assert await tell(friend, b"hello", lambda: bool(site.heard))

    play(folder, test)


def test_strangers_do_not_flood_the_log(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def test(site: Site) -> None:
        zap = ZapHandler(site.security)
        for number in range(3 * MAX_NAMED):
            for _ in range(2):
                key = number.to_bytes(32, "big")
                zap._on_question([b"id", b"", b"1.0", b"1", curve.DOMAIN, b"", b"", b"CURVE", key])
        assert sum("refused" in record.getMessage() for record in caplog.records) == MAX_NAMED

    play(folder, test)


def test_nobody_known_is_said(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def test(site: Site) -> None:
        (site.clients / "friend.key").unlink()
        site.open(BusAddress("", "127.0.0.1", 0))
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        assert "holds no public key, so nobody can connect" in caplog.text

    play(folder, test)


def test_it_has_to_know_whom_to_let_in(folder: Path) -> None:
    curve.create(folder / "edge")
    with pytest.raises(ConfigError, match="name their public keys with --bus-clients"):
        ZapHandler(BusSecurity(folder / "edge.key_secret"))


def test_keys_that_come_change_and_go_are_seen_by_themselves(folder: Path) -> None:
    """What `BusService.follow` asks, and calls `reload` for."""

    async def test(site: Site) -> None:
        site.open(BusAddress("", "127.0.0.1", 0))
        zap = site.zap
        assert zap is not None
        now = time.monotonic()

        def is_seen() -> bool:
            nonlocal now
            seen = False
            for _ in range(3):
                now += filewatch.LOOK
                seen |= zap.watch.changed(now)
            return seen

        assert not is_seen()
        late = site.clients / "late.key"
        late.write_bytes((folder / "stranger.key").read_bytes())
        assert is_seen()
        zap.reload()
        assert not is_seen()
        late.write_text("garbled")
        assert is_seen()
        with pytest.raises(KeyFileError):
            zap.reload()
        late.unlink()
        assert is_seen()
        zap.reload()
        assert not is_seen()

    play(folder, test)
