"""Read training folders, and refuse what is missing or damaged before anything is drawn.

Every refusal is a :class:`~a2m2.errors.RecordError` that names the file and says what to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from a2m2.report.reading import check_finite, check_shares, labels_of, reading
from a2m2.train_records import METRICS, RECORD, STAGES, Metric, TrainRecord, read_metrics, read_training

AGAIN = "train again, or go on from its last checkpoint with --resume"


@dataclass(frozen=True)
class Measure:
    """Loss and accuracy on training batches, each a mean since the measure before; ``step`` is the last of them."""

    step: int
    loss: float
    accuracy: float


@dataclass(frozen=True)
class Validation:
    """Accuracy over validation episodes after ``step`` steps, with the half-width of its 95 % interval."""

    step: int
    accuracy: float
    interval95: float


@dataclass(frozen=True)
class ValidationTask:
    """The small tasks that a training is validated on; ``chance`` is the accuracy of guessing."""

    way: int
    shot: int
    query: int
    episodes: int
    every: int

    @property
    def chance(self) -> float:
        """Accuracy of guessing."""
        return 1 / self.way


@dataclass(frozen=True)
class Training:
    """One training folder, read and checked.

    Attributes:
        anchor: name for links inside the page, unique in it.
        label: name for people, unique among the trainings of the page.
        record: what was trained, and its best step.
        task: what it is validated on.
        measures, validations: its metrics, steps ascending in each; empty when it had just begun.
        step: the last step that anything is known of; all steps when it is done.
    """

    anchor: str
    label: str
    record: TrainRecord
    task: ValidationTask
    measures: tuple[Measure, ...]
    validations: tuple[Validation, ...]
    step: int


def read_trainings(folders: Sequence[Path]) -> list[Training]:
    """Read the folders in the order given; labels are folder names, numbered where two are alike.

    Raises:
        RecordError: a folder that is incomplete or damaged.
    """
    labelled = zip(folders, labels_of(folders), strict=True)
    return [_read_one(folder, f"training{i}", label) for i, (folder, label) in enumerate(labelled, 1)]


def _read_one(folder: Path, anchor: str, label: str) -> Training:
    with reading(folder / RECORD, AGAIN):
        record = TypeAdapter(TrainRecord).validate_python(asdict(read_training(folder)))
        task = _task(record.config)
        _check_record(record)
    with reading(folder / METRICS, AGAIN):
        metrics = list(read_metrics(folder))
        measures, validations = tuple(_measures(metrics)), tuple(_validations(metrics))
        _check_steps("training", [measure.step for measure in measures], record.steps)
        _check_steps("validation", [validation.step for validation in validations], record.steps)
    last = max((metric.step for metric in metrics), default=0)
    return Training(
        anchor, label, record, task, measures, validations, step=record.steps if record.done else last
    )


def _task(config: Mapping[str, Any]) -> ValidationTask:
    task = TypeAdapter(dict[str, Any]).validate_python(config.get("validation"))
    names = ("way", "shot", "query", "episodes", "every")
    values = {name: TypeAdapter(int).validate_python(task.get(name)) for name in names}
    if values["way"] < 2 or min(values.values()) < 1:
        raise ValueError(f"its validation is no task: {', '.join(f'{k} {v}' for k, v in values.items())}")
    return ValidationTask(**values)


def _check_record(record: TrainRecord) -> None:
    if record.stage not in STAGES:
        raise ValueError(f"stage '{record.stage}' is neither {' nor '.join(STAGES)}")
    if min(record.steps, record.clips, record.validation_clips, record.parameters) < 0:
        raise ValueError("it has a negative number of steps, clips or parameters")
    if record.best is not None:
        check_shares("the best step", record.best.accuracy, record.best.interval95)
        _check_steps("the best step", [record.best.step], record.steps)


def _measures(metrics: Sequence[Metric]) -> Iterator[Measure]:
    """Gradient norms may overflow where the loss is scaled, and are not drawn: they are not looked at."""
    for metric in metrics:
        if {"loss", "accuracy"} & set(metric.values):
            loss, accuracy = _pick(metric, "loss", "accuracy")
            check_finite(f"step {metric.step}", loss)
            check_shares(f"step {metric.step}", accuracy)
            yield Measure(metric.step, loss, accuracy)


def _validations(metrics: Sequence[Metric]) -> Iterator[Validation]:
    for metric in metrics:
        if {"validation_accuracy", "validation_interval95"} & set(metric.values):
            accuracy, interval = _pick(metric, "validation_accuracy", "validation_interval95")
            check_shares(f"the validation at step {metric.step}", accuracy, interval)
            yield Validation(metric.step, accuracy, interval)


def _pick(metric: Metric, *names: str) -> list[float]:
    missing = [name for name in names if name not in metric.values]
    if missing:
        raise ValueError(f"step {metric.step} lacks {missing[0]}")
    return [metric.values[name] for name in names]


def _check_steps(what: str, steps: Sequence[int], asked: int) -> None:
    for before, step in zip([-1, *steps], steps, strict=False):
        if not before < step <= asked:
            raise ValueError(
                f"{what}: step {step} does not lie after {before} and within {asked}"
                if before >= 0
                else f"{what}: step {step} does not lie within 0 and {asked}"
            )
