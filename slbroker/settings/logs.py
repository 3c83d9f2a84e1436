"""What an edge logs beside what goes wrong: calls, and the messages of some of them."""

from __future__ import annotations

from typing import Final

from slbroker.errors import ConfigError
from slbroker.option import Word, frozen, option
from slbroker.sip.tracing import Wanted


def read_wanted(text: str) -> Wanted:
    """Return which messages are wanted; raise ConfigError."""
    try:
        return Wanted.read(text)
    except ValueError as error:
        raise ConfigError(f"--trace {text!r:.80}: {error}") from None


WANTED: Final = Word("call-id|user|source", read_wanted)


# fmt: off
@frozen()
class LogSettings:
    """What an edge logs of requests and messages."""

    calls: bool = option("--log-calls", bool, default=False,
        help="Log a line for each request: from where, what became of it, in what time, by which worker, why.")
    traces: tuple[Wanted, ...] = option("--trace", WANTED, default=(),
        help="Log whole messages, in and out, of this Call-ID, this user or this source (address or network), the first"
        " 1,000; they hold names and credentials. Repeatable; while an edge runs: slbroker trace.",
        many=True, param="traces", metavar="CALL-ID|USER|SOURCE", example="source=192.0.2.7")
# fmt: on


USUAL_LOGS: Final = LogSettings()
