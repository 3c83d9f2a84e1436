"""Find a plugin: `FILE.py`, `FILE.py:app`, `module` or `module:app`."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from slbroker.errors import PluginError
from slbroker.plugin import Handlers

if TYPE_CHECKING:
    from types import ModuleType

BUNDLED = "slbroker_handlers.bundled"


def load_plugin(name: str) -> Handlers:
    """Return the `Handlers` that `name` means; raise PluginError, one line with file and line, when there is none."""
    where, attribute = _split(name)
    try:
        module = _import_file(Path(where)) if _is_file_name(where) else _import_module(where)
    except PluginError:
        raise
    except ModuleNotFoundError as error:
        if error.name is not None and f"{where}.".startswith(f"{error.name}."):
            raise PluginError(f"plugin {name}: there is no module {where}; a file is written FILE.py") from error
        raise PluginError(f"plugin {name}: {_where_and_what(error)}") from error
    except (Exception, SystemExit) as error:
        raise PluginError(f"plugin {name}: {_where_and_what(error)}") from error
    return _pick(module, attribute, name)


def _split(name: str) -> tuple[str, str]:
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
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise PluginError(f"plugin {path}: its name must end in .py")
    _add_to_path(path.resolve().parent)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


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
