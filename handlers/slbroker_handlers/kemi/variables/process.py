"""The machine, the process and the clock, $TS, $HN, $env; and what is the same in any: colours, special characters."""

from __future__ import annotations

import os
import secrets
import socket
import time
from typing import TYPE_CHECKING, Final

from slbroker_handlers.kemi.variables.access import declare

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call
    from slbroker_handlers.kemi.values import Xval
    from slbroker_handlers.kemi.variables.access import Getter
    from slbroker_handlers.kemi.variables.specs import Spec


def _host_name(_call: Call, spec: Spec) -> Xval:
    name = socket.gethostname()
    return {"f": name, "n": name.partition(".")[0], "d": name.partition(".")[2]}.get(spec.inner) or None


def _time_part(call: Call, spec: Spec) -> Xval:
    now = time.localtime(call.state.date())
    parts = {
        "sec": now.tm_sec, "min": now.tm_min, "hour": now.tm_hour, "mday": now.tm_mday, "mon": now.tm_mon,
        "year": now.tm_year, "wday": (now.tm_wday + 1) % 7 + 1, "yday": now.tm_yday, "isdst": now.tm_isdst,
    }  # fmt: skip
    return parts.get(spec.inner)


def _time_value(call: Call, spec: Spec) -> Xval:
    """Seconds and microseconds: s, u; sn, un of now and not of when they were first asked for; Sn both as text."""
    now = call.state.date()
    seconds, micros = int(now), int(now % 1 * 1_000_000)
    values: dict[str, Xval] = {"s": seconds, "sn": seconds, "u": micros, "un": micros, "Sn": f"{seconds}.{micros:06}"}
    return values.get(spec.inner)


_COLOURS: Final = {"x": 9, "s": 0, "r": 1, "g": 2, "y": 3, "b": 4, "p": 5, "c": 6, "w": 7}


def _colour(_call: Call, spec: Spec) -> Xval:
    """A terminal's colours: of the text, bold for an upper-case letter, and of what is behind it."""
    front, behind = spec.inner[:1], spec.inner[1:]
    if front.lower() not in _COLOURS or behind not in _COLOURS or front == "X":
        return None
    return f"\x1b[{int(front.isupper())};{30 + _COLOURS[front.lower()]};{40 + _COLOURS[behind]}m"


def _random(call: Call, _spec: Spec) -> int:
    call.request.unfit("it is a matter of chance")
    return secrets.randbelow(2**31)


def _text(text: str) -> Getter:
    return lambda _call, _spec: text


declare(
    {
        "HN": _host_name,
        "pp": lambda _call, _: os.getpid(),
        "env": lambda _call, spec: os.environ.get(spec.inner),
        "def": lambda _call, _: None,
        "cfg": lambda _call, spec: 0 if spec.inner == "line" else None,
        "RANDOM": _random,
        "C": _colour,
        "time": _time_part,
        "TV": _time_value,
        "timef": lambda call, spec: time.strftime(spec.inner, time.localtime(call.state.date())),
        "utimef": lambda call, spec: time.strftime(spec.inner, time.gmtime(call.state.date())),
        **dict.fromkeys(("TS", "Ts"), lambda call, _: int(call.state.date())),
        **dict.fromkeys(("TF", "Tf"), lambda call, _: time.ctime(call.state.date())),
    }
)
declare(
    {
        f"E{letter}": _text(meant)
        for letter, meant in {
            "b": "\\", "n": "\n", "r": "\r", "t": "\t", "s": " ", "c": ",", "q": '"', "k": "'", "i": ":", "j": ";",
            "v": "`",
        }.items()
    },
    since=(6, 0),
)  # fmt: skip
