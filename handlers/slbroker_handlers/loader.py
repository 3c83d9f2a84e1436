"""Find a plugin: `FILE.py`, `FILE.py:app`, `module`, `module:app`; `FILE.toml` with rules, `kemi:FILE.py` with KSR."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import logging
import os
import sys
import traceback
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slbroker.errors import PluginError
from slbroker.logs import keep_own
from slbroker.plugin import Handlers
from slbroker.plugin.faults import describe
from slbroker.plugin.rulefile import load_rules
from slbroker.settings.handler import KEMI
from slbroker_handlers.traces import files_named, noting, threads_in

if TYPE_CHECKING:
    from types import CodeType, ModuleType

logger = logging.getLogger(__name__)


def load_plugin(name: str, number: int = 0, memory: dict[str, Any] | None = None) -> Handlers:
    """Return the `Handlers` that `name` means; raise PluginError, one line with file and line, when there is none.

    `number` tells the workers of one command apart; a KEMI script is told it as its rank, which begins at 1. `memory`
    holds what a KEMI script keeps when it is loaded again; plugins in Python have nothing there.
    """
    try:
        return _load(name, number, memory)
    finally:
        keep_own()  # a plugin that configures `logging` may have put our loggers off


def _load(name: str, number: int, memory: dict[str, Any] | None) -> Handlers:
    if name.startswith(KEMI):
        from slbroker_handlers.kemi.script import load_script  # noqa: PLC0415 - other plugins need none of it

        return load_script(name, number + 1, memory)
    if name.endswith(".toml"):
        return load_rules(Path(name))
    where, attribute = _split(name)
    try:
        module = _import_file(Path(where)) if _is_file_name(where) else _import_module(where)
    except PluginError:
        raise
    except ModuleNotFoundError as error:
        if error.name is not None and f"{where}.".startswith(f"{error.name}."):
            raise PluginError(f"plugin {name}: there is no module {where}; a file is written FILE.py") from error
        raise PluginError(f"plugin {name}: {_where_and_what(error)}") from error
    except BaseException as error:
        raise PluginError(f"plugin {name}: {_where_and_what(error)}") from error
    return _pick(module, attribute, name)


def warn(name: str, app: Handlers) -> None:
    """Log what is likely a mistake in a plugin."""
    for slip in app.slips:
        logger.warning("plugin %s: %s", name, slip)


def _split(name: str) -> tuple[str, str]:
    if name.startswith(KEMI):
        return name.removeprefix(KEMI).partition("?")[0], ""
    where, _, attribute = name.rpartition(":")
    return (where, attribute) if where and attribute.isidentifier() else (name, "")


def _is_file_name(where: str) -> bool:
    return where.endswith(".py") or "/" in where


def _import_module(name: str) -> ModuleType:
    _add_to_path(Path.cwd())
    return importlib.import_module(name)


def _import_file(path: Path) -> ModuleType:
    try:
        if not path.is_file():
            raise PluginError(f"plugin {path}: there is no such file")
        path.open("rb").close()
    except OSError as error:
        raise PluginError(f"plugin {path}: {error.strerror}") from error
    # The name is not the file's own: a plugin called redis.py must not hide the redis package from itself.
    name = f"slbroker_plugin_{path.stem}"
    if path.suffix != ".py":
        raise PluginError(f"plugin {path}: its name must end in .py")
    loader = _FreshLoader(name, str(path.resolve()))
    spec = importlib.util.spec_from_file_location(name, path.resolve(), loader=loader)
    assert spec is not None
    _add_to_path(path.resolve().parent)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


class _FreshLoader(SourceFileLoader):
    """Compiles the file as it is: what Python has kept of it may be of a second ago, and the file of this one."""

    def get_code(self, fullname: str) -> CodeType | None:
        return self.source_to_code(self.get_data(self.get_filename(fullname)), self.path)


def _add_to_path(directory: Path) -> None:
    """Let a plugin import its neighbours; behind all others, so that none of them shadows a library."""
    if str(directory) not in sys.path:
        sys.path.append(str(directory))


def _pick(module: ModuleType, attribute: str, name: str) -> Handlers:
    """Return the named attribute; else `app`; else the only `Handlers` there is."""
    if attribute:
        found = getattr(module, attribute, None)
        if isinstance(found, Handlers):
            return found
        raise PluginError(f"plugin {name}: {attribute} is not there, or is no slbroker.Handlers")
    candidates = {key: value for key, value in vars(module).items() if isinstance(value, Handlers)}
    if "app" in candidates:
        return candidates["app"]
    if len({id(value) for value in candidates.values()}) == 1:
        return next(iter(candidates.values()))
    if candidates:
        raise PluginError(f"plugin {name}: which one, {', '.join(candidates)}? write {name}:NAME")
    raise PluginError(f"plugin {name}: no slbroker.Handlers in it; begin with: app = Handlers()")


def _where_and_what(error: BaseException) -> str:
    """Return an import's failure in one line: the plugin's own line that failed, and why."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: {error.msg}"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<frozen importlib") and frame.filename not in (__file__, importlib.__file__)
    ]
    own = [frame for frame in frames if frame.filename == frames[0].filename]
    place = f"{own[-1].filename}:{own[-1].lineno}: " if own else ""
    return place + describe(error)


# Loading again -------------------------------------------------------------------------------------------------


class PluginSource:
    """A plugin by its name, as `load_plugin` takes it, for a worker that may have to load it again."""

    def __init__(self, name: str, number: int = 0) -> None:
        self.name = name
        self.number = number  # of the worker, as `load_plugin` takes it
        self._memory: dict[str, Any] = {}
        self._here = _way_here()
        self._folder: Path | None = None  # where the modules of the version in use came from
        self._failed: set[Path] = set()  # files that may mend what failed
        self._replaced: list[dict[str, Any]] = []  # the modules of versions before

    def load(self) -> Handlers:
        """Return the plugin, the first time; raises PluginError."""
        with noting() as asked:
            try:
                app = load_plugin(self.name, self.number, self._memory)
            except PluginError as error:
                self.note_failure(error)
                self._failed.update(map(_file_of, self._modules().values()))
                raise
            finally:
                if (folder := self._find_folder() or self._folder) is not None:
                    self._failed |= asked.missing(folder)
        self._folder = folder
        return app

    def load_again(self) -> Handlers:
        """Return the plugin as its files are now: its own, and its neighbours that it has imported.

        A release that lies behind a symbolic link is the one that the link leads to now. Libraries stay as they were.
        Raises PluginError, and then the modules of before are in their places again.
        """
        self._failed.clear()
        path = list(sys.path)
        with _Changed(self._here):
            before = self._modules()
            for name, module in before.items():
                del sys.modules[name]
                if module.__cached__:
                    with contextlib.suppress(OSError):
                        Path(module.__cached__).unlink()  # see _FreshLoader
            folder = self._find_folder()
            if self._folder not in (None, folder):
                sys.path[:] = [entry for entry in sys.path if entry != str(self._folder)]
            importlib.invalidate_caches()
            try:
                app = self.load()
            except BaseException:
                for name in self._modules():
                    del sys.modules[name]
                sys.modules.update(before)
                sys.path[:] = path
                raise
        self._replaced += map(vars, before.values())
        return app

    def note_failure(self, error: PluginError) -> None:
        """Watch the files that an error is about, too, until the plugin is loaded again."""
        self._failed |= files_named(error)

    def take_threads(self) -> list[str]:
        """Return the names of the threads that versions before have left behind, and forget those versions."""
        replaced, self._replaced = self._replaced, []
        return threads_in(replaced)

    def main_files(self) -> list[Path]:
        """Return the file that the plugin's name names, by the way that leads to it."""
        where = _split(self.name)[0]
        return [self._here / where] if _is_file_name(where) or where.endswith(".toml") else []

    def files(self) -> list[Path]:
        """Return the files that the plugin is made of, as far as they are its own, or that would mend it."""
        main = self.main_files()
        files = {_file_of(module) for module in self._modules().values()}
        # By the plugin's own way: the folder that this leads to now may be deleted when it leads to another.
        here = main[0].parent if main else self._here
        there = main[0].resolve().parent if main else here.resolve()
        files = {_by_way(file, here, there) for file in files}
        files.difference_update(file.resolve() for file in main)
        return sorted({*main, *files, *self._failed})

    def _modules(self) -> dict[str, ModuleType]:
        """Return the modules that lie beside the plugin, or below: where it was loaded from, and where it is now."""
        folders = [folder for folder in (self._folder, self._find_folder()) if folder is not None]
        return {
            name: module
            for name, module in list(sys.modules.items())
            if name != "__main__" and any(_is_own(module, folder) for folder in folders)
        }

    def _find_folder(self) -> Path | None:
        where = _split(self.name)[0]
        if _is_file_name(where):
            return (self._here / where).resolve().parent
        module = sys.modules.get(where.partition(".")[0])
        return Path(module.__file__).resolve().parent if module is not None and module.__file__ else None


def _way_here() -> Path:
    """Return the working directory by the way that the shell took: through a link `current`, perhaps."""
    way = Path(os.environ.get("PWD", ""))
    with contextlib.suppress(OSError):
        if way.is_absolute() and way.samefile("."):
            return way
    return Path.cwd()


class _Changed:
    """Goes to where the way to the working directory leads now, for good unless what is done there fails."""

    def __init__(self, way: Path) -> None:
        self._way = way

    def __enter__(self) -> None:
        self._before = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        before = str(Path(f"/proc/self/fd/{self._before}").readlink()).removesuffix(" (deleted)")
        with contextlib.suppress(OSError):
            os.chdir(self._way)
            now = str(Path.cwd())
            sys.path[:] = dict.fromkeys(now if entry == before else entry for entry in sys.path)

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        if kind is not None:
            os.fchdir(self._before)
        os.close(self._before)


def _file_of(module: ModuleType) -> Path:
    assert module.__file__ is not None
    return Path(module.__file__)


def _by_way(file: Path, here: Path, there: Path) -> Path:
    """Return a file below `there` as one below `here`, if it is that."""
    if file.is_relative_to(there) and (other := here / file.relative_to(there)).resolve() == file:
        return other
    return file


def _is_own(module: ModuleType, folder: Path) -> bool:
    """Return whether a module is the plugin's own: no library, though an environment may lie in the folder."""
    file = getattr(module, "__file__", None)
    if not file or module.__name__.partition(".")[0] in ("slbroker", "slbroker_handlers", "slbroker_edge"):
        return False
    path = Path(file).resolve()
    return path.is_relative_to(folder) and not _LIBRARIES.intersection(path.parts)


_LIBRARIES = frozenset(("site-packages", "dist-packages"))
