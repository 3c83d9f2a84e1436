"""Who forwards a request to a back end, the C echo, and its reply back: Kamailio without state, and slbroker."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from tests.lab.bench.kamailio import COMMON, KEMI_ENGINE, QUICK, arguments
from tests.lab.bench.measure import free_port
from tests.lab.bench.processes import BACK_END, Program
from tests.lab.bench.subjects import Subject, make_keys, several, slbroker_environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NATIVE: Final = """
request_route {{
    forward(127.0.0.1, {hop});
}}
"""
# The same, with what RFC 3261 16.3 wants of every proxy, and with what the edge writes into a Via below its own.
NATIVE_CHECKED: Final = """\
loadmodule "maxfwd.so"
request_route {{
    if (!mf_process_maxfwd_header("70")) {{
        sl_send_reply("483", "Too Many Hops");
        exit;
    }}
    forward(127.0.0.1, {hop});
}}
"""
KEMI: Final = """\
import KSR as KSR


def mod_init():
    return Route()


class Route:
    def child_init(self, rank):
        return 0

    def ksr_request_route(self, msg):
        KSR.setdsturi("sip:127.0.0.1:{hop}")
        KSR.forward()
        return 1
"""
# A decision in a handler's own words for every request.
PLUGIN: Final = """\
from slbroker import Handlers

app = Handlers()


@app.otherwise
def on(request):
    return request.forward("sip:127.0.0.1:{hop}")
"""


def native_name(children: int) -> str:
    """Return what Kamailio's forward() is called in the tables."""
    return f"Kamailio forward(), {several(children, 'child', 'children')}"


def usual_name(children: int) -> str:
    """Return what the same is called with the memory manager that Kamailio has where nobody chooses one."""
    return f"Kamailio forward() with its usual allocator, {several(children, 'child', 'children')}"


def checked_name(children: int) -> str:
    """Return what the same with Max-Forwards is called."""
    return f"Kamailio forward() with Max-Forwards, {several(children, 'child', 'children')}"


def kemi_name(children: int) -> str:
    """Return what KSR.forward() is called."""
    return f"Kamailio KSR.forward(), {several(children, 'child', 'children')}"


def edge_name(kind: str) -> str:
    """Return what an edge with a route that says pass= is called."""
    return f"slbroker {kind}, edge with pass="


def workers_name(kind: str, workers: int) -> str:
    """Return what an edge with workers that decide is called."""
    return f"slbroker {kind}, edge + {several(workers, 'worker that forwards', 'workers that forward')}"


def native(program: str, children: int, echo: Path, *, checked: bool = False, allocator: str = QUICK) -> Subject:
    """Return Kamailio's own script with so many UDP receivers; `checked`: it counts hops down, too."""
    name = checked_name if checked else native_name if allocator else usual_name

    def server(folder: Path, port: int, hop: int) -> list[Program]:
        config, script = folder / "kamailio.cfg", NATIVE_CHECKED if checked else NATIVE
        config.write_text(COMMON.format(port=port, children=children) + script.format(hop=hop), encoding="utf-8")
        return [Program("server", arguments(program, config, folder, allocator))]

    return Subject(name(children), behind(echo, server))


def kemi(program: str, children: int, echo: Path) -> Subject:
    """Return the same as a KEMI script."""

    def server(folder: Path, port: int, hop: int) -> list[Program]:
        script, config = folder / "forward.py", folder / "kamailio.cfg"
        script.write_text(KEMI.format(hop=hop), encoding="utf-8")
        engine = KEMI_ENGINE.format(script=script)
        config.write_text(COMMON.format(port=port, children=children) + engine, encoding="utf-8")
        return [Program("server", arguments(program, config, folder, QUICK))]

    return Subject(kemi_name(children), behind(echo, server))


def slbroker(kind: str, workers: int, echo: Path) -> Subject:
    """Return an edge that forwards by a route, or, with workers, by what each of their decisions says."""
    environment = slbroker_environment(pure=kind == "pure")
    command = [sys.executable, "-m", "slbroker"]

    def server(folder: Path, port: int, hop: int) -> list[Program]:
        keys, bus = str(folder / "keys.ring"), f"ipc://{folder}/bus"
        make_keys([*command, "keys", "new", keys], environment, folder)
        edge = [*command, "edge", "--listen", f"udp:127.0.0.1:{port}", "--bus", bus, "--keys", keys]
        if not workers:
            return [Program("edge", [*edge, "--route", f"pass=sip:127.0.0.1:{hop}"], "edge ready", environment)]
        plugin = folder / "forward.py"
        plugin.write_text(PLUGIN.format(hop=hop), encoding="utf-8")
        worker = [*command, "handler", "--bus", bus, "--keys", keys, "--workers", "1", "--plugin", str(plugin)]
        edge += ["--pass", f"sip:127.0.0.1:{hop}"]  # an edge with no next hop of its own forwards nothing
        return [
            Program("edge", edge, "edge ready", environment),
            *[Program("workers", worker, "handler ready", environment)] * workers,
        ]

    return Subject(workers_name(kind, workers) if workers else edge_name(kind), behind(echo, server))


def behind(echo: Path, server: Callable[[Path, int, int], list[Program]]) -> Callable[[Path, int], list[Program]]:
    """Return the programs of a subject with the back end that it forwards to."""

    def programs(folder: Path, port: int) -> list[Program]:
        hop = free_port()
        return [Program(BACK_END, [str(echo), str(hop)]), *server(folder, port, hop)]

    return programs
