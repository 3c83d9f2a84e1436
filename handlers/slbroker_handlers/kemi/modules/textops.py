"""KSR.textops: search in requests and texts; the body of replies; the headers of the request that goes on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from slbroker.plugin.reply import header_lines
from slbroker.sip.grammar import canonical_name, title
from slbroker.sip.media import media_type
from slbroker.sip.uri import text
from slbroker_handlers.kemi.exports import BODY_STAYS, LEFT_ALONE, Module
from slbroker_handlers.kemi.expressions import holds, read_expression, search, substitute
from slbroker_handlers.kemi.passage import lines_to_leave, named, remove_lines, remove_named, set_value
from slbroker_handlers.kemi.scriptlog import script_logger
from slbroker_handlers.kemi.sdp import held_by
from slbroker_handlers.kemi.variables.access import put

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker_handlers.kemi.call import Call
    from slbroker_handlers.kemi.draft import Line

logger = script_logger(__name__)

textops = Module("textops")

NO_MATCH: Final = -2
_PYTHON: Final = "a Python regular expression; Kamailio's are POSIX extended"
_REBUILT: Final = f"{_PYTHON}; headers have their long names there, and the top Via is stamped"


# Replies --------------------------------------------------------------------------------------------------------


@textops.export(partial="a second body for one reply is refused whole (-1); Kamailio still adds its Content-Type")
def set_reply_body(call: Call, body: str, content_type: str) -> int:
    """Put a body into every reply to this request that is made from now on."""
    try:
        if not body or not content_type or call.reply_body:
            raise ValueError("it wants a body and a type, once")
        header_lines([("Content-Type", content_type)])
    except ValueError as error:
        logger.error("KSR.textops.set_reply_body: %s", error)
        return -1
    call.reply_body = body.encode(errors="surrogateescape")
    call.reply_headers += (("Content-Type", content_type),)
    return 1


@textops.export(partial="only spaces may be between the digits; a second body for one reply is refused whole (-1)")
def set_reply_body_hex(call: Call, body: str, content_type: str) -> int:
    """Put a body, given in hexadecimal digits, into every reply to this request that is made from now on."""
    try:
        raw = bytes.fromhex(body)
    except ValueError as error:
        logger.error("KSR.textops.set_reply_body_hex: %s", error)
        return -1
    return set_reply_body(call, text(raw), content_type)


# The request ----------------------------------------------------------------------------------------------------


def _whole(call: Call) -> str:
    return text(call.written())


def _headers(call: Call) -> str:
    return _whole(call).partition("\r\n\r\n")[0]


def _body(call: Call) -> str:
    return text(call.message.body)


def _search_in(subject: str, expression: str, flags: int = 0) -> int:
    """Return 1 when a regular expression matches somewhere, in any case, else -1."""
    return 1 if search(expression, subject, re.IGNORECASE | flags) else -1


@textops.export(name="search", partial=_REBUILT)
def search_whole(call: Call, expression: str) -> int:
    """Return 1 when the expression matches in the request, in any case; ^ and $ are those of lines."""
    return _search_in(_whole(call), expression, re.MULTILINE)


@textops.export(partial=_PYTHON)
def search_body(call: Call, expression: str) -> int:
    """Return 1 when the expression matches in the body, in any case."""
    return _search_in(_body(call), expression, re.MULTILINE)


@textops.export(partial=_PYTHON)
def search_hf(call: Call, name: str, expression: str, which: str) -> int:
    """Return 1 when the expression matches in a header: f the first, l the last, a any of them."""
    values = call.some(name, which) if expression else []
    return max((_search_in(value, expression) for value in values), default=-1)


@textops.export
def is_present_hf(call: Call, name: str) -> int:
    """Return 1 when the request has such a header."""
    return 1 if call.all(name) else -1


@textops.export(partial=f"{_PYTHON}; headers have their long names")
def is_present_hf_re(call: Call, expression: str) -> int:
    """Return 1 when the request has a header whose name matches."""
    return max((_search_in(text(title(name)), expression) for name in call.headers[::2]), default=-1)


@textops.export
def has_body(call: Call) -> int:
    """Return 1 when the request has a body."""
    return 1 if call.message.body else -1


@textops.export
def has_body_type(call: Call, content_type: str) -> int:
    """Return 1 when the request has a body of this type, of any for ""."""
    given = media_type(call.first(b"content-type") or b"")
    return 1 if call.message.body and content_type.lower() in (given, "") else -1


@textops.export
def is_privacy(call: Call, kind: str) -> int:
    """Return 1 when Privacy asks for this kind (RFC 3323)."""
    asked = [word.strip().lower() for value in call.all("Privacy") for word in value.split(";")]
    return 1 if kind.lower() in asked else -1


@textops.export
def is_audio_on_hold(call: Call) -> int:
    """Return 2 when the SDP body puts audio on hold by sendonly or inactive, 1 by the address 0.0.0.0, else -1."""
    return held_by(text(call.message.body)) or -1


# Texts ----------------------------------------------------------------------------------------------------------


@textops.export
def in_list(_call: Call, item: str, listed: str, separator: str) -> int:
    """Return 1 when `item` is one of a list's, and is not empty."""
    return 1 if item and item in (word.strip() for word in listed.split(separator or ",")) else -1


@textops.export
def in_list_prefix(_call: Call, item: str, listed: str, separator: str) -> int:
    """Return 1 when `item` begins with one of a list's."""
    words = (word.strip() for word in listed.split(separator or ","))
    return 1 if any(word and item.startswith(word) for word in words) else -1


def _order(first: str, second: str) -> int:
    return 1 if first == second else -1 if first > second else -2


@textops.export
def cmp_str(_call: Call, first: str, second: str) -> int:
    """Return 1 for equal texts, -1 when the first is greater, -2 when it is less."""
    return _order(first, second)


@textops.export
def cmp_istr(_call: Call, first: str, second: str) -> int:
    """Compare as cmp_str does, in any case."""
    return _order(first.lower(), second.lower())


@textops.export(partial=_PYTHON)
def search_str(_call: Call, subject: str, expression: str) -> int:
    """Return 1 when the expression matches in a text, in any case; -2 when that is empty or the expression broken.

    An empty expression is found in any text: 2.
    """
    if not subject or read_expression(expression) is None:
        return -2
    return _search_in(subject, expression) if expression else 2


@textops.export
def starts_with(_call: Call, subject: str, prefix: str) -> int:
    """Return 1 when a text begins with another one, else -1 when it is shorter or sorts behind it, or -2."""
    return _compare(subject, prefix, subject[: len(prefix)])


@textops.export
def ends_with(_call: Call, subject: str, suffix: str) -> int:
    """Return 1 when a text ends with another one, else -1 when it is shorter or sorts behind it, or -2."""
    return _compare(subject, suffix, subject[max(0, len(subject) - len(suffix)) :])


def _compare(subject: str, wanted: str, part: str) -> int:
    """Return what Kamailio does: it tells the two ways of differing apart."""
    if part == wanted:
        return 1
    return -1 if len(wanted) > len(subject) or part > wanted else -2


@textops.export(partial=_PYTHON)
def regex_substring(call: Call, subject: str, expression: str, index: int, most: int, target: str) -> int:
    """Set a pseudo-variable to a group of the first match, 0 for all of it: 1, -2 where nothing matches."""
    pattern = read_expression(expression)
    found = pattern.search(subject) if pattern is not None else None
    if found is None:
        return -1 if pattern is None else NO_MATCH
    return put(call, target, found[index]) if 0 <= index < most and index <= found.re.groups else -1


@textops.export
def str_any_in(_call: Call, subject: str, characters: str) -> int:
    """Return 1 when a text has one of these characters, else -1."""
    return 1 if any(character in characters for character in subject) else -1


@textops.export
def str_all_in(_call: Call, subject: str, characters: str) -> int:
    """Return 1 when a text has none but these characters, else -1."""
    return 1 if subject and all(character in characters for character in subject) else -1


@textops.export(partial=_PYTHON)
def subst_v(call: Call, subject: str, expression: str, target: str) -> int:
    """Set a pseudo-variable to a text changed by /expression/replacement/flags; -1 when nothing matches."""
    return put(call, target, substitute(expression, subject))


def _find(subject: str, part: str) -> int:
    at = subject.find(part)
    return at + 1 if at >= 0 else -1


@textops.export
def str_find(_call: Call, subject: str, part: str) -> int:
    """Return where a text has another one, 1 for its beginning, -1 when it has not; an empty one is behind its end."""
    return _find(subject, part) if part else len(subject) + 1


@textops.export
def str_ifind(_call: Call, subject: str, part: str) -> int:
    """Return where a text has another one, in any case."""
    return _find(subject.lower(), part.lower())


# The Request-URI ------------------------------------------------------------------------------------------------


@textops.export(partial=_PYTHON)
def subst_uri(call: Call, expression: str) -> int:
    """Change the Request-URI by /expression/replacement/flags; -1 when nothing matches."""
    changed = substitute(expression, call.uri)
    if changed is None:
        return -1
    call.set_uri(changed)
    return 1


@textops.export(partial=_PYTHON)
def subst_user(call: Call, expression: str) -> int:
    """Change the user of the Request-URI by /expression/replacement/flags; -1 when nothing matches."""
    parts = call.parts
    changed = substitute(expression, parts.user) if parts else None
    if parts is None or changed is None:
        return -1
    call.set_uri(str(parts._replace(user=changed)))
    return 1


# Headers of the request that goes on ----------------------------------------------------------------------------


def _canonical(name: str) -> bytes:
    return canonical_name(name.encode(errors="surrogateescape"))


@textops.export(partial=LEFT_ALONE)
def remove_hf(call: Call, name: str) -> int:
    """Take the headers with a name out: 1, whether there are some or not."""
    return remove_named(call, "textops.remove_hf", _canonical(name))


@textops.export(partial=f"{_PYTHON}; headers have their long names; {LEFT_ALONE}")
def remove_hf_re(call: Call, expression: str) -> int:
    """Take the headers out whose name matches, in any case: 1, -1 where none does."""
    return _remove_matching(call, "textops.remove_hf_re", expression, None)


@textops.export(partial=f"{_PYTHON}; headers have their long names; {LEFT_ALONE}")
def remove_hf_exp(call: Call, matching: str, but: str) -> int:
    """Take the headers out whose name matches one expression and not the other: 1, -1 where none does."""
    return _remove_matching(call, "textops.remove_hf_exp", matching, but)


def _remove_matching(call: Call, what: str, matching: str, but: str | None) -> int:
    wanted = read_expression(matching, re.IGNORECASE)
    unwanted = read_expression(but, re.IGNORECASE) if but is not None else None
    if wanted is None or (but is not None and unwanted is None):
        return -1

    def is_meant(line: Line) -> bool:
        name = text(title(line.name))
        return wanted.search(name) is not None and not (unwanted is not None and unwanted.search(name))

    return 1 if remove_lines(what, filter(is_meant, lines_to_leave(call))) else -1


@textops.export(partial=LEFT_ALONE)
def remove_hf_idx(call: Call, name: str, index: int) -> int:
    """Take the header at `index` of those with a name out, from the end when that is negative: 1; 2 without one."""
    found = named(call, _canonical(name))
    if not -len(found) <= index < len(found):
        return 2
    return 1 if remove_lines("textops.remove_hf_idx", [found[index]]) else -1


@textops.export(partial=f"operators eq, ne, sw, in, re; {_PYTHON}; {LEFT_ALONE}")
def remove_hf_match(call: Call, name: str, operator: str, value: str) -> int:
    """Take those headers with a name out whose value fits: 1; -1 where none does, -2 without such a header."""
    found = named(call, _canonical(name))
    if not found:
        return -2
    fitting = [line for line in found if holds(operator, text(line.value), value)]
    return 1 if remove_lines("textops.remove_hf_match", fitting) else -1


@textops.export(partial=f"{_PYTHON}; {LEFT_ALONE}")
def subst_hf(call: Call, name: str, expression: str, which: str) -> int:
    """Change a header by /expression/replacement/flags: f the first, l the last, a any of them: 1, -1 if none is."""
    found = named(call, _canonical(name))
    changed = False
    for line in {"f": found[:1], "l": found[-1:]}.get(which[:1], found):
        value = substitute(expression, text(line.latest))
        if value is not None:
            changed = set_value("textops.subst_hf", line, value) or changed
    return 1 if changed else -1


# What would be done is lost, and answered as if it had been done ------------------------------------------------

_AS_IT_CAME: Final = f"{_PYTHON}; the text goes on as it came: answered as if it had been changed"


def _add_search(name: str, where: Callable[[Call], str]) -> None:
    def replace(call: Call, expression: str, by: str) -> int:
        del by
        return _search_in(where(call), expression, re.MULTILINE)

    says = "Return 1 when the expression matches, so that something would be changed, else -1."
    textops.add(name, replace, says, partial=_AS_IT_CAME)


for _name, _where in {
    "replace": _whole, "replace_all": _whole, "replace_hdrs": _headers, "replace_body": _body,
    "replace_body_all": _body, "replace_body_atonce": _body, "search_append": _whole, "search_append_body": _body,
}.items():  # fmt: skip
    _add_search(_name, _where)


@textops.export(partial=BODY_STAYS)
def replace_body_str(call: Call, old: str, by: str, mode: str) -> int:
    """Return 1, -1 without a body."""
    del old, by, mode
    return 1 if call.message.body else -1


@textops.export(partial=_AS_IT_CAME)
def subst(call: Call, expression: str) -> int:
    """Return 1 when /expression/replacement/flags would change something, else -1."""
    return 1 if substitute(expression, _whole(call)) is not None else -1


@textops.export(partial=BODY_STAYS)
def subst_body(call: Call, expression: str) -> int:
    """Return 1 when /expression/replacement/flags would change the body, else -1."""
    return 1 if substitute(expression, _body(call)) is not None else -1


@textops.export(partial=BODY_STAYS)
def set_body(_call: Call, body: str, content_type: str) -> int:
    """Give the request a body: 1, -1 for an empty one or no type."""
    return 1 if body and content_type else -1


textops.answer(
    1,
    {
        "replace_str(old: str, by: str, mode: str)": "Return 1.",
        "replace_hdrs_str(old: str, by: str, mode: str)": "Return 1.",
    },
    partial=_AS_IT_CAME,
)
