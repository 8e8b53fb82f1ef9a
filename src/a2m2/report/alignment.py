"""Section: how much of each plan joins the same sub-action, where the truth is known."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from a2m2.report.charts import ACCURACY_AXIS, Axis, accuracy_bar
from a2m2.report.inputs import Results
from a2m2.report.wording import count, digits_for, percent


@dataclass(frozen=True)
class AlignmentRow:
    """One method: shares of mass as printed."""

    name: str
    non_idle: str
    non_idle_interval: str
    bar: Markup
    all: str
    all_interval: str
    episodes: str


@dataclass(frozen=True)
class AlignmentTable:
    """Methods, best aligned first."""

    rows: tuple[AlignmentRow, ...]
    axis: Axis


def alignment(results: Results) -> AlignmentTable | None:
    """The table of one run; None when no truth was known, or no plan joined moments of action."""
    figures = {
        name: kinds
        for name, kinds in results.summary.alignment.items()
        if kinds["non_idle"]["episodes"] and kinds["all"]["episodes"]
    }
    if not figures:
        return None
    rows = []
    for name in sorted(figures, key=lambda name: -figures[name]["non_idle"]["share"]):
        non_idle, everything = figures[name]["non_idle"], figures[name]["all"]
        rows.append(
            AlignmentRow(
                name,
                *_printed(non_idle),
                accuracy_bar(non_idle["share"], non_idle["interval95"], None),
                *_printed(everything),
                count(round(non_idle["episodes"])),
            )
        )
    return AlignmentTable(tuple(rows), ACCURACY_AXIS)


def _printed(figures: dict[str, float]) -> tuple[str, str]:
    digits = digits_for(figures["interval95"])
    return percent(figures["share"], digits), percent(figures["interval95"], digits)
