"""Flow tokens: how a reply, or a request inside a dialog, finds the connection or address that its peer came by.

    token = "f1" + key id (4 hex digits) + MAC (24 hex digits) + "-" + flow
    flow  = transport ("u", "t", "s", "w", "x") + listener (6 hex digits) + "-" + port + "-" + connection + "-" + host
    MAC   = keyed BLAKE2b, 96 bits, over the flow and what it is bound to

As RFC 5626 5.2 has it: nobody else can make one, and an edge that is restarted reads those made before. It stands in
our Via, bound to branch, Call-ID, From tag and CSeq; in Record-Route, bound to Call-ID and a tag; in Path, bound to
nothing. A MAC of one place is not valid in another. All characters may stand in a token and in the user of a URI.
"""

from __future__ import annotations

import hashlib
import re
import struct
from functools import lru_cache
from hmac import compare_digest
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slbroker.keys import Key

VERSION: Final = b"f1"
_KEY_ID: Final = slice(2, 6)
_MAC: Final = slice(6, 30)
_FLOW: Final = 31  # where it begins
MAX_TOKEN: Final = 31 + 80 + 32  # characters: a flow of ours is no longer
_LETTERS: Final = {"udp": b"u", "tcp": b"t", "tls": b"s", "ws": b"w", "wss": b"x"}
_TRANSPORTS: Final = {letter: transport for transport, letter in _LETTERS.items()}
# An IPv6 address has "_" for its colons and "~" before its zone, which stays as it is: br_lan.
_match_flow = re.compile(rb"([utswx])([0-9a-f]{6})-([0-9]{1,5})-([0-9a-z]{0,24})-([0-9A-Za-z._~-]{1,64})").fullmatch
_is_connection = re.compile(rb"[0-9a-z]{0,24}").fullmatch
_pack = struct.Struct(">I").pack


class Flow(NamedTuple):
    """Where a peer is reached.

    `connection` is what the edge calls the connection, b"" over UDP: lower-case letters and digits, 24 at most, never
    the same for two connections, of other processes and before a restart neither. Where it no longer stands, and over
    UDP, `host` and `port` are where to send (RFC 3261 18.2.2). `listener` is `listener_id` of the edge's address.
    """

    transport: str
    listener: bytes
    host: str
    port: int
    connection: bytes = b""

    def write(self) -> bytes:
        """Return it as it stands in a token. Raises ValueError for a connection of another form."""
        if not _is_connection(self.connection):
            raise ValueError(f"no name of a connection: {self.connection!r}")
        head = _LETTERS[self.transport] + self.listener
        return b"%b-%d-%b-%b" % (head, self.port, self.connection, _written(self.host))


def read_flow(written: bytes) -> Flow | None:
    """Return what `Flow.write` wrote; None for what it did not."""
    found = _match_flow(written)
    if found is None:
        return None
    letter, listener, port, connection, host = found.groups()
    address, tilde, zone = host.decode().partition("~")
    text = address.replace("_", ":") + ("%" if tilde else "") + zone
    return Flow(_TRANSPORTS[letter], listener, text, int(port), connection)


@lru_cache(maxsize=4_096)
def _written(host: str) -> bytes:
    address, percent, zone = host.partition("%")
    return (address.replace(":", "_") + ("~" if percent else "") + zone).encode()


@lru_cache(maxsize=256)
def listener_id(listen: str) -> bytes:
    """Return 6 hex digits for a listen address, such as "udp:10.0.0.1:5060": the same at every edge, and tomorrow."""
    return hashlib.blake2b(listen.partition(" ")[0].encode(), digest_size=3).hexdigest().encode()


VIA: Final = b"slbroker-via"  # what is signed
ROUTE: Final = b"slbroker-route"
PATH: Final = b"slbroker-path"


class Seal:
    """Signs with one key and verifies with several; a snapshot of a key ring at one time, as `totag.Signer` is."""

    __slots__ = ("_keyed", "_own", "_prefix")

    def __init__(self, person: bytes, current: Key, accepted: Mapping[bytes, Key]) -> None:
        """`person` has 16 bytes at most, and tells what is signed here from all else that the ring signs."""
        # The hash with the key already in it; a copy costs a tenth of keying anew.
        self._keyed = {
            key.id: hashlib.blake2b(key=key.secret, digest_size=12, person=person) for key in accepted.values()
        }
        self._own = hashlib.blake2b(key=current.secret, digest_size=12, person=person)
        self._prefix = VERSION + current.id

    def token(self, flow: bytes, bound: bytes) -> bytes:
        """Return a token of `Flow.write`, for what it is bound to: `framed` parts."""
        state = self._own.copy()
        state.update(b"%b%b%b" % (_pack(len(flow)), flow, bound))
        return b"%b%b-%b" % (self._prefix, state.hexdigest().encode(), flow)

    def open(self, token: bytes, bound: bytes) -> bytes | None:
        """Return the flow of a token that was made for this; None for any other bytes. Never raises."""
        keyed = self._keyed.get(token[_KEY_ID])
        if keyed is None or len(token) > MAX_TOKEN or token[:2] != VERSION or token[_FLOW - 1 : _FLOW] != b"-":
            return None
        flow = token[_FLOW:]
        state = keyed.copy()
        state.update(b"%b%b%b" % (_pack(len(flow)), flow, bound))
        return flow if compare_digest(state.hexdigest().encode(), token[_MAC]) else None


def framed(*parts: bytes) -> bytes:
    """Return each part behind its length, so that no two lists of as many parts ever feed a hash the same bytes."""
    return b"".join([_pack(len(part)) + part for part in parts])


class Seals:
    """The three places where tokens stand. A dialog may outlive its key: Record-Route, and Path, are read with `kept`.

    Build one by `Seals(ring.current, ring.accepted(now), ring.all_keys())`, and a new one when the ring is loaded.
    """

    __slots__ = ("accepted", "current", "known", "path", "route", "via")

    def __init__(self, current: Key, accepted: Mapping[bytes, Key], kept: tuple[Key, ...] = ()) -> None:
        self.current = current
        self.accepted = accepted
        self.known = {key.id: key for key in kept} | dict(accepted)
        self.via = Seal(VIA, current, accepted)
        self.route = Seal(ROUTE, current, self.known)
        self.path = Seal(PATH, current, self.known)
