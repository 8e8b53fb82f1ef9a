"""Curves along a quantity as inline SVG: axes, lines, bands of intervals, and one point marked.

A plot is as wide as half a page and is put below another where there is no room beside it, so its text keeps
its size from a phone to paper. Colours are CSS classes, so they follow light and dark.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from markupsafe import Markup

from a2m2.report.charts import Axis
from a2m2.report.svg import element, number, title

WIDTH, HEIGHT = 480.0, 268.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 22.0, 26.0, 44.0
MOST_POINTS = 160
"""More are averaged in groups; the eye could not tell them apart."""
MOST_DOTS = 40
"""A curve of more points is drawn without dots on them."""
NUM_HUES = 10
NUM_DASHES = 3


@dataclass(frozen=True)
class Point:
    """A figure at a place along x, with the half-width of its interval (0 for none) and what a pointer shows."""

    at: float
    value: float
    half_width: float = 0.0
    tip: str = ""


@dataclass(frozen=True)
class Curve:
    """Points, ascending along x, and the CSS classes they are drawn in.

    Attributes:
        dots: whether every point is drawn, where they are few; one point alone always is.
        joined: whether a line runs through the points; without one, every point is drawn.
        intervals: how they are drawn; that of a single point always as a whisker.
    """

    points: tuple[Point, ...]
    kind: str
    dots: bool = True
    joined: bool = True
    intervals: Literal["band", "whiskers"] = "band"

    def without_intervals(self) -> Curve:
        """The same without its band."""
        return replace(self, points=tuple(replace(point, half_width=0.0) for point in self.points))


@dataclass(frozen=True)
class Mark:
    """A point to point out, with a few words above the plot."""

    at: float
    value: float
    text: str


@dataclass(frozen=True)
class Plane:
    """What lies along x, values along y, and how both are printed at their ticks.

    Attributes:
        along: the axis of x.
        values: the axis of y.
        along_tick, tick: text at a tick of x, and of y.
        title: what lies along x.
    """

    along: Axis
    values: Axis
    along_tick: Callable[[float], str]
    tick: Callable[[float], str]
    title: str

    def x(self, at: float) -> float:
        """Place along x in the drawing."""
        return LEFT + self.along.place(at) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Place of a value in the drawing."""
        return HEIGHT - BOTTOM - self.values.place(value) * (HEIGHT - TOP - BOTTOM)

    def path(self, places: Sequence[tuple[float, float]]) -> str:
        """Straight lines through places along x and values."""
        return "M" + "L".join(f"{number(self.x(at))} {number(self.y(value))}" for at, value in places)


def look(i: int) -> str:
    """CSS classes of the ``i``-th of several curves: a hue, and a dash that tells it from others of like hue."""
    return f"hue{i % NUM_HUES} dash{i % NUM_DASHES}"


def thinned(points: Sequence[tuple[float, float]], most: int = MOST_POINTS) -> tuple[list[Point], int]:
    """At most ``most`` points: means over groups of neighbours, each at its last place; and the groups' size."""
    size = -(-len(points) // most) if points else 1
    groups = [points[i : i + size] for i in range(0, len(points), size)]
    return [Point(group[-1][0], sum(value for _, value in group) / len(group)) for group in groups], size


def draw_curves(
    plane: Plane,
    curves: Sequence[Curve],
    *,
    label: str,
    chance: Sequence[float] = (),
    mark: Mark | None = None,
) -> Markup:
    """The picture.

    Args:
        plane: its axes; they hold every point.
        curves: the last is drawn on top.
        label: what a screen reader says.
        chance: values of guessing, as dashed lines.
        mark: the point to point out.
    """
    drawn = [_axes(plane)]
    drawn += [_level(plane, value, "chance") for value in dict.fromkeys(chance)]
    drawn += [_intervals(plane, curve) for curve in curves if any(point.half_width for point in curve.points)]
    drawn += [_mark_line(plane, mark)] if mark else []
    drawn += [_line(plane, curve) for curve in curves if curve.points]
    drawn += [_mark(plane, mark)] if mark else []
    view = f"0 0 {number(WIDTH)} {number(HEIGHT)}"
    return element("svg", *drawn, class_="curves", role="img", aria_label=label, viewBox=view)


def swatch(kind: str) -> Markup:
    """A short piece of a curve or, for kind ``chance``, of the line of guessing: for a legend."""
    line = element("line", x1=1, x2=25, y1=5, y2=5, class_="chance" if kind == "chance" else None)
    piece = line if kind == "chance" else element("g", line, class_=f"curve {kind}")
    return element("svg", piece, class_="sample", width=26, height=10, aria_hidden="true")


def reach_of(curves: Sequence[Curve]) -> list[float]:
    """Every value that the curves and their intervals reach."""
    ends = ((p.value - p.half_width, p.value + p.half_width) for curve in curves for p in curve.points)
    return list(itertools.chain.from_iterable(ends))


def _axes(plane: Plane) -> Markup:
    parts = []
    for tick in plane.values.ticks:
        parts.append(_level(plane, tick, "tick"))
        text = plane.tick(tick)
        parts.append(element("text", text, x=LEFT - 8, y=plane.y(tick) + 4, text_anchor="end"))
    bottom = HEIGHT - BOTTOM
    parts.append(element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=bottom, y2=bottom, class_="axis"))
    for tick in plane.along.ticks:
        x = plane.x(tick)
        parts.append(element("line", x1=x, x2=x, y1=bottom, y2=bottom + 4, class_="axis"))
        parts.append(element("text", plane.along_tick(tick), x=x, y=bottom + 18, text_anchor="middle"))
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(element("text", plane.title, x=middle, y=HEIGHT - 6, text_anchor="middle"))
    return element("g", *parts, class_="axes")


def _level(plane: Plane, value: float, kind: str) -> Markup:
    y = plane.y(value)
    return element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_=kind)


def _intervals(plane: Plane, curve: Curve) -> Markup:
    """A band, or a whisker at every point."""
    points = curve.points
    if len(points) == 1 or curve.intervals == "whiskers":
        whiskers = [line for point in points for line in _whisker(plane, point)]
        return element("g", *whiskers, class_=f"curve {curve.kind}")
    over = [(point.at, point.value + point.half_width) for point in points]
    under = [(point.at, point.value - point.half_width) for point in reversed(points)]
    return element("path", d=f"{plane.path([*over, *under])}Z", class_=f"band {curve.kind}")


def _whisker(plane: Plane, point: Point) -> list[Markup]:
    x, ends = plane.x(point.at), (point.value - point.half_width, point.value + point.half_width)
    upright = element("line", x1=x, x2=x, y1=plane.y(ends[0]), y2=plane.y(ends[1]))
    caps = [element("line", x1=x - 5, x2=x + 5, y1=plane.y(end), y2=plane.y(end)) for end in ends]
    return [upright, *caps]


def _line(plane: Plane, curve: Curve) -> Markup:
    parts = []
    if curve.joined and len(curve.points) > 1:
        parts.append(element("path", d=plane.path([(point.at, point.value) for point in curve.points])))
    few = len(curve.points) <= MOST_DOTS
    if len(curve.points) == 1 or not curve.joined or (curve.dots and few):
        for point in curve.points:
            tip = [title(point.tip)] if point.tip else []
            dot = element("circle", *tip, cx=plane.x(point.at), cy=plane.y(point.value), r=3)
            parts.append(dot)
    return element("g", *parts, class_=f"curve {curve.kind}")


def _mark_line(plane: Plane, mark: Mark) -> Markup:
    x = plane.x(mark.at)
    return element("line", x1=x, x2=x, y1=TOP - 6, y2=HEIGHT - BOTTOM, class_="marked")


def _mark(plane: Plane, mark: Mark) -> Markup:
    """A ring round the point, and its words above the plot, on the side where there is more room."""
    x = plane.x(mark.at)
    side = "start" if x < (LEFT + WIDTH - RIGHT) / 2 else "end"
    ring = element("circle", cx=x, cy=plane.y(mark.value), r=5.5, class_="ring")
    words = element("text", mark.text, x=x, y=TOP - 11, text_anchor=side)
    return element("g", ring, words, class_="kept")
