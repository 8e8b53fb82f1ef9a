"""The small drawings inside tables, as inline SVG.

Along x they are drawn in per cent of their own width, so they follow the page from a phone to paper; colours
are CSS classes, so they follow light and dark. The figures they show stand beside them as text, so they are
hidden from screen readers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from a2m2.report.svg import element, share

ROW_HEIGHT = 26


@dataclass(frozen=True)
class Axis:
    """A stretch of values and the round ones to label."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def place(self, value: float) -> float:
        """Position of ``value`` as a fraction of the axis, kept inside it."""
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))


ACCURACY_AXIS = Axis(0.0, 1.0, (0.0, 0.25, 0.5, 0.75, 1.0))


def axis_around_zero(reach: Sequence[float]) -> Axis:
    """An axis with 0 on it that holds every value of ``reach``, with round ticks on both sides."""
    return axis_over((0.0, *reach), parts=4, least=0.001)


def axis_over(reach: Sequence[float], *, parts: int, least: float) -> Axis:
    """An axis that holds every value of ``reach`` and begins and ends at a round tick.

    Args:
        reach: values, at least one.
        parts: stretches between ticks, at most this many and at times one more.
        least: length of an axis whose values are all alike.
    """
    low, high = min(reach), max(reach)
    step = _round_step(max(high - low, least) / parts)
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    high = max(high, low + step)
    ticks = tuple(low + step * i for i in range(round((high - low) / step) + 1))
    return Axis(low, high, ticks)


def axis_of_steps(last: int, parts: int = 5) -> Axis:
    """An axis from 0 to exactly ``last``, with ticks at round whole numbers."""
    step = max(1, round(_round_step(max(last, 1) / parts)))
    return Axis(0.0, float(max(last, 1)), tuple(float(tick) for tick in range(0, last + 1, step)))


def _round_step(rough: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is at least ``rough``."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(nice * power for nice in (1, 2, 5, 10) if nice * power >= rough * (1 - 1e-9))


def accuracy_bar(mean: float, half_width: float, chance: float | None) -> Markup:
    """A bar from 0 to ``mean`` with its interval as a whisker, and chance as a dashed line."""
    parts = [_ticks(ACCURACY_AXIS)]
    parts.append(
        element("rect", x="0", y=8, width=share(ACCURACY_AXIS.place(mean)), height=10, rx=2, class_="bar")
    )
    if chance is not None:
        parts.append(_upright(ACCURACY_AXIS.place(chance), 1, ROW_HEIGHT - 1, "chance"))
    parts += _whisker(ACCURACY_AXIS, mean, half_width)
    return _row(parts)


def difference_whisker(mean: float, half_width: float, axis: Axis, *, clear: bool) -> Markup:
    """A point with its interval on an axis with a line at 0; filled when the interval leaves 0 out."""
    point = element(
        "circle",
        cx=share(axis.place(mean)),
        cy=ROW_HEIGHT / 2,
        r=3.5,
        class_="point" if clear else "point open",
    )
    zero = _upright(axis.place(0.0), 0, ROW_HEIGHT, "zero")
    return _row([_ticks(axis), zero, *_whisker(axis, mean, half_width), point])


def class_dot(value: float, chance: float, best: float | None) -> Markup:
    """A dot at ``value`` on a stem from 0, chance as a dashed line, the best method's value as a tick."""
    middle = ROW_HEIGHT / 2
    x = share(value)
    parts = [
        element("line", x1="0", x2="100%", y1=middle, y2=middle, class_="rail"),
        _upright(chance, 4, ROW_HEIGHT - 4, "chance"),
        element("line", x1="0", x2=x, y1=middle, y2=middle, class_="stem"),
    ]
    if best is not None:
        parts.append(_upright(best, 6, ROW_HEIGHT - 6, "best"))
    parts.append(element("circle", cx=x, cy=middle, r=4.5, class_="point"))
    return _row(parts)


def _row(parts: Sequence[Markup]) -> Markup:
    return element("svg", *parts, class_="row", width="100%", height=ROW_HEIGHT, aria_hidden="true")


def _ticks(axis: Axis) -> Markup:
    return Markup("").join(_upright(axis.place(tick), 0, ROW_HEIGHT, "tick") for tick in axis.ticks)


def _upright(place: float, top: float, bottom: float, kind: str) -> Markup:
    x = share(place)
    return element("line", x1=x, x2=x, y1=top, y2=bottom, class_=kind)


def _whisker(axis: Axis, mean: float, half_width: float) -> list[Markup]:
    middle = ROW_HEIGHT / 2
    low, high = axis.place(mean - half_width), axis.place(mean + half_width)
    return [
        element("line", x1=share(low), x2=share(high), y1=middle, y2=middle, class_="whisker"),
        _upright(low, middle - 6, middle + 6, "whisker"),
        _upright(high, middle - 6, middle + 6, "whisker"),
    ]
