"""How far long work is, on standard error: a bar where somebody watches it, else a line now and then."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Final, Self, TextIO

import click

if TYPE_CHECKING:
    from collections.abc import Callable

EVERY: Final = 10.0  # seconds between two lines
_CLEAR: Final = "\r\x1b[K"


class Progress:
    """A context manager; call `reach` as the work goes on. With `total` None nobody knows how much there is.

    Work that is done within `EVERY` seconds says nothing where nobody watches.
    """

    def __init__(
        self, what: str, total: int | None, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._what = what
        self._total = total
        self._stream = stream or sys.stderr
        self._clock = clock
        self._begun = self._said = clock()
        self._done = 0
        self._bar: Any = None
        if self._stream.isatty():
            length, shown = max(total or 0, 1), total is not None
            self._bar = click.progressbar(
                length=length, label=what, file=self._stream, show_pos=shown, show_eta=shown, show_percent=shown,
                item_show_func=lambda words: words, update_min_steps=max(length // 200, 1),
            )  # fmt: skip

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.__enter__()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._bar is not None:
            self._bar.update(0)
            self._bar.__exit__(*exc_info)

    def reach(self, done: int, words: str = "") -> None:
        """Say that so many of all are done, in all; `words` is what else there is to say."""
        if self._bar is not None:
            self._bar.update(done - self._done if self._total is not None else 0, words or None)
        else:
            now = self._clock()
            if now - self._said >= EVERY:
                self._said = now
                click.echo(self._line(done, now) + (f"; {words}" if words else ""), file=self._stream)
        self._done = done

    def clear(self) -> None:
        """Take the bar away, before a line is written to the same terminal; it comes back with the next `reach`."""
        if self._bar is not None:
            click.echo(_CLEAR, nl=False, file=self._stream, color=True)

    def _line(self, done: int, now: float) -> str:
        of = f" of {self._total:,} ({done / max(self._total, 1):.0%})" if self._total is not None else ""
        return f"{self._what}: {done:,}{of}, {done / max(now - self._begun, 0.001):,.0f} a second"
