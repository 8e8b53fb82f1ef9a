"""Where the figures of a study stand: axes that are quantities, and the places that share all but one axis."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from a2m2.report.study_text import labels_text
from a2m2.study_records import Labels, StudyFigure, StudyRecord

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d{1,2})?", re.IGNORECASE)


@dataclass(frozen=True)
class Row:
    """The figures along one axis at one place of all others.

    Attributes:
        rest: the place, without the axis.
        figures: method to the label of a level to the figure; methods in the study's order, levels in the axis'.
    """

    rest: Labels
    figures: Mapping[str, Mapping[str, StudyFigure]]


def quantities(study: StudyRecord) -> tuple[str, ...]:
    """Axes of at least two levels that all are numbers, no two alike."""
    return tuple(axis for axis in study.varied if _is_quantity(study.axes[axis]))


def qualities(study: StudyRecord) -> tuple[str, ...]:
    """Axes of at least two levels that are not all numbers."""
    numeric = quantities(study)
    return tuple(axis for axis in study.varied if len(study.axes[axis]) > 1 and axis not in numeric)


def rows_along(study: StudyRecord, axis: str) -> list[Row]:
    """The figures along ``axis``, one row for every place of the others that has any, in the study's order."""
    groups: dict[tuple[tuple[str, str], ...], list[StudyFigure]] = {}
    for figure in study.figures:
        key = tuple((other, figure.labels[other]) for other in study.varied if other != axis)
        groups.setdefault(key, []).append(figure)
    return [Row(dict(key), dict(_by_method(study, axis, members))) for key, members in groups.items()]


def place_text(study: StudyRecord, labels: Labels) -> str:
    """``order 0, m2.order second``: a place without the axes that have but one level."""
    return labels_text({axis: label for axis, label in labels.items() if len(study.axes[axis]) > 1})


def _by_method(
    study: StudyRecord, axis: str, figures: Sequence[StudyFigure]
) -> Iterator[tuple[str, dict[str, StudyFigure]]]:
    for method in study.methods:
        own = {figure.labels[axis]: figure for figure in figures if figure.method == method}
        if own:
            yield method, {label: own[label] for label in study.axes[axis] if label in own}


def _is_quantity(labels: Sequence[str]) -> bool:
    numeric = all(_NUMBER.fullmatch(label) for label in labels)
    return numeric and len(set(map(float, labels))) == len(labels) > 1
