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

from slbroker.errors import PluginError
from slbroker.plugin import pieces
from slbroker.plugin.arguments import check_remembered
from slbroker.plugin.contact import contact_value, escape
from slbroker.plugin.digest import Digest
from slbroker.plugin.handlers import Handlers
from slbroker.plugin.rate import RateLimit
from slbroker.plugin.reply import DROP, Reply
from slbroker.plugin.ruletable import RuleTable
from slbroker.plugin.users import UserFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from slbroker.plugin.kinds import Decision, Handler
    from slbroker.plugin.request import Request

_REDIRECT: Final = 302
_find_other = re.compile(r"\{\w*\}").search
_CONDITIONS: Final = ("user", "domain", "source", "transport", "header")


def load_rules(path: Path) -> Handlers:
    """Return the plugin that the file at `path` describes; raise PluginError, one line that names the key at fault."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise PluginError(f"plugin {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PluginError(f"plugin {path}: {error}") from error
    try:
        return _read(RuleTable(content), path.parent)
    except ValueError as error:
        raise PluginError(f"plugin {path}: {error}") from error


def _read(file: RuleTable, folder: Path) -> Handlers:
    """Return the plugin; what stands before the rules is asked in this order, whatever the file's own is."""
    app = Handlers(
        default_code=file.take("default-code", int, 500),
        default_reason=file.take("default-reason", str, "Internal Server Error"),
        errors=file.take("errors", str, "kamailio"),
        keepalive=file.take("keepalive", bool, True),
    )
    if screen := file.table("screen"):
        _before(app, screen, _screen)
    if rate := file.table("rate"):
        app.before(_rate(rate))
    if maintenance := file.table("maintenance"):
        app.before(_maintenance(maintenance, folder))
    if checks := file.table("checks"):
        app.before(_checks(checks))
    if auth := file.table("auth"):
        app.before(_auth(auth, folder))
    for rule in file.tables("on"):
        _rule(app, rule)
    if otherwise := file.table("otherwise"):
        handler, remember = _named(_handler(otherwise), otherwise.path), _remember(otherwise)
        otherwise.finish()
        if remember is None:
            app.otherwise(handler)
        else:
            app.otherwise(remember=remember)(handler)
    file.finish()
    return app


def _before(app: Handlers, table: RuleTable, make: Callable[[RuleTable], Any]) -> None:
    """Declare a hook whose decisions may be remembered."""
    remember = _remember(table)
    hook = make(table)
    if remember is None:
        app.before(hook)
    else:
        app.before(hook, remember=remember)


def _remember(table: RuleTable) -> float | None:
    """Return for how many seconds what a table decides is good; None where it does not say."""
    if not table.has("remember"):
        return None
    seconds: float = table.take("remember", float, 0.0)
    table.wrong("remember", lambda given: check_remembered("remember", given), seconds)
    return seconds


def _screen(table: RuleTable) -> Any:
    hook = pieces.screen(
        user_agents=table.words("user-agent", pieces.SCANNERS),
        headers=table.words("header"),
        sdp=table.words("sdp"),
        users=table.words("user"),
        answer=_answer(table),
    )
    table.finish()
    return hook


def _rate(table: RuleTable) -> RateLimit:
    requests, seconds = table.take("requests", int, 30), table.take("seconds", float, 2.0)
    hook = RateLimit(requests, seconds, _answer(table), table.words("exempt"))
    table.finish()
    return hook


def _maintenance(table: RuleTable, folder: Path) -> Any:
    active: Any = table.take("active", bool, True)
    if file := table.take("file", str, ""):
        active = folder / file
    retry_after = table.one_of("retry-after", (int, str), "60-90")
    reason, exempt = table.take("reason", str, "Service Unavailable"), table.words("exempt")
    hook = table.wrong("retry-after", lambda given: pieces.maintenance(active, given, reason, exempt), retry_after)
    table.finish()
    return hook


def _checks(table: RuleTable) -> Any:
    body = table.take("max-body", int, -1)
    hook = pieces.judge(*table.words("names"), supported=table.words("supported"), max_body=body if body >= 0 else None)
    table.finish()
    return hook


def _auth(table: RuleTable, folder: Path) -> Any:
    realm = table.need("realm", str)
    digest = Digest(
        realm,
        UserFile(folder / table.need("users", str), realm),
        algorithms=table.words("algorithms", ("MD5",)),
        proxy=table.take("proxy", bool, False),
        lifetime=table.take("lifetime", float, 300.0),
        bind=table.take("bind", str, ""),
    )
    hook = digest.gate(*table.words("method", ("REGISTER", "INVITE")))
    table.finish()
    return hook


def _rule(app: Handlers, rule: RuleTable) -> None:
    methods = rule.words("method")
    given: dict[str, Any] = {name: words for name in _CONDITIONS if (words := rule.words(name))}
    handler, remember = _handler(rule), _remember(rule)
    rule.finish()
    try:
        app.on(*methods, remember=remember, **given)(_named(handler, rule.path))
    except ValueError as error:
        raise ValueError(f"{rule.path}: {error}") from None


def _handler(rule: RuleTable) -> Handler:
    """Return what answers as `reply`, `redirect` or `drop` says."""
    headers = rule.headers("headers")
    body = rule.take("body", str, "")
    contacts = rule.words("redirect")
    words = rule.take("reply", str, str(_REDIRECT) if contacts else "")
    silent = rule.take("drop", bool, False)
    if silent == bool(words):
        raise ValueError(f"{rule.path}: say one of reply, redirect, drop")
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


def _try(contact: str) -> None:
    """Raise ValueError for a contact that no request could be redirected to."""
    filled = contact.replace("{user}", "1")
    if other := _find_other(filled):
        raise ValueError(
            f"{contact!r}: {other[0]} stands for nothing; only {{user}} does, for the user that was called"
        )
    contact_value(filled)


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
    """Return what `answer` says: "drop", the usual, or a status and a reason."""
    words = table.take("answer", str, "drop")
    return DROP if words == "drop" else Reply(*table.status("answer", words))
