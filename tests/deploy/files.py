"""The files by which slbroker is deployed, as those read them who use them."""

from __future__ import annotations

import re
from fnmatch import translate
from typing import Any

import pytest

from tests.support.processes import ROOT

COMPOSE = ROOT / "compose"
DEPLOY = ROOT / "deploy"


def read_yaml(path: Any) -> Any:
    """Return what the one document of a file says."""
    (document,) = read_all(path)
    return document


def read_all(path: Any) -> list[Any]:
    """Return what the documents of a file say; a key that stands twice in a map is an error."""
    yaml = pytest.importorskip("yaml")

    class Loader(yaml.SafeLoader):  # type: ignore[misc, name-defined]
        """Refuses what YAML forbids and PyYAML takes."""

    def construct(loader: Any, node: Any) -> dict[Any, Any]:
        keys = [loader.construct_object(key) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        assert len(keys) == len(set(map(str, keys))), f"{path}: twice in one map: {keys}"
        loader.flatten_mapping(node)
        return dict(loader.construct_pairs(node, deep=True))

    Loader.add_constructor("tag:yaml.org,2002:map", construct)
    return [document for document in yaml.load_all(path.read_text("utf-8"), Loader) if document is not None]


def seconds(duration: str) -> float:
    """Return what "25s" or "1m30s" is."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    assert re.fullmatch(r"(\d+(?:ms|[hms]))+", duration), duration
    return sum(int(count) * units[unit] for count, unit in re.findall(r"(\d+)(ms|[hms])", duration))


def ignored(path: str) -> bool:
    """Return whether .dockerignore keeps `path` out: the last pattern counts that matches it or what is above it."""
    out = False
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        found = pattern.removeprefix("!")
        parts = path.split("/")
        if any(_matches("/".join(parts[: count + 1]), found) for count in range(len(parts))):
            out = not pattern.startswith("!")
    return out


def _matches(path: str, pattern: str) -> bool:
    """Return whether one path matches one pattern, where ** is any number of folders and * stays within one."""
    wanted = ""
    for part in pattern.split("/"):
        wanted += r"(?:[^/]+/)*" if part == "**" else translate(part)[4:-3].replace(".*", "[^/]*") + "/"
    return re.fullmatch(wanted.removesuffix("/"), path) is not None
