"""Section: what is taken for what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from a2m2.report.confusion_map import BLANK_BELOW, confusion_map, strength
from a2m2.report.figures import ranked
from a2m2.report.inputs import Results
from a2m2.report.wording import counted, percent

NUM_MISTAKES = 8
LEGEND_PARTS = (0.02, 0.1, 0.25, 0.5, 1.0)


@dataclass(frozen=True)
class Mistake:
    """One kind of mistake: queries of ``truth`` that were named ``named``."""

    truth: str
    named: str
    share: str
    queries: str


@dataclass(frozen=True)
class Confusion:
    """One method's matrix and its most frequent mistakes."""

    method: str
    picture: Markup
    mistakes: tuple[Mistake, ...]


@dataclass(frozen=True)
class Legend:
    """What the strengths of one of the two colours mean."""

    label: str
    kind: str
    swatches: tuple[float, ...]


@dataclass(frozen=True)
class Confusions:
    """One matrix a method, the best method's first."""

    charts: tuple[Confusion, ...]
    blank_below: str
    legend: tuple[Legend, ...]


def confusion(results: Results) -> Confusions | None:
    """Matrices of one run; None when the summary holds none."""
    summary = results.summary
    matrices = {method: matrix for method in ranked(summary) if (matrix := summary.methods[method].confusion)}
    if not matrices:
        return None
    worst = max(map(_worst, matrices.values()))
    steps = tuple(map(strength, LEGEND_PARTS))
    mistaken = (Legend(f"mistaken, to {percent(worst)} %", "miss", steps),) if worst else ()
    return Confusions(
        charts=tuple(
            _chart(method, summary.classes, matrix, worst=worst) for method, matrix in matrices.items()
        ),
        blank_below=percent(BLANK_BELOW),
        legend=(Legend("right, to 100 %", "hit", steps), *mistaken),
    )


def _chart(
    method: str, classes: Sequence[str], matrix: Sequence[Sequence[int]], *, worst: float
) -> Confusion:
    description = (
        f"Confusion matrix of {method} over {counted(len(matrix), 'class', 'classes')}; "
        "its most frequent mistakes are listed beneath."
    )
    picture = confusion_map(classes, matrix, worst=worst, description=description)
    return Confusion(method, picture, tuple(_mistakes(classes, matrix)))


def _worst(matrix: Sequence[Sequence[int]]) -> float:
    """The largest share of a row that went to one wrong class."""
    return max(
        (
            queries / sum(row)
            for i, row in enumerate(matrix)
            for j, queries in enumerate(row)
            if i != j and queries
        ),
        default=0.0,
    )


def _mistakes(classes: Sequence[str], matrix: Sequence[Sequence[int]]) -> list[Mistake]:
    """The most frequent mistakes, by their share of the true class's queries."""
    found = [
        (queries / sum(row), queries, i, j)
        for i, row in enumerate(matrix)
        for j, queries in enumerate(row)
        if i != j and queries
    ]
    found.sort(key=lambda entry: (-entry[0], entry[2], entry[3]))
    return [
        Mistake(classes[i], classes[j], percent(part), f"{queries:,}")
        for part, queries, i, j in found[:NUM_MISTAKES]
    ]
