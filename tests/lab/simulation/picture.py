"""Lines in an SVG drawing: time upwards, on a logarithmic scale."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

WIDTH, HEIGHT = 520, 360  # of one panel
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 40, 52
COLOURS: Final = ("#1f5fa8", "#c4601d", "#3a8a3a", "#7a4fa0")
DASHES: Final = ("", "6 3", "2 3", "8 2 2 2")  # so that the lines can be told apart without colours


@dataclass(frozen=True)
class Panel:
    """One drawing: lines of (x, seconds) by name."""

    title: str
    x_name: str
    lines: Mapping[str, Sequence[tuple[float, float]]]
    is_logarithmic: bool = False  # in x

    def x_of(self, x: float) -> float:
        """Return where a value is, from the left."""
        values = [point[0] for line in self.lines.values() for point in line]
        place = math.log if self.is_logarithmic else float
        low, high = place(min(values)), place(max(values))
        return LEFT + (place(x) - low) / ((high - low) or 1.0) * (WIDTH - LEFT - RIGHT)

    @property
    def decades(self) -> tuple[int, int]:
        """Return the powers of ten, in seconds, between which all points are."""
        values = [point[1] for line in self.lines.values() for point in line]
        return math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))

    def y_of(self, seconds: float) -> float:
        """Return where a time is, from the top."""
        low, high = self.decades
        return HEIGHT - BOTTOM - (math.log10(seconds) - low) / ((high - low) or 1) * (HEIGHT - TOP - BOTTOM)


def draw(*panels: Panel) -> str:
    """Return the SVG with the panels side by side."""
    width = WIDTH * len(panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}"'
        ' font-family="Helvetica, Arial, sans-serif" font-size="12">',
        f'<rect width="{width}" height="{HEIGHT}" fill="#fff"/>',
    ]
    for number, panel in enumerate(panels):
        parts += [f'<g transform="translate({number * WIDTH} 0)">', *_axes(panel), *_lines(panel), "</g>"]
    return "\n".join([*parts, "</svg>\n"])


def _axes(panel: Panel) -> Iterator[str]:
    yield f'<text x="{LEFT}" y="22" font-size="14">{escape(panel.title)}</text>'
    for power in range(panel.decades[0], panel.decades[1] + 1):
        y = panel.y_of(10.0**power)
        name = f"{10**power:g} s" if power >= 0 else f"{10 ** (power + 3):g} ms"
        yield f'<path d="M{LEFT} {y:.1f} H{WIDTH - RIGHT}" stroke="#ddd"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{name}</text>'
    for x in sorted({point[0] for line in panel.lines.values() for point in line}):
        yield f'<text x="{panel.x_of(x):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{x:g}</text>'
    middle = (LEFT + WIDTH - RIGHT) / 2
    yield f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">{escape(panel.x_name)}</text>'


def _lines(panel: Panel) -> Iterator[str]:
    for number, (name, points) in enumerate(panel.lines.items()):
        style = f'stroke="{COLOURS[number]}" stroke-dasharray="{DASHES[number]}" stroke-width="2"'
        path = " ".join(f"{panel.x_of(x):.1f},{panel.y_of(seconds):.1f}" for x, seconds in points)
        y = TOP + 14 + 18 * number
        yield f'<polyline points="{path}" fill="none" {style}/>'
        yield f'<path d="M{LEFT + 10} {y - 4} h28" {style}/><text x="{LEFT + 44}" y="{y}">{escape(name)}</text>'
