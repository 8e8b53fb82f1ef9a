"""Training folders made from nothing, as a training would leave them: real records, invented curves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from a2m2.train_records import METRICS, RECORD, BestStep, Metric, TrainRecord
from a2m2.train_settings import TrainSettings


@dataclass(frozen=True)
class Course:
    """What ``write_training`` invents.

    Attributes:
        reached: steps made of those asked for; all when None.
        every: steps from one validation to the next, 0 for none so far.
        top: accuracy that validations tend to.
        log_every: steps from one line of metrics to the next, 0 for none so far.
    """

    stage: str = "pretrain"
    method: str = "a2m2_net"
    dataset: str = "tiny-actions"
    steps: int = 400
    reached: int | None = None
    every: int = 100
    log_every: int = 10
    top: float = 0.62
    way: int = 5
    seed: int = 0
    num_classes: int = 64
    start: str = ""
    data_digest: str = "fedcba9876543210"
    weights_digest: str = "aabbccddeeff0011"
    notes: tuple[str, ...] = ()


def write_training(folder: Path, course: Course = Course()) -> TrainRecord:
    """A folder without weights."""
    metrics = _metrics(course)
    record = _record(course, metrics)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RECORD).write_text(record.to_json(), encoding="utf-8")
    if metrics:
        lines = "".join(metric.to_line() + "\n" for metric in metrics)
        (folder / METRICS).write_text(lines, encoding="utf-8")
    return record


def _reached(course: Course) -> int:
    return course.steps if course.reached is None else course.reached


def _metrics(course: Course) -> list[Metric]:
    """The loss falls towards a floor, accuracies rise towards a ceiling, both with some noise."""
    rng = np.random.default_rng(course.seed)
    last = _reached(course)
    first_loss = math.log(course.num_classes if course.stage == "pretrain" else course.way)
    metrics = []
    for step in range(1, last + 1):
        progress = 1 - math.exp(-3 * step / course.steps)
        at_end = step == course.steps
        if course.log_every and (step % course.log_every == 0 or at_end):
            values = {
                "loss": first_loss * (1 - 0.8 * progress) * rng.normal(1, 0.05),
                "accuracy": float(np.clip(0.7 * progress + rng.normal(0, 0.03), 0, 1)),
                "gradient_norm": 5.0,
                "learning_rate": 1e-3 * (1 - step / course.steps),
            }
            metrics.append(Metric(step, values))
        if course.every and (step % course.every == 0 or at_end):
            chance = 1 / course.way
            accuracy = chance + (course.top - chance) * progress + rng.normal(0, 0.01)
            values = {"validation_accuracy": accuracy, "validation_interval95": 0.02}
            metrics.append(Metric(step, values))
    return metrics


def _record(course: Course, metrics: list[Metric]) -> TrainRecord:
    settings = TrainSettings.model_validate(
        {
            "data": course.dataset,
            "method": course.method,
            "backbone": {"source": "small-cnn"},
            "pretrain": {"steps": course.steps, "batch": 16, "accumulate": 2},
            "meta": {"steps": course.steps, "episodes_per_step": 8, "query": 3},
            "validation": {"way": course.way, "every": course.every or 100, "episodes": 500},
        }
    )
    validated = [metric for metric in metrics if "validation_accuracy" in metric.values]
    best = None
    if validated:
        top = max(validated, key=lambda metric: metric.values["validation_accuracy"])
        best = BestStep(top.step, top.values["validation_accuracy"], top.values["validation_interval95"], 500)
    return TrainRecord(
        stage=course.stage,
        method=course.method,
        dataset=course.dataset,
        split="train",
        validation_split="val",
        classes=tuple(f"base {i}" for i in range(course.num_classes)),
        validation_classes=tuple(f"new {i}" for i in range(12)),
        clips=20 * course.num_classes,
        validation_clips=240,
        config=settings.model_dump(mode="json"),
        config_digest="0123456789abcdef",
        data_digest=course.data_digest,
        start=course.start,
        parameters=1_234_567,
        steps=course.steps,
        done=_reached(course) == course.steps,
        best=best,
        weights_digest=course.weights_digest if best else "",
        versions={"a2m2": "0.1.0", "torch": "2.13.0"},
        notes=course.notes,
    )
