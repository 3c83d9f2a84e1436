"""Imports point one way, and the pure modules stay pure: read from the source of the three packages."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import slbroker
import slbroker.plugin
from tests.support.imports import Tree, crossings, cycle, impurities, is_under, read_tree
from tests.support.processes import child_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[1]
PACKAGES = ("slbroker", "edge/slbroker_edge", "handlers/slbroker_handlers")

# No I/O and no clock: bytes and `now` come in as arguments.
PURE = (
    "slbroker.sip", "slbroker.proxy", "slbroker.totag", "slbroker.bus.envelope", "slbroker.bus.dispatcher",
    "slbroker.bus.account", "slbroker.bus.items", "slbroker.bus.jobs", "slbroker.bus.membership",
    "slbroker.broker.relay", "slbroker_edge.ackfilter", "slbroker_edge.capture.hep",
    "slbroker_edge.capture.messages", "slbroker_edge.capture.packets", "slbroker_edge.capture.pcap",
    "slbroker_edge.destinations", "slbroker_edge.edge",
    "slbroker_edge.lookups", "slbroker_edge.members", "slbroker_edge.onward", "slbroker_edge.outbox",
    "slbroker_edge.passing", "slbroker_edge.pinger", "slbroker_edge.reader", "slbroker_edge.recall",
    "slbroker_edge.remembered", "slbroker_edge.repeats", "slbroker_edge.replying", "slbroker_edge.shortway",
)  # fmt: skip
FORBIDDEN = (
    "socket", "_socket", "socketserver", "ssl", "select", "selectors", "asyncio", "zmq",
    "threading", "_thread", "multiprocessing", "concurrent", "subprocess", "time", "datetime",
)  # fmt: skip


def may_reach_all(module: str) -> bool:
    """Whether this is a part of the command line, which alone knows all three packages."""
    return module.startswith("slbroker.cli") or is_under(module, "slbroker.commands")


def wrong_ways(tree: Tree) -> list[str]:
    """Imports between the packages that do not point at slbroker."""
    parts = [
        *crossings(tree, ["slbroker_edge"], ["slbroker_handlers"]),
        *crossings(tree, ["slbroker_handlers"], ["slbroker_edge"]),
    ]
    upward = crossings(tree, ["slbroker"], ["slbroker_edge", "slbroker_handlers"])
    parts += [i for i in upward if not (may_reach_all(i.importer) and (i.deferred or i.typing))]
    return [str(i) for i in parts]


def impure(tree: Tree) -> list[str]:
    """The chains by which the pure modules reach I/O or a clock."""
    return [chain for module in tree.under(*PURE) for chain in impurities(tree, module, FORBIDDEN)]


# What an edge has no use for: plugins run elsewhere, and the broker is another process.
NOT_AN_EDGES = ("slbroker.plugin", "slbroker.broker", "slbroker.commands", "slbroker_handlers")
MOST_OF_AN_EDGE = 48  # modules of ours that the edge without its sockets may load; what it does is to be found in few


RULES = "slbroker_edge.rules"  # runs a rule file at the edge, with what workers run it with; loaded where one is named


def strangers(tree: Tree) -> list[str]:
    """The chains by which modules of the edge, types aside, reach what is not an edge's; of `RULES` only if in haste.

    That one module may, and it is to be imported in a function.
    """
    of_edge = [module for module in tree.under("slbroker_edge") if module != RULES]
    chains = [chain for module in of_edge for chain in impurities(tree, module, NOT_AN_EDGES)]
    hasty = [str(i) for i in tree.imports if is_under(i.target, RULES) and not (i.deferred or i.typing)]
    return [chain for chain in chains if f" {RULES} ->" not in chain] + hasty


# KEMI's rooms: the modules of KSR stand on the variables, both on the files beside them, and none knows what is above.
KEMI = "slbroker_handlers.kemi"
KSR_MODULES, KSR_VARIABLES = f"{KEMI}.modules", f"{KEMI}.variables"
ABOVE_KSR = tuple(f"{KEMI}.{name}" for name in ("ksr", "beforekemi", "check", "script", "testing"))


def wrong_rooms(tree: Tree) -> list[str]:
    """Imports in KEMI that point upward, or from one module of KSR to another."""
    beside = [m for m in tree.under(KEMI) if m != KEMI and not is_under(m, KSR_MODULES, KSR_VARIABLES, *ABOVE_KSR)]
    found = [
        *crossings(tree, [KSR_MODULES, KSR_VARIABLES, *beside], ABOVE_KSR),
        *crossings(tree, [KSR_MODULES, KSR_VARIABLES, *beside], [KSR_MODULES]),
        *crossings(tree, beside, [KSR_VARIABLES]),
    ]
    return [str(i) for i in found]


def loaded_by(module: str, *, pure: bool) -> list[str]:
    """Our modules that are loaded in an interpreter which has imported `module`, packages included, twins left out.

    A compiled twin is loaded by the module that it is a twin of.
    """
    return [
        name for name in all_loaded_by(module, pure=pure) if is_under(name, "slbroker") or name.startswith("slbroker_")
    ]


def all_loaded_by(module: str, *, pure: bool) -> list[str]:
    """All modules written in Python that are loaded then."""
    files = "name for name, it in sys.modules.items() if str(getattr(it, '__file__', '')).endswith('.py')"
    code = f"import sys, {module}; print(*({files}))"
    paths = os.pathsep.join(str((ROOT / package).parent) for package in PACKAGES)
    given = child_environment({"PYTHONPATH": paths, "SLBROKER_PURE": "1" if pure else ""})
    done = subprocess.run([sys.executable, "-c", code], env=given, capture_output=True, text=True, check=True)
    return done.stdout.split()


def absent(tree: Tree) -> list[str]:
    """Pure modules that are gone or renamed, once there is a command line to miss them."""
    complete = bool(tree.under("slbroker.cli"))
    return [name for name in PURE if complete and not tree.under(name)]


@pytest.fixture(scope="module")
def ours() -> Tree:
    return read_tree(*(ROOT / folder for folder in PACKAGES))


def test_the_tree_is_read(ours: Tree) -> None:
    assert "slbroker.errors" in ours.modules
    assert any(i.target == "enum" for i in ours.imports if i.importer == "slbroker.errors")


def test_imports_point_one_way(ours: Tree) -> None:
    assert wrong_ways(ours) == []


def test_the_pure_modules_reach_no_io_and_no_clock(ours: Tree) -> None:
    assert impure(ours) == []


def test_an_edge_imports_no_plugin_no_broker_and_no_command(ours: Tree) -> None:
    assert strangers(ours) == []


def test_kemis_rooms_know_nothing_of_what_stands_on_them(ours: Tree) -> None:
    assert len(ours.under(KSR_MODULES)) > 25
    assert wrong_rooms(ours) == []


@pytest.mark.parametrize("pure", [False, True])
@pytest.mark.parametrize("module", ["slbroker_edge.edge", "slbroker_edge.service"])
def test_what_an_edge_loads_is_an_edges(module: str, pure: bool) -> None:
    loaded = loaded_by(module, pure=pure)
    assert module in loaded
    assert [name for name in loaded if is_under(name, *NOT_AN_EDGES)] == []


@pytest.mark.parametrize("pure", [False, True])
def test_the_edge_without_its_sockets_loads_few_modules(pure: bool) -> None:
    loaded = loaded_by("slbroker_edge.edge", pure=pure)
    assert len(loaded) <= MOST_OF_AN_EDGE, sorted(loaded)


def test_the_public_names_are_loaded_when_they_are_asked_for() -> None:
    assert [name for name in loaded_by("slbroker.totag", pure=False) if is_under(name, "slbroker.plugin")] == []
    assert {*slbroker.__all__} <= {*dir(slbroker)}
    assert all(getattr(slbroker, name) is getattr(slbroker.plugin, name) for name in slbroker.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Handler'"):
        _ = slbroker.Handler


@pytest.mark.parametrize("pure", [False, True])
def test_who_wants_a_to_tag_alone_loads_little(pure: bool) -> None:
    """It took 200 ms with all that a plugin wants."""
    loaded = all_loaded_by("slbroker.totag", pure=pure)
    ours = {name for name in loaded if is_under(name, "slbroker")}
    few = {
        "slbroker",
        "slbroker.twins",
        "slbroker.totag",
        "slbroker.sip",
        "slbroker.sip.grammar",
        "slbroker.sip.reading",
    }
    assert {"slbroker.totag"} <= ours <= few
    assert [name for name in loaded if is_under(name, "asyncio", "zmq", "msgpack", "click", "logging", "ssl")] == []


def test_sip_knows_neither_the_bus_nor_that_there_are_compiled_twins(ours: Tree) -> None:
    upward = crossings(ours, ["slbroker.sip"], ["slbroker.bus", "slbroker.broker", "slbroker.proxy", "slbroker.twins"])
    assert [str(i) for i in upward] == []


def test_forwarding_knows_neither_the_bus_nor_plugins(ours: Tree) -> None:
    upward = crossings(
        ours, ["slbroker.proxy"], ["slbroker.bus", "slbroker.broker", "slbroker.plugin", "slbroker.settings"]
    )
    assert [str(i) for i in upward] == []


def test_compiled_twins_import_one_way_too() -> None:
    """A .pyx takes from its own package and from those below, as the module does that it lies beside."""
    below = {"slbroker/sip": ["slbroker.bus", "slbroker_"], "slbroker": ["slbroker_"], "edge": ["slbroker_handlers"]}
    wrong = [
        f"{path.relative_to(ROOT)}: {line}"
        for folder, forbidden in below.items()
        for path in [*(ROOT / folder).rglob("*.pyx"), *(ROOT / folder).rglob("*.pxd")]
        for line in path.read_text().splitlines()
        if re.match(r"\s*(?:from|import|cimport) ", line) and any(f" {name}" in line for name in forbidden)
    ]
    assert wrong == []


def test_no_pure_module_is_missing(ours: Tree) -> None:
    assert absent(ours) == []


def test_no_modules_import_each_other_in_a_ring_types_included(ours: Tree) -> None:
    assert cycle(ours) == []


# The rules judged on small packages, good and bad: a rule that cannot fail proves nothing.

SOUND = {
    "slbroker/__init__.py": "from slbroker.plugin import Handlers",
    "slbroker/plugin.py": "import asyncio\nfrom .sip import parser",
    "slbroker/cli.py": "def run():\n    from slbroker_edge import service\n    import slbroker_handlers",
    "slbroker/totag.py": "import hashlib",
    "slbroker/proxy/__init__.py": "",
    "slbroker/proxy/forward.py": "from slbroker.sip import parser",
    "slbroker/sip/__init__.py": "",
    "slbroker/sip/parser.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import socket\n"
    "from slbroker.sip.grammar import TOKEN",
    "slbroker/sip/grammar.py": "import re",
    "slbroker/bus/__init__.py": "",
    "slbroker/bus/envelope.py": "import msgpack",
    "slbroker/bus/dispatcher.py": "from . import envelope",
    "slbroker/bus/link.py": "import zmq\nfrom . import dispatcher",
    "slbroker/bus/account.py": "",
    "slbroker/bus/items.py": "",
    "slbroker/bus/jobs.py": "",
    "slbroker/bus/membership.py": "from slbroker.bus import envelope",
    "slbroker/broker/__init__.py": "",
    "slbroker/broker/relay.py": "from slbroker.bus import envelope",
    "slbroker_edge/ackfilter.py": "from slbroker.totag import verify",
    "slbroker_edge/capture/__init__.py": "",
    "slbroker_edge/capture/hep.py": "",
    "slbroker_edge/capture/messages.py": "",
    "slbroker_edge/capture/packets.py": "",
    "slbroker_edge/capture/pcap.py": "",
    "slbroker_edge/edge.py": "from . import ackfilter, reader",
    "slbroker_edge/destinations.py": "",
    "slbroker_edge/lookups.py": "",
    "slbroker_edge/members.py": "",
    "slbroker_edge/pinger.py": "",
    "slbroker_edge/onward.py": "from slbroker_edge import shortway",
    "slbroker_edge/outbox.py": "",
    "slbroker_edge/passing.py": "from slbroker_edge import replying",
    "slbroker_edge/recall.py": "",
    "slbroker_edge/remembered.py": "from slbroker_edge import recall",
    "slbroker_edge/repeats.py": "",
    "slbroker_edge/replying.py": "from slbroker_edge import outbox",
    "slbroker_edge/shortway.py": "from slbroker.proxy import forward",
    "slbroker_edge/reader.py": "from slbroker.sip import parser",
    "slbroker_edge/rules.py": "from slbroker.plugin import Handlers",
    "slbroker_edge/service.py": "import time\nfrom slbroker.bus import link\nfrom . import ackfilter\n"
    "def rules():\n    from slbroker_edge.rules import RuleFile",
    "slbroker_handlers/worker.py": "from slbroker.bus.link import WorkerEnd",
    "slbroker_handlers/kemi/__init__.py": "",
    "slbroker_handlers/kemi/call.py": "",
    "slbroker_handlers/kemi/variables/__init__.py": "",
    "slbroker_handlers/kemi/variables/access.py": "from slbroker_handlers.kemi.call import Call",
    "slbroker_handlers/kemi/modules/__init__.py": "",
    "slbroker_handlers/kemi/modules/pv.py": "from slbroker_handlers.kemi.variables.access import read",
    "slbroker_handlers/kemi/modules/sl.py": "from slbroker_handlers.kemi.call import Call",
    "slbroker_handlers/kemi/ksr.py": "from slbroker_handlers.kemi import modules",
    "slbroker_handlers/kemi/script.py": "from slbroker_handlers.kemi import ksr",
}


def build(folder: Path, files: Mapping[str, str]) -> Tree:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read_tree(*(folder / package for package in ("slbroker", "slbroker_edge", "slbroker_handlers")))


def complaints(tree: Tree) -> list[str]:
    ring = cycle(tree)
    return [
        *wrong_ways(tree),
        *impure(tree),
        *strangers(tree),
        *wrong_rooms(tree),
        *absent(tree),
        *(["ring " + " -> ".join(ring)] if ring else []),
    ]


def test_a_sound_tree_passes(tmp_path: Path) -> None:
    assert complaints(build(tmp_path, SOUND)) == []


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("slbroker_edge/service.py", "import slbroker_handlers.worker", "service:1 imports slbroker_handlers.worker"),
        ("slbroker_edge/a.py", "def f():\n    from slbroker_handlers import x", "a:2 imports slbroker_handlers"),
        ("slbroker_handlers/b.py", "if TYPE_CHECKING:\n    import slbroker_edge", "b:2 imports slbroker_edge"),
        ("slbroker/stats.py", "def f():\n    import slbroker_edge", "stats:2 imports slbroker_edge"),
        ("slbroker/cli.py", "from slbroker_edge import service", "cli:1 imports slbroker_edge.service"),
        ("slbroker/commands/run.py", "import slbroker_handlers", "run:1 imports slbroker_handlers"),
        ("slbroker/totag.py", "import time", "slbroker.totag -> time"),
        ("slbroker/totag.py", "def f():\n    from datetime import datetime", "slbroker.totag -> datetime"),
        ("slbroker/totag.py", "import zmq.asyncio as z", "slbroker.totag -> zmq.asyncio"),
        ("slbroker/totag.py", "import importlib\nimportlib.import_module('select')", "slbroker.totag -> select"),
        ("slbroker/totag.py", "if not TYPE_CHECKING:\n    import ssl", "slbroker.totag -> ssl"),
        ("slbroker/totag.py", "if TYPE_CHECKING:\n    pass\nelse:\n    import ssl", "slbroker.totag -> ssl"),
        ("slbroker/sip/grammar.py", "import socket", "slbroker.sip.parser -> slbroker.sip.grammar -> socket"),
        (
            "slbroker/bus/__init__.py",
            "from . import link",
            "slbroker.bus.envelope -> slbroker.bus -> slbroker.bus.link",
        ),
        ("slbroker_edge/ackfilter.py", "from slbroker.plugin import Handlers", "slbroker.plugin -> asyncio"),
        ("slbroker_edge/service.py", "from slbroker.plugin import Reply", "slbroker_edge.service -> slbroker.plugin"),
        ("slbroker_edge/service.py", "def f():\n    from slbroker.broker import relay", "service -> slbroker.broker"),
        (
            "slbroker_edge/service.py",
            "from slbroker_edge.rules import RuleFile",
            "service:1 imports slbroker_edge.rules",
        ),
        ("slbroker_edge/edge.py", "from slbroker_edge import rules", "slbroker_edge.edge"),
        ("slbroker/bus/link.py", "from slbroker.broker import relay", "slbroker.bus.link -> slbroker.broker.relay"),
        ("slbroker_edge/edge.py", "import time", "slbroker_edge.edge -> time"),
        ("slbroker/bus/envelope.py", "from .dispatcher import Open", "ring slbroker.bus."),
        ("slbroker/sip/grammar.py", "def f():\n    from . import parser", "ring slbroker.sip."),
        ("slbroker/sip/grammar.py", "from slbroker import Handlers", "ring slbroker"),
        ("slbroker/sip/grammar.py", "if TYPE_CHECKING:\n    from slbroker.sip import parser", "ring slbroker.sip."),
        ("slbroker_handlers/kemi/call.py", "def f():\n    from . import variables", "call:2 imports slbroker_handlers"),
        (
            "slbroker_handlers/kemi/call.py",
            "import slbroker_handlers.kemi.modules.sl",
            "call:1 imports slbroker_handlers",
        ),
        ("slbroker_handlers/kemi/modules/sl.py", "from slbroker_handlers.kemi.modules.pv import pv", "sl:1 imports"),
        ("slbroker_handlers/kemi/modules/sl.py", "from slbroker_handlers.kemi import script", "sl:1 imports"),
        (
            "slbroker_handlers/kemi/variables/access.py",
            "from slbroker_handlers.kemi import modules",
            "access:1 imports",
        ),
        (
            "slbroker_handlers/kemi/variables/access.py",
            "if TYPE_CHECKING:\n    from slbroker_handlers.kemi.check import report",
            "access:2 imports slbroker_handlers.kemi.check",
        ),
    ],
)
def test_a_bad_module_is_found(tmp_path: Path, file: str, text: str, complaint: str) -> None:
    found = complaints(build(tmp_path, {**SOUND, file: text}))
    assert any(complaint in line for line in found), found


@pytest.mark.parametrize("file", ["slbroker/totag.py", "slbroker/bus/envelope.py", "slbroker_edge/ackfilter.py"])
def test_a_missing_pure_module_is_found(tmp_path: Path, file: str) -> None:
    files = {name: text for name, text in SOUND.items() if name != file}
    assert absent(build(tmp_path, files)) == [file.removesuffix(".py").replace("/", ".")]


def test_nothing_is_missed_before_there_is_a_command_line(tmp_path: Path) -> None:
    assert absent(build(tmp_path, {"slbroker/errors.py": ""})) == []
