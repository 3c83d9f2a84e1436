"""KSR in tests of a script's own functions: once this is imported, `import KSR` works.

from slbroker_handlers.kemi.testing import ksr_request
import script

def test_scanners_are_seen():
    with ksr_request("OPTIONS", headers={"User-Agent": "sipcli"}) as call:
        assert script.is_scanner()
    assert call.replies == []

A whole script is tested by `slbroker.testing.Client(load_plugin("kemi:script.py"))`.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from slbroker.plugin import DROP, Handlers
from slbroker.testing import SOURCE, Client
from slbroker.testing.factory import URI
from slbroker_handlers.kemi import ksr
from slbroker_handlers.kemi.call import Call, active
from slbroker_handlers.kemi.memory import State
from slbroker_handlers.kemi.params import read_params
from slbroker_handlers.kemi.release import NEWEST, name_release, read_release

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slbroker.plugin import Request
    from slbroker.plugin.reply import Drop
    from slbroker.sip.message import Source
    from slbroker.testing.factory import RequestHeaders

ksr.install()


def new_state(*params: str, version: str = name_release(NEWEST)) -> State:
    """Return an empty memory: htables, `$shv`, statistics. `params` are those of --kemi-param; raises ConfigError.

    `version` is that of --kemi-version: the release of Kamailio that KSR follows.
    """
    return State(read_params(params, read_release(version)))


@contextmanager
def ksr_request(
    method: str = "INVITE",
    uri: str = URI,
    headers: RequestHeaders | None = None,
    body: bytes | str = b"",
    source: Source = SOURCE,
    state: State | None = None,
) -> Iterator[Call]:
    """Let KSR see a request while `with` lasts; what it gives has the `replies` that were made, in order.

    The arguments are those of `Client.request`. `state` is what was left by the requests before, else there were none.
    Raises ValueError for a request that an edge would not hand out.
    """
    call = Call(state or new_state(), _as_handed_out(method, uri, headers, body, source))
    with active(call):
        yield call


def _as_handed_out(method: str, uri: str, headers: RequestHeaders | None, body: bytes | str, source: Source) -> Request:
    """Return a request as a worker has it: judged, its Via stamped, with a key ring behind it."""
    seen: list[Request] = []

    def note(request: Request) -> Drop:
        seen.append(request)
        return DROP

    app = Handlers()
    app.on("ACK", "CANCEL")(note)
    app.otherwise(note)
    answer = Client(app).request(method, uri, headers, body, source)
    if not seen:
        words = "drops this" if answer is None else f"answers this itself: {answer.status} {answer.reason}"
        raise ValueError(f"an edge {words}")
    return seen[0]
