"""Section of a study: a figure of every method along each axis that is a quantity."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup

from a2m2.report.charts import Axis, axis_over
from a2m2.report.curves import Curve, Plane, Point, draw_curves, look, reach_of, swatch
from a2m2.report.study_inputs import Study
from a2m2.report.study_places import Row, place_text, quantities, rows_along
from a2m2.report.wording import listed, percent, plain, plain_percent
from a2m2.study_records import StudyFigure, StudyRecord

MOST_OPEN = 6
"""Pictures of one axis that stand open; the others are folded."""
MOST_BANDS = 4
"""With more curves their bands would only hide each other: whiskers stand at their points instead."""
ROOM_FOR_TICK = 0.08
"""Ticks nearer than this share of the axis to the one before are left out."""
MARGIN = 0.06
"""Room on both sides of the levels, as a share of their range."""
SPREAD = 0.09
"""Curves with whiskers stand apart along x over this share of the range: else these would hide each other."""


class Figure(NamedTuple):
    """A share and the half-width of its interval."""

    share: float
    interval95: float


@dataclass(frozen=True)
class Quantity:
    """What is drawn along y.

    Attributes:
        title: its name.
        figure: of a method; None where it is not known.
        baseline: what it is held against at the same place, as a dashed line; None where there is none.
        baseline_text: name of that.
        repeats: means of the repeats; empty where they are not known.
    """

    title: str
    figure: Callable[[StudyFigure], Figure | None]
    baseline: Callable[[StudyFigure], float | None]
    baseline_text: str
    repeats: Callable[[StudyFigure], Sequence[float]]


ACCURACY = Quantity(
    title="Accuracy",
    figure=lambda figure: Figure(figure.accuracy, figure.interval95),
    baseline=lambda figure: 1 / figure.way,
    baseline_text="guessing",
    repeats=lambda figure: figure.repeats,
)
ALIGNMENT = Quantity(
    title="Alignment truth",
    figure=lambda figure: (
        Figure(figure.alignment, figure.alignment95)
        if figure.alignment is not None and figure.alignment95 is not None
        else None
    ),
    baseline=lambda figure: figure.uniform,
    baseline_text="a uniform plan",
    repeats=lambda figure: (),
)


@dataclass(frozen=True)
class Panel:
    """One picture: everything but the axis is fixed to what its title says."""

    title: str
    drawing: Markup


@dataclass(frozen=True)
class Along:
    """The pictures of one axis, and the legend that they share.

    Attributes:
        axis: its name.
        panels: the first pictures.
        folded: those that follow.
        legend: a piece of a line, and words.
        remark: what bands and faint dots are.
    """

    axis: str
    panels: tuple[Panel, ...]
    folded: tuple[Panel, ...]
    legend: tuple[tuple[Markup, str], ...]
    remark: str


def accuracy_curves(study: Study) -> tuple[Along, ...] | None:
    """Accuracy along every axis that is a quantity; None when there is none."""
    return _curves(study.record, ACCURACY)


def alignment_curves(study: Study) -> tuple[Along, ...] | None:
    """Alignment truth along every axis that is a quantity; None when there is none, or no truth."""
    return _curves(study.record, ALIGNMENT)


def _curves(study: StudyRecord, quantity: Quantity) -> tuple[Along, ...] | None:
    kinds = {
        method: look(i)
        for i, method in enumerate(study.methods)
        if any(figure.method == method and quantity.figure(figure) for figure in study.figures)
    }
    if not kinds:
        return None
    return tuple(_along(study, quantity, axis, kinds) for axis in quantities(study)) or None


def _along(study: StudyRecord, quantity: Quantity, axis: str, kinds: Mapping[str, str]) -> Along:
    rows = rows_along(study, axis)
    levels = _axis_of_levels(study.axes[axis])
    drawn = [_row_curves(row, quantity, kinds, levels) for row in rows]
    reach = [min(1.0, max(0.0, value)) for curves in drawn for value in reach_of(curves)]
    values = axis_over(reach, parts=5, least=0.1)
    plane = Plane(levels, values, plain, plain_percent, axis)
    panels = tuple(
        Panel(
            place_text(study, row.rest) or f"along {axis}",
            draw_curves(plane, curves, label=_label(study, quantity, axis, row)),
        )
        for row, curves in zip(rows, drawn, strict=True)
        if curves
    )
    return Along(
        axis,
        panels[:MOST_OPEN],
        panels[MOST_OPEN:],
        _legend(quantity, drawn, kinds),
        _remark(study, quantity, kinds),
    )


def _row_curves(row: Row, quantity: Quantity, kinds: Mapping[str, str], levels: Axis) -> list[Curve]:
    """The baseline, the repeats, and on top of them a curve a method."""
    repeats, curves = [], []
    baseline: dict[float, float] = {}
    crowded = len(kinds) > MOST_BANDS
    for i, (method, kind) in enumerate(kinds.items()):
        aside = (i / (len(kinds) - 1) - 0.5) * SPREAD * (levels.high - levels.low) if crowded else 0.0
        points, single = [], []
        for label, figure in row.figures.get(method, {}).items():
            at, known, beneath = float(label), quantity.figure(figure), quantity.baseline(figure)
            if known is not None:
                tip = f"{method}, {label}: {_words(known)}"
                points.append(Point(at + aside, known.share, known.interval95, tip))
            if beneath is not None:
                baseline.setdefault(at, beneath)
            means = quantity.repeats(figure)
            single += [Point(at + aside, mean) for mean in means] if len(means) > 1 else []
        if points:
            points.sort(key=lambda point: point.at)
            curves.append(Curve(tuple(points), kind, intervals="whiskers" if crowded else "band"))
        if single:
            repeats.append(Curve(tuple(single), f"{kind} repeat", joined=False))
    under = tuple(Point(at, value) for at, value in sorted(baseline.items()))
    return [*([Curve(under, "baseline", dots=False)] if under and curves else []), *repeats, *curves]


def _axis_of_levels(labels: Sequence[str]) -> Axis:
    """The levels with a margin on both sides, and ticks at those that there is room for."""
    levels = sorted(map(float, labels))
    reach = levels[-1] - levels[0]
    ticks = levels[:1]
    for level in levels[1:]:
        if level - ticks[-1] >= ROOM_FOR_TICK * reach:
            ticks.append(level)
    return Axis(levels[0] - MARGIN * reach, levels[-1] + MARGIN * reach, tuple(ticks))


def _words(figure: Figure) -> str:
    return f"{percent(figure.share)} ± {percent(figure.interval95)} %"


def _legend(
    quantity: Quantity, drawn: Sequence[Sequence[Curve]], kinds: Mapping[str, str]
) -> tuple[tuple[Markup, str], ...]:
    entries = [(swatch(kind), method) for method, kind in kinds.items()]
    if any(curve.kind == "baseline" for curves in drawn for curve in curves):
        entries.append((swatch("chance"), quantity.baseline_text))
    return tuple(entries)


def _remark(study: StudyRecord, quantity: Quantity, kinds: Mapping[str, str]) -> str:
    bars = "Bands" if len(kinds) <= MOST_BANDS else "Whiskers"
    words = f"{bars}: 95 % interval over episodes."
    if bars == "Whiskers":
        words += " Methods stand a little apart along x, to be seen."
    if any(len(quantity.repeats(figure)) > 1 for figure in study.figures):
        words += f" Faint dots: single repeats ({study.repeat} {listed(list(study.repeats))})."
    return words


def _label(study: StudyRecord, quantity: Quantity, axis: str, row: Row) -> str:
    """The figures of a picture in words."""
    parts = []
    for method, levels in row.figures.items():
        known = [(label, quantity.figure(figure)) for label, figure in levels.items()]
        words = [f"{_words(figure)} at {label}" for label, figure in known if figure is not None]
        parts += [f"{method} {', '.join(words)}"] if words else []
    place = place_text(study, row.rest)
    return f"{quantity.title} along {axis}{f' at {place}' if place else ''}: {'; '.join(parts)}."
