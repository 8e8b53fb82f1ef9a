"""Section: accuracy class by class, one chart a method."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from a2m2.eval.stats import MethodSummary
from a2m2.report.charts import class_dot
from a2m2.report.figures import ranked
from a2m2.report.inputs import Results
from a2m2.report.wording import chance_percent, counted, listed, percent

NUM_NAMED = 3
TWO_COLUMNS_FROM = 13


@dataclass(frozen=True)
class ClassRow:
    """One class under one method."""

    name: str
    value: str
    queries: str
    dot: Markup


@dataclass(frozen=True)
class ClassChart:
    """One method: every class that had queries, in the order in which the best method ranks them."""

    method: str
    hardest: str
    rows: tuple[ClassRow, ...]


@dataclass(frozen=True)
class ByClass:
    """One chart a method, the best method's first."""

    charts: tuple[ClassChart, ...]
    columns: bool
    unseen: str
    chance: str


def by_class(results: Results) -> ByClass | None:
    """Charts of one run; None when the summary holds no figures by class."""
    summary = results.summary
    values = {name: _accuracies(summary.methods[name]) for name in ranked(summary)}
    best = next(iter(values))
    if not values[best]:
        return None
    order = sorted(values[best], key=lambda name: (-values[best][name], name))
    charts = [
        ClassChart(
            method=method,
            hardest=_hardest(own),
            rows=tuple(
                _row(
                    name,
                    summary.methods[method].by_class[name],
                    results.chance,
                    None if method == best else values[best].get(name),
                )
                for name in [*order, *sorted(set(own) - set(order))]
                if name in own
            ),
        )
        for method, own in values.items()
        if own
    ]
    unseen = [name for name in summary.classes if all(name not in own for own in values.values())]
    return ByClass(
        charts=tuple(charts),
        columns=len(order) >= TWO_COLUMNS_FROM,
        unseen=f"Never queried, so without a figure: {listed(unseen)}." if unseen else "",
        chance=chance_percent(results.run.way),
    )


def _accuracies(figures: MethodSummary) -> dict[str, float]:
    """Accuracy of each class that had queries."""
    return {name: entry["accuracy"] for name, entry in figures.by_class.items() if entry["queries"]}


def _row(name: str, entry: dict[str, float], chance: float, best: float | None) -> ClassRow:
    return ClassRow(
        name=name,
        value=percent(entry["accuracy"]),
        queries=counted(round(entry["queries"]), "query", "queries"),
        dot=class_dot(entry["accuracy"], chance, best),
    )


def _hardest(values: dict[str, float]) -> str:
    """``hardest: a (41.2), b (43.0) and c (50.1)``; all classes alike when there is no hardest one."""
    if len(values) > 1 and len(set(values.values())) == 1:
        return f"all classes {percent(next(iter(values.values())))} %"
    worst = sorted(values, key=lambda name: (values[name], name))[: min(NUM_NAMED, max(1, len(values) // 2))]
    named = [f"{name} ({percent(values[name])} %)" for name in worst]
    return f"hardest: {listed(named)}"
