"""A training from settings to a folder with weights: both stages, resumable."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import lightning.pytorch as pl
import torch
from torch import Tensor

from a2m2.errors import ConfigError
from a2m2.eval.threads import map_in_threads
from a2m2.train.batches import BatchLoader
from a2m2.train.clips import ClipSource, Progress
from a2m2.train.cohort import add_cohort
from a2m2.train.encode import measure_mean
from a2m2.train.folder import TrainingFolder
from a2m2.train.keeper import Board, Keeper, SafeCheckpointIO
from a2m2.train.prepare import STAGE_NAMES, Job, prepare
from a2m2.train.ranks import Ranks, joined
from a2m2.train.validation import Validator
from a2m2.train_records import TrainRecord
from a2m2.train_settings import Stage, TrainSettings

_MEAN_CLIPS = 256
"""Base clips that the mean descriptor of a network without training comes from."""


def train(
    settings: TrainSettings,
    stage: Stage,
    out: Path,
    *,
    start: str | Path | None = None,
    resume: bool = False,
    cache: Path | None = None,
    progress: Progress | None = None,
    num_threads: int | None = None,
    accelerator: str = "auto",
    tensorboard: bool = False,
) -> TrainRecord:
    """Run one stage and keep the weights of its best validation.

    In a process that ``torchrun`` or ``srun`` started as one of several, all of them share this training: see
    :mod:`a2m2.train.ranks`; :func:`a2m2.train.launch.train_on_devices` starts processes of its own. The numbers are
    those of one process up to the order in which gradients are summed.

    Args:
        settings: of both stages; the part of the other one plays no role.
        stage: ``pretrain`` (classification of the base classes) or ``meta`` (episodes).
        out: folder of the training, see :mod:`a2m2.train.folder`.
        start: training folder or weights file to start from; the matcher's own weights are read only if the method is
            the same, and the mean descriptor only if the order of moments is. None starts from the backbone's weights.
        resume: go on with the training in ``out``, if there is one. The weights at the end are those of a training
            that was never interrupted, to the last bit on the same machine and number of threads.
        cache: folder for decoded clips and digests; :func:`a2m2.data.default_cache` when None.
        progress: told about every step.
        num_threads: of tensor operations; as torch has it when None.
        accelerator: ``auto``, ``cpu``, or ``gpu`` or ``cuda``, which are the same.
        tensorboard: write the metrics for TensorBoard too, into ``out/tensorboard``.

    Raises:
        A2M2Error: settings, data or weights that cannot be used; a loss or gradient that is not finite; a folder that
            cannot be written; processes that cannot share the batches of a step, or one of which ended. What the last
            checkpoint holds stays readable.
    """
    before = torch.get_num_threads()
    folder = TrainingFolder(Path(out))
    if num_threads is not None:
        torch.set_num_threads(num_threads)
    try:
        with joined(accelerator) as ranks:
            if not ranks.is_first:
                progress = None
            with ranks.one_a_machine_first():
                job = prepare(settings, stage, start=start, cache=cache, progress=progress)
            _check_shares(job, ranks)
            record = ranks.from_first(lambda: folder.claim(job.record, resume=resume))
            if record.done:
                if progress is not None:
                    progress(STAGE_NAMES[stage], record.steps, record.steps)
                return record
            board = _tensorboard(folder.path) if tensorboard and ranks.is_first else None
            return _run(job, folder, record, ranks, progress=progress, accelerator=accelerator, board=board)
    finally:
        torch.set_num_threads(before)
        folder.leave()


def _check_shares(job: Job, ranks: Ranks) -> None:
    """Refuse what several processes cannot do like one.

    Raises:
        ConfigError: batches that cannot be dealt evenly; statistics of batch norms learnt clip by clip.
    """
    if job.stage == "meta":
        ranks.split(job.accumulate, key="meta.episodes_per_step")
        return
    ranks.split(job.accumulate, key="pretrain.accumulate", size="pretrain.batch")
    if ranks.size > 1 and job.settings.checkpoint_backbone and not job.settings.pretrain.freeze_batch_norm:
        raise ConfigError(
            "checkpoint_backbone encodes a batch clip by clip, and statistics of batch norms that are learnt that way "
            "cannot be shared by several processes; set pretrain.freeze_batch_norm=true or checkpoint_backbone=false"
        )


def _run(
    job: Job,
    folder: TrainingFolder,
    record: TrainRecord,
    ranks: Ranks,
    *,
    progress: Progress | None,
    accelerator: str,
    board: Board | None,
) -> TrainRecord:
    settings = job.settings
    clips = ClipSource(job.base.videos, settings.video)
    held_out = ClipSource(job.validation.videos, settings.video)
    if settings.clips_in_memory and record.steps:
        with ranks.one_a_machine_first():
            clips.keep(job.store, job.digests, progress=progress)
            if ranks.is_first:
                held_out.keep(job.store, job.digests, progress=progress)
    frames: list[Tensor] = []
    # Rank 0 validates for all.
    seen = range(len(job.validation)) if ranks.is_first else range(0)
    for clip in map_in_threads(held_out.centre, seen, num_threads=2):
        frames.append(clip)
        if progress is not None and not settings.clips_in_memory:
            progress("reading validation clips", len(frames), len(job.validation))
    validator = Validator(frames, job.validation.video_classes, job.validation.classes, settings.validation)
    batches = job.batches(clips)
    module = job.module(batches, ranks)
    workers = 0 if settings.clips_in_memory else settings.loader_workers
    loader = BatchLoader(batches, num_workers=workers, ranks=ranks)
    what = STAGE_NAMES[job.stage]
    keeper = Keeper(
        folder,
        record,
        loader,
        validator,
        progress=progress,
        what=what,
        complete=lambda: add_cohort(folder.weights, clips),
        board=board,
        ranks=ranks,
    )
    if record.steps == 0:
        if job.fresh_mean and ranks.is_first:
            some = range(0, len(job.base), max(1, len(job.base) // _MEAN_CLIPS))
            measure_mean(job.network.eval().encoder, map(clips.centre, some))
        keeper.validate(0, module)
        keeper.finish(module)
        return keeper.record
    checkpoint = ranks.from_first(lambda: folder.checkpoint if folder.checkpoint.is_file() else None)
    if checkpoint is None:
        if ranks.is_first:
            folder.cut(0)
        keeper.record = replace(record, best=None, weights_digest="")
    with _quiet_lightning():
        trainer = pl.Trainer(
            accelerator=accelerator,
            precision=settings.precision,
            max_steps=record.steps,
            max_epochs=1,
            accumulate_grad_batches=job.accumulate // ranks.size,
            callbacks=[keeper],
            plugins=[SafeCheckpointIO(ranks)],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            default_root_dir=folder.path,
            **ranks.trainer_options(),
        )
        try:
            trainer.fit(module, loader, ckpt_path=checkpoint, weights_only=True)
        except SystemExit:
            # Lightning turns Ctrl-C into an exit of its own.
            raise KeyboardInterrupt from None
    if not keeper.record.done:
        # It was stopped right after its last checkpoint: no step was left to make.
        keeper.finish(module)
    return keeper.record


def _tensorboard(out: Path) -> Board:
    """TensorBoard's writer; its files appear when the first figure does.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ConfigError(
            "TensorBoard is not installed; pip install 'a2m2[track]', or leave it out"
        ) from None
    board: Board = SummaryWriter(str(out / "tensorboard"))
    return board


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Without its advice and its notes about devices: what matters is said by this package."""
    names = ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero")
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\..*")
            warnings.filterwarnings("ignore", message=r".*does not have many workers.*")
            warnings.filterwarnings("ignore", message=r"Grad strides do not match bucket view strides.*")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
