"""pjsip's PJSUA2, from PyPI's pjsua2-python: a child of Python runs it, for its threads do not end well."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tests.interop.words import PASSWORD
from tests.support.peers import missing_peer
from tests.support.timing import within

if TYPE_CHECKING:
    from tests.conftest import Start
    from tests.interop.phones.phone import Task


class Library:
    """A phone that is a library for Python: `child` is run with the task as JSON."""

    registered = r"REGISTER {user}: 200"

    def __init__(self, name: str, package: str, module: str, child: str) -> None:
        self.name = name
        self._package = package
        self.transports = ("udp", "tcp", "tls")
        self._module = module
        self._child = Path(__file__).with_name(child)

    def version(self) -> str:
        return f"{self._package} {importlib.metadata.version(self._package)}"

    def require(self) -> None:
        if importlib.util.find_spec(self._module) is None:
            missing_peer(f"{self._module} is not installed (pip install -e '.[interop]')")

    def play(self, start: Start, task: Task) -> str:
        words = asdict(task) | {"folder": str(task.folder), "held": sorted(task.held), "password": PASSWORD}
        program = start(sys.executable, "-P", "-W", "ignore", str(self._child), json.dumps(words))
        program.wait(within(task.seconds))
        return str(program)


PJSUA2 = Library("pjsua2", "pjsua2-python", "pjsua2", "pjsua2_child.py")
BARESIP_PYTHON = Library("baresip-python", "baresip-python", "baresip", "baresip_child.py")
