"""`slbroker trace`: the messages of one call, as a running edge receives and sends them."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from slbroker.bus.address import BusAddress
from slbroker.commands import options
from slbroker.commands.look import PingSettings
from slbroker.commands.stats import StatsSettings
from slbroker.errors import Exit
from slbroker.logline import lines_of
from slbroker.option import Number, Whole, also, frozen, option, part
from slbroker.settings.bus import BusSecurity, client_security
from slbroker.settings.edge import EdgeSettings
from slbroker.settings.logs import read_wanted

if TYPE_CHECKING:
    from slbroker.tracequery import Passed


# fmt: off
@frozen(kw_only=True)
class TraceSettings:
    """Whom to ask, and when it is enough; times in seconds."""

    bus: BusAddress = also(EdgeSettings, "bus")
    security: BusSecurity | None = part(BusSecurity, client_security, without=("clients",))
    count: int = also(PingSettings, "count", kind=Whole(1, 100_000), default=100, help="Messages after which it ends.")
    seconds: float = option("--seconds", Number(0.1, 3600, "s"), default=60.0, help="Seconds after which it ends.")
    timeout: float = also(StatsSettings, "timeout")
    as_json: bool = also(StatsSettings, "as_json", help="As JSON, a message a line.")
# fmt: on


@options.command(TraceSettings, click.Argument(["wanted"], metavar="CALL-ID|USER|SOURCE"))
def trace(settings: TraceSettings, wanted: str) -> int:
    """Show whole messages of a call, in and out, as a running edge has them; Ctrl-C ends it before its time.

    Those of a Call-ID; of a user in the Request-URI, From, To and the like; or of an address or network. user=100,
    source=192.0.2.0/24 and call-id=... say which of these a word is meant for. What is found leads to its Call-ID, and
    that to the rest of the call.
    """
    from slbroker.tracequery import TraceQuery

    read_wanted(wanted)
    query = TraceQuery(settings.bus, settings.timeout, settings.security)
    shown = 0
    with suppress(KeyboardInterrupt):
        for passed in query.messages(wanted, settings.count, settings.seconds):
            shown += 1
            click.echo(_as_json(passed) if settings.as_json else _as_text(passed))
    for address in query.silent:
        click.echo(f"slbroker: no answer from {address}", err=True)
    more = f", {query.left_out} more were left out: too many at once" if query.left_out else ""
    click.echo(f"{shown} messages, of {', '.join(sorted(query.edges))}{more}; ended: {query.why or 'here'}", err=True)
    return Exit.FAILURE if query.silent else Exit.OK


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at % 1 * 1e6):06d}Z"


def _peer(passed: Passed) -> str:
    return f"[{passed.host}]:{passed.port}" if ":" in passed.host else f"{passed.host}:{passed.port}"


def _as_text(passed: Passed) -> str:
    way = f"{passed.name} -> {_peer(passed)}" if passed.is_sent else f"{_peer(passed)} -> {passed.name}"
    lines = "\n".join(f"    {line}" for line in lines_of(passed.data))
    return f"{_when(passed.at)} {'sent' if passed.is_sent else 'received'} {way}\n{lines}\n"


def _as_json(passed: Passed) -> str:
    return json.dumps({
        "ts": _when(passed.at), "edge": passed.edge, "direction": "sent" if passed.is_sent else "received",
        "listen": passed.name, "peer": _peer(passed), "message": passed.data.decode(errors="backslashreplace"),
    })  # fmt: skip
