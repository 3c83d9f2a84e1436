"""The dashboard, by the types that Grafana Labs publish of what Grafana reads; its queries are asked elsewhere."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = ROOT / "compose" / "grafana" / "slbroker.json"
DASHBOARD: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
GRAPHS = [panel for panel in PANELS if panel["type"] != "row"]
COLUMNS = 24
# Of the value formats in Grafana 13.2 (@grafana/data), those that fit what is counted here.
UNITS = {"none", "short", "reqps", "s", "bytes", "percentunit"}


def lost(before: Any, after: Any, where: str = "") -> Iterator[str]:
    """What of a value is not, or not the same, in another that was read and written again; defaults may have come."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            yield from lost(value, after[key], f"{where}.{key}") if key in after else [f"{where}.{key}"]
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for at, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from lost(one, other, f"{where}[{at}]")
    elif before != after:
        yield where


def read_by_grafana(dashboard: dict[str, Any]) -> dict[str, Any]:
    """A dashboard as Grafana's own types have it, panels by their plugins' types."""
    models = pytest.importorskip("grafana_foundation_sdk.models.dashboard")
    encoder = pytest.importorskip("grafana_foundation_sdk.cog.encoder")
    pytest.importorskip("grafana_foundation_sdk.cog.plugins").register_default_plugins()
    written: dict[str, Any] = json.loads(encoder.JSONEncoder().encode(models.Dashboard.from_json(dashboard)))
    return written


def test_grafana_knows_every_word_of_the_dashboard() -> None:
    assert list(lost(DASHBOARD, read_by_grafana(deepcopy(DASHBOARD)))) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [('"gridPos"', '"gridpos"'), ('"legendFormat"', '"legend"'), ('"fieldConfig"', '"fieldConfigs"'),
     ('"reduceOptions"', '"reduce"'), ('"includeAll"', '"all"'), ('"colorMode"', '"color"')],
)  # fmt: skip
def test_it_would_be_seen_if_one_were_none(old: str, new: str) -> None:
    text = json.dumps(DASHBOARD)
    assert old in text
    changed = json.loads(text.replace(old, new, 1))
    assert list(lost(changed, read_by_grafana(deepcopy(changed)))) != []


def test_it_is_written_for_the_schema_that_is_current() -> None:
    models = pytest.importorskip("grafana_foundation_sdk.models.dashboard")
    assert DASHBOARD["schemaVersion"] == models.Dashboard().schema_version


def test_every_panel_has_its_id_and_place_a_unit_and_queries_of_the_chosen_data_source() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= COLUMNS
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    for panel in GRAPHS:
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        assert panel["datasource"] == chosen
        targets = panel["targets"]
        assert [target["datasource"] for target in targets] == [chosen] * len(targets)
        assert len({target["refId"] for target in targets}) == len(targets) > 0


def test_every_variable_that_is_used_is_there() -> None:
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == ("datasource", "prometheus")
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(PANELS) + json.dumps(variables["edge"]["datasource"])))
    assert used == set(variables)


def test_rates_are_shown_as_rates_and_times_as_times() -> None:
    for panel in GRAPHS:
        unit = panel["fieldConfig"]["defaults"]["unit"]
        expressions = [target["expr"] for target in panel["targets"]]
        if unit == "reqps":
            assert all("rate(" in expression for expression in expressions), panel["title"]
        if unit == "s":
            assert all("_seconds" in expression for expression in expressions), panel["title"]
        if unit == "bytes":
            assert all("_bytes" in expression for expression in expressions), panel["title"]
