"""Read folders of studies, and refuse what is missing or damaged before anything is drawn.

Every refusal is a :class:`~a2m2.errors.RecordError` that names the file and says what to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from a2m2.report.reading import check_between, check_finite, check_shares, labels_of, reading
from a2m2.study_records import AGAIN, RECORD, StudyDifference, StudyFigure, StudyRecord, read_study

KINDS = ("method", "level", "growth")
"""``StudyDifference.kind``."""


@dataclass(frozen=True)
class Study:
    """One study, read and checked.

    Attributes:
        anchor: name for links inside the page, unique in it.
        label: name of its folder, unique among the studies of the page.
        record: its figures.
    """

    anchor: str
    label: str
    record: StudyRecord


def read_studies(folders: Sequence[Path]) -> list[Study]:
    """Read the folders in the order given.

    Raises:
        RecordError: a folder that is incomplete or damaged.
    """
    labelled = zip(folders, labels_of(folders), strict=True)
    return [Study(f"study{i}", label, _read_one(folder)) for i, (folder, label) in enumerate(labelled, 1)]


def _read_one(folder: Path) -> StudyRecord:
    with reading(folder / RECORD, AGAIN):
        record = TypeAdapter(StudyRecord).validate_python(asdict(read_study(folder)))
        _check_axes(record)
        for figure in record.figures:
            _check_figure(record, figure)
        places = [(figure.method, *sorted(figure.labels.items())) for figure in record.figures]
        if len(set(places)) < len(places):
            raise ValueError("two figures are of the same method and place")
        for difference in record.differences:
            _check_difference(record, difference)
    return record


def _check_axes(record: StudyRecord) -> None:
    if not record.figures:
        raise ValueError("no figure in it")
    for axis, labels in record.axes.items():
        if not labels or len(set(labels)) < len(labels):
            raise ValueError(f"axis {axis} has no levels, or one twice")
    if record.repeat and record.repeat not in record.axes:
        raise ValueError(f"repeat '{record.repeat}' is no axis")
    if record.reference not in record.methods:
        raise ValueError(f"reference '{record.reference}' is no method of it")


def _check_figure(record: StudyRecord, figure: StudyFigure) -> None:
    what = f"a figure of {figure.method}"
    _check_labels(record, what, figure.labels, set(record.varied))
    if figure.method not in record.methods:
        raise ValueError(f"{what}, which is no method of it")
    if figure.way < 2 or min(figure.shot, figure.query, figure.episodes) < 1:
        raise ValueError(f"way {figure.way}, shot {figure.shot}, query {figure.query} is no protocol")
    if (figure.alignment is None) != (figure.alignment95 is None):
        raise ValueError(f"{what} has half of an alignment: the share or its interval alone")
    known = (figure.alignment, figure.alignment95, figure.uniform)
    check_shares(what, figure.accuracy, figure.interval95, *figure.repeats)
    check_shares(what, *(value for value in known if value is not None))
    check_finite(what, figure.repeats95)


def _check_difference(record: StudyRecord, one: StudyDifference) -> None:
    what = f"{one.a} minus {one.b}"
    if one.kind not in KINDS:
        raise ValueError(f"{what} is of kind '{one.kind}', which is none of {', '.join(KINDS)}")
    if (one.axis not in record.varied) if one.kind != "method" else one.axis:
        raise ValueError(
            f"{what} is along '{one.axis}', expected {'no' if one.kind == 'method' else 'an'} axis"
        )
    _check_labels(record, what, one.labels, set(record.varied) - {one.axis})
    if one.kind != "level" and not {one.a, one.b} <= set(record.methods):
        raise ValueError(f"it compares {one.a} with {one.b}, which are not both methods")
    # A growth is a difference of two differences, so it reaches 2.
    check_between(what, -2, 2, one.difference, *one.repeats)
    check_between(what, 0, 2, one.interval95)
    check_shares(f"p of {what}", one.p, one.p_holm)


def _check_labels(record: StudyRecord, what: str, labels: Mapping[str, str], axes: set[str]) -> None:
    if set(labels) != axes or any(label not in record.axes[axis] for axis, label in labels.items()):
        raise ValueError(f"{what} stands at {dict(labels)}, which is no place of the grid")
