"""The confusion matrix as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from a2m2.report.svg import element, title
from a2m2.report.wording import percent, shortened

BLANK_BELOW = 0.005
"""Cells with a smaller share of their row stay empty."""
LABEL_LENGTH = 44
HEAD = 22.0
ROOM_FOR_FIGURES = 34.0
DARK_FROM = 0.65


@dataclass(frozen=True)
class _Grid:
    """Measures of a matrix: size of a cell and of its text, and where the cells begin."""

    cell: float
    text: float
    left: float
    every: int

    @classmethod
    def of(cls, names: Sequence[str]) -> _Grid:
        """Cells as large as the number of classes allows on a page; if many, every fifth column numbered."""
        size = len(names)
        cell = 46.0 if size <= 8 else 34.0 if size <= 14 else 24.0 if size <= 32 else 13.0
        text = min(13.0, cell - 3)
        # A letter is about 0.55 of its height wide; 4 more for the number.
        left = 0.55 * text * (max(map(len, names)) + 4) + 10
        return cls(cell, text, left, 1 if size <= 32 else 5)

    def middle(self, i: int) -> float:
        """Distance of the centre of row or column ``i`` from the first edge."""
        return (i + 0.5) * self.cell


def heat_map(
    classes: Sequence[str], confusion: Sequence[Sequence[int]], *, worst: float, description: str
) -> Markup:
    """Row = true class, column = class named, both numbered in the order of ``classes``.

    Right answers and mistakes have a colour each. A cell is as strong as its share of the row, by
    :func:`strength` so that small shares can be seen: full at 1 for right answers, at ``worst`` for mistakes.
    Cells below :data:`BLANK_BELOW` are left empty, which also keeps the page small when there are a hundred
    classes. Resting on a cell shows its names and counts.

    Args:
        classes: names, at least one.
        confusion: counts, one row and column a class.
        worst: share of a row that gives a mistake its full colour.
        description: what a screen reader says.
    """
    names = [shortened(name, LABEL_LENGTH) for name in classes]
    grid = _Grid.of(names)
    side = len(classes) * grid.cell
    parts = [element("rect", x=grid.left, y=HEAD, width=side, height=side, rx=3, class_="heat-ground")]
    for i, row in enumerate(confusion):
        parts += _labels(grid, i, names[i], classes[i])
        parts += _cells(grid, classes, i, row, worst)
    width, height = grid.left + side + 2, HEAD + side + 2
    return element(
        "svg",
        *parts,
        class_="heat",
        role="img",
        aria_label=description,
        width=width,
        height=height,
        viewBox=f"0 0 {width:.0f} {height:.0f}",
    )


def strength(part: float) -> float:
    """Opacity of a cell that holds this part of the strongest: its square root."""
    return math.sqrt(min(part, 1.0))


def _labels(grid: _Grid, i: int, name: str, full_name: str) -> list[Markup]:
    """Name and number of row ``i``, and number of column ``i`` where it is written."""
    gap = "\N{NO-BREAK SPACE}" * 2
    row = _text(
        f"{name}{gap}{i + 1}", grid.left - 6, HEAD + grid.middle(i), grid.text, full_name, anchor="end"
    )
    if i and (i + 1) % grid.every:
        return [row]
    return [row, _text(str(i + 1), grid.left + grid.middle(i), HEAD - 9, min(12.0, grid.text + 1), full_name)]


def _cells(grid: _Grid, classes: Sequence[str], i: int, row: Sequence[int], worst: float) -> list[Markup]:
    """The cells of row ``i``, with the percentage written where there is room for it."""
    total = sum(row)
    parts = []
    for j, queries in enumerate(row):
        part = queries / total if total else 0.0
        if part < BLANK_BELOW:
            continue
        verdict = f"{classes[i]} recognised" if i == j else f"{classes[i]} taken for {classes[j]}"
        tip = f"{verdict}: {queries:,} of {total:,} queries ({percent(part)} %)"
        opacity = strength(part if i == j else part / worst)
        parts.append(
            element(
                "rect",
                title(tip),
                x=grid.left + j * grid.cell + 0.5,
                y=HEAD + i * grid.cell + 0.5,
                width=grid.cell - 1,
                height=grid.cell - 1,
                class_="hit" if i == j else "miss",
                fill_opacity=opacity,
            )
        )
        if grid.cell >= ROOM_FOR_FIGURES:
            x, y = grid.left + grid.middle(j), HEAD + grid.middle(i)
            parts.append(
                _text(percent(part, 0), x, y, 12, tip, kind="on-dark" if opacity > DARK_FROM else None)
            )
    return parts


def _text(
    words: str, x: float, y: float, size: float, tip: str, *, anchor: str = "middle", kind: str | None = None
) -> Markup:
    return element(
        "text",
        words,
        title(tip),
        x=x,
        y=y,
        font_size=size,
        text_anchor=anchor,
        dominant_baseline="central",
        class_=kind,
    )
