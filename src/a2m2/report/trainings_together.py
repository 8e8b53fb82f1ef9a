"""Several trainings in one picture a stage: their validation curves over each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from a2m2.report.curves import draw_curves, look, swatch
from a2m2.report.learning_curves import accuracy_plane, accuracy_words, validation_curve
from a2m2.report.overview import setting
from a2m2.report.training_inputs import Training, Validation
from a2m2.report.wording import chance_percent, count, listed
from a2m2.train_records import STAGES

MOST_BANDS = 4
"""With more curves their intervals would only hide each other."""


@dataclass(frozen=True)
class LegendEntry:
    """One training: a piece of its curve, the link to its block, and its best validation."""

    swatch: Markup
    anchor: str
    label: str
    best: str


@dataclass(frozen=True)
class Together:
    """The picture of one stage.

    Attributes:
        title: the stage in words.
        drawing: the curves.
        legend: one entry a curve.
        chance: guessing in words, and a piece of its line.
        remark: what the bands are.
        caution: why the curves may not be compared; empty when they may.
    """

    title: str
    drawing: Markup
    legend: tuple[LegendEntry, ...]
    chance: tuple[Markup, str]
    remark: str
    caution: str


def trainings_together(trainings: Sequence[Training]) -> list[Together]:
    """One picture a stage with validations; none where there is but one training in all."""
    if len(trainings) < 2:
        return []
    stages = [[t for t in trainings if t.record.stage == stage and t.validations] for stage in STAGES]
    return [_picture(members) for members in stages if members]


def _picture(members: Sequence[Training]) -> Together:
    kinds = [look(i) for i in range(len(members))]
    curves = [
        validation_curve(training.validations, kind, training.label, dots=False)
        for training, kind in zip(members, kinds, strict=True)
    ]
    banded = len(curves) <= MOST_BANDS
    if not banded:
        curves = [curve.without_intervals() for curve in curves]
    ways = sorted({training.task.way for training in members})
    chance = [1 / way for way in ways]
    plane = accuracy_plane(curves, chance, max(training.step for training in members))
    legend = [
        LegendEntry(swatch(kind), training.anchor, training.label, _best(training))
        for training, kind in zip(members, kinds, strict=True)
    ]
    words = "; ".join(f"{entry.label} {entry.best}" for entry in legend)
    stage = STAGES[members[0].record.stage]
    return Together(
        title=f"{stage[0].upper()}{stage[1:]}: accuracy at validation, %",
        drawing=draw_curves(
            plane,
            curves,
            label=f"Validation accuracy over optimiser steps, best of each: {words}.",
            chance=chance,
        ),
        legend=tuple(legend),
        chance=(swatch("chance"), f"guessing: {listed([f'{chance_percent(way)} %' for way in ways])}"),
        remark="Bands are 95 % intervals over episodes." if banded else "",
        caution=_caution(members),
    )


def _best(training: Training) -> str:
    """Best validation in words; the best drawn one where the record names none."""
    best = training.record.best
    if best is None:
        top = max(training.validations, key=lambda validation: validation.accuracy)
    else:
        top = Validation(best.step, best.accuracy, best.interval95)
    return f"{accuracy_words(top)} at step {count(top.step)}"


def _caution(members: Sequence[Training]) -> str:
    if len({_validated_on(training) for training in members}) < 2:
        return ""
    return (
        "These trainings were not all validated on the same tasks of the same clips: their curves show how each "
        "went, and are not compared with each other."
    )


def _validated_on(training: Training) -> tuple[Any, ...]:
    """What two trainings must share for their validation episodes to be the same ones."""
    record, task = training.record, training.task
    return (
        record.data_digest,
        record.validation_split,
        record.validation_classes,
        record.validation_clips,
        setting(record.config, "validation", "max_clips"),
        *(task.way, task.shot, task.query, task.episodes),
    )
