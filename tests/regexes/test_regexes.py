"""Every expression of ours means the same on each Python that is supported: read from the source, and run."""

from __future__ import annotations

import fnmatch
import json
import random
import subprocess
from typing import TYPE_CHECKING, TypeAlias

import pytest

from tests.regexes import oracle, ours
from tests.support import interpreters
from tests.support.timing import within

if TYPE_CHECKING:
    from pathlib import Path

PYTHONS = interpreters.find()

# One way to misread for each: gh-106052 before 3.11.5, gh-101955 at least as late as 3.13.0.
DEBIANS = rb"\r\nl:((?:[^\r]|\r(?!\n))*+)"  # on Debian 12 it took the whole head
REFUSED: list[str | bytes] = [
    DEBIANS, r"(?:ab?c)*+", r"(?:ab?c)++d", r"(?:ab?c)?+", r"(?:ab?c){0,3}+", r"(?:.(?!D))*+", r"(?:[^r]|r(?!n))*+",
    r"((x)|y|z)*+", r"(?:(x)|y|z)*+", r"(?>(?:ab?c)*+)", r"(?=(?:ab?c)*+)", r"(?:x|(?:ab?c)*+)", r"(?:(?:ab?c)*+)*",
    rb"(?:;[a-z]++)*+", rb'"(?:[^"\\]|\\.)*+"', r"(?:=[^;]*+)?+",
]  # fmt: skip
ALLOWED: list[str | bytes] = [
    r"a*+b", r"[^\r\n]*+", r".++", r"\w?+", r"[0-9]{1,5}+", r"(?:[ab])*+", r"(?>(?:ab?c)*)", r"(?:ab?c)*", r"(?>a|ab)c",
    rb'"[^"\\]*+(?:\\.[^"\\]*+)*"', rb"[^\r]*+(?:\r(?!\n)[^\r]*+)*",
]  # fmt: skip

# `fnmatch` writes atomic groups, for users' and domains' shell patterns.
SHELLS = [fnmatch.translate(shell) for shell in ("900*", "*.example.com", "*a?b*", "+49[0-9]*5*", "[!a-c]*x*y")]

# Where the two next bytes decide, or where no peer's byte comes to.
UNDECIDED = {
    "slbroker/sip/via.py": "a parameter is none that begins with R",
    "kemi/htables.py": "the user's own definition",
    "slbroker/commands/": "the user's own words",
    "kemi/xavps.py": "the script's own words",
    "variables/addressparts.py": "what is given back is tried once more at = or ~ alone, and read to the text's end",
    "kemi/uris.py": "what is left over begins with none of the alternatives",
}

Case: TypeAlias = "tuple[str | bytes, int]"


@pytest.fixture(scope="module")
def regexes() -> list[ours.Regex]:
    return ours.read_all()


def misreadings(python: Path, cases: list[Case], texts: int) -> list[str]:
    """What that interpreter's engine reads otherwise than the oracle, with the expression."""
    written = [
        [case.decode("latin-1"), "b", flags, texts] if isinstance(case, bytes) else [case, "s", flags, texts]
        for case, flags in cases
    ]
    run = subprocess.run(
        [python, "-I", oracle.__file__],
        input=json.dumps(written),
        capture_output=True,
        text=True,
        timeout=within(50),
        check=False,
    )
    assert not run.returncode, run.stderr
    return [f"{case!r} {found}" for (case, _), found in zip(cases, json.loads(run.stdout), strict=True) if found]


def test_the_source_has_every_expression_that_a_module_holds(regexes: list[ours.Regex]) -> None:
    written = {regex.expression for regex in regexes}
    held = dict(ours.compiled())
    assert len(held) > 40
    assert [name for name, pattern in held.items() if pattern.pattern not in written] == []


def test_what_is_put_together_at_run_time_is_a_users_or_from_fnmatch(regexes: list[ours.Regex]) -> None:
    assert {regex.source for regex in regexes if regex.expression is None} == {
        "form",  # of names of files of ours
        r"b'\\b(?:sips?|tel):' + escaped + b'(?=[@:;>?,\\s]|$)'",  # around an escaped word
        "fnmatch.translate(pattern)", "'|'.join(shells)",  # users and domains
        "b'[%b]' % characters",  # a class of the grammar's
        "expression", "pieces[1]", r"f'(?<!\\\\){re.escape(text[:1])}'",  # KEMI scripts' own
        "f'[{re.escape(separators)}]'",  # ... their separators
        r"f'(?:\\A|\\r?\\n){re.escape(boundary)}'",  # of a body's parts: a text, no expression
    }  # fmt: skip


def test_no_expression_has_what_a_supported_python_matches_wrongly(regexes: list[ours.Regex]) -> None:
    assert [
        (regex.where, doubts)
        for regex in regexes
        if regex.expression is not None and (doubts := ours.unsafe(regex.expression, regex.flags))
    ] == [], ours.unsafe.__doc__


def test_every_repetition_ends_at_the_next_byte_so_a_match_takes_linear_time(regexes: list[ours.Regex]) -> None:
    assert [
        (regex.where, doubts)
        for regex in regexes
        if regex.expression is not None
        and not any(name in regex.where for name in UNDECIDED)
        and (doubts := ours.wavering(regex.expression, regex.flags))
    ] == [], ours.wavering.__doc__


@pytest.mark.parametrize(
    "expression", [r"[a-z]+ing", r"(?:a[ab]*)*", r"a*a", r"(?:ab|a)*ab", rb'(?:"[^"]*+"|[^<])*<', r"(?:a*)*"]
)
def test_a_repetition_that_goes_on_like_what_follows_it_is_noticed(expression: str | bytes) -> None:
    assert ours.wavering(expression)


@pytest.mark.parametrize("expression", REFUSED)
def test_a_possessive_group_is_refused(expression: str | bytes) -> None:
    assert ours.unsafe(expression)


@pytest.mark.parametrize("expression", ALLOWED)
def test_what_every_python_reads_alike_is_allowed(expression: str | bytes) -> None:
    assert not ours.unsafe(expression)


@pytest.mark.parametrize("version", PYTHONS)
def test_each_python_reads_our_expressions_alike(regexes: list[ours.Regex], version: str) -> None:
    cases = {(regex.expression, regex.flags) for regex in regexes if regex.expression is not None}
    assert misreadings(PYTHONS[version], sorted(cases, key=repr), 60) == []


@pytest.mark.parametrize("version", PYTHONS)
def test_each_python_reads_alike_what_is_allowed(version: str) -> None:
    expressions = [*ALLOWED, *SHELLS, *invented(100)]
    assert misreadings(PYTHONS[version], [(expression, 0) for expression in expressions], 60) == []


@pytest.mark.parametrize("version", PYTHONS)
def test_python_before_3_11_5_misreads_what_is_refused(version: str) -> None:
    """So that the ban is no superstition, and the comparison sees what Debian 12's users saw."""
    found = misreadings(PYTHONS[version], [(DEBIANS, 0)], 400)
    assert bool(found) == (tuple(map(int, version.split("."))) < (3, 11, 5)), found


def invented(count: int) -> list[str]:
    """Expressions with atomic groups, look-aheads and possessive characters in each other, all of them allowed."""
    dice = random.Random(106052)

    def make(depth: int) -> str:
        if not depth:
            return dice.choice(["a", "b", "[ab]", "[^a]", ".", "a*+", "[ab]++", "b?+", "a*", "b?", ""])
        one, other = make(depth - 1), make(depth - 1)
        shape = dice.choice(
            ["{}{}", "(?:{}|{})", "(?>{}){}", "(?>(?:{})*){}", "(?:{}c)*{}", "(?={}){}", "{}(?!{})", "(?>(?:{}|c{})*)"]
        )
        return shape.format(one, other)

    return [make(dice.randint(1, 3)) for _ in range(count)]


def test_what_is_invented_is_allowed() -> None:
    expressions = invented(100)
    assert len(set(expressions)) > 70
    assert [expression for expression in expressions if ours.unsafe(expression)] == []
