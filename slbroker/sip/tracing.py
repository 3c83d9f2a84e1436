"""Which messages somebody wants to see: those of a Call-ID, of a user, of a source. Nothing is parsed for it.

What is found by a user or a source leads to its Call-ID, and that to the rest of the call, as what a next hop answers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from slbroker.sip.networks import in_networks, read_networks

if TYPE_CHECKING:
    from slbroker.sip.networks import Networks

MAX_WORD: Final = 256  # characters
MOST_CALLS: Final = 1_000  # that are followed, the latest
_KINDS: Final = ("call-id", "user", "source")
# RFC 3261 7.3.1: the long name or the short one, in any case; a value may stand on the next line.
_find_call_id = re.compile(rb"\n(?:call-id|i)[ \t]*+:[ \t]*+(?:\r?\n[ \t]++)?([^\r\n]*+)", re.IGNORECASE).search


class Wanted(NamedTuple):
    """What is looked for: any of the kinds that the word can mean."""

    word: str
    call_id: bytes = b""
    user: bytes = b""
    networks: Networks = ()

    @classmethod
    def read(cls, text: str) -> Wanted:
        """Return what a text asks for: a Call-ID, a user, an address or a network; or "user=..." and so on, for one.

        Raises ValueError, which says how it is written.
        """
        kind, equals, rest = text.partition("=")
        word = rest if equals and kind in _KINDS else text
        kind = kind if equals and kind in _KINDS else ""
        if not word or len(word) > MAX_WORD or not word.isprintable() or " " in word:
            raise ValueError("name a Call-ID, a user, or an address or network, such as source=192.0.2.0/24")
        raw = word.encode()
        networks: Networks = ()
        if kind in ("", "source"):
            try:
                networks = read_networks([word.strip("[]")])
            except ValueError:
                if kind:
                    raise ValueError(f"{word:.80} is no address and no network, such as 192.0.2.0/24") from None
        return cls(
            text, raw if kind in ("", "call-id") else b"", raw if kind in ("", "user") else b"", networks
        )  # fmt: skip

    def __str__(self) -> str:
        return self.word


class Tracer:
    """Decides, message by message, whether it is one of those that are wanted."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._calls: dict[bytes, None] = {}  # that are followed, the oldest first
        escaped = re.escape(wanted.user)
        self._names_user = re.compile(rb"\b(?:sips?|tel):" + escaped + rb"(?=[@:;>?,\s]|$)", re.IGNORECASE).search

    def wants(self, data: bytes, host: str) -> bool:
        """Return whether a message is wanted that came from a host, or goes there."""
        wanted = self._wanted
        if wanted.networks and in_networks(host.partition("%")[0], wanted.networks):
            return self._follow(data)
        if not (wanted.user and wanted.user in data) and not (wanted.call_id and wanted.call_id in data):
            return bool(self._calls) and call_id_of(data) in self._calls
        head = data.partition(b"\r\n\r\n")[0]
        call_id = call_id_of(head)
        if call_id and (call_id == wanted.call_id or call_id in self._calls):
            return True
        return bool(wanted.user and self._names_user(head)) and self._follow(head)

    def _follow(self, data: bytes) -> bool:
        call_id = call_id_of(data)
        if call_id and call_id not in self._calls:
            if len(self._calls) >= MOST_CALLS:
                del self._calls[next(iter(self._calls))]
            self._calls[call_id] = None
        return True


def call_id_of(data: bytes) -> bytes:
    """Return a message's Call-ID, b"" where there is none. It need not be a message that is served."""
    found = _find_call_id(data, 0, _end_of_head(data))
    return found[1].rstrip(b" \t") if found else b""


def _end_of_head(data: bytes) -> int:
    end = data.find(b"\r\n\r\n")
    return len(data) if end < 0 else end
