"""The steps of a reproduction: where each writes, how far it is, what it is expected to cost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from a2m2.data import default_cache
from a2m2.data.lists import count_splits
from a2m2.data.lists.decoding import still_to_decode
from a2m2.eval.results import MARKER
from a2m2.reproduce.cost import Cost, cost_of_test, cost_of_training
from a2m2.reproduce.plan import Reproduction
from a2m2.train_records import is_training, read_metrics, read_training


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        what: it does.
        place: folder or file that it writes.
        state: ``to do``, how far it is, or ``done``.
        cost: of the whole step, what is done included.
    """

    what: str
    place: Path
    state: str
    cost: Cost


def steps(job: Reproduction, *, cache: Path | None) -> tuple[Step, ...]:
    """All steps in order; reads what is there and writes nothing.

    Raises:
        DataError: a video may not be read.
        RecordError: a training in ``job.out`` is damaged.
    """
    counts = count_splits(job.listed)
    recipe = job.recipe
    found = [path for path in job.matches.found if path is not None]
    waiting = still_to_decode(found, cache=cache if cache is not None else default_cache())
    checked = job.findings.is_file() and not waiting
    state = "done" if checked else f"{waiting:,} of {len(found):,} to do"
    listed = [
        Step("check: decode every video", job.findings, state, Cost()),
        Step("import", job.manifest, "done" if job.manifest.is_file() else "to do", Cost()),
        Step(
            f"pre-train, {recipe.pretrain.steps:,} steps",
            job.pretrained,
            _training_state(job.pretrained),
            cost_of_training(recipe, "pretrain", validation_clips=counts["val"].videos),
        ),
    ]
    for shot in job.shots:
        listed.append(
            Step(
                f"meta-train, {shot}-shot, {recipe.meta.steps:,} steps",
                job.trained(shot),
                _training_state(job.trained(shot)),
                cost_of_training(job.training(shot), "meta", validation_clips=counts["val"].videos),
            )
        )
    for shot in job.shots:
        listed.append(
            Step(
                f"test, {shot}-shot, {job.episodes:,} episodes",
                job.tested(shot),
                "done" if (job.tested(shot) / MARKER).is_file() else "to do",
                cost_of_test(recipe, clips=counts["test"].videos),
            )
        )
    return tuple(listed)


def _training_state(folder: Path) -> str:
    if not is_training(folder):
        return "to do"
    record = read_training(folder)
    if record.done:
        return "done"
    reached = max((metric.step for metric in read_metrics(folder)), default=0)
    return f"step {reached:,} of {record.steps:,}"
