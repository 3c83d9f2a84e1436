"""What goes wrong in a script whatever KSR says: routes that cannot be called, and what Kamailio 5.6 stumbles over."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ENDS: Final = ("sys.exit", "exit", "os._exit", "quit")
_LEGACY: Final = "Kamailio 6.0 has taken it away; log with KSR.info and its like"


class Slip(NamedTuple):
    """A place in a script, and what is wrong with it."""

    title: str
    line: int
    text: str
    file: str = ""


def find_slips(source: str, filename: str, route: str, arguments: Mapping[str, int]) -> list[Slip]:
    """Return what is wrong with a script; raises SyntaxError. `route` is what answers requests.

    `arguments` are the methods that are called, with how many arguments besides self; functions that stand in no class
    get one less.
    """
    tree = ast.parse(source, filename)
    slips = [slip for owner, node in _functions(tree) for slip in _judge(owner, node, route, arguments)]
    return sorted(slips, key=lambda slip: slip.line)


def _functions(tree: ast.Module) -> Iterator[tuple[bool, ast.FunctionDef]]:
    """Yield (whether it is a method, function) for the functions of the file and of its classes."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield False, node
        elif isinstance(node, ast.ClassDef):
            yield from ((True, part) for part in node.body if isinstance(part, ast.FunctionDef))


def _judge(is_method: bool, node: ast.FunctionDef, route: str, arguments: Mapping[str, int]) -> Iterator[Slip]:
    if node.name not in arguments:
        return
    count = arguments[node.name] + (1 if is_method and not _is_static(node) else 0 if is_method else -1)
    if is_method and not _takes(node.args, count):
        names = ("self", "msg", "event")[:count] if node.name != "child_init" else ("self", "rank")
        yield Slip(node.name, node.lineno, f"it is called as {node.name}({', '.join(names)}), which it does not take")
    if node.name == route:
        for line in _ends_with_none(node):
            text = "it returns None, and Kamailio 5.6 fails the worker's next request for that: return 1"
            yield Slip(node.name, line, text)


def _is_static(node: ast.FunctionDef) -> bool:
    return any(isinstance(part, ast.Name) and part.id == "staticmethod" for part in node.decorator_list)


def _takes(arguments: ast.arguments, count: int) -> bool:
    """Return whether a function takes so many positional arguments."""
    most = len(arguments.posonlyargs) + len(arguments.args)
    least = most - len(arguments.defaults)
    needs_names = any(default is None for default in arguments.kw_defaults)
    return least <= count and (count <= most or arguments.vararg is not None) and not needs_names


# Returning nothing ----------------------------------------------------------------------------------------------


def _ends_with_none(function: ast.FunctionDef) -> Iterator[int]:
    """Yield the lines where a function returns None, that of its last statement where it falls off its end."""
    for node in _own_nodes(function):
        if isinstance(node, ast.Return) and (
            node.value is None or (isinstance(node.value, ast.Constant) and node.value.value is None)
        ):
            yield node.lineno
    if _falls_through(function.body):
        yield function.body[-1].lineno


def _own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(function):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            yield child
            yield from _own_nodes(child)


def _falls_through(body: list[ast.stmt]) -> bool:
    """Return whether what stands behind these statements may be reached."""
    last = body[-1]
    if isinstance(last, ast.Return | ast.Raise):
        return False
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
        return ast.unparse(last.value.func) not in _ENDS
    if isinstance(last, ast.If):
        return not last.orelse or _falls_through(last.body) or _falls_through(last.orelse)
    if isinstance(last, ast.With):
        return _falls_through(last.body)
    if isinstance(last, ast.While):
        is_endless = isinstance(last.test, ast.Constant) and bool(last.test.value)
        return not is_endless or any(isinstance(part, ast.Break) for part in _own_nodes(last))
    if isinstance(last, ast.Try):
        if last.finalbody and not _falls_through(last.finalbody):
            return False
        ends = [last.orelse or last.body, *(handler.body for handler in last.handlers)]
        return any(map(_falls_through, ends))
    if isinstance(last, ast.Match):
        is_whole = any(isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None for case in last.cases)
        return not is_whole or any(_falls_through(case.body) for case in last.cases)
    return True


# The interface before KEMI --------------------------------------------------------------------------------------


def find_legacy(source: str, file: str = "") -> list[Slip]:
    """Return where a script, or the `file` beside it, imports Router, app_python's interface of before KEMI."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        if isinstance(node, ast.stmt) and any(name.split(".")[0] == "Router" for name in names):
            found.append(Slip("Router", node.lineno, _LEGACY, file))
    return found
