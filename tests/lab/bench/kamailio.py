"""Kamailio as a subject: its native script, and a KEMI script in Python that does the same job."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from tests.lab.bench.processes import Program
from tests.lab.bench.subjects import Subject, several

if TYPE_CHECKING:
    from pathlib import Path

COMMON = """\
#!KAMAILIO
debug=0
fork=yes
children={children}
disable_tcp=yes
auto_aliases=no
listen=udp:127.0.0.1:{port}
loadmodule "sl.so"
"""

NATIVE = """
# The same answers as slbroker's bundled plugin. The sl module absorbs the ACKs of its replies on its own.
request_route {{
{checks}    if (method == "OPTIONS") {{
        sl_send_reply("200", "OK");
        exit;
    }}
    if (method == "ACK") {{
        exit;
    }}
    sl_send_reply("404", "Not Found");
}}
"""

# What Kamailio's default configuration asks of each request before anything else, with the same numbers; an edge of
# slbroker judges as much.
CHECK_MODULES = """\
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "sanity.so"
"""
CHECKS = """\
    if (!mf_process_maxfwd_header("10")) {
        sl_send_reply("483", "Too Many Hops");
        exit;
    }
    if (!sanity_check("17895", "7")) {
        exit;
    }
"""

QUICK = "fm"
"""The memory manager with which Kamailio is quickest, and says the same each time."""

KEMI_ENGINE = """
loadmodule "app_python3.so"
modparam("app_python3", "load", "{script}")
cfgengine "python"
"""

KEMI_SCRIPT = """\
import KSR as KSR


def mod_init():
    return Route()


class Route:
    def child_init(self, rank):
        return 0

    def ksr_request_route(self, msg):
        if KSR.is_OPTIONS():
            KSR.sl.sl_send_reply(200, "OK")
        elif not KSR.is_ACK():
            KSR.sl.sl_send_reply(404, "Not Found")
        return 1
"""

PYTHON_MISSING = "Kamailio has no app_python3 here (Debian: kamailio-python3-modules)"
"""Why there may be no KEMI script to compare with."""


def find_kamailio() -> str | None:
    """Return the path of the kamailio program, which many systems keep off a user's PATH."""
    return shutil.which("kamailio", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def version(program: str) -> str:
    """Return what the program calls itself."""
    done = subprocess.run([program, "-v"], capture_output=True, text=True, timeout=10, check=False)
    return done.stdout.partition("\n")[0].removeprefix("version:").strip()


def native_name(children: int) -> str:
    """Return what the subject with the native script is called in the tables."""
    return f"Kamailio native, {several(children, 'child', 'children')}"


def quick_name(name: str) -> str:
    """Return what a Kamailio of this name is called with another memory manager."""
    kind, _, children = name.partition(", ")
    return f"{kind} with -x {QUICK}, {children}"


def checked_name(children: int) -> str:
    """Return what the subject with the native script and its checks is called in the tables."""
    return f"Kamailio native with checks, {several(children, 'child', 'children')}"


def kemi_name(children: int) -> str:
    """Return what the subject with the KEMI script is called in the tables."""
    return f"Kamailio KEMI Python, {several(children, 'child', 'children')}"


def native(program: str, children: int, allocator: str = "") -> Subject:
    """Return Kamailio's own script with so many UDP receivers."""

    def programs(folder: Path, port: int) -> list[Program]:
        return [Program("server", arguments(program, write_native(folder, port, children), folder, allocator))]

    name = native_name(children)
    return Subject(quick_name(name) if allocator else name, programs)


def checked(program: str, children: int) -> Subject:
    """Return the same server with the checks of Kamailio's default configuration."""

    def programs(folder: Path, port: int) -> list[Program]:
        config = write_native(folder, port, children, checks=True)
        return [Program("server", arguments(program, config, folder))]

    return Subject(checked_name(children), programs)


def kemi(program: str, children: int, allocator: str = "") -> Subject:
    """Return the same server as a KEMI script, which Kamailio runs in each UDP receiver."""

    def programs(folder: Path, port: int) -> list[Program]:
        return [Program("server", arguments(program, write_kemi(folder, port, children), folder, allocator))]

    name = kemi_name(children)
    return Subject(quick_name(name) if allocator else name, programs)


def write_native(folder: Path, port: int, children: int, *, checks: bool = False) -> Path:
    """Write the native script into `folder` and return its path."""
    config = folder / "kamailio.cfg"
    common = COMMON.format(port=port, children=children) + (CHECK_MODULES if checks else "")
    config.write_text(common + NATIVE.format(checks=CHECKS if checks else ""), encoding="utf-8")
    return config


def write_kemi(folder: Path, port: int, children: int) -> Path:
    """Write the KEMI script and the configuration that runs it into `folder`; return the latter's path."""
    script, config = folder / "answers.py", folder / "kamailio.cfg"
    script.write_text(KEMI_SCRIPT, encoding="utf-8")
    engine = KEMI_ENGINE.format(script=script)
    config.write_text(COMMON.format(port=port, children=children) + engine, encoding="utf-8")
    return config


def arguments(program: str, config: Path, folder: Path, allocator: str = "") -> list[str]:
    """Return the command: in the foreground, with its log on stderr and its files in `folder`.

    `allocator` is its -x, the usual one is `qm`: with it the cost of a request hangs on how long its list of free
    pieces happens to be, which a line of the script more or less changes fivefold (5.6.3). `fm` is steady.
    """
    chosen = ["-x", allocator] if allocator else []
    return [program, *chosen, "-f", str(config), "-DD", "-E", "-Y", str(folder), "-w", str(folder)]


def runs_python(program: str, folder: Path) -> bool:
    """Return whether this Kamailio can run a KEMI script; `folder` is an empty one to try it in."""
    argv = [program, "-c", "-f", str(write_kemi(folder, 5060, 1))]
    return subprocess.run(argv, capture_output=True, cwd=folder, timeout=30, check=False).returncode == 0
