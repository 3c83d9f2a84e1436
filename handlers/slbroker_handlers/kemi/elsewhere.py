"""What Kamailio exports to KEMI scripts and cannot work here: why, and what answers in its place.

What Kamailio's releases export is in known.py; what works here is in the modules.
"""

from __future__ import annotations

from typing import Final

from slbroker_handlers.kemi.known import find_known

# Why a module has no place here, for those that scripts use.
REASONS: Final = {
    "acc": "accounting needs a transaction",
    "app_python3": "call the script's own functions",
    "auth_db": "it reads a database; use KSR.auth.pv_auth_check, or a Python library",
    "dialog": "there are no dialogs",
    "dispatcher": "nothing is forwarded",
    "msilo": "it needs a database",
    "nathelper": "it changes what is forwarded or registered",
    "path": "nothing is forwarded",
    "permissions": "it needs a database",
    "registrar": "there is no location service",
    "rr": "nothing is forwarded, so no route is recorded or followed",
    "rtpengine": "there is no media",
    "rtpproxy": "there is no media",
    "sqlops": "it needs a database; use a Python library",
    "tm": "there are no transactions",
    "tmx": "there are no transactions",
    "uac": "it changes or sends requests",
    "": "nothing is forwarded, and there are no routes of a kamailio.cfg",
}
NO_REASON: Final = "it has no place in a stateless worker"


def reason_for(module: str) -> str:
    """Return why a module's function cannot work here."""
    return REASONS.get(module, NO_REASON)


def result_of(module: str, name: str) -> str:
    """Return the kind of a function's result; of one that no release has, what its name lets expect."""
    known = find_known(module, name)
    if known is not None:
        return known.result
    if name.startswith("is_") and not module:
        return "bool"
    return "Xval" if name.startswith(("get", "sht_get", "xavp_get", "avp_get", "var_get")) else "int"
