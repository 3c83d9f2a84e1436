"""An edge that is watched, beside one that is not: by a monitor in good and bad health, captures, logs of each call."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.lab.bench.measure import OPEN_WINDOW, Case, free_port
from tests.lab.bench.processes import BACK_END, Program
from tests.lab.bench.subjects import Subject, make_keys, slbroker_environment

if TYPE_CHECKING:
    from pathlib import Path as Folder

COMPANY: Final = Path(__file__).with_name("company.py")
BESIDE: Final = "beside"  # the role of monitor and capture: processes of slbroker that carry no calls
FULL: Final = Case("OPTIONS", 128, watched=True)
PACED: Final = Case("OPTIONS", OPEN_WINDOW, 4_000, watched=True)  # most of them alone, so each is dear
ROOMY: Final = Case("OPTIONS", OPEN_WINDOW, 10_000, watched=True)  # in company, with more than a processor to spare
CASES: Final = (FULL, PACED, ROOMY)


class Watch(NamedTuple):
    """How an edge is watched: what that is called, the edge's options, a monitor's state, who takes HEP and how."""

    name: str
    options: tuple[str, ...] = ()
    monitor: str = ""
    collector: tuple[str, str] | None = None  # keen or deaf, transport

    @property
    def title(self) -> str:
        """What it is called in the tables."""
        return f"slbroker, {self.name}"


NOBODY: Final = Watch("nobody watches")
SCRAPED: Final = Watch("monitor scraped each second", monitor="scraped")
DEAD: Final = Watch("monitor dead", monitor="dead")
HUNG: Final = Watch("monitor hung", monitor="hung")
FLOODED: Final = Watch("monitor flooded", monitor="flooded")
DEAF_UDP: Final = Watch("HEP by UDP, never read", collector=("deaf", "udp"))
DEAF_TCP: Final = Watch("HEP by TCP, never read", collector=("deaf", "tcp"))
PCAP: Final = Watch("pcap", ("--pcap", "{folder}/sip.pcap"))
LINES: Final = Watch("a line a call", ("--log-calls",))
JSON_LINES: Final = Watch("a line a call, JSON", ("--log-calls", "--log-format", "json"))
EVERYTHING: Final = Watch("monitor, HEP, a line a call", ("--log-calls",), "scraped", ("keen", "udp"))

HARMLESS: Final = (DEAD, HUNG, FLOODED, DEAF_UDP, DEAF_TCP)
"""What calls are not to suffer from."""
WATCHES: Final = (NOBODY, SCRAPED, *HARMLESS, PCAP, LINES, JSON_LINES, EVERYTHING)


def slbroker(kind: str, watch: Watch) -> Subject:
    """Return an edge and a worker with the bundled plugin, so watched; `kind` is "compiled" or "pure"."""
    environment = slbroker_environment(pure=kind == "pure")
    command = [sys.executable, "-m", "slbroker"]

    def company(*words: str) -> Program:
        return Program(BACK_END, [sys.executable, str(COMPANY), *words], "company ready", environment, BESIDE)

    def programs(folder: Folder, port: int) -> list[Program]:
        keys, bus = str(folder / "keys.ring"), f"ipc://{folder}/bus"
        make_keys([*command, "keys", "new", keys], environment, folder)
        edge = [*command, "edge", "--listen", f"udp:127.0.0.1:{port}", "--bus", bus, "--keys", keys]
        edge += [option.format(folder=folder) for option in watch.options]
        found = []
        if watch.collector is not None:
            mood, transport = watch.collector
            hop = str(free_port())
            found.append(company(mood, transport, hop))
            edge += ["--hep", f"{transport}:127.0.0.1:{hop}"]
        found.append(Program("edge", edge, "edge ready", environment, BESIDE))
        worker = [*command, "handler", "--bus", bus, "--keys", keys, "--workers", "1"]
        found.append(Program("workers", worker, "handler ready", environment))
        if watch.monitor:
            found.append(company(watch.monitor, bus))
        return found

    return Subject(watch.title, programs)
