"""Finding a plugin: by file or module, and one line for whatever is wrong with it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from slbroker import Handlers
from slbroker.errors import PluginError
from slbroker.settings.handler import BUNDLED
from slbroker_handlers import bundled
from slbroker_handlers.loader import load_plugin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GOOD = "from slbroker import Handlers\napp = Handlers()\n"


@pytest.fixture(autouse=True)
def modules_as_before() -> Iterator[None]:
    """What plugins put into sys.modules and sys.path goes again."""
    modules, path = set(sys.modules), list(sys.path)
    yield
    for name in set(sys.modules) - modules:
        del sys.modules[name]
    sys.path[:] = path


def write(path: Path, source: str) -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_text(source)
    return str(path)


def complaint(name: str) -> str:
    """What is said of a plugin that cannot be loaded: always one line that names it."""
    with pytest.raises(PluginError) as caught:
        load_plugin(name)
    said = str(caught.value)
    assert len(said.splitlines()) == 1
    assert said.startswith("plugin ")
    return said


# Found ----------------------------------------------------------------------------------------------------------


def test_a_file(tmp_path: Path) -> None:
    assert isinstance(load_plugin(write(tmp_path / "answers.py", GOOD)), Handlers)


def test_a_file_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "answers.py", GOOD)
    monkeypatch.chdir(tmp_path)
    assert isinstance(load_plugin("answers.py"), Handlers)


def test_a_file_and_a_name(tmp_path: Path) -> None:
    file = write(tmp_path / "answers.py", GOOD + "other = Handlers()\nother.on('BYE')(print)\n")
    assert load_plugin(file).methods == []
    assert load_plugin(f"{file}:other").methods == [b"BYE"]


def test_a_module_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As uvicorn and celery do; but behind everything else, so that it shadows nothing."""
    write(tmp_path / "slbroker_test_answers.py", GOOD)
    write(tmp_path / "json.py", "raise RuntimeError('shadowed')")
    monkeypatch.chdir(tmp_path)
    assert isinstance(load_plugin("slbroker_test_answers"), Handlers)
    assert isinstance(load_plugin("slbroker_test_answers:app"), Handlers)
    assert sys.path[-1] == str(tmp_path)


def test_the_bundled_one() -> None:
    assert load_plugin(BUNDLED) is bundled.app


def test_the_only_handlers_there_are_need_no_name(tmp_path: Path) -> None:
    assert isinstance(load_plugin(write(tmp_path / "p.py", GOOD.replace("app", "answers"))), Handlers)
    aliased = GOOD.replace("app", "answers") + "again = answers\n"
    assert isinstance(load_plugin(write(tmp_path / "q.py", aliased)), Handlers)


def test_a_plugin_may_import_its_neighbours(tmp_path: Path) -> None:
    write(tmp_path / "slbroker_test_numbers.py", "TABLE = {}")
    assert load_plugin(write(tmp_path / "p.py", "from slbroker_test_numbers import TABLE\n" + GOOD))


def test_a_plugin_called_as_a_library_does_not_hide_it(tmp_path: Path) -> None:
    assert load_plugin(write(tmp_path / "json.py", "import json\njson.dumps({})\n" + GOOD))


def test_what_a_plugin_defines_can_be_pickled(tmp_path: Path) -> None:
    """dataclasses, enums and multiprocessing look a class's module up in sys.modules."""
    source = "import pickle\nclass C: pass\npickle.loads(pickle.dumps(C()))\n" + GOOD
    assert load_plugin(write(tmp_path / "p.py", source))


# Not found ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nowhere.py", "./nowhere.py", "nowhere.py:app", "dir/nowhere"])
def test_a_file_that_is_missing(name: str) -> None:
    assert complaint(name).endswith("there is no such file")


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    assert complaint(str(tmp_path)).endswith("there is no such file")


def test_a_file_that_is_no_python_file(tmp_path: Path) -> None:
    assert complaint(write(tmp_path / "answers", GOOD)).endswith("its name must end in .py")


@pytest.mark.parametrize("name", ["slbroker_nowhere", "slbroker_nowhere:app", "slbroker.nowhere", "slbroker_a.b.c"])
def test_a_module_that_is_missing(name: str) -> None:
    assert "there is no module" in complaint(name)


@pytest.mark.parametrize("name", [":app", ".relative", "a b", ":", "x:", "x:y:", "\x00"])
def test_a_name_that_is_none(name: str) -> None:
    complaint(name)


# Wrong ----------------------------------------------------------------------------------------------------------


def test_a_syntax_error(tmp_path: Path) -> None:
    file = write(tmp_path / "p.py", "x = 1\ndef f(:\n")
    assert complaint(file) == f"plugin {file}: {file}:2: invalid syntax"


@pytest.mark.parametrize(
    ("source", "line", "what"),
    [
        ("\nraise RuntimeError('no\\nluck')\n", 2, "RuntimeError: no luck"),
        ("def f():\n    return 1 / 0\n\nf()\n", 2, "ZeroDivisionError: division by zero"),
        ("import json\njson.loads('?')\n", 2, "JSONDecodeError: Expecting value"),
        ("import slbroker_nowhere\n", 1, "ModuleNotFoundError: No module named 'slbroker_nowhere'"),
        ("from slbroker import Nothing\n", 1, "ImportError: cannot import name 'Nothing'"),
        ("import sys\nsys.exit(4)\n", 2, "SystemExit: 4"),
        (GOOD + "app.on()\n", 3, "ValueError: on() wants SIP methods"),
        (GOOD + "@app.on\ndef f(request): ...\n", 3, "ValueError: on() wants SIP methods"),
        (GOOD + "app.otherwise(print)\napp.otherwise(print)\n", 4, "ValueError: there is an @app.otherwise"),
    ],
)
def test_an_exception_is_told_with_the_plugins_own_line(tmp_path: Path, source: str, line: int, what: str) -> None:
    file = write(tmp_path / "importlib_or_so" / "p.py", source)
    assert f"{file}:{line}: {what}" in complaint(file)
    assert "slbroker_plugin_p" not in sys.modules


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "p.py"
    file.write_bytes(b"\xff\xfe\x00")
    complaint(str(file))


def test_no_handlers(tmp_path: Path) -> None:
    file = write(tmp_path / "p.py", "app = 7\n")
    assert complaint(file) == f"plugin {file}: no slbroker.Handlers in it; begin with: app = Handlers()"


def test_two_and_neither_is_called_app(tmp_path: Path) -> None:
    file = write(tmp_path / "p.py", "from slbroker import Handlers\none = Handlers()\ntwo = Handlers()\n")
    assert complaint(file) == f"plugin {file}: which one, one, two? write {file}:NAME"


@pytest.mark.parametrize("name", ["nothing", "Handlers"])
def test_a_name_that_is_no_handlers(tmp_path: Path, name: str) -> None:
    file = write(tmp_path / "p.py", GOOD)
    assert complaint(f"{file}:{name}") == f"plugin {file}:{name}: {name} is not there, or is no slbroker.Handlers"


@pytest.mark.parametrize("raised", ["KeyboardInterrupt", "SystemExit", "GeneratorExit", "BaseException"])
def test_an_import_that_ends_in_no_exception_is_told_as_any_other(tmp_path: Path, raised: str) -> None:
    """Ctrl-C is one of them; a library's panic, in a process of several workers, would leave an empty log."""
    file = write(tmp_path / "p.py", f"raise {raised}\n")
    assert complaint(file) == f"plugin {file}: {file}:1: {raised}"
