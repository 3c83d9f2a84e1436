"""What is defined in the product and used by nothing in it, read from the source: tests alone keep nothing alive."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_find_words = re.compile(r"\w+").findall


def unused(modules: Mapping[str, Path], others: str) -> list[str]:
    """Return `module.name` and `module.Class.name` of what nothing in `modules` (dotted name: file) uses.

    A module's name is used where its file reads it, where it is imported, or read from the module. A method is used
    where any file names it; so is all that `others` names: compiled twins, pages for users.
    """
    trees = {name: ast.parse(file.read_bytes(), str(file)) for name, file in modules.items()}
    taken = {pair for tree in trees.values() for pair in _taken(tree, modules)}
    said = {name: set(_said(tree)) for name, tree in trees.items()}
    anywhere = set(_find_words(others)).union(*said.values())
    outside = set(_find_words(others))
    found = []
    for module, tree in trees.items():
        idle = [name for name in _names(tree) if name not in said[module] and (module, name) not in taken]
        found += [f"{module}.{name}" for name in idle if name not in outside]
        found += [f"{module}.{owner}.{name}" for owner, name in _methods(tree) if name not in anywhere]
    return found


def _said(tree: ast.Module) -> Iterator[str]:
    """Yield the names that a module reads, and the words of its texts, such as types in quotes; not its docstrings."""
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield from _find_words(node.value)


def _names(tree: ast.Module) -> Iterator[str]:
    """Yield the functions, classes and constants of a module, but not what a decorator has taken elsewhere."""
    for node in tree.body:
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            decorators = [ast.unparse(each).partition("(")[0] for each in node.decorator_list]
            if not any(each.endswith((".command", ".export")) for each in decorators):
                yield from [node.name] if not node.name.startswith("__") else []
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (each.id for each in targets if isinstance(each, ast.Name) and not each.id.startswith("__"))


def _methods(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for owner in ast.walk(tree):
        if isinstance(owner, ast.ClassDef):
            for node in owner.body:
                if isinstance(node, _FUNCTIONS) and not node.name.startswith("__"):
                    yield owner.name, node.name


def _taken(tree: ast.Module, modules: Mapping[str, Path]) -> Iterator[tuple[str, str]]:
    """Yield (module, name) of what a module imports, or reads from a module that it imports."""
    local: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield node.module, alias.name
                if f"{node.module}.{alias.name}" in modules:
                    local[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in local:
            yield local[node.value.id], node.attr
