"""Each key of a TOML file is told by the line on which it begins."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker.commands.tomllines import key_lines

TEXTS = {
    "a = 1\nb = 2\n": {("", "a"): 1, ("", "b"): 2},
    "\n# a = 0\n  a = 1 # one": {("", "a"): 3},
    '"a b" = 1\n\'c\'=2': {("", "a b"): 1, ("", "c"): 2},
    "a = [\n  1, # ]\n  2,\n]\nb = 3": {("", "a"): 1, ("", "b"): 5},
    'a = """\nb = 1\n[edge]\n"""\nb = 2': {("", "a"): 1, ("", "b"): 5},
    "a = '''\nb = 1'''\nb = 2": {("", "a"): 1, ("", "b"): 3},
    "[edge]\na = 1\n[ handler ]\na = 2": {("edge", ""): 1, ("edge", "a"): 2, ("handler", ""): 3, ("handler", "a"): 4},
    "[edge.more]\na = 1": {("edge", ""): 1, ("edge", "more"): 1},
    "[[edge]]\na = 1": {("edge", ""): 1, ("edge", "a"): 2},
    '["edge"]\na.b = 1\na.c = 2': {("edge", ""): 1, ("edge", "a"): 2},
    "edge.a = 1\nedge.b = 2": {("", "edge"): 1, ("edge", ""): 1, ("edge", "a"): 1, ("edge", "b"): 2},
    "x = 1\nedge = {a = [\n 2]}": {("", "x"): 1, ("", "edge"): 2, ("edge", ""): 2, ("edge", "a"): 2},
    "": {},
}  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_where_keys_stand(text: str) -> None:
    assert key_lines(text) == TEXTS[text]


_VALUES = st.sampled_from(["1", "'x # y'", "[\n1,\n\n2]", '"""\n[edge]\n"""', "{a = 1}", "true # [edge]"])
_GAPS = st.sampled_from(["", "\n", "# c = 1\n", "  \n\n"])


@given(st.lists(st.tuples(_GAPS, st.booleans(), _VALUES), max_size=8))
def test_whatever_stands_between_them(rows: list[tuple[str, bool, str]]) -> None:
    """Headers and values in any order, each told where it was written."""
    text, wanted, table = "", {}, ""
    for number, (gap, is_header, value) in enumerate(rows):
        text += gap
        key = f"k{number}"
        line = text.count("\n") + 1
        if is_header:
            table = key
            wanted[table, ""] = line
            text += f"[{key}]\n"
        else:
            wanted[table, key] = line
            text += f"{key} = {value}\n"
    tomllib.loads(text)
    found = {place: line for place, line in key_lines(text).items() if place[0] == "" or place in wanted}
    assert {place: line for place, line in found.items() if place in wanted} == wanted
