"""The request as a whole, $rm, $mb, $rb: its method, tags, flags, body and the SDP in that."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from slbroker.sip.uri import text
from slbroker_handlers.kemi.iterators import line_at
from slbroker_handlers.kemi.sdp import sdp_of
from slbroker_handlers.kemi.variables.access import declare

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call
    from slbroker_handlers.kemi.values import Value, Xval
    from slbroker_handlers.kemi.variables.specs import Spec

# From this release on numbers have 64 bits, so that flag 31 is no sign.
LONG_NUMBERS: Final = (5, 8)


def _message(call: Call, spec: Spec) -> Xval:
    if spec.inner == "len":
        return len(call.written())
    return text(call.written()) if spec.inner == "buf" else None


def _sdp(call: Call, spec: Spec) -> Xval:
    sdp = sdp_of(call)
    if sdp is None or spec.inner == "body":
        return sdp
    found = re.search(r"^o=\S+ \S+ ([0-9]{1,9})", sdp, re.MULTILINE) if spec.inner == "sess_version" else None
    return int(found[1]) if found else None


# Flags ----------------------------------------------------------------------------------------------------------


def _get_flags(call: Call, spec: Spec) -> Xval:
    """Return the flags of the request (m), the first branch (b) or the script (s), by F as hexadecimal digits."""
    flags = {"m": call.flags, "b": call.branch_flags.get(0, 0), "s": call.script_flags}[spec.name[0]]
    if spec.name[1] == "F":
        return f"{flags:08x}"
    return flags - 2**32 if flags >= 2**31 and call.state.release < LONG_NUMBERS else flags


def _set_flags(call: Call, spec: Spec, value: Value | None) -> bool:
    """Set the flags of the request, the first branch or the script; null clears them."""
    if isinstance(value, str):
        return False
    flags = (value or 0) & 0xFFFF_FFFF
    if spec.name[0] == "m":
        call.flags = flags
    elif spec.name[0] == "s":
        call.script_flags = flags
    else:
        call.branch_flags[0] = flags
    return True


_FLAGS: Final = ("mf", "mF", "sf", "sF", "bf", "bF")
declare(
    {
        "rm": lambda call, _: call.method or None,
        "rv": lambda call, _: "SIP/2.0" if call.method else None,
        **dict.fromkeys(("ft", "fti"), lambda call, _: text(call.message.from_tag) or None),
        **dict.fromkeys(("tt", "tti"), lambda call, _: text(call.message.to_tag) or None),
        "ci": lambda call, _: text(call.message.call_id) or None,
        "ltt": lambda call, spec: call.request.reply_tag if spec.inner in ("s", "x") else None,
        "rb": lambda call, _: text(call.message.body) if call.message.method else None,
        "bs": lambda call, _: len(call.message.body),
        "blitval": lambda call, spec: line_at(call, "bl", spec.inner),
        **dict.fromkeys(("mb", "mbu"), lambda call, _: text(call.written())),
        "ml": lambda call, _: len(call.written()),
        "msg": _message,
        "mi": lambda call, _: call.number,
        "sdp": _sdp,
        "mt": lambda call, _: 2 if call.status else 1,
        "rs": lambda call, _: call.status or None,
        "rr": lambda call, _: call.reason or None,
        **dict.fromkeys(("T_branch_idx", "rc", "retcode"), lambda _call, _: 0),
        **dict.fromkeys(_FLAGS, _get_flags),
    },
    dict.fromkeys(_FLAGS, _set_flags),
)
declare({"tts": lambda call, _: int(bool(call.message.to_tag))}, since=(6, 1))
