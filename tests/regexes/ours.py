"""The regular expressions of our own source, and what may be said against one."""

from __future__ import annotations

import ast
import importlib
import re
import sys
import types
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.regexes import oracle
from tests.regexes.oracle import ONE, REPEATS, Nodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = (ROOT / "slbroker", ROOT / "edge/slbroker_edge", ROOT / "handlers/slbroker_handlers")
EXAMPLES: Final = ROOT / "handlers/examples"

FEW: Final = 8  # rounds of a repetition that may be tried again without harm

# Where `re`'s functions take flags when they are not named.
_FLAGS_AT: Final = {
    "compile": 1, "match": 2, "fullmatch": 2, "search": 2, "findall": 2, "finditer": 2, "split": 3, "sub": 4, "subn": 4,
}  # fmt: skip


@dataclass(frozen=True)
class Regex:
    """One in our source; `expression` is None where it is put together when the function runs."""

    where: str
    expression: str | bytes | None
    flags: int
    source: str


def read_all() -> list[Regex]:
    """Return those of all modules of the three packages, and of the examples."""
    found: list[Regex] = []
    for package in PACKAGES:
        for path in sorted(set(package.rglob("*.py")) - {package / "__main__.py"}):  # which runs the command
            parts = path.relative_to(package.parent).with_suffix("").parts
            module = importlib.import_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
            found += _read(path, vars(module))
    for path in sorted(EXAMPLES.rglob("*.py")):
        found += _read(path, {"re": re})
    return found


def _read(path: Path, names: dict[str, Any]) -> Iterator[Regex]:
    source = path.read_text(encoding="utf-8")
    for call in ast.walk(ast.parse(source)):
        match call:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=function), args=[first, *_]) if (
                function in _FLAGS_AT
            ):
                where = f"{path.relative_to(ROOT)}:{call.lineno}"
                yield Regex(where, *_value(call, first, function, names), ast.unparse(first))


def _value(call: ast.Call, first: ast.expr, function: str, names: dict[str, Any]) -> tuple[str | bytes | None, int]:
    """Return what a call gives `re`, found by evaluating its arguments among the module's names."""
    flags: list[ast.expr] = [word.value for word in call.keywords if word.arg == "flags"]
    flags += call.args[_FLAGS_AT[function] : _FLAGS_AT[function] + 1]
    try:
        expression, number = (
            eval(compile(ast.Expression(part), "<regex>", "eval"), names)
            for part in (first, flags[0] if flags else ast.Constant(0, lineno=1, col_offset=0))
        )
    except NameError:
        return None, 0
    return expression, int(number)


def compiled() -> Iterator[tuple[str, re.Pattern[Any]]]:
    """Yield the patterns that our modules hold, whether as such or as a method of one."""
    for package in PACKAGES:
        prefix = package.name
        for name, module in sorted(sys.modules.items()):
            if name == prefix or name.startswith(f"{prefix}."):
                for key, value in vars(module).items():
                    owner = value.__self__ if isinstance(value, types.BuiltinMethodType) else value
                    if isinstance(owner, re.Pattern):
                        yield f"{name}.{key}", owner


# What may be said against one -----------------------------------------------------------------------------------


def unsafe(expression: str | bytes, flags: int = 0) -> list[str]:
    """Return what some supported Python matches wrongly: a possessive quantifier over more than one character.

    Before 3.11.5 it takes what the group does not match (CPython gh-106052); as late as 3.13.0 the captures of such a
    group are wrong, or SystemError is raised (gh-101955). Let the next byte decide instead, as in
    rb'"[^"\\\\]*+(?:\\\\.[^"\\\\]*+)*"', or use an atomic group.
    """
    return [
        f"possessive quantifier over {list(body)}"
        for operation, operand in _walk(oracle.parse(expression, flags))
        if operation is oracle.POSSESSIVE and not _is_one(body := operand[2])
    ]


def _is_one(body: Nodes) -> bool:
    return len(body) == 1 and body[0][0] in ONE


def _walk(nodes: Iterable[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
    for operation, operand in nodes:
        yield operation, operand
        for body in oracle.bodies(operation, operand):
            yield from _walk(body)


def wavering(expression: str | bytes, flags: int = 0) -> list[str]:
    """Return the repetitions that the next byte does not end: what they took may be given back and taken otherwise.

    Without one, a match looks at each byte so many times at most, so it takes linear time.
    """
    return list(_Follow(expression, flags).check())


class _Follow:
    """Which bytes may begin what stands behind each repetition."""

    def __init__(self, expression: str | bytes, flags: int) -> None:
        self._tree = oracle.parse(expression, flags)
        self._oracle = oracle.Oracle(expression, flags)

    def check(self) -> Iterator[str]:
        return self._check(self._tree, frozenset())

    def _check(self, nodes: Nodes, behind: frozenset[str], *, is_repeated: bool = False) -> Iterator[str]:
        for at, (operation, operand) in enumerate(nodes):
            rest, is_empty = self._begins(nodes[at + 1 :])
            follow = rest | behind if is_empty else rest
            if operation in REPEATS and operand[1] > FEW:
                body = operand[2]
                first, _ = self._begins(body)
                if operation is not oracle.POSSESSIVE and operand[0] < operand[1] and first & follow:
                    yield f"{list(body)} may be followed by {sorted(first & follow)[:3]}, which begins it"
                yield from self._check(body, first | follow, is_repeated=True)
            else:
                for body in oracle.bodies(operation, operand):
                    yield from self._check(body, follow, is_repeated=is_repeated)
            ways = [self._begins(body)[0] for body in oracle.bodies(operation, operand)]
            if is_repeated and len(frozenset[str]().union(*ways)) < sum(map(len, ways)):
                yield f"{operand} is repeated, and two of its ways begin alike"

    def _begins(self, nodes: Nodes) -> tuple[frozenset[str], bool]:
        """Return what `nodes` may begin with, and whether they may be empty."""
        found: frozenset[str] = frozenset()
        for operation, operand in nodes:
            begins, is_empty = self._begins_one(operation, operand)
            found |= begins
            if not is_empty:
                return found, False
        return found, True

    def _begins_one(self, operation: Any, operand: Any) -> tuple[frozenset[str], bool]:
        if operation in ONE:
            return frozenset(c for c in map(chr, range(256)) if self._oracle.takes(operation, operand, c)), False
        if operation in oracle.LOOKS:
            return frozenset(), True
        ways = [self._begins(body) for body in oracle.bodies(operation, operand)]
        begins = frozenset[str]().union(*(way for way, _ in ways))
        return begins, not ways or any(is_empty for _, is_empty in ways) or (operation in REPEATS and operand[0] == 0)
