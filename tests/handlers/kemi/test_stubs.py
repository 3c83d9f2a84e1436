"""The type stubs are what KSR is."""

from __future__ import annotations

import ast
from pathlib import Path

from slbroker_handlers.kemi.ksr import MODULES, install
from slbroker_handlers.kemi.params import NAMES
from slbroker_handlers.kemi.stubwriter import PATH, write_stubs
from slbroker_handlers.kemi.tablewriter import write_functions, write_variables


def test_the_stubs_are_up_to_date() -> None:
    """If not: python -m slbroker_handlers.kemi.stubwriter."""
    assert PATH.read_text(encoding="utf-8") == write_stubs()


def test_the_stubs_declare_what_there_is() -> None:
    tree = ast.parse(write_stubs())
    declared = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            declared |= {f"{node.name[1:]}.{part.name}" for part in node.body if isinstance(part, ast.FunctionDef)}
    assert declared == {
        f"{module}.{name}" if module else name for module, found in MODULES.items() for name in found.exports
    }


def test_every_function_is_in_the_module_that_scripts_import() -> None:
    ksr = install()
    for module, found in MODULES.items():
        owner = getattr(ksr, module) if module else ksr
        for name, export in found.exports.items():
            assert getattr(owner, name).__doc__ == export.function.__doc__
            assert export.function.__doc__, export.title


def test_the_tables_in_the_docs_are_up_to_date() -> None:
    """If not: python -m slbroker_handlers.kemi.tablewriter."""
    docs = (Path(__file__).parents[3] / "docs" / "kemi.md").read_text(encoding="utf-8")
    assert write_functions() in docs
    assert write_variables() in docs
    assert [name for name in NAMES if f"`{name}`" not in docs and not name.startswith("siputils.options_")] == []
