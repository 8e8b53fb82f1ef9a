"""Sections of a study: how leads change along an axis, and differences on the same episodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from a2m2.report.charts import Axis, axis_around_zero, difference_whisker
from a2m2.report.study_inputs import Study
from a2m2.report.study_places import place_text
from a2m2.report.study_text import p_text, points_text
from a2m2.report.wording import counted, signed
from a2m2.study_records import StudyDifference, StudyRecord

ALPHA = 0.05
"""Corrected p up to which a difference counts."""
VERDICTS = {
    "grows": "grow",
    "shrinks": "shrink",
    "does not grow": "do not grow",
    "cannot be told": "cannot be told",
}
"""What can be said of a growth, of one and of several."""
MOST_OPEN = 12
"""Rows of a table that stands open; a longer one is folded."""


@dataclass(frozen=True)
class DifferenceRow:
    """One difference as printed; ``where`` is its place, ``counts`` whether corrected p is low enough."""

    words: str
    where: str
    points: str
    p: str
    counts: bool
    drawing: Markup


@dataclass(frozen=True)
class DifferenceTable:
    """Differences of one kind.

    Attributes:
        title: what they are.
        caption: how they are printed.
        rows: one a difference.
        axis: the scale of the drawings.
        verdict: how many count, in words.
        opened: whether the table is short enough to stand open.
    """

    title: str
    caption: str
    rows: tuple[DifferenceRow, ...]
    axis: Axis
    verdict: str
    opened: bool


def study_growths(study: Study) -> DifferenceTable | None:
    """How the lead of the reference changes along axes whose levels have clips of their own; None for no such axis."""
    record = study.record
    growths = [one for one in record.differences if one.kind == "growth"]
    return _table(
        record,
        growths,
        title=f"The lead of {record.reference} along an axis",
        caption="Lead at the last level minus lead at the first, in percentage points ± 95 % interval",
        words=lambda one: growth_sentence(record, one),
        verdict=verdicts_text(growths),
    )


def study_differences(study: Study) -> tuple[DifferenceTable, ...] | None:
    """The reference minus the others, and levels of an axis against its first; None when nothing was compared."""
    record = study.record
    kinds = (
        ("method", f"{record.reference} minus the others"),
        ("level", "Levels of an axis"),
    )
    tables = []
    for kind, title in kinds:
        chosen = [one for one in record.differences if one.kind == kind]
        table = _table(
            record,
            chosen,
            title=title,
            caption="On the same episodes, in percentage points ± 95 % interval",
            words=lambda one: f"{one.a} minus {one.b}",
            verdict=f"{sum(_counts(one) for one in chosen)} of {len(chosen)} clear of 0",
        )
        tables += [table] if table is not None else []
    return tuple(tables) or None


def growth_verdict(one: StudyDifference) -> str:
    """One of :data:`VERDICTS`; ``does not grow`` where no episode leaves a doubt: no change, and no spread."""
    if _counts(one):
        return "grows" if one.difference > 0 else "shrinks"
    return "does not grow" if one.interval95 == 0 else "cannot be told"


def verdicts_text(growths: Sequence[StudyDifference]) -> str:
    """``2 grow, 6 cannot be told``; empty for none."""
    told = [growth_verdict(one) for one in growths]
    return ", ".join(
        f"{told.count(verdict)} {words}" for verdict, words in VERDICTS.items() if verdict in told
    )


def growth_sentence(study: StudyRecord, one: StudyDifference) -> str:
    """The verdict in a sentence, with the leads at both ends of the axis."""
    verdict = growth_verdict(one)
    lead = f"the lead of {one.a} over {one.b}"
    if verdict == "cannot be told":
        sentence = f"Whether {lead} grows along {one.axis} cannot be told"
    else:
        sentence = f"{lead[0].upper()}{lead[1:]} {verdict} along {one.axis}"
    ends = _leads(study, one)
    if not ends:
        return f"{sentence}."
    (first, before), (last, after) = ends
    return f"{sentence}: {signed(before)} points at {first}, {signed(after)} at {last}."


def _leads(study: StudyRecord, one: StudyDifference) -> tuple[tuple[str, float], tuple[str, float]] | None:
    """First and last level of the axis at which both methods were run, with the lead there."""
    known = {
        (figure.method, figure.labels[one.axis]): figure.accuracy
        for figure in study.figures
        if {**one.labels, one.axis: figure.labels[one.axis]} == figure.labels
    }
    levels = [label for label in study.axes[one.axis] if {(one.a, label), (one.b, label)} <= set(known)]
    if len(levels) < 2:
        return None
    first, last = ((label, known[one.a, label] - known[one.b, label]) for label in (levels[0], levels[-1]))
    return first, last


def _counts(one: StudyDifference) -> bool:
    return one.p_holm <= ALPHA


def _table(
    study: StudyRecord,
    differences: Sequence[StudyDifference],
    *,
    title: str,
    caption: str,
    words: Callable[[StudyDifference], str],
    verdict: str,
) -> DifferenceTable | None:
    if not differences:
        return None
    ends = [one.difference + sign * one.interval95 for one in differences for sign in (-1, 1)]
    axis = axis_around_zero(ends)
    rows = [
        DifferenceRow(
            words=words(one),
            where=place_text(study, one.labels),
            points=points_text(one),
            p=p_text(one.p_holm),
            counts=_counts(one),
            drawing=difference_whisker(one.difference, one.interval95, axis, clear=_counts(one)),
        )
        for one in differences
    ]
    family = f"p corrected for {counted(len(rows), 'comparison')} (Holm 1979)"
    return DifferenceTable(
        title, f"{caption}; {family}", tuple(rows), axis, verdict, opened=len(rows) <= MOST_OPEN
    )
