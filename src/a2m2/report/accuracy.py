"""Section: accuracy of every method, and what its interval covers."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from a2m2.report.charts import ACCURACY_AXIS, Axis, accuracy_bar
from a2m2.report.figures import ranked
from a2m2.report.inputs import Results
from a2m2.report.wording import chance_percent, count, counted, digits_for, percent


@dataclass(frozen=True)
class AccuracyRow:
    """One method."""

    name: str
    description: str
    accuracy: str
    interval: str
    bar: Markup
    episodes: str
    queries: str


@dataclass(frozen=True)
class AccuracyTable:
    """Methods, most accurate first."""

    rows: tuple[AccuracyRow, ...]
    axis: Axis
    caption: str
    coverage: str
    perfect: bool


def accuracy(results: Results) -> AccuracyTable:
    """The table of one run."""
    run, summary = results.run, results.summary
    rows = []
    for name in ranked(summary):
        figures = summary.methods[name]
        digits = digits_for(figures.interval95)
        rows.append(
            AccuracyRow(
                name=name,
                description=run.methods.get(name, ""),
                accuracy=percent(figures.accuracy, digits),
                interval=percent(figures.interval95, digits),
                bar=accuracy_bar(figures.accuracy, figures.interval95, results.chance),
                episodes=count(figures.episodes),
                queries=count(run.query),
            )
        )
    return AccuracyTable(
        rows=tuple(rows),
        axis=ACCURACY_AXIS,
        caption=(
            "Accuracy in per cent, mean over episodes ± 95 % interval. "
            f"Dashed line: chance, {chance_percent(run.way)} %."
        ),
        coverage=_coverage(results),
        perfect=any(figures.interval95 == 0 for figures in summary.methods.values()),
    )


def _coverage(results: Results) -> str:
    run = results.run
    return (
        f"The interval is 1.96 standard errors over {counted(run.episodes, 'episode')}. It covers the luck "
        f"of which tasks were drawn from these {counted(len(run.videos), 'video')} of "
        f"{counted(len(run.classes), 'class', 'classes')}. It does not cover other videos, other classes, or "
        "another training of the backbone: those need figures of their own."
    )
