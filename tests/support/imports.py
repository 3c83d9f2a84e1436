"""Who imports whom, read from the source: nothing is run, so a broken module is judged like any other."""

from __future__ import annotations

import ast
from collections import deque
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_DYNAMIC = ("import_module", "__import__")


@dataclass(frozen=True)
class Import:
    """`importer` names `target`: inside a function if `deferred`, for a type checker only if `typing`."""

    importer: str
    target: str
    line: int
    deferred: bool
    typing: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.target}"


@dataclass(frozen=True)
class Tree:
    """The modules of some packages (dotted name: file) and all their imports."""

    modules: Mapping[str, Path]
    imports: tuple[Import, ...]

    def under(self, *names: str) -> list[str]:
        """The modules that `names` name, those inside named packages included."""
        return [module for module in self.modules if is_under(module, *names)]


def is_under(module: str, *names: str) -> bool:
    """Whether `module` is one of the dotted `names` or inside one."""
    return any(module == name or module.startswith(f"{name}.") for name in names)


def read_tree(*packages: Path) -> Tree:
    """Read every .py file of `packages`, each a folder named as the package is; absent ones are empty."""
    modules = {_module_name(file, folder): file for folder in packages for file in sorted(folder.rglob("*.py"))}
    found = [imported for name, file in modules.items() for imported in _read(name, file, modules)]
    return Tree(modules, tuple(found))


def _module_name(file: Path, package: Path) -> str:
    return ".".join(file.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")


def _read(name: str, file: Path, modules: Iterable[str]) -> Iterator[Import]:
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    for node, deferred, typing in _walk(ast.parse(file.read_bytes(), str(file)), deferred=False, typing=False):
        for target in _targets(node, package, modules):
            yield Import(name, target, getattr(node, "lineno", 0), deferred, typing)


def _walk(node: ast.AST, *, deferred: bool, typing: bool) -> Iterator[tuple[ast.AST, bool, bool]]:
    yield node, deferred, typing
    deferred = deferred or isinstance(node, _FUNCTIONS)
    unrun = node.body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test).split(".") else []
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, deferred=deferred, typing=typing or child in unrun)


def _targets(node: ast.AST, package: str, modules: Iterable[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        base = ".".join([*above, *([node.module] if node.module else [])])
        # `from a import b` is the module a.b where there is one, else a name inside a.
        yield from dict.fromkeys(f"{base}.{a.name}" if f"{base}.{a.name}" in modules else base for a in node.names)
    elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in _DYNAMIC:
        yield from (arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant) and isinstance(arg.value, str))


def crossings(tree: Tree, sources: Iterable[str], targets: Iterable[str]) -> list[Import]:
    """Every import, for types only or not, of anything under `targets` by anything under `sources`."""
    sources, targets = tuple(sources), tuple(targets)
    return [i for i in tree.imports if is_under(i.importer, *sources) and is_under(i.target, *targets)]


def impurities(tree: Tree, start: str, forbidden: Iterable[str]) -> list[str]:
    """The ways from module `start` through our own modules to a forbidden one, each a chain of names.

    Imports inside functions count, those for type checkers do not. To import a.b.c runs a.b as well, so that
    counts too; the topmost package does not, because it is where public names are gathered.
    """
    forbidden = tuple(forbidden)
    chains, waiting, found = {start: start}, deque([start]), []
    while waiting:
        module = waiting.popleft()
        for target in _runs(tree, module):
            if is_under(target, *forbidden):
                found.append(f"{chains[module]} -> {target}")
            elif target in tree.modules and target not in chains:
                chains[target] = f"{chains[module]} -> {target}"
                waiting.append(target)
    return found


def _runs(tree: Tree, module: str) -> dict[str, None]:
    named = [i.target for i in tree.imports if i.importer == module and not i.typing]
    parts = module.split(".")
    above = [".".join(parts[:depth]) for depth in range(2, len(parts))]
    return dict.fromkeys([*above, *named])


def cycle(tree: Tree) -> list[str]:
    """A ring of modules that import each other, for types only too, first and last the same; [] if there is none."""
    ours = [i for i in tree.imports if i.target in tree.modules and i.target != i.importer]
    graph: dict[str, set[str]] = {}
    for imported in ours:
        graph.setdefault(imported.importer, set()).add(imported.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        # It is found from imported to importer; people read it the other way.
        ring: list[str] = error.args[1]
        return ring[::-1]
    return []
