"""The file with the groups of next hops, as an edge and `slbroker check` read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slbroker.errors import ConfigError
from slbroker.proxy.groups import read_groups

if TYPE_CHECKING:
    from pathlib import Path

    from slbroker.proxy.groups import Destination


def load_groups(path: Path) -> dict[int, list[Destination]]:
    """Return the groups of a file by their numbers. Raises ConfigError."""
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"list of groups {path}: it is no text in UTF-8") from error
    except OSError as error:
        raise ConfigError(f"list of groups {path}: {error.strerror}") from error
    return read_groups(text, str(path))
