"""What a KEMI script calls, read from its source without running it: each mention of KSR, with its line.

What is reached only from functions that nobody here calls (branch, failure and reply routes) is told apart.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# Functions that are called here, whichever of them a script has; the event callbacks are parameters.
ENTRIES: Final = (
    "mod_init", "child_init", "ksr_request_route", "script_init", "script_child_init", "__init__",
)  # fmt: skip
_READING: Final = (
    "get",
    "gete",
    "getw",
    "geti",
    "getl",
    "getvn",
    "getvs",
    "seti",
    "sets",
    "setl",
    "unset",
    "is_null",
)


class Use(NamedTuple):
    """One mention of a function of KSR; `variable` is the pseudo-variable that KSR.pv is asked for, if it says so."""

    module: str
    name: str
    line: int
    is_reached: bool
    variable: str = ""

    @property
    def title(self) -> str:
        """Return the function as scripts write it."""
        return f"KSR.{self.module}.{self.name}" if self.module else f"KSR.{self.name}"


def find_uses(source: str, filename: str, entries: tuple[str, ...] = ENTRIES) -> list[Use]:
    """Return every mention of KSR's functions, by line; raises SyntaxError for what is no Python."""
    tree = ast.parse(source, filename)
    names = _Names(tree)
    reached = _reached(tree, entries)
    texts = _variables(tree)
    uses = []
    for owner, node in _walk(tree):
        found = names.read(node)
        if found is not None:
            variable = texts.get(id(node), "") if found[0] == "pv" and found[1] in _READING else ""
            uses.append(Use(*found, node.lineno, not owner or owner in reached, variable))
    return sorted(uses, key=lambda use: (use.line, use.title))


class _Names:
    """Which names of a script mean KSR, or a module or function of it."""

    def __init__(self, tree: ast.Module) -> None:
        self._roots = {"KSR"}
        self._modules: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                self._roots.update(alias.asname or alias.name for alias in node.names if alias.name == "KSR")
            elif isinstance(node, ast.ImportFrom) and node.module == "KSR":
                self._modules.update({alias.asname or alias.name: alias.name for alias in node.names})

    def read(self, node: ast.AST) -> tuple[str, str] | None:
        """Return (module, function) when a node is the whole of KSR.function or KSR.module.function."""
        if not isinstance(node, ast.Attribute):
            return None
        owner = node.value
        if isinstance(owner, ast.Attribute) and isinstance(owner.value, ast.Name) and owner.value.id in self._roots:
            return owner.attr, node.attr
        if isinstance(owner, ast.Name) and owner.id in self._modules:
            return self._modules[owner.id], node.attr
        if isinstance(owner, ast.Name) and owner.id in self._roots:
            return "", node.attr
        return None


def _walk(tree: ast.Module) -> Iterator[tuple[str, ast.Attribute]]:
    """Yield (the outermost function that it is in, attribute) for each attribute that no other one continues."""

    def visit(node: ast.AST, owner: str) -> Iterator[tuple[str, ast.Attribute]]:
        if isinstance(node, ast.Attribute):
            yield owner, node
            if isinstance(node.value, ast.Attribute | ast.Name):
                return  # KSR.pv of KSR.pv.get is no mention of its own
        if not owner and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            owner = node.name
        for child in ast.iter_child_nodes(node):
            yield from visit(child, owner)

    yield from visit(tree, "")


def _reached(tree: ast.Module, entries: tuple[str, ...]) -> set[str]:
    """Return the functions and methods that may run here: the entries, and whatever is named on the way."""
    functions: dict[str, list[ast.AST]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            functions.setdefault(node.name, []).append(node)
    reached: set[str] = set()
    waiting = [name for name in functions if name in entries] + list(_named_outside(tree) & set(functions))
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
    return (node.id,) if isinstance(node, ast.Name) else (node.attr,) if isinstance(node, ast.Attribute) else ()


def _variables(tree: ast.Module) -> dict[int, str]:
    """Return the text that each call names first, by the id of what is called: of KSR.pv's, a pseudo-variable."""
    return {
        id(call.func): call.args[0].value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }
