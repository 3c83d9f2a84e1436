"""Which names of a script mean KSR, or a module or function of it: imports, assignments, getattr, attributes.

A path is what stands behind KSR: () is KSR itself, ("pv",) its module, ("pv", "get") a function.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

Path: TypeAlias = tuple[str, ...]
_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_PASSES: Final = 4  # an alias of an alias of an alias; nobody writes more


class Aliases:
    """The names of one file. A name of a function hides one of the file, as in Python."""

    def __init__(self, tree: ast.Module) -> None:
        self._scopes: dict[int, dict[str, Path | None]] = {}  # by the id of what opens the scope
        self._attributes: dict[str, Path | None] = {}  # of the script's objects: self.ksr = KSR
        self._classes: set[int] = set()  # scopes that what is inside of their functions does not see
        for _ in range(_PASSES):
            before = (self._attributes, self._scopes)
            self._attributes, self._scopes = {}, {id(tree): {}}
            old = Aliases.__new__(Aliases)
            old._attributes, old._scopes = before
            old._classes = self._classes
            self._collect(tree, (id(tree),), old)
            if (self._attributes, self._scopes) == before:
                break

    def path(self, node: ast.AST, scopes: tuple[int, ...]) -> Path | None:
        """Return the path that an expression means in the scopes around it, the innermost last; None for none."""
        if isinstance(node, ast.Name):
            return self._of_name(node.id, scopes)
        if isinstance(node, ast.Attribute):
            owner = self.path(node.value, scopes)
            if owner is not None:
                return (*owner, node.attr)
            is_own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            return self._attributes.get(node.attr) if is_own else None
        if isinstance(node, ast.Call):
            return self._of_call(node, scopes)
        return None

    def _of_name(self, name: str, scopes: tuple[int, ...]) -> Path | None:
        for at, scope in enumerate(reversed(scopes)):
            names = self._scopes.get(scope, {})
            if name in names and not (at and scope in self._classes):
                return names[name]
        return () if name == "KSR" else None

    def _of_call(self, node: ast.Call, scopes: tuple[int, ...]) -> Path | None:
        """Return what getattr(KSR.pv, "get") and import_module("KSR") mean."""
        texts = [argument.value if isinstance(argument, ast.Constant) else None for argument in node.args]
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called == "getattr" and len(node.args) in (2, 3) and isinstance(texts[1], str):
            owner = self.path(node.args[0], scopes)
            return (*owner, texts[1]) if owner is not None else None
        if called in ("import_module", "__import__") and texts and isinstance(texts[0], str):
            root, *parts = texts[0].split(".")
            return (tuple(parts) if called == "import_module" else ()) if root == "KSR" else None
        return None

    # Collecting -------------------------------------------------------------------------------------------------

    def _collect(self, node: ast.AST, scopes: tuple[int, ...], old: Aliases) -> None:
        for child in ast.iter_child_nodes(node):
            inner = scopes
            if isinstance(child, _FUNCTIONS):
                inner = (*scopes, id(child))
                self._scopes[id(child)] = {}
                self._note_arguments(child.args, inner, old)
                if not isinstance(child, ast.Lambda):
                    self._note(child.name, None, scopes)
            elif isinstance(child, ast.ClassDef):
                inner = (*scopes, id(child))
                self._scopes[id(child)] = {}
                self._classes.add(id(child))
            for name, path in self._bound(child, scopes, old):
                self._note(name, path, scopes)
            self._collect(child, inner, old)

    def _bound(self, node: ast.AST, scopes: tuple[int, ...], old: Aliases) -> Iterator[tuple[str, Path | None]]:
        """Yield what a statement gives names to, and what they mean then."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                if parts[0] == "KSR":
                    yield (alias.asname, tuple(parts[1:])) if alias.asname else ("KSR", ())
        elif isinstance(node, ast.ImportFrom):
            parts = (node.module or "").split(".")
            for alias in node.names:
                is_ksr = parts[0] == "KSR" and not node.level
                yield alias.asname or alias.name, (*parts[1:], alias.name) if is_ksr else None
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                yield from self._assigned(target, node.value, scopes, old)
        elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
            yield from ((part.id, None) for part in ast.walk(node.target) if isinstance(part, ast.Name))

    def _assigned(
        self, target: ast.expr, value: ast.expr | None, scopes: tuple[int, ...], old: Aliases
    ) -> Iterator[tuple[str, Path | None]]:
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            for one, its in zip(target.elts, value.elts, strict=True):
                yield from self._assigned(one, its, scopes, old)
            return
        path = old.path(value, scopes) if value is not None else None
        if isinstance(target, ast.Name):
            yield target.id, path
            if path is not None and scopes[-1] in self._classes:
                self._attributes[target.id] = path
        elif isinstance(target, ast.Attribute) and (path is not None or target.attr in self._attributes):
            self._attributes[target.attr] = path if self._attributes.get(target.attr, path) == path else None

    def _note_arguments(self, arguments: ast.arguments, scopes: tuple[int, ...], old: Aliases) -> None:
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        for argument in (*every, *filter(None, (arguments.vararg, arguments.kwarg))):
            self._note(argument.arg, None, scopes)
        positional = [*arguments.posonlyargs, *arguments.args]
        defaults = arguments.defaults
        named = list(zip(positional[len(positional) - len(defaults) :], defaults, strict=True))
        named += [(one, its) for one, its in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if its]
        for argument, value in named:
            self._scopes[scopes[-1]][argument.arg] = old.path(value, scopes[:-1])

    def _note(self, name: str, path: Path | None, scopes: tuple[int, ...]) -> None:
        """Keep what a name means; one that means several things means none that is known."""
        names = self._scopes[scopes[-1]]
        names[name] = path if names.get(name, path) == path else None
