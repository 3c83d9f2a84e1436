"""Digest authentication with no state on any worker (RFC 3261 22, RFC 7616, RFC 8760).

users = Digest("example.com", passwords.get)


@app.on("REGISTER")
@users.required
def register(request): ...

A challenge's nonce is signed and timed (`slbroker.authnonce`), so the worker that checks credentials need not be the
one that challenged. What no state can give: within a nonce's life, who has overheard credentials can send them again
(nc is not counted). `bind` narrows that, TLS ends it.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from slbroker import auth
from slbroker.auth import Ha1
from slbroker.plugin.arguments import as_several, check_seconds
from slbroker.plugin.declared import check_function, is_being_declared
from slbroker.plugin.guard import is_async, name_of, title_of
from slbroker.plugin.intruders import tell_of_wrong_credentials
from slbroker.plugin.reply import Reply
from slbroker.sip.credentials import digests, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slbroker.authnonce import NonceKeys
    from slbroker.plugin.arguments import Words
    from slbroker.plugin.kinds import Decision, Handler
    from slbroker.plugin.request import Request

# What a username is looked up to: the password, its hash, or None for nobody.
Secret: TypeAlias = str | Ha1 | None
Lookup: TypeAlias = "Callable[[str], Secret | Awaitable[Secret]]"
Binding: TypeAlias = Literal["", "source", "call-id"]

LIFETIME: Final = 300.0  # seconds; what Kamailio's nonce_expire is by default
_LINE_ENDS: Final = frozenset("\r\n\0")
_BINDINGS: Final = ("", "source", "call-id")
_NEEDED: Final = frozenset(("username", "realm", "nonce", "uri", "response"))  # RFC 3261 22.4
_NEVER: Final = frozenset((b"ACK", b"CANCEL"))  # RFC 3261 22.1: they cannot be sent again with credentials


class Outcome(Enum):
    """What was found. Only GOOD is good."""

    GOOD = "good"
    MISSING = (
        "missing"  # no credentials for our realm, or none that can be judged: incomplete, another algorithm or qop
    )
    WRONG = "wrong"  # nobody of that name, or not that password
    STALE = "stale"  # the right password, but the nonce has expired or is none of ours


class Verdict(NamedTuple):
    """What became of a check: true when it is good, else `reply` is the challenge to send."""

    outcome: Outcome
    username: str
    reply: Reply | None

    def __bool__(self) -> bool:
        return self.outcome is Outcome.GOOD


class Digest:
    """Challenges and checks for one realm, under one way of looking users up."""

    def __init__(
        self,
        realm: str | Callable[[Request], str],
        credentials: Lookup,
        *,
        algorithms: Words = (auth.MD5,),
        qop: bool = True,
        proxy: bool = False,
        lifetime: float = LIFETIME,
        bind: Binding = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`credentials` is given a username and returns its password, an `Ha1` or None; it may be an `async def`.

        `realm` may depend on the request. `algorithms` are offered in their order, a challenge each (RFC 8760): MD5
        alone is what every phone has. `qop` offers qop=auth; credentials without it, from old clients, are taken in any
        case. `proxy` asks with 407 in place of 401. `lifetime` is a nonce's, in seconds. `bind` makes a nonce good only
        for the source address, or the Call-ID, that it was sent to. Raises ValueError for an algorithm that cannot be
        had.
        """
        if not (isinstance(realm, str) or callable(realm)):
            raise ValueError(f"realm={realm!r:.80}: write its name, or a function that returns it for a request")
        if not callable(credentials):
            raise ValueError(
                f"credentials={type(credentials).__name__}: it is called with a name; of a dict pass its .get"
            )
        algorithms = as_several(algorithms)
        missing = [name for name in algorithms if not auth.is_available(name)]
        if missing or not algorithms:
            raise ValueError(f"algorithms={algorithms!r}: use some of {', '.join(auth.ALGORITHMS)}")
        if bind not in _BINDINGS:
            raise ValueError(f"bind={bind!r} is none of source, call-id")
        check_seconds("lifetime", lifetime)
        if isinstance(realm, str):
            _check_realm(realm)
        self._realm = realm
        self._credentials = credentials
        self._algorithms = tuple(algorithms)
        self._qop = qop
        self._header = b"proxy-authorization" if proxy else b"authorization"
        self._status, self._title = (407, "Proxy-Authenticate") if proxy else (401, "WWW-Authenticate")
        self._lifetime = lifetime
        self._bind = bind
        self._clock = clock

    # Asking -----------------------------------------------------------------------------------------------------

    def challenge(self, request: Request, *, stale: bool = False) -> Reply:
        """Return the 401 or 407 that asks for credentials; `stale`: only the nonce was wrong (RFC 7616 3.3)."""
        realm = self.realm_of(request)
        nonce = _nonces(request).make(realm.encode(errors="surrogateescape"), self._binding(request), self._clock())
        rest = (', qop="auth"' if self._qop else "") + (", stale=true" if stale else "")
        values = [f'Digest realm={quoted(realm)}, nonce="{nonce}", algorithm={name}{rest}' for name in self._algorithms]
        return Reply(self._status, headers={self._title: values})

    def realm_of(self, request: Request) -> str:
        """Return the realm that `request` is in; raise ValueError where a function has found what can be none."""
        if isinstance(self._realm, str):
            return self._realm
        realm = self._realm(request)
        _check_realm(realm, f" from {title_of(self._realm)}")
        return realm

    def _binding(self, request: Request) -> bytes:
        if self._bind == "source":
            return request.source.host.encode()
        return request.message.call_id if self._bind == "call-id" else b""

    # Checking ---------------------------------------------------------------------------------------------------

    def check(self, request: Request) -> Verdict:
        """Return whether `request` has good credentials.

        What cannot be read, or lacks something, counts as none and is challenged (RFC 7235 2.1): phones that name
        themselves before they are asked send just that.
        """
        params = self._presented(request)
        secret = self._credentials(params["username"]) if params else None
        if isinstance(secret, Awaitable):
            raise TypeError("the credentials come from an async def: use check_async, or required on an async def")
        return self._judge(request, params, secret)

    async def check_async(self, request: Request) -> Verdict:
        """Do as `check`, with credentials from an `async def`."""
        params = self._presented(request)
        secret = self._credentials(params["username"]) if params else None
        return self._judge(request, params, await secret if isinstance(secret, Awaitable) else secret)

    def username(self, request: Request) -> str:
        """Return who the credentials are said to come from, "" where there are none: `$au`. Checks nothing."""
        params = self._presented(request)
        return params["username"] if params else ""

    def _presented(self, request: Request) -> Mapping[str, str] | None:
        """Return the credentials to judge: complete, for our realm, as we have asked for them.

        A request through several proxies has one for each realm (RFC 3261 22.3), and some clients keep those of
        their last challenge beside the new ones: so who has a nonce that is still good comes first. One is judged and
        no more, or a single request could try many passwords.
        """
        realm = self.realm_of(request)
        presented = (found.params for found in digests(request.message.all(self._header)))
        ours = [params for params in presented if self._is_answer(params, realm)]
        if len(ours) > 1:
            ours.sort(key=lambda params: not self._is_fresh(request, params))  # keeps the order of equals
        return ours[0] if ours else None

    def _is_answer(self, params: Mapping[str, str], realm: str) -> bool:
        return (
            params.get("realm") == realm
            and params.keys() >= _NEEDED
            and params.get("algorithm", auth.MD5).upper() in self._algorithms
            and params.get("qop", "auth").lower() == "auth"
        )

    def _is_fresh(self, request: Request, params: Mapping[str, str]) -> bool:
        age = self._age(request, params)
        return age is not None and age <= self._lifetime

    def _age(self, request: Request, params: Mapping[str, str]) -> float | None:
        """Return how many seconds ago the challenge was sent that is answered, None where it is none of ours."""
        realm = params["realm"].encode(errors="surrogateescape")
        return _nonces(request).age(params["nonce"], realm, self._binding(request), self._clock())

    def _judge(self, request: Request, params: Mapping[str, str] | None, secret: Secret) -> Verdict:
        if params is None:
            return Verdict(Outcome.MISSING, "", self.challenge(request))
        if not (secret is None or isinstance(secret, str | Ha1)):  # or nobody would ever get in, and nobody know why
            raise TypeError(
                f"{title_of(self._credentials)} has to return a password, an Ha1 or None, not {type(secret).__name__}"
            )
        algorithm = params.get("algorithm", auth.MD5).upper()
        username, realm = params["username"], params["realm"]
        kept = secret.of(algorithm) if isinstance(secret, Ha1) else ""
        if isinstance(secret, str):
            kept = auth.ha1(algorithm, username, realm, secret)
        # Also where nobody has that name: how long it takes must not tell.
        right = auth.is_right(algorithm, kept or "-", request.method, params)
        if not (right and kept):
            if self._age(request, params) is not None:  # else it answers no challenge that was sent there
                tell_of_wrong_credentials(request, username)
            return Verdict(Outcome.WRONG, username, self.challenge(request))
        if not self._is_fresh(request, params):
            return Verdict(Outcome.STALE, username, self.challenge(request, stale=True))
        return Verdict(Outcome.GOOD, username, None)

    # Putting it before handlers ---------------------------------------------------------------------------------

    def required(self, handler: Handler) -> Handler:
        """Return `handler` so that it is called with good credentials only; all else is challenged.

        Raises ValueError for a handler that is declared already: requests would reach it unguarded.
        """
        if is_being_declared(handler):
            raise ValueError(
                f"{name_of(handler)} is declared without its guard; write @app.on above, .required below it,"
                " and so with @app.before"
            )
        check_function(handler, ".required", "request")
        if not (is_async(handler) or is_async(self._credentials)):

            @functools.wraps(handler)
            def guarded(request: Request) -> Any:
                return self.check(request).reply or handler(request)

            return guarded

        @functools.wraps(handler)
        async def guarded_async(request: Request) -> Decision:
            verdict = await self.check_async(request)
            if verdict.reply is not None:
                return verdict.reply
            decision = handler(request)
            return await decision if isinstance(decision, Awaitable) else decision

        return guarded_async

    def gate(self, *methods: str) -> Callable[[Request], Any]:
        """Return a hook for `app.before` that wants credentials for `methods`, or for all that can have them."""
        wanted = frozenset(method.encode() for method in methods)

        def ask(request: Request) -> Any:
            method = request.message.method
            if method in _NEVER or (wanted and method not in wanted):
                return None
            if is_async(self._credentials):
                return self._ask_later(request)
            return self.check(request).reply

        return ask

    async def _ask_later(self, request: Request) -> Reply | None:
        return (await self.check_async(request)).reply


def _check_realm(realm: object, source: str = "") -> None:
    """Raise ValueError for what can be no realm: a challenge could not be written, or would be another header too."""
    if not isinstance(realm, str):
        raise ValueError(f"realm={realm!r:.80}{source} is no text: the function has to return the realm's name")
    if not _LINE_ENDS.isdisjoint(realm):
        raise ValueError(f"realm={realm!r:.80}{source} has a line end or NUL in it")


def _nonces(request: Request) -> NonceKeys:
    if request.context.nonces is None:
        raise RuntimeError("digest needs a key ring: requests have one in a worker and in slbroker.testing.Client")
    request.unfit("a nonce has its time")
    return request.context.nonces
