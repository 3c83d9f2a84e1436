"""A rule file at the edge (`--rules`): what it answers, drops or lets go on reaches no route, no worker, no next hop.

It is the rule file that a handler runs, and is run by what a worker runs it with, before all else but the ACK filter.
What none of its rules decides goes its way as if it were not there. This module alone of an edge's loads what runs
plugins, and is itself loaded where a file is named.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final

from slbroker.bus.envelope import decode_requests
from slbroker.bus.jobs import pack_jobs
from slbroker.errors import PluginError
from slbroker.filewatch import Watch
from slbroker.plugin.responder import Responder
from slbroker.plugin.rulefile import load_rules
from slbroker.plugin.undecided import UNDECIDED

if TYPE_CHECKING:
    from pathlib import Path

    from slbroker.authnonce import NonceKeys
    from slbroker.bus.envelope import Answer
    from slbroker.bus.jobs import Job
    from slbroker.plugin.request import Request
    from slbroker.totag import Signer

logger = logging.getLogger(__name__)

MAX_AT_ONCE: Final = 256  # requests in one batch, as workers get them


class RuleFile:
    """One rule file, and what runs it."""

    def __init__(self, path: Path, signer: Signer, nonces: NonceKeys) -> None:
        """Raise PluginError, one line that names the key at fault, for a file that cannot be."""
        self.path = path
        self.watch = Watch((path,), time.monotonic())
        self._responder = _EdgeResponder(load_rules(path, at_edge=True), signer, nonces)

    def use_keys(self, signer: Signer, nonces: NonceKeys) -> None:
        """Sign with other keys from now on."""
        self._responder.use_keys(signer, nonces)

    def load_again(self) -> None:
        """Read the file again; say so, or why the old rules stay in use."""
        self.watch.look()
        try:
            app = load_rules(self.path, at_edge=True)
        except PluginError as error:
            logger.error("not reloaded, the old rules stay in use: %s", error)
            return
        self._responder.use_app(app)
        logger.info("rules loaded again: %s", self.path)

    def sift(self, jobs: list[Job]) -> tuple[list[Job], list[tuple[Job, Answer]]]:
        """Return the requests of which nothing is decided, in their order, and the others with what is."""
        rest: list[Job] = []
        decided: list[tuple[Job, Answer]] = []
        for start in range(0, len(jobs), MAX_AT_ONCE):
            some = jobs[start : start + MAX_AT_ONCE]
            for job, item in zip(some, decode_requests(pack_jobs(some)), strict=True):
                answer: Any = self._responder.answer(item)
                if answer is UNDECIDED:
                    rest.append(job)
                else:
                    decided.append((job, _at_once(answer)))
        return rest, decided


class _EdgeResponder(Responder):
    """A responder that knows of requests of which nothing is decided."""

    def _finish(self, request: Request, decision: object) -> Any:
        return decision if decision is UNDECIDED else super()._finish(request, decision)


def _at_once(answer: Any) -> Answer:
    """Return an answer that is there. The pieces that a rule file is made of wait for nothing."""
    if isinstance(answer, Coroutine):
        answer.close()
        raise TypeError("a rule that waits")
    return answer  # type: ignore[no-any-return]
