"""What is no Exception ends like any other: the request gets its error reply, the log a line, the batch its answers."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from typing import TYPE_CHECKING, Any

import pytest

from slbroker import Handlers, Reply, Request
from slbroker.errors import PluginError
from slbroker.keys import create as create_keys
from slbroker.plugin import lifecycle
from slbroker.testing import Client
from tests.support.processes import run_slbroker
from tests.support.sip import read_reply, request
from tests.support.timing import within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start


class PanicException(BaseException):
    """As pyo3 has it for a panic in Rust."""

    def __str__(self) -> str:
        if self.args == ("mute",):
            raise KeyboardInterrupt  # not even its words can be had
        return super().__str__()


RAISED = [
    asyncio.CancelledError(), KeyboardInterrupt(), SystemExit(3), GeneratorExit(), PanicException("index out of range"),
    PanicException("mute"), BaseExceptionGroup("two", [KeyboardInterrupt(), ValueError()]), BaseException("bare"),
]  # fmt: skip
NAMES = [type(error).__name__ for error in RAISED]


def raising(where: str, error: BaseException) -> Handlers:
    """A plugin that raises it there and answers 200 if it can."""
    app = Handlers()

    def fail(*_: object) -> None:
        raise error

    async def fail_later(*_: object) -> None:
        await asyncio.sleep(0)
        raise error

    async def fail_in_a_task(request: Request) -> Reply:
        await asyncio.get_running_loop().create_task(fail_later())
        return request.reply(200)

    async def cancel_itself(_: Request) -> Reply:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(1)
        raise AssertionError

    handlers: dict[str, Any] = {"def": fail, "async def": fail_later, "task": fail_in_a_task, "cancel": cancel_itself}
    app.otherwise(handlers.get(where) or (lambda request: request.reply(200)))
    if where == "before":
        app.before(fail)
    elif where == "after":
        app.after(fail)
    elif where == "local_response":
        app.local_response(fail)
    return app


def status_of(app: Handlers) -> int:
    """What an OPTIONS gets in a worker."""
    client = Client(app)
    client._responder.unattended = True
    response = client.request("OPTIONS")
    assert response is not None
    return response.status


@pytest.mark.parametrize("error", RAISED, ids=NAMES)
@pytest.mark.parametrize("where", ["def", "async def", "before"])
def test_a_request_gets_500_and_the_log_one_line(
    where: str, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    assert status_of(raising(where, error)) == 500
    (record,) = caplog.records
    assert type(error).__name__ in record.getMessage()
    assert re.search(r"test_worker_base_exceptions.py:\d+ in fail", record.getMessage())


@pytest.mark.parametrize("error", RAISED, ids=NAMES)
@pytest.mark.parametrize("where", ["after", "local_response"])
def test_a_hook_that_raises_it_changes_nothing(
    where: str, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    assert status_of(raising(where, error)) == 200
    assert len(caplog.records) == 1


@pytest.mark.parametrize("where", ["task", "cancel"])
def test_the_cancellation_of_what_is_awaited_or_of_itself_is_a_failure(
    where: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(raising(where, asyncio.CancelledError()))
    client._responder.unattended = True
    response = client.request("OPTIONS")
    assert response is not None
    assert response.status == 500
    assert "CancelledError" in caplog.text


@pytest.mark.parametrize("error", RAISED, ids=NAMES)
@pytest.mark.parametrize("later", [False, True])
def test_a_startup_that_raises_it_is_one_line(error: BaseException, later: bool) -> None:
    app = Handlers()

    async def fail_later() -> None:
        await asyncio.sleep(0)
        raise error

    def fail() -> None:
        raise error

    app.startup(fail_later if later else fail)
    app.shutdown(fail_later if later else fail)
    with pytest.raises(PluginError, match=f"startup failed: {type(error).__name__}.*test_worker_base_exceptions.py"):
        asyncio.run(lifecycle.start(app))
    asyncio.run(lifecycle.stop(app))  # which is logged


# Real processes -------------------------------------------------------------------------------------------------

RAISE = {
    "CancelledError": "raise asyncio.CancelledError",
    "KeyboardInterrupt": "raise KeyboardInterrupt",
    "SystemExit": "sys.exit(2)",
    "GeneratorExit": "raise GeneratorExit",
    "PanicException": "raise PanicException('index out of range')",
}
HEAD = """
import asyncio, sys
from slbroker import Handlers
app = Handlers(keepalive=False)
class PanicException(BaseException): pass
"""
HANDLER = """
@app.otherwise
{kind} answer(request):
    if request.call_id == "bad":
        {wait}
        {act}
    return request.reply(200)
"""
KEMI = """
import asyncio, sys
import KSR as KSR
class PanicException(BaseException): pass
def ksr_request_route():
    if KSR.pv.get("$ci") == "bad":
        {act}
    KSR.sl.sl_send_reply(200, "OK")
    return 1
"""
MANY = 128


@pytest.fixture
def site(start_slbroker: Start, tmp_path: Path) -> Site:
    return Site(start_slbroker, tmp_path)


class Site:
    def __init__(self, start: Start, folder: Path) -> None:
        self._start = start
        self.ring, self.bus, self.plugin = folder / "ring", f"ipc://{folder}/bus", folder / "plugin.py"
        create_keys(self.ring)

    def handler(self, source: str, *options: str, name: str = "--plugin") -> Any:
        self.plugin.write_text(source)
        return self._start("handler", *self.options(), name, str(self.plugin), *options)

    def options(self) -> tuple[str, ...]:
        return "--bus", self.bus, "--keys", str(self.ring)

    def edge(self) -> int:
        edge = self._start("edge", "--listen", "udp:127.0.0.1:0", *self.options())
        return int(edge.wait_for("edge ready").rpartition("udp:127.0.0.1:")[2].partition(",")[0])

    def figures(self) -> dict[str, Any]:
        (figures,) = json.loads(run_slbroker("stats", "--bus", self.bus, "--json").output)["edges"]
        assert isinstance(figures, dict)
        return figures


def ask(port: int, names: list[str]) -> dict[str, int]:
    """Send an OPTIONS for each Call-ID; return the status that each got."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(within(5.0))
        sock.connect(("127.0.0.1", port))
        for at, name in enumerate(names):
            sock.send(request("OPTIONS", call_id=name, via=f"SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK{at}"))
        replies = [read_reply(sock.recv(65_535)) for _ in names]
    return {reply.one(b"Call-ID").decode(): reply.status for reply in replies}


@pytest.mark.parametrize("kind", ["def", "async def", "kemi"])
def test_one_among_128_costs_the_others_nothing(site: Site, kind: str) -> None:
    """All of them one after the other; the worker has as much credit afterwards as before."""
    port = site.edge()
    for name, act in RAISE.items():
        wait = "await asyncio.sleep(0)" if kind == "async def" else "pass"
        if name == "SystemExit" and kind == "kemi":
            continue  # how a script says: enough
        source = KEMI.format(act=act) if kind == "kemi" else HEAD + HANDLER.format(kind=kind, wait=wait, act=act)
        worker = site.handler(source, name="--kemi" if kind == "kemi" else "--plugin")
        worker.wait_for("handler ready")
        names = [f"good{number}" for number in range(MANY - 1)]
        statuses = ask(port, [*names[:64], "bad", *names[64:]])
        assert statuses.pop("bad") == 500
        assert statuses == dict.fromkeys(names, 200)
        figures = site.figures()
        assert figures["in_flight"] == figures["unaccounted"] == 0
        assert [each["open"] for each in figures["workers"]] == [0]
        assert worker.stop() == 0
        assert len([line for line in worker.log.splitlines() if "ERROR" in line]) == 1
        assert name in worker.log


WHERE = {
    "startup": "@app.startup\ndef begin():\n    {act}\n",
    "async startup": "@app.startup\nasync def begin():\n    await asyncio.sleep(0)\n    {act}\n",
    "import": "{act}\n",
}


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_plugin_that_cannot_begin_is_one_line_and_exit_code_5(site: Site, where: str, workers: str) -> None:
    for name, act in RAISE.items():
        worker = site.handler(HEAD + WHERE[where].format(act=act), "--workers", workers)
        assert worker.wait() == 5
        lines = [line for line in worker.log.splitlines() if line.startswith("slbroker: ")]
        assert lines
        assert all(name in line and "plugin.py" in line for line in lines)
        assert "Traceback" not in worker.log


@pytest.mark.parametrize("act", [RAISE["KeyboardInterrupt"], RAISE["SystemExit"]])
@pytest.mark.parametrize("how", ["asyncio.create_task(go())", "asyncio.get_running_loop().call_soon(fail)"])
def test_a_task_of_the_plugins_own_does_not_end_the_worker(site: Site, act: str, how: str) -> None:
    port = site.edge()
    worker = site.handler(
        f"{HEAD}\ndef fail():\n    {act}\nasync def go():\n    fail()\n"
        f"@app.otherwise\nasync def answer(request):\n    {how}\n    return request.reply(200)\n"
    )
    worker.wait_for("handler ready")
    assert ask(port, ["a"]) == {"a": 200}
    worker.wait_for("a task of the plugin raised")
    assert ask(port, ["b", "c"]) == {"b": 200, "c": 200}
    assert worker.stop() == 0


def test_a_plugin_that_stops_the_event_loop_does_not_end_the_worker(site: Site) -> None:
    port = site.edge()
    worker = site.handler(
        f"{HEAD}@app.otherwise\nasync def answer(request):\n    asyncio.get_running_loop().stop()\n"
        "    return request.reply(200)\n"
    )
    worker.wait_for("handler ready")
    assert ask(port, ["a"]) == {"a": 200}
    worker.wait_for("the plugin has stopped the event loop")
    assert ask(port, ["b", "c"]) == {"b": 200, "c": 200}
    assert worker.stop() == 0
    assert "a bug in slbroker" not in worker.log
