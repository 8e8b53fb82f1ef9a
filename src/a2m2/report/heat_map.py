"""A matrix of coloured cells as inline SVG, with names at its rows and its columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from a2m2.report.svg import element, title

HEAD = 22.0
DARK_FROM = 0.65
"""Opacity from which text is written in the colour of the ground."""
LETTER = 0.55
"""Width of a letter as a share of its height, about."""


@dataclass(frozen=True)
class Name:
    """What is written at a row or a column, and what a pointer that rests on it shows."""

    text: str
    tip: str


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        kind: its CSS class.
        opacity: strength of its colour, from 0 to 1.
        tip: what a pointer that rests on it shows.
        text: written into it; empty for nothing.
    """

    kind: str
    opacity: float
    tip: str
    text: str = ""


@dataclass(frozen=True)
class Measures:
    """Width and height of a cell, and height of the text at rows and at columns."""

    width: float
    height: float
    row_text: float
    column_text: float


def heat_map(
    rows: Sequence[Name],
    columns: Sequence[Name | None],
    cells: Mapping[tuple[int, int], Cell],
    measures: Measures,
    *,
    description: str,
) -> Markup:
    """The picture.

    Args:
        rows: names, at least one.
        columns: names; None where none is written.
        cells: (row, column) to what is there; others show the ground.
        measures: sizes.
        description: what a screen reader says.
    """
    left = LETTER * measures.row_text * (max(len(name.text) for name in rows) + 2) + 10
    across, down = len(columns) * measures.width, len(rows) * measures.height
    parts = [element("rect", x=left, y=HEAD, width=across, height=down, rx=3, class_="heat-ground")]
    for j, column in enumerate(columns):
        if column is not None:
            x = left + (j + 0.5) * measures.width
            parts.append(_text(column.text, x, HEAD - 9, measures.column_text, column.tip))
    for i, row in enumerate(rows):
        y = HEAD + (i + 0.5) * measures.height
        parts.append(_text(row.text, left - 6, y, measures.row_text, row.tip, anchor="end"))
    for (i, j), cell in cells.items():
        parts += _cell(cell, left + j * measures.width, HEAD + i * measures.height, measures)
    width, height = left + across + 2, HEAD + down + 2
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


def _cell(cell: Cell, x: float, y: float, measures: Measures) -> list[Markup]:
    ground = element(
        "rect",
        title(cell.tip),
        x=x + 0.5,
        y=y + 0.5,
        width=measures.width - 1,
        height=measures.height - 1,
        class_=cell.kind,
        fill_opacity=cell.opacity,
    )
    if not cell.text:
        return [ground]
    kind = "on-dark" if cell.opacity > DARK_FROM else None
    middle = (x + measures.width / 2, y + measures.height / 2)
    return [ground, _text(cell.text, *middle, 12, cell.tip, kind=kind)]


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
