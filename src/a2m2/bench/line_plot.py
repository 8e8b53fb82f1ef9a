"""A small line plot with logarithmic axes as an SVG file, readable on light and on dark pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

Series = tuple[str, Sequence[tuple[float, float]]]

_WIDTH, _HEIGHT = 420, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 14, 14, 44
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8c6d00")
_GREY = "#808080"
_DECADES = 2.5
"""Powers of ten on an axis from which on these alone are its ticks."""


def line_plot(x_name: str, y_name: str, series: Sequence[Series]) -> str:
    """Lines through points ``(x, y)``; points that are not positive are left out.

    Raises:
        ValueError: no point is left.
    """
    kept = [(name, [(x, y) for x, y in points if x > 0 and y > 0]) for name, points in series]
    every = [point for _, points in kept for point in points]
    if not every:
        raise ValueError("expected a point with positive coordinates, got none")
    (low_x, high_x), (low_y, high_y) = (_bounds([point[k] for point in every]) for k in (0, 1))

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            _LEFT + (_WIDTH - _LEFT - _RIGHT) * (math.log10(x) - low_x) / (high_x - low_x),
            _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * (math.log10(y) - low_y) / (high_y - low_y),
        )

    parts = []
    for tick in _ticks(low_x, high_x):
        x, _ = place(tick, 10.0**low_y)
        parts += [
            _line(x, _TOP, x, _HEIGHT - _BOTTOM),
            _text(x, _HEIGHT - _BOTTOM + 16, _number(tick), "middle"),
        ]
    for tick in _ticks(low_y, high_y):
        _, y = place(10.0**low_x, tick)
        parts += [_line(_LEFT, y, _WIDTH - _RIGHT, y), _text(_LEFT - 6, y + 4, _number(tick), "end")]
    for index, (name, points) in enumerate(kept):
        colour = _COLOURS[index % len(_COLOURS)]
        places = [place(x, y) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        if len(kept) > 1:
            parts.append(_text(_LEFT + 8, _TOP + 14 + 15 * index, name, "start", colour))
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8, x_name, "middle"))
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    parts.append(
        f'<text x="14" y="{middle}" transform="rotate(-90 14 {middle})" text-anchor="middle" fill="{_GREY}">'
        f"{escape(y_name)}</text>"
    )
    size = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
    return "\n".join([head, *parts, "</svg>\n"])


def _bounds(values: Sequence[float]) -> tuple[float, float]:
    """Logarithms of the ends of an axis, at least a factor of two apart."""
    low, high = math.log10(min(values)), math.log10(max(values))
    margin = max(0.06 * (high - low), 0.15)
    return low - margin, high + margin


def _ticks(low: float, high: float) -> list[float]:
    """Powers of ten between two logarithms, and 2 and 5 times these where there is room."""
    steps = (1, 2, 5) if high - low < _DECADES else (1,)
    every = (step * 10.0**power for power in range(math.floor(low), math.ceil(high) + 1) for step in steps)
    return [tick for tick in every if low <= math.log10(tick) <= high]


def _number(tick: float) -> str:
    return f"{round(tick):,}" if 1 <= tick < 1e6 else f"{tick:g}"


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{_GREY}" stroke-opacity="0.35"/>'


def _text(x: float, y: float, text: str, anchor: str, colour: str = _GREY) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'
