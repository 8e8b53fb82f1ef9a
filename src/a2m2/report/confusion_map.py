"""The confusion matrix as a heat map."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from markupsafe import Markup

from a2m2.report.heat_map import Cell, Measures, Name, heat_map
from a2m2.report.wording import percent, shortened

BLANK_BELOW = 0.005
"""Cells with a smaller share of their row stay empty."""
LABEL_LENGTH = 44
ROOM_FOR_FIGURES = 34.0
MOST_NUMBERED = 32
"""With more classes only every fifth column is numbered."""


def confusion_map(
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
    gap = "\N{NO-BREAK SPACE}" * 2
    names = [f"{shortened(name, LABEL_LENGTH)}{gap}{i}" for i, name in enumerate(classes, 1)]
    every = 1 if len(classes) <= MOST_NUMBERED else 5
    columns = [Name(str(i), name) if i == 1 or i % every == 0 else None for i, name in enumerate(classes, 1)]
    measures = _measures(len(classes))
    cells = {
        (i, j): cell
        for i, row in enumerate(confusion)
        for j, cell in _cells(classes, i, row, worst, figures=measures.width >= ROOM_FOR_FIGURES)
    }
    rows = [Name(text, name) for text, name in zip(names, classes, strict=True)]
    return heat_map(rows, columns, cells, measures, description=description)


def strength(part: float) -> float:
    """Opacity of a cell that holds this part of the strongest: its square root."""
    return math.sqrt(min(part, 1.0))


def _measures(size: int) -> Measures:
    """Cells as large as the number of classes allows on a page."""
    cell = 46.0 if size <= 8 else 34.0 if size <= 14 else 24.0 if size <= MOST_NUMBERED else 13.0
    text = min(13.0, cell - 3)
    return Measures(cell, cell, text, min(12.0, text + 1))


def _cells(
    classes: Sequence[str], i: int, row: Sequence[int], worst: float, *, figures: bool
) -> Iterator[tuple[int, Cell]]:
    """The cells of row ``i`` with their columns, the percentage written into them where there is room for it."""
    total = sum(row)
    for j, queries in enumerate(row):
        part = queries / total if total else 0.0
        if part < BLANK_BELOW:
            continue
        verdict = f"{classes[i]} recognised" if i == j else f"{classes[i]} taken for {classes[j]}"
        tip = f"{verdict}: {queries:,} of {total:,} queries ({percent(part)} %)"
        opacity = strength(part if i == j else part / worst)
        text = percent(part, 0) if figures else ""
        yield j, Cell("hit" if i == j else "miss", opacity, tip, text)
