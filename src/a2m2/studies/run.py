"""Run a grid: render and train what is missing, evaluate every cell that is, and put the figures together."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from a2m2.checks import alone_in, output_folder, write_text_atomic
from a2m2.data import default_cache
from a2m2.errors import A2M2Error, RecordError
from a2m2.eval.evaluate import evaluate, record_digest
from a2m2.eval.results import MARKER
from a2m2.progress import Progress
from a2m2.records import read_run
from a2m2.studies.figures import collect
from a2m2.studies.grid import Cell, Clips, GridSettings, Training, cells
from a2m2.study_records import RECORD, StudyRecord
from a2m2.synth import generate
from a2m2.train.jobs import TrainJob, run_jobs
from a2m2.train_records import is_training, read_training
from a2m2.weights import FILE_NAME

GRID = "grid.yaml"
"""Copy of the grid in the folder of a study, and the file that makes a folder one."""


@dataclass(frozen=True)
class Plan:
    """What a study needs, each thing once, and what of it is there already.

    Attributes:
        clips, trainings, cells: everything.
        missing_trainings, missing_cells: what is still to be done.
    """

    clips: tuple[Clips, ...]
    trainings: tuple[Training, ...]
    cells: tuple[Cell, ...]
    missing_trainings: tuple[Training, ...]
    missing_cells: tuple[Cell, ...]

    def lines(self) -> list[str]:
        """The plan in a few lines."""
        count = sum(len(cell.settings.methods or ()) for cell in self.cells)
        lines = [
            f"{len(self.cells)} cells, {count or 'standard'} rows; {len(self.missing_cells)} cells to run"
        ]
        if self.clips:
            lines.append(f"synthetic clips: {', '.join(one.folder.name for one in self.clips)}")
        if self.trainings:
            lines.append(f"trainings: {len(self.trainings)}, {len(self.missing_trainings)} to run")
        return [*lines, *(f"to run: {cell.name}" for cell in self.missing_cells)]


def plan(grid: GridSettings, out: Path) -> Plan:
    """What :func:`run` would do; reads records only.

    Raises:
        ConfigError: a grid that does not fit together.
    """
    todo = cells(grid, out)
    clips = {one.folder: one for cell in todo for one in cell.clips}
    trainings = {one.folder: one for cell in todo for one in cell.trainings}
    return Plan(
        tuple(clips.values()),
        tuple(trainings.values()),
        tuple(todo),
        tuple(one for one in trainings.values() if not _trained(one)),
        tuple(cell for cell in todo if not _evaluated(cell, out)),
    )


def run(
    grid: GridSettings,
    out: Path,
    *,
    cache: Path | None = None,
    num_workers: int = 2,
    progress: Progress,
) -> StudyRecord:
    """Everything that is missing, then the figures; the same call goes on where an earlier one stopped.

    A cell is kept as long as its settings are the same; a changed grid repeats only the cells that it changes.

    Args:
        grid: what to run.
        out: folder of the study: ``study.json``, ``cells/``, and ``clips/`` and ``trained/`` where the grid asks.
        cache: folder for features; :func:`a2m2.data.default_cache` when None.
        num_workers: trainings side by side, and threads.
        progress: told about every long step.

    Raises:
        A2M2Error: something that cannot be rendered, trained or evaluated, with the cell named; what was finished is
            kept.
    """
    cells(grid, out)  # a grid that does not fit together is told before anything is written
    out = output_folder(out, marker=GRID)
    with alone_in(out):
        return _run(grid, out, cache if cache is not None else default_cache(), num_workers, progress)


def _run(grid: GridSettings, out: Path, cache: Path, num_workers: int, progress: Progress) -> StudyRecord:
    work = plan(grid, out)
    write_text_atomic(out / GRID, yaml.safe_dump(grid.model_dump(mode="json"), sort_keys=False))
    begin = time.perf_counter()
    for clips in work.clips:
        _render(clips, num_workers, progress)
    if work.missing_trainings:
        run_jobs(_jobs(work.trainings), num_workers=num_workers, cache=cache, progress=progress)
    trained = time.perf_counter()
    total = len(work.cells)
    for number, cell in enumerate(work.cells, 1):
        if not _evaluated(cell, out):
            _evaluate(cell, out, f"cell {number} of {total}", cache, num_workers, progress)
    record = collect(grid, work.cells, out)
    write_text_atomic(out / RECORD, record.to_json() + "\n")
    seconds = {"clips and trainings": trained - begin, "in all": time.perf_counter() - begin}
    write_text_atomic(out / "timings.json", json.dumps(seconds, indent=1) + "\n")
    return record


def _render(clips: Clips, num_workers: int, progress: Progress) -> None:
    what = f"rendering {clips.folder.name}"
    generate(
        clips.folder,
        clips.settings,
        num_workers=num_workers,
        progress=lambda done, total: progress(what, done, total),
    )


def _jobs(trainings: Sequence[Training]) -> list[TrainJob]:
    """Pre-trainings first, so that two workers are never idle while there is something to do."""
    ordered = sorted(trainings, key=lambda one: one.start is not None)
    return [TrainJob(one.folder.name, one.settings, one.stage, one.folder, one.start) for one in ordered]


def _trained(training: Training) -> bool:
    return is_training(training.folder) and read_training(training.folder).done


def _evaluated(cell: Cell, out: Path) -> bool:
    """Whether the records of a cell are there, belong to its settings, and are not older than its networks."""
    folder = cell_folder(cell, out)
    try:
        if read_run(folder).config_digest != record_digest(cell.settings):
            return False
    except RecordError:  # none yet, or damaged: made again
        return False
    written = (folder / MARKER).stat().st_mtime
    return all(_changed_at(Path(place)) <= written for place in cell.settings.weights)


def _changed_at(network: Path) -> float:
    """When the weights of a training folder or file were written; never, for ones that are still to be trained."""
    file = network / FILE_NAME if network.is_dir() else network
    return file.stat().st_mtime if file.is_file() else math.inf


def cell_folder(cell: Cell, out: Path) -> Path:
    """Where the records of a cell belong."""
    return out / "cells" / cell.name


def _evaluate(cell: Cell, out: Path, number: str, cache: Path, num_threads: int, progress: Progress) -> None:
    try:
        evaluate(
            cell.settings,
            out=cell_folder(cell, out),
            cache=cache,
            num_threads=num_threads,
            num_pictures=0,
            progress=lambda what, done, all_: progress(f"{number}, {cell.name}: {what}", done, all_),
        )
    except A2M2Error as error:
        raise A2M2Error(f"{cell.name}: {error}") from error
