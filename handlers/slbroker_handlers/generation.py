"""Which version of its plugin a worker has: edges forget what another one had decided."""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from slbroker_handlers.loader import PluginSource


def fingerprint(name: str, files: Iterable[Path]) -> str:
    """Return what two workers have in common whose plugins are alike: of their files' content, and how they are named.

    Where the files lie is left out: the same release may have another folder on another host.
    """
    digest = hashlib.blake2b(name.rpartition("/")[2].encode(errors="surrogateescape"), digest_size=8)
    for content in sorted(_contents(files)):
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()


def _contents(files: Iterable[Path]) -> Iterable[bytes]:
    for file in files:
        with contextlib.suppress(OSError):
            yield file.read_bytes()


class Generation:
    """The plugin's version as HELLO tells it, with how often it has been loaded: it may have read a database then."""

    def __init__(self, source: PluginSource | None) -> None:
        self._source = source
        self._loads = 0
        self._print = ""
        self.methods: list[bytes] = []  # those that were told last

    def loaded_again(self) -> None:
        """Take note that the plugin has been loaded again."""
        self._loads += 1
        self._print = ""

    def words(self, methods: list[bytes]) -> dict[str, Any]:
        """Return what HELLO says of a plugin that has decisions about `methods` remembered, if it has any."""
        self.methods = methods
        if not methods:
            return {}
        if not self._print:
            name, files = ("", []) if self._source is None else (self._source.name, self._source.files())
            self._print = fingerprint(name, files)
        return {"remembers": methods, "generation": f"{self._print}.{self._loads}"}
