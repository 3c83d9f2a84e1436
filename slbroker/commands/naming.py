"""What a person types to start this program."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path


def own_name() -> str:
    """Return what a person types to start this program: where it is, unless its name is enough."""
    if shutil.which("slbroker"):
        return "slbroker"
    program = Path(sys.argv[0])
    return shlex.quote(str(program)) if program.name == "slbroker" else f"{shlex.quote(sys.executable)} -m slbroker"
