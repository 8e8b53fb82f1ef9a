"""Sections of a study: its figures in tables, with their text to copy."""

from __future__ import annotations

from dataclasses import dataclass

from a2m2.report.study_curves import Along, alignment_curves
from a2m2.report.study_inputs import Study
from a2m2.report.study_text import COVERS, Table, accuracy_table, alignment_table, latex, markdown


@dataclass(frozen=True)
class PrintedTable:
    """A table, its caption, and the same as Markdown and as LaTeX.

    Attributes:
        width: leading columns that name a row.
    """

    table: Table
    caption: str
    width: int
    markdown: str
    latex: str


@dataclass(frozen=True)
class StudyAccuracy:
    """The table of accuracy, and what its intervals cover."""

    table: PrintedTable
    covers: str


@dataclass(frozen=True)
class StudyAlignment:
    """Alignment against the truth: along the axes that are quantities, and in a table."""

    curves: tuple[Along, ...]
    table: PrintedTable


def study_accuracy(study: Study) -> StudyAccuracy:
    """The section of accuracy."""
    caption = "Accuracy in per cent ± 95 % interval; the best of a column is bold"
    return StudyAccuracy(_printed(study, accuracy_table(study.record), caption), COVERS)


def study_alignment(study: Study) -> StudyAlignment | None:
    """The section of alignment truth; None where none is known."""
    table = alignment_table(study.record)
    if table is None:
        return None
    caption = "Alignment truth in per cent ± 95 % interval, a uniform plan's beside it; the best of a column is bold"
    return StudyAlignment(alignment_curves(study) or (), _printed(study, table, caption))


def _printed(study: Study, table: Table, caption: str) -> PrintedTable:
    # The levels of the first axis lie side by side, those of the others and the method name a row.
    width = max(len(study.record.varied), 1)
    return PrintedTable(table, caption, width, markdown(table), latex(table))
