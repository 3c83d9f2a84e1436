"""How a process that carries no calls stands back behind those that do."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

LOW: Final = 10  # of nice(2): a tenth of what others have, so that who asks is served when all processors are busy
LOWEST: Final = 19  # a seventieth
AUTOGROUP: Final = Path("/proc/self/autogroup")


def stand_back(nice: int = LOW, autogroup: Path = AUTOGROUP) -> None:
    """Run at a low priority, that of nice(2), and take no processor from another process by waking up (`SCHED_BATCH`).

    Linux shares processors out between sessions first (autogroups, sched(7)), and systemd gives each service one: there
    `nice` counts within the service alone, and the session has a value of its own. It is set where this process has
    begun the session, so that it is nobody else's. What cannot be had is left as it is.
    """
    with suppress(OSError):
        os.nice(nice)
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            autogroup.write_text(str(nice))
