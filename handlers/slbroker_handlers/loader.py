"""Find a plugin: `FILE.py`, `FILE.py:app`, `module`, `module:app`; `FILE.toml` with rules, `kemi:FILE.py` with KSR."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import logging
import sys
import traceback
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slbroker.config import KEMI
from slbroker.errors import PluginError
from slbroker.logs import keep_own
from slbroker.plugin import Handlers
from slbroker.plugin.rulefile import load_rules

if TYPE_CHECKING:
    from types import CodeType, ModuleType

logger = logging.getLogger(__name__)

BUNDLED = "slbroker_handlers.bundled"


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
    if not path.is_file():
        raise PluginError(f"plugin {path}: there is no such file")
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
    return f"{place}{type(error).__name__}: {' '.join(str(error).split())}"


# Loading again -------------------------------------------------------------------------------------------------


class PluginSource:
    """A plugin by its name, as `load_plugin` takes it, for a worker that may have to load it again."""

    def __init__(self, name: str, number: int = 0) -> None:
        self.name = name
        self.number = number  # of the worker, as `load_plugin` takes it
        self._memory: dict[str, Any] = {}

    def load(self) -> Handlers:
        """Return the plugin, the first time, and log what is likely a mistake in it; raises PluginError."""
        app = load_plugin(self.name, self.number, self._memory)
        if not self.number:  # the other workers would say the same
            warn(self.name, app)
        return app

    def load_again(self) -> Handlers:
        """Return the plugin as its files are now: its own, and its neighbours that it has imported.

        Libraries stay as they were. Raises PluginError, and then the modules of before are in their places again.
        """
        before = self._modules()
        for name, module in before.items():
            del sys.modules[name]
            if module.__cached__:
                with contextlib.suppress(OSError):
                    Path(module.__cached__).unlink()  # see _FreshLoader
        importlib.invalidate_caches()
        try:
            return self.load()
        except BaseException:
            for name in self._modules():
                del sys.modules[name]
            sys.modules.update(before)
            raise

    def files(self) -> list[Path]:
        """Return the files that the plugin is made of, as far as they are its own."""
        if self.name.endswith(".toml"):
            return [Path(self.name)]
        modules = (Path(module.__file__) for module in self._modules().values() if module.__file__)
        where = Path(_split(self.name)[0])
        return sorted({*modules, *([where.resolve()] if where.suffix == ".py" else [])})

    def _modules(self) -> dict[str, ModuleType]:
        """Return the modules that lie beside the plugin, or below."""
        folder = self._folder()
        return {
            name: module
            for name, module in sys.modules.items()
            if folder is not None and name != "__main__" and _is_own(module, folder)
        }

    def _folder(self) -> Path | None:
        where = _split(self.name)[0]
        if _is_file_name(where):
            return Path(where).resolve().parent
        module = sys.modules.get(where.partition(".")[0])
        return Path(module.__file__).resolve().parent if module is not None and module.__file__ else None


def _is_own(module: ModuleType, folder: Path) -> bool:
    """Return whether a module is the plugin's own: no library, though an environment may lie in the folder."""
    file = getattr(module, "__file__", None)
    if not file or module.__name__.partition(".")[0] in ("slbroker", "slbroker_handlers", "slbroker_edge"):
        return False
    path = Path(file).resolve()
    return path.is_relative_to(folder) and not _LIBRARIES.intersection(path.parts)


_LIBRARIES = frozenset(("site-packages", "dist-packages"))
