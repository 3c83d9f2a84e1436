"""What a script changes of a message's headers on its way through: Kamailio's lumps.

Nobody sees a change before the message leaves, not the script either, until `textopsx.msg_apply_changes` makes them
visible. What is put at one place keeps the order in which it was put there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from slbroker.proxy.edits import UNTOUCHED
from slbroker.proxy.places import BEFORE, BEHIND, GONE, VALUE, Change
from slbroker.sip.grammar import canonical_name, title
from slbroker.sip.message import pairs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_split_lines = re.compile(rb"\r\n|\n").split
_match_line = re.compile(rb"([^:\s]++)[ \t]*+:([^\r\n\x00]*+)").fullmatch


class Line:
    """A header as it will leave.

    `number` counts those of its name as the message came; -1 is one that the script has put there, `text` its line.
    """

    __slots__ = ("before", "behind", "gone", "is_changed", "name", "new", "number", "text", "value")

    def __init__(self, name: bytes, value: bytes, number: int = -1, text: bytes = b"") -> None:
        self.name = name  # canonical
        self.value = value  # as the script sees it
        self.number = number
        self.text = text
        self.new: bytes | None = None  # its value from now on
        self.is_changed = False  # whether it came with another value than the script sees
        self.gone = False
        self.before: list[bytes] = []  # lines
        self.behind: list[bytes] = []

    @property
    def latest(self) -> bytes:
        """Return the value that it will have."""
        return self.value if self.new is None else self.new

    def lines(self) -> Iterator[Line]:
        """Yield what stands here when all is as it will leave; one that goes is still a place for others."""
        yield from map(read_line, self.before)
        if not self.gone or self.number >= 0:
            now = Line(self.name, self.latest, self.number, self.text)
            now.is_changed = self.is_changed or self.new is not None
            now.gone = self.gone
            yield now
        yield from map(read_line, self.behind)

    def written(self) -> bytes:
        """Return the line of one that the script has put there."""
        is_as_given = self.new is None and not self.is_changed
        return self.text if is_as_given else b"%b: %b" % (self.text.partition(b":")[0].rstrip(), self.latest)


class Draft:
    """The headers of one message; listed only when a script asks for one by its place."""

    __slots__ = ("_came", "_lines", "_removed", "tail")

    def __init__(self) -> None:
        self._lines: list[Line] | None = None
        self._removed: list[bytes] = []  # names, while there is no list
        self.tail: list[bytes] = []  # lines behind all others

    def list_lines(self, headers: Sequence[bytes]) -> list[Line]:
        """Return a line for each header; `headers` are names and values as the message came."""
        if self._lines is None:
            counts: dict[bytes, int] = {}
            self._lines = []
            for name, value in pairs(headers):
                counts[name] = counts.get(name, -1) + 1
                self._lines.append(Line(name, value, counts[name]))
            removed, self._removed = self._removed, []
            for name in removed:
                self.remove(name)
        return self._lines

    def remove(self, name: bytes) -> None:
        """Take the headers out that are called `name`, but for those that are not visible yet."""
        if self._lines is None:
            self._removed.append(name)
            return
        for line in self._lines:
            if line.name == name:
                line.gone = True

    def apply(self, headers: Sequence[bytes]) -> list[bytes]:
        """Let what was changed be visible: return names and values of the headers as they will leave."""
        changed = [now for line in self.list_lines(headers) for now in line.lines()]
        self._lines = [*changed, *map(read_line, self.tail)]
        self.tail = []
        return [part for line in self._lines if not line.gone for part in (line.name, line.value)]

    def changes(self) -> Iterator[Change]:
        """Yield all changes, by places of the message as it came."""
        place: tuple[bytes, int] | None = None  # the last header that came
        first: list[bytes] = []  # lines before the first one
        for line in self._lines or ():
            if line.number < 0:
                texts = [*line.before, *([] if line.gone else [line.written()]), *line.behind]
                if place is None:
                    first += texts
                else:
                    yield from (Change(BEHIND, *place, text) for text in texts)
                continue
            place = (line.name, line.number)
            yield from (Change(BEFORE, *place, text) for text in (*first, *line.before))
            first = []
            if line.gone:
                yield Change(GONE, *place)
            elif line.is_changed or line.new is not None:
                yield Change(VALUE, *place, line.latest)
            yield from (Change(BEHIND, *place, text) for text in line.behind)
        yield from (Change(BEHIND, b"", 0, text) for text in (*first, *self.tail))

    @property
    def removed(self) -> list[bytes]:
        """Return names of headers that go, beside what `changes` says."""
        return self._removed


class Passage:
    """What a script wants of one message that goes on."""

    __slots__ = (
        "draft", "has_contact", "is_branch", "is_dropped", "is_sent", "path", "routes", "rr_params", "status",
        "to", "wants_record",
    )  # fmt: skip

    def __init__(self) -> None:
        self.draft = Draft()
        self.has_contact = False  # whether nathelper has changed Contact for good
        self.wants_record = False  # whether we put a Record-Route in, with rr_params
        self.rr_params = ""
        self.path = False  # whether we put a Path in
        self.to = ""  # where it goes, while it is sent
        self.routes: dict[str, str] = {}  # what KSR.tm.t_on_branch and its like have set
        self.is_branch = False  # whether the branch route runs
        self.is_dropped = False  # whether a reply goes nowhere
        self.is_sent = False  # ... but for what sl_forward_reply has sent
        self.status: tuple[int, str] | None = None  # what a reply's status line says from now on


# Lines ----------------------------------------------------------------------------------------------------------


def read_line(text: bytes) -> Line:
    """Return the header that a line is; raise ValueError where it is none, or one that no script changes here."""
    found = _match_line(text)
    name = canonical_name(found[1]) if found is not None else b""
    if found is None or not name:
        raise ValueError(f"no header's line: {text!r:.80}")
    check_name(name)
    return Line(name, found[2].strip(b" \t"), -1, text)


def read_lines(text: bytes) -> list[bytes]:
    """Return the lines in a text, without their ends; raise ValueError as `read_line` does."""
    lines = [line for line in _split_lines(text) if line]
    for line in lines:
        read_line(line)
    return lines


def check_name(name: bytes) -> None:
    """Raise ValueError for a header that is left alone on the way; `name` is canonical."""
    if name in UNTOUCHED:
        raise ValueError(f"{title(name).decode()} is left alone on the way (RFC 3261 16.6)")
