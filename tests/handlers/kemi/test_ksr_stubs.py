"""The type stubs are what KSR is."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from mypy import api

from slbroker_handlers.kemi.exports import MODULES
from slbroker_handlers.kemi.ksr import install
from slbroker_handlers.kemi.params import NAMES
from slbroker_handlers.kemi.testing import ksr_request
from slbroker_handlers.kemi.variables.transform import FORMS
from tests.support.kemistubs import PATH, write_stubs
from tests.support.kemitables import write_functions, write_variables


def test_the_stubs_are_up_to_date() -> None:
    """If not: make kemi."""
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


TYPICAL = """
import sys
from typing import Any
import KSR as KSR

def mod_init() -> "Script":
    return Script()

class Script:
    def child_init(self, rank: int) -> int:
        return 0

    def ksr_request_route(self, msg: Any) -> int:
        agent = KSR.kx.gete_ua()
        if agent.find("scanner") >= 0 or "sipcli" in KSR.pv.get("$ua"):
            KSR.info("scanner " + KSR.pv.getw("$si") + "\\n")
            sys.exit()
        if KSR.htable.sht_match_name("ipban", "eq", KSR.kx.get_srcip()) > 0 or KSR.kx.get_method() == "INFO":
            return -255
        if KSR.pv.get("$sht(a=>b)") is None and KSR.hdr.get("Subject").startswith("x"):
            KSR.pv.seti("$var(n)", KSR.pv.get("$var(n)") + 1)
        return KSR.sl.sl_send_reply(404, "No " + KSR.pv.get("$rU"))
"""


def judge(folder: Path, text: str) -> str:
    """What mypy says of a script, by the stubs alone."""
    (folder / "script.py").write_text(f"import KSR as KSR\n{text}\n")
    (folder / "KSR.pyi").write_text(PATH.read_text(encoding="utf-8"))
    (folder / "mypy.ini").write_text(f"[mypy]\nstrict = True\nmypy_path = {folder}\n")
    words = ("--config-file", str(folder / "mypy.ini"), "--cache-dir", str(folder), str(folder / "script.py"))
    return api.run(list(words))[0]


def test_a_typical_script_passes_a_strict_type_checker(tmp_path: Path) -> None:
    assert judge(tmp_path, TYPICAL).startswith("Success")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("KSR.sl.sl_send_reply('200', 'OK')", 'Argument 1 to "sl_send_reply" of "_sl" has incompatible type'),
        ("KSR.sl.sl_sned_reply(200, 'OK')", 'has no attribute "sl_sned_reply"'),
        ("KSR.pv.get()", "Too few arguments"),
        ("KSR.dialog.dlg_manage()", 'Module has no attribute "dialog"'),
        ("KSR.kx.gete_ua() + 1", "Unsupported operand types"),
    ],
)
def test_a_type_checker_sees_what_is_wrong(line: str, complaint: str, tmp_path: Path) -> None:
    assert complaint in judge(tmp_path, line)


def test_every_function_is_in_the_module_that_scripts_import() -> None:
    ksr = install()
    with ksr_request():  # of the newest release, whatever scripts of tests before this one were written for
        for module, found in MODULES.items():
            owner = getattr(ksr, module) if module else ksr
            for name, export in found.exports.items():
                assert getattr(owner, name).__doc__ == export.function.__doc__
                assert export.function.__doc__, export.title


def test_the_tables_in_the_docs_are_up_to_date() -> None:
    """If not: make kemi."""
    docs = (Path(__file__).parents[3] / "docs" / "kemi.md").read_text(encoding="utf-8")
    assert write_functions() in docs
    assert write_variables() in docs
    assert [name for name in sorted(FORMS) if f"`{name}`" not in docs] == []
    assert [name for name in NAMES if f"`{name}`" not in docs and not name.startswith("siputils.options_")] == []
