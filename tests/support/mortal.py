"""The slbroker command, in which a signal is sent at a certain step of taking over: `STEP VICTIM SIGNAL MARK WORD...`.

STEP is "before", "sent" or "behind" and what is asked of the edge before ("sockets", "workers", "leave"), or what was
done last ("found", "listening", "bus", "read", "open"). VICTIM is a process, 0 whichever comes there. MARK is a file
that is made then: it happens once.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from slbroker.cli import main
from slbroker.service import BusService
from slbroker_edge.handover import Handover
from slbroker_edge.sockets import Sockets
from slbroker_edge.takeover import Predecessor

if TYPE_CHECKING:
    from collections.abc import Callable

ASKED: Final = [f"{when} {what}" for what in ("sockets", "workers", "leave") for when in ("before", "sent", "behind")]
DONE: Final = {
    "found": (Predecessor, "fetch"),  # before it
    "listening": (Sockets, "listen"),
    "bus": (BusService, "bind"),
    "read": (Sockets, "read"),
    "open": (Handover, "open"),
}
STEPS: Final = ("found", *ASKED[:3], "listening", "bus", *ASKED[3:6], "read", "open", *ASKED[6:])


def strike(victim: int, number: int, mark: Path) -> None:
    """Send the signal, once."""
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(victim or os.getpid(), number)


def prepare(step: str, at: Callable[[], None]) -> None:
    """Have `at` called at that step."""
    if step in DONE:
        owner, name = DONE[step]
        does = getattr(owner, name)

        def do(*args: Any, **kwargs: Any) -> Any:
            if step == "found":
                at()
            done = does(*args, **kwargs)
            at()
            return done

        setattr(owner, name, do)
        return
    when, what = step.split()
    ask, receive = Predecessor._ask, socket.recv_fds

    def receive_fds(*args: Any) -> Any:
        at()
        return receive(*args)

    def ask_at(self: Predecessor, words: dict[str, Any]) -> Any:
        if words["asks"] != what:
            return ask(self, words)
        if when == "before":
            at()
        if when == "sent":
            socket.recv_fds = receive_fds  # type: ignore[assignment]
        said = ask(self, words)
        if when == "behind":
            at()
        return said

    Predecessor._ask = ask_at  # type: ignore[method-assign]


if __name__ == "__main__":
    step, victim, name, mark, *words = sys.argv[1:]
    prepare(step, lambda: strike(int(victim), signal.Signals[name], Path(mark)))
    sys.argv = ["slbroker", *words]
    main()
