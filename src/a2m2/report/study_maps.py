"""Section of a study: methods × levels of an axis that is no quantity, such as matcher × representation."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from a2m2.report.heat_map import LETTER, Cell, Measures, Name, heat_map
from a2m2.report.study_inputs import Study
from a2m2.report.study_places import Row, place_text, qualities, rows_along
from a2m2.report.wording import percent, shortened
from a2m2.study_records import StudyRecord

LABEL_LENGTH = 24
TEXT = 13.0
LEAST_WIDTH, HEIGHT = 54.0, 32.0
FAINTEST = 0.06
"""Opacity of the lowest figure."""


@dataclass(frozen=True)
class Map:
    """One matrix: everything but method and axis is fixed to what its title says."""

    title: str
    picture: Markup


@dataclass(frozen=True)
class Maps:
    """The matrices of one axis."""

    axis: str
    maps: tuple[Map, ...]


@dataclass(frozen=True)
class StudyMaps:
    """All matrices of a study, coloured on one scale.

    Attributes:
        axes: one group an axis.
        low, high: figures of the palest and of the strongest colour, in per cent.
        swatches: opacities between them.
    """

    axes: tuple[Maps, ...]
    low: str
    high: str
    swatches: tuple[float, ...]


def study_maps(study: Study) -> StudyMaps | None:
    """The matrices of a study; None when every axis is a quantity."""
    record = study.record
    axes = qualities(record)
    if not axes:
        return None
    figures = [figure.accuracy for figure in record.figures]
    low, high = min(figures), max(figures)
    groups = [
        Maps(axis, tuple(_map(record, axis, row, low, high) for row in rows_along(record, axis)))
        for axis in axes
    ]
    steps = tuple(_opacity(low + part * (high - low), low, high) for part in (0, 0.25, 0.5, 0.75, 1))
    return StudyMaps(tuple(groups), percent(low), percent(high), steps)


def _map(study: StudyRecord, axis: str, row: Row, low: float, high: float) -> Map:
    levels = [label for label in study.axes[axis] if any(label in known for known in row.figures.values())]
    names = [shortened(label, LABEL_LENGTH) for label in levels]
    width = max(LEAST_WIDTH, LETTER * TEXT * max(map(len, names)) + 12)
    cells, spoken = {}, []
    for i, (method, known) in enumerate(row.figures.items()):
        for label, figure in known.items():
            text = percent(figure.accuracy)
            tip = f"{method}, {axis} {label}: {text} ± {percent(figure.interval95)} %"
            cells[i, levels.index(label)] = Cell("hit", _opacity(figure.accuracy, low, high), tip, text)
            spoken.append(f"{method} {label} {text}")
    place = place_text(study, row.rest)
    picture = heat_map(
        [Name(shortened(method, LABEL_LENGTH), study.methods[method] or method) for method in row.figures],
        [Name(text, f"{axis} {label}") for text, label in zip(names, levels, strict=True)],
        cells,
        Measures(width, HEIGHT, TEXT, TEXT),
        description=f"Accuracy in per cent, method by {axis}{f', at {place}' if place else ''}: {'; '.join(spoken)}.",
    )
    return Map(place, picture)


def _opacity(value: float, low: float, high: float) -> float:
    return FAINTEST + (1 - FAINTEST) * ((value - low) / (high - low) if high > low else 1.0)
