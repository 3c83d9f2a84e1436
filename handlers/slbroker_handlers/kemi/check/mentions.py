"""What a KEMI script calls, read from its source without running it: each mention of KSR, with its line.

What is reached only from functions that nobody here calls (branch, failure and reply routes) is told apart. The
modules beside the script that it imports are read with it, as one program.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final, NamedTuple

from slbroker_handlers.kemi.check.aliases import Aliases
from slbroker_handlers.kemi.exports import ksr_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

# Functions that are called here, whichever of them a script has; the event callbacks are parameters.
ENTRIES: Final = (
    "mod_init", "child_init", "ksr_request_route", "script_init", "script_child_init", "__init__",
)  # fmt: skip
MAX_HELPERS: Final = 200  # files; a script that lies in a folder full of others imports some of them

# What an argument is known to be by how it is written: the name of its type, and its value where it has one.
Argument = tuple[str, object]
UNKNOWN: Final[Argument] = ("", None)
_DISPLAYS: Final = {
    ast.JoinedStr: "str", ast.List: "list", ast.ListComp: "list", ast.Tuple: "tuple", ast.Dict: "dict",
    ast.DictComp: "dict", ast.Set: "set", ast.SetComp: "set", ast.Compare: "bool", ast.Lambda: "function",
}  # fmt: skip
_MAKERS: Final = ("str", "int", "float", "bool", "bytes", "list", "dict", "tuple", "repr", "len")


class Use(NamedTuple):
    """One mention of a function of KSR; `arguments` are those of a call, None where it is no call, or may have any."""

    module: str
    name: str
    line: int
    is_reached: bool
    file: str = ""  # of a module beside the script, "" for the script itself
    arguments: tuple[Argument, ...] | None = None
    is_optional: bool = False  # getattr(KSR.pv, "getl", None): it is asked whether there is one

    @property
    def title(self) -> str:
        """Return the function as scripts write it."""
        return ksr_name(self.module, self.name)


def find_uses(
    source: str, filename: str, entries: tuple[str, ...] = ENTRIES, helpers: Mapping[str, str] | None = None
) -> list[Use]:
    """Return every mention of KSR's functions, by line, the script's first; raises SyntaxError for what is no Python.

    `helpers` are the sources of the modules beside the script, by file.
    """
    files = {"": ast.parse(source, filename)}
    files.update((name, ast.parse(text, name)) for name, text in (helpers or {}).items())
    reached = _reached(list(files.values()), entries)
    uses = [
        use._replace(file=name, is_reached=not owner or owner in reached)
        for name, tree in files.items()
        for owner, use in _Mentions(tree).find()
    ]
    return sorted(uses, key=lambda use: (use.file, use.line, use.title))


def branch_routes(uses: Iterable[Use]) -> Iterator[str]:
    """Yield the functions that a script's calls of t_on_branch name."""
    for use in uses:
        if (use.module, use.name) == ("tm", "t_on_branch"):
            yield from (value for _, value in use.arguments or () if isinstance(value, str))


def find_helpers(source: str, filename: str, folder: Path) -> dict[str, str]:
    """Return the sources of the modules in the script's folder that it imports, and that these import, by file."""
    found: dict[str, str] = {}
    waiting = list(_imported(ast.parse(source, filename)))
    while waiting and len(found) < MAX_HELPERS:
        parts = waiting.pop().split(".")
        for count in range(1, len(parts) + 1):
            base = folder.joinpath(*parts[:count])
            file = next((f for f in (base.with_suffix(".py"), base / "__init__.py") if f.is_file()), None)
            if file is None or str(file.relative_to(folder)) in found:
                continue
            try:
                text = file.read_text(encoding="utf-8")
                waiting += _imported(ast.parse(text), ".".join(parts[:count]), is_package=file.stem == "__init__")
            except (OSError, ValueError, SyntaxError):
                continue  # importing it says what is wrong
            found[str(file.relative_to(folder))] = text
    return found


def _imported(tree: ast.Module, own: str = "", *, is_package: bool = False) -> Iterator[str]:
    """Yield the full names of modules that a file called `own` imports; some of them are names in modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = own.split(".") if node.level else []
            parts = parts[: len(parts) - (node.level - is_package)] if node.level else []
            base = ".".join([*parts, *filter(None, [node.module])])
            yield from (f"{base}.{alias.name}" if base else alias.name for alias in node.names)


# Mentions -------------------------------------------------------------------------------------------------------


class _Mentions:
    """The mentions in one file."""

    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self._aliases = Aliases(tree)
        self._found: list[tuple[str, Use]] = []

    def find(self) -> list[tuple[str, Use]]:
        """Return (the outermost function that it is in, mention) for each."""
        self._visit(self._tree, "", (id(self._tree),), None)
        return self._found

    def _visit(self, node: ast.AST, owner: str, scopes: tuple[int, ...], call: ast.Call | None) -> None:
        """Note what is mentioned in `node`; `call` is the call whose function it is."""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            if not owner and not isinstance(node, ast.ClassDef | ast.Lambda):
                owner = node.name
            scopes = (*scopes, id(node))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("KSR.") and not node.level:
            parts = node.module.split(".") if node.module else []
            for alias in node.names:
                self._note(node, (*parts[1:], alias.name), owner, None)
        is_target = isinstance(getattr(node, "ctx", None), ast.Store)
        path = None if is_target else self._aliases.path(node, scopes)
        if path is not None:
            self._note(node, path, owner, call)
            return
        for child in ast.iter_child_nodes(node):
            called = node if isinstance(node, ast.Call) and child is node.func else None
            self._visit(child, owner, scopes, called)

    def _note(self, node: ast.AST, path: tuple[str, ...], owner: str, call: ast.Call | None) -> None:
        if not path:
            return  # KSR itself
        module, name = (path[0], path[1]) if len(path) > 1 else ("", path[0])
        is_whole = len(path) <= 2
        arguments = _arguments(call) if call is not None and is_whole else None
        is_optional = isinstance(node, ast.Call) and len(node.args) == 3
        line = getattr(node, "lineno", 0)
        self._found.append((owner, Use(module, name, line, True, "", arguments, is_optional)))


def _arguments(call: ast.Call) -> tuple[Argument, ...] | None:
    """Return what is known of a call's arguments; None where not even their number is."""
    if any(isinstance(argument, ast.Starred) for argument in call.args) or call.keywords:
        return None
    return tuple(map(_argument, call.args))


def _argument(node: ast.expr) -> Argument:
    if isinstance(node, ast.Constant):
        return ("None" if node.value is None else type(node.value).__name__, node.value)
    if isinstance(node, ast.UnaryOp):
        kind, value = _argument(node.operand)
        if isinstance(node.op, ast.Not):
            return ("bool", None)
        is_negative = isinstance(node.op, ast.USub) and isinstance(value, int)
        return (kind, -value) if is_negative and isinstance(value, int) else (kind, None)
    if isinstance(node, ast.BinOp):
        kind = _argument(node.left)[0]
        return (kind, None) if kind == "str" else UNKNOWN
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _MAKERS:
        return ({"repr": "str", "len": "int"}.get(node.func.id, node.func.id), None)
    return (_DISPLAYS.get(type(node), ""), None)


# What may run ---------------------------------------------------------------------------------------------------


def _reached(trees: list[ast.Module], entries: tuple[str, ...]) -> set[str]:
    """Return the functions and methods that may run here: the entries, and whatever is named on the way."""
    functions: dict[str, list[ast.AST]] = {}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                functions.setdefault(node.name, []).append(node)
    reached: set[str] = set()
    outside = {name for tree in trees for name in _named_outside(tree)}
    waiting = [name for name in functions if name in entries] + list(outside & set(functions))
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += [
                mentioned for node in functions[name] for mentioned in _mentioned(node) if mentioned in functions
            ]
    return reached


def _named_outside(tree: ast.Module) -> set[str]:
    """Return the names that are used outside of all functions: they run when the script is imported."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for part in (*node.decorator_list, *node.args.defaults):
                found.update(_mentioned(part))
            return
        found.update(_own_name(node))
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(tree)
    return found


def _mentioned(node: ast.AST) -> set[str]:
    return {name for part in ast.walk(node) for name in _own_name(part)}


def _own_name(node: ast.AST) -> tuple[str, ...]:
    """Return the name that a node uses; getattr(self, "name") uses one, too."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr":
        texts = (part.value for part in node.args[1:2] if isinstance(part, ast.Constant))
        return tuple(text for text in texts if isinstance(text, str))
    return (node.id,) if isinstance(node, ast.Name) else (node.attr,) if isinstance(node, ast.Attribute) else ()
