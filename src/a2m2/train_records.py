"""What a training leaves beside its weights: one JSON file that fixes it, and one JSON line a measurement. No torch.

DIR/train.json       what was trained, on what, from what, and which step was best   (TrainRecord)
DIR/metrics.jsonl    loss and accuracy every few steps, validation now and then      (Metric)
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from a2m2.errors import RecordError
from a2m2.reading import json_lines, mapping_of, of_schema, parse_json, read_record, typed

SCHEMA = 1
_AGAIN = "train again"
RECORD = "train.json"
METRICS = "metrics.jsonl"

STAGES = {"pretrain": "classification of base classes", "meta": "episodes of base classes"}
"""``TrainRecord.stage`` in words."""


@dataclass(frozen=True)
class BestStep:
    """The step whose weights were kept: that of the best validation accuracy, the earliest of equals.

    Attributes:
        step: optimiser steps that led to it.
        accuracy: over validation episodes, a share.
        interval95: half-width of its 95 % interval over the episodes.
        episodes: their number.
    """

    step: int
    accuracy: float
    interval95: float
    episodes: int


@dataclass(frozen=True)
class TrainRecord:
    """Everything that fixes a training, and what came of it; nothing that differs between two runs of it.

    Attributes:
        stage: ``pretrain`` or ``meta``.
        method: name of the method whose matcher was trained or validated with.
        dataset: name of the data set folder.
        split, validation_split: splits of the base classes and of the validation classes.
        classes, validation_classes: their names.
        clips, validation_clips: number of clips.
        config, config_digest: the resolved configuration, without the section of the other stage.
        data_digest: digest of the clips of both splits and their classes.
        start: digest of the weights it started from; empty when it started from the backbone's own.
        parameters: number of trained numbers.
        steps: optimiser steps asked for.
        done: whether all of them were made.
        best: the step whose weights were kept, None before the first validation.
        weights_digest: digest of those weights, empty before the first validation.
        versions: versions of the packages that matter.
        notes: remarks a reader must know.
    """

    stage: str
    method: str
    dataset: str
    split: str
    validation_split: str
    classes: tuple[str, ...]
    validation_classes: tuple[str, ...]
    clips: int
    validation_clips: int
    config: dict[str, Any]
    config_digest: str
    data_digest: str
    start: str
    parameters: int
    steps: int
    done: bool
    best: BestStep | None
    weights_digest: str
    versions: dict[str, str]
    notes: tuple[str, ...] = ()
    schema: int = SCHEMA

    def to_json(self) -> str:
        """Indented JSON."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> TrainRecord:
        """Inverse of :meth:`to_json`; refuses records of another schema."""
        raw = of_schema(parse_json(text), SCHEMA, error=RecordError, cure=_AGAIN)
        for key in ("classes", "validation_classes", "notes"):
            raw[key] = tuple(raw[key])
        raw["best"] = None if raw["best"] is None else BestStep(**raw["best"])
        return typed(cls, cls(**raw))


@dataclass(frozen=True)
class Metric:
    """One line of ``metrics.jsonl``: figures after ``step`` optimiser steps.

    Attributes:
        step: optimiser steps made.
        values: name to figure. While training: ``loss``, ``accuracy`` (a share), ``gradient_norm``, each a mean since
            the line before, and ``learning_rate``. At a validation: ``validation_accuracy`` and
            ``validation_interval95``.
    """

    step: int
    values: dict[str, float]

    def to_line(self) -> str:
        """One JSON line, figures rounded to eight significant digits."""
        values = {name: float(f"{value:.8g}") for name, value in self.values.items()}
        return json.dumps({"step": self.step, **values}, separators=(",", ":"))


def is_training(folder: Path) -> bool:
    """Whether ``folder`` is that of a training."""
    return (folder / RECORD).is_file()


def read_training(folder: Path) -> TrainRecord:
    """The ``train.json`` of a training folder.

    Raises:
        RecordError: missing or damaged.
    """
    missing = f"{folder} holds no {RECORD}; expected a folder of 'a2m2 pretrain' or 'a2m2 train'"
    return read_record(
        folder / RECORD, TrainRecord.from_json, error=RecordError, missing=missing, cure=_AGAIN
    )


def read_metrics(folder: Path) -> Iterator[Metric]:
    """The lines of ``metrics.jsonl``; none when there is no file.

    Raises:
        RecordError: a damaged line.
    """
    path = folder / METRICS
    if path.is_file():
        yield from json_lines(path, _metric, error=RecordError, cure=f"{_AGAIN}, or with --resume")


def _metric(raw: Any) -> Metric:
    values = dict(mapping_of(raw))
    return typed(Metric, {"step": values.pop("step"), "values": values})
