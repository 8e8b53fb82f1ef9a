"""The two pictures of one training: its loss, and its accuracy on base and on validation classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from a2m2.report.charts import Axis, axis_of_steps, axis_over
from a2m2.report.curves import Curve, Mark, Plane, Point, draw_curves, reach_of, swatch, thinned
from a2m2.report.training_inputs import Training, Validation
from a2m2.report.wording import chance_percent, count, counted, digits_for, percent, plain, plain_percent


@dataclass(frozen=True)
class Plot:
    """A picture, its title, its legend (a piece of the curve, and words), and a remark below it."""

    title: str
    drawing: Markup
    legend: tuple[tuple[Markup, str], ...]
    remark: str = ""


def learning_curves(training: Training) -> tuple[Plot, ...]:
    """The pictures that there are figures for: none when the training had just begun."""
    plots = [_loss(training)] if training.measures else []
    if training.measures or training.validations:
        plots.append(_accuracy(training))
    return tuple(plots)


def accuracy_plane(curves: Sequence[Curve], chance: Sequence[float], last: int) -> Plane:
    """Steps up to ``last``, and per cent from 0 to a round one that holds the curves and chance."""
    high = min(1.0, max([*reach_of(curves), *chance]))
    return _plane_of_steps(last, axis_over((0.0, high), parts=5, least=0.05), plain_percent)


def validation_curve(validations: Sequence[Validation], kind: str, name: str, *, dots: bool) -> Curve:
    """Accuracy with its interval; resting on a dot shows both."""
    points = [
        Point(v.step, v.accuracy, v.interval95, f"{name}, step {count(v.step)}: {accuracy_words(v)}")
        for v in validations
    ]
    return Curve(tuple(points), kind, dots)


def accuracy_words(validation: Validation) -> str:
    """``61.3 ± 1.2 %``."""
    digits = digits_for(validation.interval95)
    return f"{percent(validation.accuracy, digits)} ± {percent(validation.interval95, digits)} %"


def _loss(training: Training) -> Plot:
    losses = [(measure.step, measure.loss) for measure in training.measures]
    points, size = thinned(losses)
    first, last = losses[0], losses[-1]
    plane = _plane_of_steps(training.step, _loss_axis([point.value for point in points]), plain)
    words = f"{last[1]:.3g} at step {count(last[0])}"
    if len(losses) > 1:
        words = f"from {first[1]:.3g} at step {count(first[0])} to {words}"
    return Plot(
        title="Loss (cross-entropy, nats)",
        drawing=draw_curves(
            plane, [Curve(tuple(points), "training", dots=False)], label=f"Loss on training batches: {words}."
        ),
        legend=((swatch("training"), "training batches"),),
        remark=_thinning(size),
    )


def _plane_of_steps(last: int, values: Axis, tick: Callable[[float], str]) -> Plane:
    return Plane(axis_of_steps(last), values, lambda step: count(round(step)), tick, "optimiser steps")


def _loss_axis(losses: Sequence[float]) -> Axis:
    """From 0 where the loss came down far enough for it, else around its values."""
    low, high = min(losses), max(losses)
    reach = (min(low, 0.0), high) if low <= high / 2 else (low, high)
    return axis_over(reach, parts=5, least=0.25 * max(abs(low), abs(high)) or 1.0)


def _accuracy(training: Training) -> Plot:
    task, record = training.task, training.record
    points, size = thinned([(measure.step, measure.accuracy) for measure in training.measures])
    on_training = Curve(tuple(points), "training", dots=False)
    on_validation = validation_curve(training.validations, "validation", "validation", dots=True)
    mark = None
    if record.best is not None:
        best = f"best {percent(record.best.accuracy)} % at step {count(record.best.step)}"
        mark = Mark(record.best.step, record.best.accuracy, best)
    chance = [task.chance] if training.validations or mark else []
    plane = accuracy_plane(
        [on_training, on_validation],
        [*chance, *([record.best.accuracy] if record.best is not None else [])],
        max(training.step, record.best.step if record.best is not None else 0),
    )
    legend = []
    if training.measures:
        legend.append((swatch("training"), f"training: {_training_task(training)}"))
    if chance:
        words = f"validation: {task.way}-way {task.shot}-shot, new classes (band: 95 % interval)"
        legend.append((swatch("validation"), words))
        legend.append((swatch("chance"), f"guessing at validation: {chance_percent(task.way)} %"))
    return Plot(
        title="Accuracy, %",
        drawing=draw_curves(
            plane, [on_training, on_validation], label=_label(training), chance=chance, mark=mark
        ),
        legend=tuple(legend),
        remark=_thinning(size),
    )


def _label(training: Training) -> str:
    parts = []
    if training.measures:
        last = training.measures[-1]
        parts.append(f"on training batches {percent(last.accuracy)} % at step {count(last.step)}")
    if training.validations:
        final = training.validations[-1]
        parts.append(f"at {counted(len(training.validations), 'validation')}, lastly {accuracy_words(final)}")
    if training.record.best is not None:
        parts.append(
            f"best {percent(training.record.best.accuracy)} % at step {count(training.record.best.step)}"
        )
    return f"Accuracy over optimiser steps: {'; '.join(parts)}."


def _training_task(training: Training) -> str:
    if training.record.stage == "pretrain":
        return f"one of {counted(len(training.record.classes), 'base class', 'base classes')}"
    return "episodes of base classes"


def _thinning(size: int) -> str:
    return f"Each point of the training curve is the mean of {size} lines of metrics." if size > 1 else ""
