"""What a worker records of its requests (`--record`), for as long as the file takes them."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from slbroker.errors import ConfigError
from slbroker.recording import Record, Recorder

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from slbroker.bus.items import Item

logger = logging.getLogger(__name__)


class Recorded:
    """A file of requests, or none where no path was given."""

    def __init__(self, path: Path | None) -> None:
        """Raise ConfigError when the file cannot be written."""
        self._path = path
        self._recorder = Recorder(path) if path else None

    @property
    def is_on(self) -> bool:
        """Return whether requests are recorded."""
        return self._recorder is not None

    def add(self, items: Iterable[Item]) -> None:
        """Write requests to the file; when it takes no more, say so, and let the worker serve on."""
        if self._recorder is None:
            return
        now = time.time()
        try:
            self._recorder.add([Record(now, source, message) for _number, message, source in items])
        except Exception as error:
            logger.error("%s; nothing more is recorded", error)
            self.close()

    def open_again(self) -> None:
        """Open the file again: logrotate has given the old one another name. After a write that failed, too."""
        if self._path is None:
            return
        try:
            recorder = Recorder(self._path)
        except ConfigError as error:
            logger.error("not opened again, the old one stays in use: %s", error)
            return
        self.close()
        self._recorder = recorder
        logger.info("recording %s opened again", self._path)

    def close(self) -> None:
        """Close the file."""
        if self._recorder is not None:
            self._recorder.close()
            self._recorder = None
