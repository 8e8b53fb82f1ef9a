"""What a study leaves: one JSON file with every figure, readable without torch.

DIR/study.json     what was varied, and the figures        (StudyRecord)
DIR/cells/NAME/    the records of every cell, as 'a2m2 evaluate' writes them
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from a2m2.errors import RecordError
from a2m2.reading import of_schema, parse_json, read_record, typed

SCHEMA = 1
RECORD = "study.json"
AGAIN = "run its grid again with 'a2m2 ablate', which keeps the cells that are there"

Labels = dict[str, str]
"""Axis to the label of its level."""


@dataclass(frozen=True)
class StudyFigure:
    """The accuracy of one method at one place of the grid, repeats averaged.

    Attributes:
        labels: where, without the axis of repeats.
        method: name of the method.
        accuracy: mean over episodes and repeats, a share.
        interval95: half-width over episodes.
        repeats: mean of each repeat.
        repeats95: half-width over repeats; 0 for one.
        episodes, way, shot, query: the protocol.
        alignment: share of the plan's mass between non-idle frames that joins the same sub-action, mean over repeats;
            None where no truth is known or nothing is aligned.
        alignment95: half-width over episodes of one repeat, the widest.
        uniform: the same share of a uniform plan.
        cells: names of the cells that it comes from.
    """

    labels: Labels
    method: str
    accuracy: float
    interval95: float
    repeats: tuple[float, ...]
    repeats95: float
    episodes: int
    way: int
    shot: int
    query: int
    alignment: float | None
    alignment95: float | None
    uniform: float | None
    cells: tuple[str, ...]


@dataclass(frozen=True)
class StudyDifference:
    """Accuracy of ``a`` minus that of ``b``, both at ``labels``.

    Attributes:
        labels: where, without the axis of repeats and, for two levels of an axis, without that axis.
        kind: ``method`` (two methods on the same episodes), ``level`` (two levels of ``axis`` on the same episodes) or
            ``growth`` (how the lead of ``a`` over ``b`` differs between the last and the first level of ``axis``, on
            different episodes).
        axis: the axis of a level or a growth, else empty.
        a, b: methods, or for a level ``method: label`` of each.
        difference, interval95: of shares, and the half-width over episodes.
        repeats: the difference in each repeat; empty for a growth.
        repeats95: half-width over repeats; 0 for one.
        p: two-sided, over episodes.
        p_holm: the same, corrected for all differences of its kind in the study (Holm 1979).
    """

    labels: Labels
    kind: str
    axis: str
    a: str
    b: str
    difference: float
    interval95: float
    repeats: tuple[float, ...]
    repeats95: float
    p: float
    p_holm: float


@dataclass(frozen=True)
class StudyRecord:
    """A study.

    Attributes:
        title: what it is about.
        axes: axis to its labels, in order; the axis of repeats is the one named by ``repeat``.
        repeat: axis whose levels are averaged, empty for none.
        reference: method that the others are compared with.
        methods: method to its one-line description.
        figures, differences: what came out.
        grid: the grid as it was read.
        notes: remarks a reader must know.
    """

    title: str
    axes: dict[str, tuple[str, ...]]
    repeat: str
    reference: str
    methods: dict[str, str]
    figures: tuple[StudyFigure, ...]
    differences: tuple[StudyDifference, ...]
    grid: dict[str, Any]
    notes: tuple[str, ...] = ()
    schema: int = SCHEMA

    @property
    def varied(self) -> tuple[str, ...]:
        """The axes without that of repeats."""
        return tuple(axis for axis in self.axes if axis != self.repeat)

    @property
    def repeats(self) -> tuple[str, ...]:
        """Labels of the axis of repeats; empty where there is none."""
        return self.axes[self.repeat] if self.repeat else ()

    def to_json(self) -> str:
        """Indented JSON; the same study gives the same bytes."""
        return json.dumps(asdict(self), indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> StudyRecord:
        """Inverse of :meth:`to_json`; refuses records of another schema."""
        raw = of_schema(parse_json(text), SCHEMA, error=RecordError, cure=AGAIN)
        for figure in raw["figures"]:
            figure["repeats"], figure["cells"] = tuple(figure["repeats"]), tuple(figure["cells"])
        for difference in raw["differences"]:
            difference["repeats"] = tuple(difference["repeats"])
        raw["axes"] = {axis: tuple(labels) for axis, labels in raw["axes"].items()}
        raw["figures"] = tuple(StudyFigure(**figure) for figure in raw["figures"])
        raw["differences"] = tuple(StudyDifference(**difference) for difference in raw["differences"])
        raw["notes"] = tuple(raw["notes"])
        return typed(cls, cls(**raw))


def is_study(folder: Path) -> bool:
    """Whether ``folder`` is that of a study."""
    return (folder / RECORD).is_file()


def read_study(folder: Path) -> StudyRecord:
    """The ``study.json`` of a study.

    Raises:
        RecordError: missing or damaged.
    """
    missing = f"{folder} holds no {RECORD}; expected a folder of 'a2m2 ablate'"
    return read_record(folder / RECORD, StudyRecord.from_json, error=RecordError, missing=missing, cure=AGAIN)
