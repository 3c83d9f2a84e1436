"""Messages as phones, trunks, monitors and scanners send them, with what each should get: the files beside this one.

Each message stands behind a line `==== name [tcp] [want=STATUS|none] [show=FIELDS] [flags]`. Its lines end in CRLF on
the wire. `{me}` is the sender's port, `{len}` the body's length, `{0xHH}` a byte; `noend` leaves the empty line off.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER: Final = Path(__file__).parent
WORDS: Final = frozenset(("tcp", "noend"))  # what a title may say beside want= and show=

_replace_bytes = re.compile(rb"\{0x([0-9a-f]{2})\}").sub


@dataclass(frozen=True)
class Case:
    """One message. `want` is the status of the one answer, None for silence, from a plugin that answers 200."""

    name: str
    words: frozenset[str]
    want: int | None
    show: tuple[str, ...]
    text: bytes

    @property
    def transport(self) -> str:
        """What it is sent over: "udp" or "tcp"."""
        return "tcp" if "tcp" in self.words else "udp"

    def data(self, port: int) -> bytes:
        """Return its bytes, as one whose socket has `port` sends them."""
        head, _, body = self.text.partition(b"\n\n")
        head, body = (_filled(part.replace(b"\n", b"\r\n"), port) for part in (head, body))
        head = head.replace(b"{len}", str(len(body)).encode())
        return head + (b"\r\n" if "noend" in self.words else b"\r\n\r\n" + body)


def _filled(part: bytes, port: int) -> bytes:
    part = part.replace(b"{me}", str(port).encode())
    return _replace_bytes(lambda found: bytes.fromhex(found[1].decode()), part)


def read(path: Path) -> Iterator[Case]:
    """Yield the messages of a file; raise ValueError for a title that says what is not known."""
    content = path.read_bytes()
    _, *pieces = re.split(rb"^==== ", content, flags=re.MULTILINE)
    for piece in pieces:
        title, _, text = piece.partition(b"\n")
        name, *rest = title.decode().split()
        given = dict(word.split("=", 1) for word in rest if "=" in word)
        words = frozenset(word for word in rest if "=" not in word)
        if not words <= WORDS or not given.keys() <= {"want", "show"}:
            raise ValueError(f"{path.name}: {title.decode()}")
        show = tuple(filter(None, given.get("show", "").split(",")))
        want = None if given["want"] == "none" else int(given["want"])
        yield Case(f"{path.stem}-{name}", words, want, show, text)


CASES: Final[dict[str, Case]] = {case.name: case for path in sorted(FOLDER.glob("*.sip")) for case in read(path)}
