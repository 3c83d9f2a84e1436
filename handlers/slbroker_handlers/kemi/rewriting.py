"""KSR.textops' changes of the request that a proxy forwards: lost here, and answered as if they had been made."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from slbroker.sip.uri import text
from slbroker_handlers.kemi.exports import FORWARDED
from slbroker_handlers.kemi.rebuilt import rebuild
from slbroker_handlers.kemi.substitution import substitute
from slbroker_handlers.kemi.textops import is_expression, search_in, textops

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker_handlers.kemi.call import Call


def _all(call: Call) -> str:
    return text(rebuild(call))


def _headers(call: Call) -> str:
    return _all(call).partition("\r\n\r\n")[0]


def _body(call: Call) -> str:
    return text(call.message.body)


def _replace(name: str, where: Callable[[Call], str]) -> None:
    def replace(call: Call, expression: str, by: str) -> int:
        del by
        return search_in(where(call), expression, re.MULTILINE)

    replace.__doc__ = "Return 1 when the expression matches, so that something would be changed, else -1."
    textops.add(name, replace, FORWARDED)


for _name, _where in {
    "replace": _all, "replace_all": _all, "replace_hdrs": _headers, "replace_body": _body, "replace_body_all": _body,
    "replace_body_atonce": _body, "search_append": _all, "search_append_body": _body,
}.items():  # fmt: skip
    _replace(_name, _where)


def _always(name: str) -> None:
    def replace(_call: Call, old: str, by: str, mode: str) -> int:
        del old, by, mode
        return 1

    replace.__doc__ = "Return 1."
    textops.add(name, replace, FORWARDED)


@textops.export(partial=FORWARDED)
def replace_body_str(call: Call, old: str, by: str, mode: str) -> int:
    """Return 1, -1 without a body."""
    del old, by, mode
    return 1 if call.message.body else -1


for _name in ("remove_hf_match", "replace_str", "replace_hdrs_str"):
    _always(_name)


@textops.export(partial=FORWARDED)
def remove_hf(_call: Call, name: str) -> int:
    """Take the headers with a name out: 1, whether there are some or not."""
    del name
    return 1


@textops.export(partial=FORWARDED)
def remove_hf_re(_call: Call, expression: str) -> int:
    """Take the headers out whose name matches: 1; -1 for what is no expression."""
    return 1 if is_expression(expression) else -1


@textops.export(partial=FORWARDED)
def remove_hf_exp(_call: Call, matching: str, but: str) -> int:
    """Take the headers out whose name matches one expression and not the other: 1; -1 for what is no expression."""
    return 1 if is_expression(matching) and is_expression(but) else -1


@textops.export(partial=FORWARDED)
def subst(call: Call, expression: str) -> int:
    """Return 1 when /expression/replacement/flags would change something, else -1."""
    return 1 if substitute(expression, _all(call)) is not None else -1


@textops.export(partial=FORWARDED)
def subst_body(call: Call, expression: str) -> int:
    """Return 1 when /expression/replacement/flags would change the body, else -1."""
    return 1 if substitute(expression, _body(call)) is not None else -1


@textops.export(partial=FORWARDED)
def subst_hf(call: Call, name: str, expression: str, which: str) -> int:
    """Return 1 when /expression/replacement/flags would change a header: f the first, l the last, a any; else -1."""
    return 1 if any(substitute(expression, value) is not None for value in call.some(name, which)) else -1


@textops.export(partial=FORWARDED)
def set_body(_call: Call, body: str, content_type: str) -> int:
    """Give the request a body: 1, -1 for an empty one or no type."""
    return 1 if body and content_type else -1
