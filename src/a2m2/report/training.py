"""Section of a page with trainings: what was trained in words a stranger understands, how far it came, its curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import yaml

from a2m2.report.learning_curves import Plot, learning_curves
from a2m2.report.overview import Headline, setting
from a2m2.report.training_inputs import Training, Validation
from a2m2.report.trainings_together import Together, trainings_together
from a2m2.report.wording import chance_percent, count, counted, digits_for, percent
from a2m2.train_records import STAGES


@dataclass(frozen=True)
class Block:
    """One training as it is printed.

    Attributes:
        anchor, label: of the training.
        stage: in words.
        sentence: what was done.
        headlines: large figures.
        notes: what a reader must know.
        facts: names and values.
        plots: its pictures.
        validations: step, accuracy and half-width in per cent; ``best`` says which was kept.
        digests: name, digest and what it covers.
        versions: of packages.
        config: resolved, as YAML.
    """

    anchor: str
    label: str
    stage: str
    sentence: str
    headlines: tuple[Headline, ...]
    notes: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    plots: tuple[Plot, ...]
    validations: tuple[tuple[str, str, str], ...]
    best: str
    digests: tuple[tuple[str, str, str], ...]
    versions: tuple[tuple[str, str], ...]
    config: str


@dataclass(frozen=True)
class Trainings:
    """The section: curves of several trainings over each other, and a block for each."""

    together: tuple[Together, ...]
    blocks: tuple[Block, ...]


def describe_trainings(trainings: Sequence[Training]) -> Trainings | None:
    """The section about all trainings of a page; None when there are none."""
    if not trainings:
        return None
    blocks = tuple(_block(training, trainings) for training in trainings)
    return Trainings(tuple(trainings_together(trainings)), blocks)


def _block(training: Training, trainings: Sequence[Training]) -> Block:
    record = training.record
    return Block(
        anchor=training.anchor,
        label=training.label,
        stage=STAGES[record.stage],
        sentence=_sentence(training),
        headlines=tuple(_headlines(training)),
        notes=tuple(_notes(training)),
        facts=tuple(_facts(training, trainings)),
        plots=learning_curves(training),
        validations=tuple(_row(validation) for validation in training.validations),
        best=count(record.best.step) if record.best is not None else "",
        digests=(
            ("Configuration", record.config_digest, "every setting"),
            ("Data", record.data_digest, "the clips of base and validation classes"),
            ("Weights", record.weights_digest, "the network of the best validation"),
        ),
        versions=tuple(sorted(record.versions.items())),
        config=yaml.safe_dump(record.config, sort_keys=False, allow_unicode=True, width=100),
    )


def _sentence(training: Training) -> str:
    record, task = training.record, training.task
    base = f"the {counted(len(record.classes), 'base class', 'base classes')} of {record.dataset}"
    clips = f"{counted(record.clips, 'clip')}, {record.split} split"
    if record.stage == "pretrain":
        work = f"The network learns to tell {base} apart ({clips})."
    else:
        work = (
            f"The network practises small tasks like those of a test, drawn from {base} ({clips}): it is shown "
            f"{_shown(training, 'meta')} and has to recognise further clips of them."
        )
    return (
        f"{work} Every {counted(task.every, 'step')} it is tested on {counted(task.episodes, 'task')} of "
        f"{counted(len(record.validation_classes), 'other class', 'other classes')} "
        f"({counted(record.validation_clips, 'clip')}, {record.validation_split} split), each with "
        f"{_shown(training, 'validation')}; the weights that did best there are kept. "
        f"Guessing would be right in {chance_percent(task.way)} % of these tasks’ questions."
    )


def _shown(training: Training, section: str) -> str:
    """``5 actions and 1 example clip of each``."""
    way, shot = (setting(training.record.config, section, key) for key in ("way", "shot"))
    if not (isinstance(way, int) and isinstance(shot, int)):
        return "a few actions"
    return f"{counted(way, 'action')} and {counted(shot, 'example clip')} of each"


def _headlines(training: Training) -> list[Headline]:
    record, task = training.record, training.task
    if record.best is None:
        best = [Headline("Best validation", "none yet", "no validation was finished")]
    else:
        digits = digits_for(record.best.interval95)
        interval = percent(record.best.interval95, digits)
        best = [
            Headline(
                "Best validation",
                f"{percent(record.best.accuracy, digits)} %",
                f"± {interval}, {counted(record.best.episodes, 'episode')}",
            ),
            Headline(
                "Kept weights of",
                f"step {count(record.best.step)}",
                "where validation was best",
            ),
        ]
    return [
        *best,
        Headline("Chance", f"{chance_percent(task.way)} %", f"1 in {task.way}, at validation"),
        Headline("Steps made", count(training.step), _progress(training)),
    ]


def _progress(training: Training) -> str:
    record = training.record
    if not record.done:
        return f"of {count(record.steps)} asked for, not finished"
    return "all that were asked for" if record.steps else "none asked for: the network as it started"


def _notes(training: Training) -> list[str]:
    notes = list(training.record.notes)
    if not training.record.done:
        came = f"its records reach step {count(training.step)} of {count(training.record.steps)}"
        notes.append(
            f"this training is not finished: {came}. It still runs, or was interrupted and goes on with --resume"
            if training.step
            else f"this training has just begun: nothing of its {count(training.record.steps)} steps is recorded yet"
        )
    return notes


def _facts(training: Training, trainings: Sequence[Training]) -> list[tuple[str, str]]:
    record = training.record
    facts: list[tuple[str, object]] = [
        ("Stage", STAGES[record.stage]),
        ("Method", record.method),
        ("Backbone", setting(record.config, "backbone", "source")),
        ("Started from", _start(training, trainings)),
        ("Trained parameters", count(record.parameters)),
        ("Data set", record.dataset),
        (
            "Base classes",
            f"{count(len(record.classes))} with {counted(record.clips, 'clip')} ({record.split})",
        ),
        (
            "Validation classes",
            f"{count(len(record.validation_classes))} with {counted(record.validation_clips, 'clip')} "
            f"({record.validation_split})",
        ),
        ("A step", _work(training)),
        ("Optimiser", _optimizer(training)),
        ("Seed", setting(record.config, "seed")),
    ]
    return [(name, str(value)) for name, value in facts if value not in (None, "")]


def _start(training: Training, trainings: Sequence[Training]) -> str:
    start = training.record.start
    if not start:
        return "the backbone’s own weights"
    known = [other.label for other in trainings if other.record.weights_digest == start]
    return f"the network of {known[0]}, weights {start}" if known else f"a network with weights {start}"


def _work(training: Training) -> str:
    config = training.record.config
    if training.record.stage == "pretrain":
        batch, accumulate = (setting(config, "pretrain", key) for key in ("batch", "accumulate"))
        known = isinstance(batch, int) and isinstance(accumulate, int)
        return counted(batch * accumulate, "clip") if known else ""
    episodes, query = (setting(config, "meta", key) for key in ("episodes_per_step", "query"))
    way, shot = (setting(config, "meta", key) for key in ("way", "shot"))
    if not all(isinstance(value, int) for value in (episodes, query, way, shot)):
        return ""
    return (
        f"{counted(episodes, 'episode')}, {way}-way {shot}-shot, {counted(query, 'query', 'queries')} a class"
    )


def _optimizer(training: Training) -> str:
    kind, rate, schedule = (
        setting(training.record.config, training.record.stage, "optimizer", key)
        for key in ("kind", "lr", "schedule")
    )
    names = {"sgd": "SGD", "adamw": "AdamW"}
    rates = f"learning rate {rate:g}" if isinstance(rate, int | float) else ""
    words = (
        names.get(str(kind), str(kind)) if kind else "",
        rates,
        f"{schedule} schedule" if schedule else "",
    )
    return ", ".join(word for word in words if word)


def _row(validation: Validation) -> tuple[str, str, str]:
    digits = digits_for(validation.interval95)
    return (
        count(validation.step),
        percent(validation.accuracy, digits),
        percent(validation.interval95, digits),
    )
