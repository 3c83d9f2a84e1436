"""The signed To-tag: how an edge knows the ACK to a reply that some worker made, with no shared state.

    tag = "s1" + key id (4 hex digits) + "-" + MAC (24 hex digits)    31 token characters (RFC 3261 25.1)
    MAC = keyed BLAKE2b, 96 bits, over Call-ID, From tag and CSeq number

Those three are the same in a request, in its repetitions and in the ACK to its reply; so any worker gives the
same request the same tag (RFC 3261 8.2.7). The branch is left out: the ACK to a 2xx has a new one, an RFC
2543 peer none. Each text goes in behind its length, so that no two requests ever feed the MAC the same bytes.

Bytes are compared as they are: a peer must echo a tag, not respell it. Only this module knows the format.
"""

from __future__ import annotations

import hashlib
import struct
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from slbroker.twins import compiled_or_pure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slbroker.keys import Key
    from slbroker.sip.reading import Ack

_VERSION: Final = b"s1"  # a changed format takes another, or an upgrade would misread the tags before it
_PERSON: Final = b"slbroker-totag"  # the same secret used elsewhere gives no MAC that is valid here

_KEY_ID: Final = slice(2, 6)  # where in a tag it stands
TAG_LENGTH: Final = 31  # the MAC's 24 digits make a guess one in 2**96, and keep small replies small
_pack = struct.Struct(">I").pack
MAX_CSEQ: Final = 2**32 - 1  # what four bytes hold; RFC 3261 8.1.1.5 stays below 2**31


@compiled_or_pure("slbroker._totag")
class Mac:
    """A keyed hash over what a request has in common with its repetitions and its ACK: BLAKE2b, 96 bits.

    As a tag it has `prefix` before its 24 hex digits.
    """

    __slots__ = ("_keyed", "_prefix", "refused", "verified")

    def __init__(self, secret: bytes, person: bytes, prefix: bytes = b"") -> None:
        """`secret` has 32 bytes, `person` at most 16: the same secret used elsewhere gives other hashes.

        Raises ValueError for other sizes, and for a prefix longer than 16 bytes.
        """
        if len(secret) != 32 or len(person) > 16 or len(prefix) > 16:
            raise ValueError("a secret has 32 bytes, a personalisation and a prefix have 16 at most")
        # The hash with the key already in it; a copy costs a tenth of keying anew.
        self._keyed = hashlib.blake2b(key=secret, digest_size=12, person=person)
        self._prefix = prefix
        self.verified = self.refused = 0  # tags that were, and were not, its own when somebody looked: for statistics

    def tag(self, call_id: bytes, from_tag: bytes, cseq: int) -> bytes:
        """Return the prefix and the MAC of Call-ID, From tag and CSeq number; the texts go in behind their lengths.

        Raises ValueError when `cseq` is not within 0 to 2**32 - 1.
        """
        state = self._keyed.copy()
        try:
            # One concatenation and one update: this runs once a reply, and is most of its cost.
            state.update(b"%b%b%b%b%b" % (_pack(len(call_id)), call_id, _pack(len(from_tag)), from_tag, _pack(cseq)))
        except struct.error:
            raise ValueError(f"CSeq number {cseq} is not within 0 to {2**32 - 1}") from None
        return self._prefix + state.hexdigest().encode()

    def matches(self, tag: bytes, call_id: bytes, from_tag: bytes, cseq: int) -> bool:
        """Return whether `tag` is theirs, in a time that tells nothing about the right one; raises as `tag` does."""
        matches = compare_digest(tag, self.tag(call_id, from_tag, cseq))
        self.verified += matches
        self.refused += not matches
        return matches


def unsigned(acks: Sequence[Ack], macs: Mapping[bytes, Mac], start: int, stop: int) -> list[Ack]:
    """Return the ACKs whose To-tag is none of `macs`; the bytes from `start` to `stop` of a tag say which it would be.

    The CSeq number of an ACK is within 0 to 2**32 - 1.
    """
    rest = []
    for ack in acks:
        reading = ack[0]
        tag = reading.to_tag
        mac = macs.get(tag[start:stop])
        if mac is None or not mac.matches(tag, reading.call_id, reading.from_tag, reading.cseq):
            rest.append(ack)
    return rest


class Signer:
    """Signs with one key and verifies with several; a snapshot of a key ring at one time.

    Build one by `Signer(ring.current, ring.accepted(now))` and a new one whenever the ring is loaded again.
    `accepted` maps key ids to keys. A key that expires meanwhile is accepted until then.
    """

    __slots__ = ("_macs", "mac")

    def __init__(self, current: Key, accepted: Mapping[bytes, Key]) -> None:
        self.mac = _mac_of(current)  # what builds a reply signs with it
        self._macs = {key.id: _mac_of(key) for key in accepted.values()}

    def sign(self, call_id: bytes, from_tag: bytes, cseq: int) -> bytes:
        """Return the To-tag of a reply (RFC 3261 8.2.6.2); `from_tag` is b"" where the request has none.

        Raises ValueError when `cseq` is not within 0 to 2**32 - 1.
        """
        return self.mac.tag(call_id, from_tag, cseq)

    def unsigned(self, acks: list[Ack]) -> list[Ack]:
        """Return the ACKs whose To-tag does not verify; their CSeq numbers are within 0 to 2**32 - 1."""
        return unsigned(acks, self._macs, _KEY_ID.start, _KEY_ID.stop)

    def verify(self, tag: bytes, call_id: bytes, from_tag: bytes, cseq: int) -> bool:
        """Return whether `tag` was signed, for this Call-ID, From tag and CSeq number, with an accepted key.

        Takes any bytes and any number, and never raises. The time taken tells nothing about the right MAC.
        """
        mac = self._macs.get(tag[_KEY_ID])
        return mac is not None and 0 <= cseq <= MAX_CSEQ and mac.matches(tag, call_id, from_tag, cseq)

    def count_on(self, former: Signer) -> None:
        """Count on from what the one before has counted, for the keys that both have."""
        for key_id, mac in former._macs.items():
            if key_id in self._macs:
                self._macs[key_id].verified += mac.verified
                self._macs[key_id].refused += mac.refused

    def figures(self) -> dict[str, dict[str, int]]:
        """Return, by key id, how many tags were verified with it, and how many that named it were refused."""
        return {
            key_id.decode(): {"verified": mac.verified, "refused": mac.refused} for key_id, mac in self._macs.items()
        }


def _mac_of(key: Key) -> Mac:
    return Mac(key.secret, _PERSON, b"%b%b-" % (_VERSION, key.id))
