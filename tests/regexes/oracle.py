"""What a regular expression matches, found without the engine of `re`: each interpreter's engine is held against it.

Alone on stdin's expressions, under any Python from 3.11 on and with nothing installed:

    python3 tests/regexes/oracle.py < EXPRESSIONS      # a JSON list of [expression, "b" or "s", flags, number of texts]

It prints a JSON list: for each expression the first text that `re` reads otherwise, with both readings, or null.
"""

from __future__ import annotations

import importlib
import json
import random
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from itertools import chain, islice
from typing import Any, Final, TypeAlias

# The parser is `re`'s own, in Python; what errs is the engine, in C.
_sre: Final[Any] = importlib.import_module("re._constants")
_parser: Final[Any] = importlib.import_module("re._parser")

Nodes: TypeAlias = Sequence[tuple[Any, Any]]
Groups: TypeAlias = Mapping[int, tuple[int, int]]
State: TypeAlias = tuple[int, Groups]

ONE: Final = (_sre.LITERAL, _sre.NOT_LITERAL, _sre.ANY, _sre.IN)  # each takes one character
POSSESSIVE: Final = _sre.POSSESSIVE_REPEAT
REPEATS: Final = (_sre.MAX_REPEAT, _sre.MIN_REPEAT, POSSESSIVE)
LOOKS: Final = (_sre.ASSERT, _sre.ASSERT_NOT, _sre.AT, _sre.FAILURE)  # they take nothing
_CATEGORIES: Final = {
    _sre.CATEGORY_DIGIT: (str.isdecimal, "0123456789"),
    _sre.CATEGORY_SPACE: (str.isspace, " \t\n\r\f\v"),
    _sre.CATEGORY_WORD: (lambda c: c.isalnum() or c == "_", "abcxyzABCXYZ0189_"),
}
_CATEGORIES_NOT: Final = {
    _sre.CATEGORY_NOT_DIGIT: _sre.CATEGORY_DIGIT,
    _sre.CATEGORY_NOT_SPACE: _sre.CATEGORY_SPACE,
    _sre.CATEGORY_NOT_WORD: _sre.CATEGORY_WORD,
}


def parse(expression: str | bytes, flags: int = 0) -> Any:
    """Return the expression as `re` reads it: a tree of (operation, operand)."""
    return _parser.parse(expression, flags)


def bodies(operation: Any, operand: Any) -> Sequence[Nodes]:
    """Return what stands inside one node of the tree."""
    if operation is _sre.BRANCH:
        return operand[1]  # type: ignore[no-any-return]
    if operation is _sre.ATOMIC_GROUP:
        return (operand,)
    return (operand[-1],) if operation in (*REPEATS, _sre.SUBPATTERN, _sre.ASSERT, _sre.ASSERT_NOT) else ()


class Oracle:
    """One expression. Bytes are read as Latin-1, so that all below is text."""

    def __init__(self, expression: str | bytes, flags: int = 0) -> None:
        self._tree = parse(expression, flags)
        self._flags: int = self._tree.state.flags
        self._known: dict[tuple[Any, int], list[str]] = {}  # what a node of the tree takes, some of it
        self._is_ascii = isinstance(expression, bytes) or bool(self._flags & re.ASCII)

    def match(self, text: str, start: int = 0) -> list[tuple[int, int]] | None:
        """Return what `Match.regs` has for a match at `start`, None where there is none."""
        for end, groups in self._all(self._tree, text, start, {}):
            return [(start, end), *(groups.get(number, (-1, -1)) for number in range(1, self._tree.state.groups))]
        return None

    def _all(self, nodes: Nodes, text: str, at: int, groups: Groups) -> Iterator[State]:
        """Yield every way to match `nodes` from `at`, the one that `re` prefers first."""
        if not len(nodes):
            yield at, groups
            return
        for then, seen in self._node(*nodes[0], text, at, groups):
            yield from self._all(nodes[1:], text, then, seen)

    def _node(self, operation: Any, operand: Any, text: str, at: int, groups: Groups) -> Iterator[State]:
        if operation in ONE:
            return iter([(at + 1, groups)] if at < len(text) and self.takes(operation, operand, text[at]) else ())
        if operation in REPEATS:
            least, most, body = operand
            ways = self._repeat(operation is _sre.MIN_REPEAT, least, most, body, text, at, groups)
            return islice(ways, 1) if operation is POSSESSIVE else ways
        if operation is _sre.ATOMIC_GROUP:
            return islice(self._all(operand, text, at, groups), 1)
        if operation is _sre.BRANCH:
            return chain.from_iterable(self._all(body, text, at, groups) for body in operand[1])
        if operation is _sre.SUBPATTERN:
            return self._group(operand, text, at, groups)
        if operation in LOOKS:
            return self._look(operation, operand, text, at, groups)
        raise NotImplementedError(str(operation))

    def _group(self, operand: Any, text: str, at: int, groups: Groups) -> Iterator[State]:
        number, added, removed, body = operand
        inside = copy(self)
        inside._flags = (self._flags | added) & ~removed
        for then, seen in inside._all(body, text, at, groups):
            yield then, seen if number is None else {**seen, number: (at, then)}

    def _look(self, operation: Any, operand: Any, text: str, at: int, groups: Groups) -> Iterator[State]:
        if operation is _sre.AT:
            return iter([(at, groups)] if self._stands(operand, text, at) else ())
        if operation is _sre.FAILURE:  # how newer ones write (?!)
            return iter(())
        start = at if operand[0] > 0 else at - operand[1].getwidth()[0]  # behind: the width is fixed
        ways = iter(()) if start < 0 else islice(self._all(operand[1], text, start, groups), 1)
        if operation is _sre.ASSERT:
            return ((at, seen) for _, seen in ways)
        return iter(() if any(True for _ in ways) else [(at, groups)])

    def _repeat(
        self, is_lazy: bool, least: int, most: int, body: Nodes, text: str, at: int, groups: Groups
    ) -> Iterator[State]:
        if least <= 0 and is_lazy:
            yield at, groups
        if most > 0:
            for then, seen in self._all(body, text, at, groups):
                if then > at or least > 0:
                    yield from self._repeat(is_lazy, least - 1, most - 1, body, text, then, seen)
                else:
                    yield then, seen  # an empty round is the last
        if least <= 0 and not is_lazy:
            yield at, groups

    def takes(self, operation: Any, operand: Any, character: str) -> bool:
        if operation is _sre.ANY:
            return character != "\n" or bool(self._flags & re.DOTALL)
        cases = {character}
        if self._flags & re.IGNORECASE:
            cases |= {case for case in (character.lower(), character.upper()) if len(case) == 1}
        if operation is _sre.LITERAL:
            return chr(operand) in cases
        if operation is _sre.NOT_LITERAL:
            return chr(operand) not in cases
        is_negated = operand[0][0] is _sre.NEGATE
        return is_negated != any(self._holds(item, case) for item in operand[is_negated:] for case in cases)

    def _holds(self, item: tuple[Any, Any], character: str) -> bool:
        operation, operand = item
        if operation is _sre.LITERAL:
            return chr(operand) == character
        if operation is _sre.RANGE:
            return ord(character) in range(operand[0], operand[1] + 1)
        is_in, _ = _CATEGORIES[_CATEGORIES_NOT.get(operand, operand)]
        inside = is_in(character) and (character.isascii() or not self._is_ascii)
        return inside != (operand in _CATEGORIES_NOT)

    def _stands(self, place: Any, text: str, at: int) -> bool:
        if place is _sre.AT_BEGINNING:
            return at == 0 or (bool(self._flags & re.MULTILINE) and text[at - 1] == "\n")
        if place is _sre.AT_END:
            return text[at:] in ("", "\n") or (bool(self._flags & re.MULTILINE) and text[at] == "\n")
        if place is _sre.AT_END_STRING:
            return at == len(text)
        raise NotImplementedError(str(place))

    # Texts that are worth a try -----------------------------------------------------------------------------------

    def texts(self, count: int, seed: int = 0) -> Iterator[str]:
        """Yield texts of which many match as a whole, many in part, and many miss by one character."""
        dice = random.Random(seed)
        letters = sorted(self._letters(self._tree, dice)) or ["x"]
        for number in range(count):
            text = self._make(self._tree, dice)[:60]
            for _ in range(number % 3):
                at, new = dice.randint(0, len(text)), dice.choice(letters)
                text = dice.choice(
                    (text[:at] + new + text[at:], text[:at] + text[at + 1 :], text[:at] + new + text[at + 1 :])
                )
            yield text

    def _make(self, nodes: Nodes, dice: random.Random) -> str:
        return "".join(self._make_node(*node, dice) for node in nodes)

    def _make_node(self, operation: Any, operand: Any, dice: random.Random) -> str:
        if operation in ONE:
            letters = self._known.get(key := (operation, id(operand)))
            if letters is None:
                letters = self._known[key] = sorted(self._letters([(operation, operand)], dice)) or ["\xff"]
            return dice.choice(letters)
        if operation in REPEATS:
            least, most, body = operand
            return "".join(self._make(body, dice) for _ in range(dice.randint(least, min(most, least + 3))))
        inside = () if operation in LOOKS else bodies(operation, operand)
        return self._make(dice.choice(inside), dice) if inside else ""

    def _letters(self, nodes: Nodes, dice: random.Random) -> set[str]:
        """Return characters that something in `nodes` takes, those at the edges of ranges among them."""
        found: set[str] = set()
        for operation, operand in nodes:
            if operation in ONE:
                near = {*'\r\n \t"\\a0;,<>\x00\xff', chr(dice.randrange(256))}
                for inner, value in operand if operation is _sre.IN else [(operation, operand)]:
                    if inner is _sre.RANGE:
                        near.update(map(chr, value))
                    elif inner in (_sre.LITERAL, _sre.NOT_LITERAL):
                        near.add(chr(value))
                    elif inner is _sre.CATEGORY:
                        near.update(_CATEGORIES[_CATEGORIES_NOT.get(value, value)][1])
                found.update(letter for letter in near if self.takes(operation, operand, letter))
            for body in bodies(operation, operand):
                found |= self._letters(body, dice)
        return found


def misreading(expression: str | bytes, flags: int, count: int) -> str | None:
    """Return a text that this interpreter's `re` reads otherwise than the oracle, and both readings; None: none."""
    oracle = Oracle(expression, flags)
    pattern: re.Pattern[Any] = re.compile(expression, flags)
    for text in oracle.texts(count):
        right = oracle.match(text)
        try:
            found = pattern.match(text.encode("latin-1") if isinstance(expression, bytes) else text)
            read: Any = found and list(found.regs)
        except SystemError as error:  # gh-101955
            read = error
        if read != right:
            return f"{text!r}: {read!r} where {right!r} is right"
    return None


def main() -> None:
    """Judge the expressions on stdin."""
    cases = json.load(sys.stdin)
    json.dump(
        [misreading(written.encode("latin-1") if kind == "b" else written, *rest) for written, kind, *rest in cases],
        sys.stdout,
    )


if __name__ == "__main__":
    main()
