"""Loading a plugin again: what is new of it, what stays, and what a broken version changes: nothing."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from slbroker.errors import PluginError
from slbroker.filewatch import LOOK
from slbroker.keys import KeyRing
from slbroker.plugin.responder import Responder
from slbroker.sip.parser import parse
from slbroker.testing import SOURCE
from slbroker.totag import Signer
from slbroker_handlers.keeper import PluginKeeper
from slbroker_handlers.loader import PluginSource, load_plugin
from tests.support.sip import read_reply, request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from slbroker import Handlers

PLUGIN = """
from slbroker import Handlers
from {neighbour} import STATUS
app = Handlers()
app.otherwise(lambda request: request.reply(STATUS, {reason!r}))
"""


@pytest.fixture(autouse=True)
def modules_as_before() -> Iterator[None]:
    """What plugins put into sys.modules and sys.path goes again."""
    modules, path = dict(sys.modules), list(sys.path)
    yield
    sys.modules.clear()
    sys.modules.update(modules)
    sys.path[:] = path


def answer_of(app: Handlers) -> tuple[int, str]:
    ring = KeyRing.generate()
    answer = Responder(app, Signer(ring.current, ring.accepted(0.0))).respond(parse(request("OPTIONS")), SOURCE)
    assert isinstance(answer, bytes)
    reply = read_reply(answer)
    return reply.status, reply.reason


class Project:
    """A plugin and a module beside it, as files to change."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "answers.py"
        self.neighbour = folder / "slbroker_test_neighbour.py"
        self.write()
        self.source = PluginSource(str(self.file))
        self.app = load_plugin(self.source.name)

    def write(self, status: int = 200, reason: str = "one") -> None:
        self.neighbour.write_text(f"STATUS = {status}\n")
        self.file.write_text(PLUGIN.format(neighbour=self.neighbour.stem, reason=reason))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_a_plugin_and_its_neighbours_are_loaded_as_they_are_now(project: Project) -> None:
    """Also within the second, and with the size, of the version before: Python's cache would not know it."""
    assert answer_of(project.app) == (200, "one")
    for number in range(300, 310):
        project.write(number, "two")
        assert answer_of(project.source.load_again()) == (number, "two")
    assert answer_of(project.app) == (200, "one")  # what has been begun ends as it began


def test_libraries_stay_as_they_are(project: Project) -> None:
    before = sys.modules["json"], sys.modules["slbroker.plugin"]
    project.source.load_again()
    assert (sys.modules["json"], sys.modules["slbroker.plugin"]) == before


@pytest.mark.parametrize(
    ("change", "said"),
    [("x = 1\ndef f(:\n", "answers.py:2: invalid syntax"), ("import os\n1 / 0\n", "answers.py:2: ZeroDivisionError")],
)
def test_a_broken_version_says_where_and_leaves_all_in_place(project: Project, change: str, said: str) -> None:
    modules = dict(sys.modules)
    project.file.write_text(change)
    with pytest.raises(PluginError, match=said):
        project.source.load_again()
    assert sys.modules == modules
    project.write(200, "mended")
    assert answer_of(project.source.load_again()) == (200, "mended")


def test_a_plugin_that_is_a_module_is_loaded_again_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "slbroker_test_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.chdir(tmp_path)
    text = "from slbroker import Handlers\napp = Handlers()\napp.otherwise(lambda request: request.reply({}))\n"
    (package / "answers.py").write_text(text.format(200))
    source = PluginSource("slbroker_test_package.answers:app")
    assert answer_of(load_plugin(source.name))[0] == 200
    (package / "answers.py").write_text(text.format(404))
    assert answer_of(source.load_again())[0] == 404
    assert source.files() == [package / "__init__.py", package / "answers.py"]


def test_rules_are_loaded_again_too(tmp_path: Path) -> None:
    file = tmp_path / "answers.toml"
    file.write_text('[otherwise]\nreply = "200"')
    source = PluginSource(str(file))
    assert answer_of(load_plugin(source.name))[0] == 200
    file.write_text('[otherwise]\nreply = "404"')
    assert answer_of(source.load_again())[0] == 404
    assert source.files() == [file]


def test_the_files_of_a_plugin_are_its_own(project: Project) -> None:
    assert project.source.files() == [project.file, project.neighbour]


# Swapping -------------------------------------------------------------------------------------------------------


class Worker:
    """What a keeper sees of a worker."""

    def __init__(self, project: Project, *, watch: bool = False) -> None:
        ring = KeyRing.generate()
        self.responder = Responder(project.app, Signer(ring.current, ring.accepted(0.0)))
        self.tasks: set[asyncio.Task[None]] = set()
        self.swapped: list[Handlers] = []
        self.keeper = PluginKeeper(
            self.responder, project.source, watch=watch, open_tasks=lambda: self.tasks, swapped=self.swapped.append
        )


HOOKS = """
from slbroker import Handlers
import slbroker_test_calls as calls
app = Handlers()
app.startup(lambda: calls.LIST.append("start {name}"))
app.shutdown(lambda: calls.LIST.append("stop {name}"))
{more}
"""


async def turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_the_old_plugin_is_stopped_when_it_has_answered(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    module: Any = type(sys)("slbroker_test_calls")
    module.LIST = calls
    monkeypatch.setitem(sys.modules, "slbroker_test_calls", module)
    project.file.write_text(HOOKS.format(name="one", more=""))
    project.app = load_plugin(project.source.name)

    async def play() -> None:
        worker = Worker(project)
        await worker.keeper.start()
        gate = asyncio.Event()

        async def unfinished() -> None:
            await gate.wait()

        worker.tasks.add(asyncio.ensure_future(unfinished()))
        project.file.write_text(HOOKS.format(name="two", more="app.on('ACK')(print)"))
        worker.keeper.reload()
        await turn()
        assert calls == ["start one", "start two"]
        assert [app.takes for app in worker.swapped] == [[b"ACK"]]
        gate.set()
        await turn()
        assert calls == ["start one", "start two", "stop one"]
        project.file.write_text(HOOKS.format(name="three", more="app.startup(lambda: 1 / 0)"))
        worker.keeper.reload()
        await turn()
        assert len(worker.swapped) == 1
        await worker.keeper.stop()
        assert calls == ["start one", "start two", "stop one", "start three", "stop two"]

    asyncio.run(play())


def test_an_old_plugin_is_forgotten(project: Project) -> None:
    """Or a worker that is reloaded each night would grow for ever."""

    async def play() -> None:
        worker = Worker(project)
        old = weakref.ref(project.app)
        del project.app
        gc.freeze()  # as the worker does when it starts
        worker.keeper.reload()
        await worker.keeper.stop()
        assert old() is None
        gc.unfreeze()

    asyncio.run(play())


def test_a_start_that_fails_is_said_and_changes_nothing(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        worker = Worker(project)
        project.file.write_text("from slbroker import Handlers\napp = Handlers()\napp.startup(lambda: 1 / 0)\n")
        worker.keeper.reload()
        await turn()
        assert worker.responder.app is project.app

    asyncio.run(play())
    assert "not reloaded, the old one stays in use: the plugin's startup failed: ZeroDivisionError" in caplog.text
    assert f"{project.file}:3" in caplog.text


def test_a_watched_plugin_is_loaded_when_its_file_changes(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        worker = Worker(project, watch=True)
        base = asyncio.get_running_loop().time() + 3_600
        project.file.write_text("x = (\n")
        worker.keeper.tick(base)
        worker.keeper.tick(base + LOOK)
        assert f"not reloaded, the old one stays in use: plugin {project.file}: {project.file}:1:" in caplog.text
        project.write(200, "mended")
        os.utime(project.file, (1, 1))
        for number in range(2, 4):
            worker.keeper.tick(base + number * LOOK)
        await turn()
        assert answer_of(worker.responder.app) == (200, "mended")

    asyncio.run(play())
