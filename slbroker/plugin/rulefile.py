"""A plugin with no Python: a TOML file of rules, made of the pieces that plugins use (docs/handlers.md has a table).

[[on]]
method = "INVITE"
user = "900*"
reply = "403 No Premium Numbers"

[otherwise]
reply = "404"
"""

from __future__ import annotations

import functools
import re
import tomllib
from typing import TYPE_CHECKING, Any, Final

from slbroker import auth
from slbroker.errors import PluginError
from slbroker.plugin import pieces
from slbroker.plugin.arguments import check_remembered
from slbroker.plugin.contact import contact_value, escape, one_uri
from slbroker.plugin.digest import Digest
from slbroker.plugin.handlers import Handlers
from slbroker.plugin.passing import going_on
from slbroker.plugin.rate import RateLimit
from slbroker.plugin.reply import DROP, Reply
from slbroker.plugin.ruletable import RuleTable
from slbroker.plugin.undecided import let_be
from slbroker.plugin.users import UserFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from slbroker.plugin.kinds import Decision, Handler
    from slbroker.plugin.request import Request

_REDIRECT: Final = 302
_find_other = re.compile(r"\{\w*\}").search
_ANYBODY: Final = Handlers()
_CONDITIONS: Final = ("user", "domain", "source", "transport", "header")


def load_rules(path: Path, *, at_edge: bool = False) -> Handlers:
    """Return the plugin that the file at `path` describes; raise PluginError, one line that names the key at fault.

    `at_edge`: it decides nothing of what no rule of its is for (`undecided`), and ACKs and CANCELs pass the hooks, too.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise PluginError(f"plugin {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PluginError(f"plugin {path}: {error}") from error
    try:
        return _read(RuleTable(content), path.parent, at_edge=at_edge)
    except ValueError as error:
        raise PluginError(f"plugin {path}: {error}") from error


def _read(file: RuleTable, folder: Path, *, at_edge: bool) -> Handlers:
    """Return the plugin; what stands before the rules is asked in this order, whatever the file's own is."""
    answers_pings = file.has("keepalive")
    app = Handlers(**file.given(default_code=int, default_reason=str, errors=str, keepalive=bool))
    for name, make in _HOOKS.items():
        if table := file.table(name):
            remember = _remember(table) if name == "screen" else {}
            app.before(make(table, folder), **remember)
            table.finish()
    for rule in file.tables("on"):
        _rule(app, rule)
    if otherwise := file.table("otherwise"):
        app.otherwise(_named(_handler(otherwise), otherwise.path), **_remember(otherwise))
        otherwise.finish()
    file.finish()
    if at_edge:
        app.on("ACK", "CANCEL")(let_be)  # behind the rules for them: the hooks see them all
        if not app.has_otherwise:
            app.otherwise(_answer_pings if answers_pings and app.settings.keepalive else let_be)
    return app


def _answer_pings(request: Request) -> Any:
    """Answer what asks whether this server is there, as a plugin without a word of its own does; nothing else."""
    reply: Any = _ANYBODY.find(request)(request)
    return reply if reply.status == 200 else let_be(request)


def _remember(table: RuleTable) -> dict[str, float]:
    """Return for how many seconds what a table decides is good, as an argument of what declares it; {} for no word."""
    seconds: dict[str, float] = table.given(remember=float)
    for given in seconds.values():
        table.wrong("remember", lambda said: check_remembered("remember", said), given)
    return seconds


def _screen(table: RuleTable, _folder: Path) -> Any:
    agents = {"user_agents": table.words("user-agent")} if table.has("user-agent") else {}
    headers, sdp, users = (table.words(key) for key in ("header", "sdp", "user"))
    return pieces.screen(headers=headers, sdp=sdp, users=users, answer=_answer(table), **agents)


def _rate(table: RuleTable, _folder: Path) -> Any:
    given = table.given(requests=int, seconds=float)
    return RateLimit(answer=_answer(table), exempt=table.words("exempt"), **given)


def _maintenance(table: RuleTable, folder: Path) -> Any:
    active: Any = table.take("active", bool, True)
    if file := table.take("file", str, ""):
        active = folder / file
    given = table.given(retry_after=(int, str), reason=str) | {"exempt": table.words("exempt")}
    return table.wrong("retry-after", lambda said: pieces.maintenance(active, **said), given)


def _checks(table: RuleTable, _folder: Path) -> Any:
    body = table.take("max-body", int, -1)
    return pieces.judge(*table.words("names"), supported=table.words("supported"), max_body=body if body >= 0 else None)


def _auth(table: RuleTable, folder: Path) -> Any:
    realm = table.need("realm", str)
    users = UserFile(folder / table.need("users", str), realm)
    algorithms = table.words("algorithms", (auth.MD5,))
    digest = Digest(realm, users, algorithms=algorithms, **table.given(proxy=bool, lifetime=float, bind=str))
    return digest.gate(*table.words("method", ("REGISTER", "INVITE")))


# What stands before the rules, by the name of its table.
_HOOKS: Final[dict[str, Callable[[RuleTable, Path], Any]]] = {
    "screen": _screen, "rate": _rate, "maintenance": _maintenance, "checks": _checks, "auth": _auth,
}  # fmt: skip


def _rule(app: Handlers, rule: RuleTable) -> None:
    methods = rule.words("method")
    given: dict[str, Any] = {name: words for name in _CONDITIONS if (words := rule.words(name))}
    handler = _handler(rule)
    given |= _remember(rule)
    rule.finish()
    try:
        app.on(*methods, **given)(_named(handler, rule.path))
    except ValueError as error:
        raise ValueError(f"{rule.path}: {error}") from None


def _handler(rule: RuleTable) -> Handler:
    """Return what answers as `reply`, `redirect`, `drop` or `forward` says."""
    if rule.has("forward"):
        return _forward(rule)
    headers = rule.headers("headers")
    body = rule.take("body", str, "")
    contacts = rule.words("redirect")
    words = rule.take("reply", str, str(_REDIRECT) if contacts else "")
    silent = rule.take("drop", bool, False)
    if silent == bool(words):
        raise ValueError(f"{rule.path}: say one of reply, redirect, drop, forward")
    if silent:
        return lambda _request: DROP
    status, reason = rule.status("reply", words)
    rule.wrong("reply", lambda _: Reply(status, reason, headers, body), words)
    if contacts:
        if body or not 300 <= status <= 399:
            raise ValueError(f"{rule.path}: redirect goes with a status between 300 and 399, and no body")
        for contact in contacts:
            rule.wrong("redirect", _try, contact)
        return lambda request: request.redirect(
            *(_fill(contact, request) for contact in contacts), status=status, reason=reason, headers=headers
        )
    return lambda request: request.reply(status, reason, headers, body)


def _forward(rule: RuleTable) -> Handler:
    """Return what lets a request go on; what all of them have in common is looked at here, once."""
    for other in ("reply", "redirect", "drop"):
        if rule.has(other):
            raise ValueError(f"{rule.path}: say one of reply, redirect, drop, forward")
    to, uri = rule.take("forward", str, ""), rule.take("uri", str, "")
    given: dict[str, Any] = {"remove": rule.words("remove-headers")}
    given |= {name: rule.headers(f"{name}-headers") for name in ("replace", "add")}
    given["replace"] = {name: _one(several) for name, several in given["replace"].items()}
    flags = rule.given(record_route=bool, path=bool)
    rule.wrong("forward", lambda hop: going_on(hop, None), to)
    for name, changes in given.items():
        rule.wrong(f"{name}-headers", lambda said: going_on("", None, **said), {name: changes})
    if not uri:
        forward = going_on(to, None, **given, **flags)
        return lambda _request: forward
    rule.wrong("uri", lambda said: _try(said, one_uri), uri)
    return lambda request: going_on(to, _fill(uri, request), **given, **flags)


def _one(several: Any) -> Any:
    return several[0] if len(several) == 1 else several


def _try(target: str, make: Callable[[str], object] = contact_value) -> None:
    """Raise ValueError for a contact, or a Request-URI, that could be made for no request."""
    filled = target.replace("{user}", "1")
    if other := _find_other(filled):
        raise ValueError(f"{target!r}: {other[0]} stands for nothing; only {{user}} does, for the user that was called")
    make(filled)


def _named(handler: Handler, path: str) -> Handler:
    """Return `handler` so that it is known by its table's name, and not by a line of this file."""
    named: Handler = functools.partial(handler)
    named.__name__ = path
    return named


def _fill(contact: str, request: Request) -> str:
    """Put the number that was called into a contact: {user}. Without one, no @ remains either."""
    before, at, behind = contact.rpartition("@")
    user = request.uri.user
    if not user and before.endswith("{user}"):
        before, at = before.removesuffix("{user}"), ""
    # Where it is no user it has its escapes, for there a ";" or "&" would begin something new.
    return before.replace("{user}", user) + at + behind.replace("{user}", escape(request.uri.decoded_user))


def _answer(table: RuleTable) -> Decision:
    """Return what `answer` says: "drop", the usual, "forward" and a next hop or none, or a status and a reason."""
    words = table.take("answer", str, "drop")
    said, _, hop = words.partition(" ")
    if said == "forward":
        return table.wrong("answer", lambda to: going_on(to, None), hop.strip())
    return DROP if words == "drop" else Reply(*table.status("answer", words))
