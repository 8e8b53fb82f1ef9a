"""Section: paired differences, the right way to compare methods that answered the same episodes."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from a2m2.eval.stats import PairSummary
from a2m2.report.charts import Axis, axis_around_zero, difference_whisker
from a2m2.report.figures import is_clear, paired, ranked
from a2m2.report.inputs import Results
from a2m2.report.wording import counted, digits_for, percent, signed

MANY_COMPARISONS = 10


@dataclass(frozen=True)
class Difference:
    """One comparison as printed."""

    other: str
    difference: str
    interval: str
    clear: bool
    drawing: Markup


@dataclass(frozen=True)
class Cell:
    """One entry of the matrix: row minus column."""

    difference: str
    interval: str
    clear: bool
    ahead: bool


@dataclass(frozen=True)
class Differences:
    """The best method against each other one, and all pairs as a matrix for more than two methods."""

    best: str
    rows: tuple[Difference, ...]
    axis: Axis
    names: tuple[str, ...]
    matrix: tuple[tuple[Cell | None, ...], ...]
    caution: str


def differences(results: Results) -> Differences | None:
    """Comparisons of one run; None when nothing was compared."""
    summary = results.summary
    names = ranked(summary)
    best = names[0]
    against = [(other, pair) for other in names[1:] if (pair := paired(summary, best, other)) is not None]
    if not against:
        return None
    reach = [pair.difference + sign * pair.interval95 for _, pair in against for sign in (-1, 1)]
    axis = axis_around_zero(reach)
    return Differences(
        best=best,
        rows=tuple(_difference(other, pair, axis) for other, pair in against),
        axis=axis,
        names=tuple(names),
        matrix=tuple(tuple(_cell(paired(summary, a, b)) for b in names) for a in names)
        if len(names) > 2
        else (),
        caution=_caution(len(summary.pairs)),
    )


def _difference(other: str, pair: PairSummary, axis: Axis) -> Difference:
    digits = digits_for(pair.interval95)
    return Difference(
        other=other,
        difference=signed(pair.difference, digits),
        interval=percent(pair.interval95, digits),
        clear=is_clear(pair),
        drawing=difference_whisker(pair.difference, pair.interval95, axis, clear=is_clear(pair)),
    )


def _cell(pair: PairSummary | None) -> Cell | None:
    if pair is None:
        return None
    digits = digits_for(pair.interval95)
    return Cell(
        signed(pair.difference, digits), percent(pair.interval95, digits), is_clear(pair), pair.difference > 0
    )


def _caution(num_pairs: int) -> str:
    if num_pairs < MANY_COMPARISONS:
        return ""
    return (
        f"With {counted(num_pairs, 'comparison')}, about one in twenty would be clear of 0 by luck alone if "
        "the methods were equal: trust wide margins, not narrow ones."
    )
