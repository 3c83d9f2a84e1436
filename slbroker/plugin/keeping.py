"""Which decisions of a plugin are good for other requests, and what is said of those that are not."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from slbroker.bus.memo import MAX_FIELDS, MAX_NAMES, Kept, Memo, pack_memo, unpack_memo
from slbroker.plugin.reply import DROP, Reply
from slbroker.proxy.decision import Forward

if TYPE_CHECKING:
    from slbroker.bus.envelope import Answer
    from slbroker.plugin.handlers import Handlers
    from slbroker.plugin.kinds import Handler
    from slbroker.plugin.watched import WatchingRequest
    from slbroker.plugin.watchedvalues import Watch

logger = logging.getLogger(__name__)

# Decisions in a row that were good for nobody else, after which a handler is watched only now and then: it takes time.
HOPELESS: Final = 64
_MAX_TOLD: Final = 1_024  # handlers of which is known whether it was said of them


class Keeping:
    """What is known of the decisions of one plugin."""

    def __init__(self, app: Handlers) -> None:
        self._app = app
        self._in_vain: dict[int, int] = {}  # by the id of a handler: decisions in a row that were not kept
        self._told: set[str] = set()  # handlers of which a line says why

    def seconds_of(self, handler: Handler, request: WatchingRequest) -> float | None:
        """Return for how many seconds what a handler decides is good; None where it is not worth a look."""
        remembering = self._app.remembering
        seconds = remembering.seconds_of(handler)
        if seconds is None or remembering.spoiled_by:
            return None
        vain = self._in_vain.get(id(handler), 0)
        if vain >= HOPELESS:
            self._in_vain[id(handler)] = vain + 1
            if vain % HOPELESS:
                return None
        request.handler = id(handler)
        return seconds

    def keep(
        self, request: WatchingRequest, decision: object, answer: Answer, tail: int, seconds: float
    ) -> Answer | Kept:
        """Return an answer as one that may be remembered, if it is; `tail` is how many bytes of it are always alike."""
        watch = request.watch
        said = watch.seconds_for(decision)
        seconds = seconds if said is None else said
        if not seconds:
            return answer
        why = self.why_unfit(request, decision, answer)
        if why:
            self._in_vain[request.handler] = self._in_vain.get(request.handler, 0) + 1
            self._tell(request, why)
            return answer
        self._in_vain.pop(request.handler, None)
        return Kept(answer, pack_memo(Memo(float(seconds), fields_of(watch), tail if isinstance(answer, bytes) else 0)))

    def why_unfit(self, request: WatchingRequest, decision: object, answer: Answer) -> str:
        """Return why a decision is good for no other request, in words; "" where it is."""
        watch = request.watch
        if watch.unfit:
            return watch.unfit
        if decision is not DROP and (not isinstance(decision, Reply | Forward) or isinstance(answer, tuple)):
            return "it is several replies, or closes the connection"
        fields = fields_of(watch)
        if len(fields) > MAX_FIELDS or sum(map(len, fields)) > MAX_NAMES:
            return f"it reads more than {MAX_FIELDS} things"
        return self._app.remembering.why_unfit(request.real.method)

    def _tell(self, request: WatchingRequest, why: str) -> None:
        """Say once of a handler why its decisions are not remembered."""
        name = self._app.describe(request)
        if name not in self._told and len(self._told) < _MAX_TOLD:
            self._told.add(name)
            logger.warning("handler %s: not remembered, for %s (this is said once)", name, why)


class Explaining(Keeping):
    """Tells of one decision what was read for it, and why it is not good for others: for people."""

    def __init__(self, app: Handlers) -> None:
        super().__init__(app)
        self.watch: Watch | None = None
        self.why = "it is an error"  # unless it comes to be judged
        self._seconds = 0.0

    def seconds_of(self, handler: Handler, request: WatchingRequest) -> float | None:
        """Have the handler watched, whatever it was declared."""
        self.watch = request.watch
        return super().seconds_of(handler, request) or 0.0

    def keep(
        self, request: WatchingRequest, decision: object, answer: Answer, tail: int, seconds: float
    ) -> Answer | Kept:
        """Do as `Keeping.keep`, and keep in mind why not."""
        said = "remember=0 says so" if request.watch.seconds_for(decision) == 0 else ""
        self.why = self._app.remembering.spoiled_by or said or "no remember=SECONDS says for how long it is good"
        kept = super().keep(request, decision, answer, tail, seconds)
        if type(kept) is Kept:
            self.why = ""
            self._seconds = unpack_memo(kept.memo).seconds
        return kept

    @property
    def words(self) -> str:
        """Return whether the decision is good for others, in words."""
        if self.why:
            return f"not remembered, for {self.why}"
        return f"edges may say this again for {self._seconds:g} s, to requests that are alike in these"

    def _tell(self, request: WatchingRequest, why: str) -> None:
        self.why = why

    @property
    def fields(self) -> tuple[str, ...]:
        """Return what was read."""
        return () if self.watch is None else fields_of(self.watch)


def fields_of(watch: Watch) -> tuple[str, ...]:
    """Return what a decision goes by, in one order; parts of what was read whole are left out."""
    fields = watch.fields
    whole = {name for name in ("uri", "from.uri", "to.uri") if name in fields}

    def is_covered(field: str) -> bool:
        prefix = field.rpartition(".")[0]
        above = "uri" if prefix == "uri" else f"{prefix}.uri"
        return field not in whole and above in whole and not field.endswith(".display")

    return tuple(sorted(field for field in fields if not is_covered(field)))
