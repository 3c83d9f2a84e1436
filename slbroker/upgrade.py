"""An edge that starts its successor, at SIGUSR2: the same command once more, as it is on the disk now."""

from __future__ import annotations

import logging
import os
import sys

from slbroker.herald import Outside

logger = logging.getLogger(__name__)

VARIABLE = "SLBROKER_TAKEOVER"  # the variable of --takeover


class Upgrade:
    """The process that has been started to take our place, if one has."""

    def __init__(self) -> None:
        self._process = 0

    def begin(self) -> None:
        """Start it; it does the rest, or ends, and we serve on."""
        if self._process:
            logger.warning("process %d is taking our place already", self._process)
            return
        if os.getpid() == 1:
            logger.error(
                "process 1 cannot be replaced, a container ends with it: start another one that shares this one's bus"
                " directory, with --takeover"
            )
            return
        # Of systemd's, all but the process that is to say it lives.
        environment = {name: value for name, value in os.environ.items() if name != "WATCHDOG_PID"}
        words = [sys.executable, *sys.orig_argv[1:]]
        try:
            self._process = os.posix_spawn(words[0], words, {**environment, VARIABLE: "1"}, setsigmask=())
        except OSError as error:
            self._say(f"no successor: {words[0]}: {error.strerror}; serving on")
            return
        logger.info("process %d is started to take our place: %s", self._process, " ".join(words))
        Outside(os.environ).status(f"process {self._process} is taking its place")

    def look(self) -> None:
        """Say if it has ended."""
        if not self._process:
            return
        ended, status = os.waitpid(self._process, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            how = f"with code {code}" if code >= 0 else f"by signal {-code}"
            self._say(f"process {ended}, which was to take our place, ended {how}; serving on")
            self._process = 0

    def _say(self, words: str) -> None:
        """Log that nothing has come of it, and have `systemctl status` show it."""
        logger.error("%s", words)
        Outside(os.environ).status(words)
