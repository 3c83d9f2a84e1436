"""OpenSIPS as a subject, where it is installed: the same answers as Kamailio's native script, by its own sl module."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.lab.bench.processes import Program
from tests.lab.bench.subjects import Subject, several

if TYPE_CHECKING:
    from collections.abc import Iterator

MISSING: Final = "OpenSIPS is not installed, or its modules are not found"

CONFIG: Final = """\
log_level=1
udp_workers={children}
socket=udp:127.0.0.1:{port}
mpath="{modules}/"
loadmodule "proto_udp.so"
loadmodule "sl.so"
loadmodule "sipmsgops.so"

route {{
    if (is_method("OPTIONS")) {{
        sl_send_reply(200, "OK");
        exit;
    }}
    if (is_method("ACK"))
        exit;
    sl_send_reply(404, "Not Found");
    exit;
}}
"""


def find_opensips() -> tuple[str, Path] | None:
    """Return the program and the folder of its modules, which it does not look for by itself; None without either."""
    program = shutil.which("opensips", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        return None
    folder = next((each for each in module_folders(Path(program)) if (each / "sl.so").exists()), None)
    return (program, folder) if folder else None


def module_folders(program: Path) -> Iterator[Path]:
    """Yield where the modules of a program in PREFIX/sbin may be: PREFIX/lib*/opensips, or below lib/x86_64-..."""
    prefix = program.resolve().parents[1]
    for pattern in ("lib*/opensips/modules", "lib/*/opensips/modules"):
        yield from sorted(prefix.glob(pattern))


def version(program: str) -> str:
    """Return what the program calls itself."""
    done = subprocess.run([program, "-V"], capture_output=True, text=True, timeout=10, check=False)
    return done.stdout.partition("\n")[0].removeprefix("version:").strip()


def opensips_name(children: int) -> str:
    """Return what it is called in the tables."""
    return f"OpenSIPS native, {several(children, 'child', 'children')}"


def opensips(program: str, modules: Path, children: int) -> Subject:
    """Return OpenSIPS with so many UDP workers."""

    def programs(folder: Path, port: int) -> list[Program]:
        config = folder / "opensips.cfg"
        config.write_text(CONFIG.format(port=port, children=children, modules=modules), encoding="utf-8")
        return [Program("server", [program, "-f", str(config), "-F", "-E", "-w", str(folder)])]

    return Subject(opensips_name(children), programs)
