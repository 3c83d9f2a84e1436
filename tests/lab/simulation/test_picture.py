"""Are the picture's points where they belong, and are the tables what the script prints?"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

from tests.lab.simulation.picture import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Panel, draw
from tests.support.processes import Process

SCRIPT = Path(__file__).with_name("simulate.py")
PANEL = Panel("a < b", "credit", {"one": [(1, 0.01), (10, 0.1), (100, 10.0)], "two": [(1, 0.02)]}, is_logarithmic=True)


def test_points_are_between_the_axes() -> None:
    assert PANEL.decades == (-2, 1)
    assert [PANEL.x_of(x) for x in (1, 10, 100)] == [LEFT, (LEFT + WIDTH - RIGHT) / 2, WIDTH - RIGHT]
    assert [round(PANEL.y_of(y)) for y in (0.01, 10.0)] == [HEIGHT - BOTTOM, TOP]


def test_the_drawing_is_well_formed() -> None:
    root = ET.fromstring(draw(PANEL, PANEL))
    lines = [element for element in root.iter() if element.tag.endswith("polyline")]
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert len(lines) == 4
    assert texts.count("a < b") == 2
    assert {"10 ms", "10 s", "100", "one", "two"} <= set(texts)


def simulate(*arguments: str) -> Process:
    with Process(sys.executable, str(SCRIPT), *arguments) as process:
        process.wait()
    return process


def test_the_script_prints_a_table() -> None:
    shown = simulate("brokers")
    assert shown.wait() == 0, shown
    assert "| 4 | 1,000 | 4,000 | 1,000 | 4 | 2,008 | 2 | 2 | 1,004 |" in shown.output


def test_the_script_names_its_questions() -> None:
    shown = simulate("everything")
    assert shown.wait() == 2
    assert "no such question: everything; there are cost, picky, " in shown.log
