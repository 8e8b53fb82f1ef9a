"""A training from settings to a folder with weights: both stages, resumable."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import lightning.pytorch as pl
import torch

from a2m2.data import Dataset, DigestCache, EpisodeSampler, default_cache, load_dataset
from a2m2.data.store import FeatureStore
from a2m2.errors import ConfigError, DataError, WeightsError
from a2m2.eval.threads import map_in_threads
from a2m2.model import FewShotModel
from a2m2.moments import Scale
from a2m2.networks import build_network
from a2m2.train.batches import BaseClasses, Batches, BatchLoader, ClipBatches, EpisodeBatches
from a2m2.train.classifier import BaseClassifier
from a2m2.train.clips import ClipSource, Progress
from a2m2.train.draws import seed_of
from a2m2.train.encode import measure_mean
from a2m2.train.folder import HEAD, TrainingFolder
from a2m2.train.keeper import Board, Keeper, SafeCheckpointIO
from a2m2.train.stages import MetaStage, PretrainStage, StageModule
from a2m2.train.validation import Validator
from a2m2.train_records import TrainRecord
from a2m2.train_settings import MetaSettings, Stage, TrainSettings, ValidationSettings
from a2m2.versions import versions
from a2m2.weights import fill, network_digest, network_file, read_tensors

_MEAN_CLIPS = 256
"""Base clips that the mean descriptor of a network without training comes from."""

_WHAT = {"pretrain": "pre-training", "meta": "meta-training"}


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

    Args:
        settings: of both stages; the part of the other one plays no role.
        stage: ``pretrain`` (classification of the base classes) or ``meta`` (episodes).
        out: folder of the training, see :mod:`a2m2.train.folder`.
        start: training folder or weights file to start from; the matcher's own weights are read only if the method is
            the same. None starts from the backbone's weights.
        resume: go on with the training in ``out``, if there is one. The weights at the end are those of a training
            that was never interrupted, to the last bit on the same machine and number of threads.
        cache: folder for decoded clips and digests; :func:`a2m2.data.default_cache` when None.
        progress: told about every step.
        num_threads: of tensor operations; as torch has it when None.
        accelerator: ``auto``, ``cpu`` or ``gpu``.
        tensorboard: write the metrics for TensorBoard too, into ``out/tensorboard``.

    Raises:
        A2M2Error: settings, data or weights that cannot be used; a loss or gradient that is not finite; a folder that
            cannot be written. What the last checkpoint holds stays readable.
    """
    job = prepare(settings, stage, start=start, cache=cache)
    folder = TrainingFolder(Path(out))
    record = folder.claim(job.record, resume=resume)
    if record.done:
        if progress is not None:
            progress(_WHAT[stage], record.steps, record.steps)
        return record
    board = _tensorboard(folder.path) if tensorboard else None
    before = torch.get_num_threads()
    if num_threads is not None:
        torch.set_num_threads(num_threads)
    try:
        return _run(job, folder, record, progress=progress, accelerator=accelerator, board=board)
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True, eq=False)
class Job:
    """Everything that was checked and loaded before the long work begins."""

    settings: TrainSettings
    stage: Stage
    base: Dataset
    validation: Dataset
    digests: DigestCache
    store: FeatureStore
    network: FewShotModel
    head: BaseClassifier | None
    fresh_mean: bool
    record: TrainRecord

    @property
    def accumulate(self) -> int:
        """Batches a step."""
        if self.stage == "pretrain":
            return self.settings.pretrain.accumulate
        return self.settings.meta.episodes_per_step

    def batches(self, clips: ClipSource) -> Batches:
        """All batches of the stage, by number."""
        base = BaseClasses(
            clips, self.base.video_classes, self.base.classes, self.settings.augment, self.settings.seed
        )
        number = self.record.steps * self.accumulate
        if self.stage == "pretrain":
            return ClipBatches(base, number, size=self.settings.pretrain.batch)
        meta = self.settings.meta
        return EpisodeBatches(base, number, way=meta.way, shot=meta.shot, query=meta.query)

    def module(self, batches: Batches) -> StageModule:
        """What is trained."""
        options = {"num_steps": self.record.steps, "describe": batches.describe}
        common = (self.network, self.head, self.settings)
        if self.stage == "pretrain":
            pretrain = self.settings.pretrain
            return PretrainStage(*common, pretrain.optimizer, stage=pretrain, **options)
        meta = self.settings.meta
        return MetaStage(*common, meta.optimizer, stage=meta, starts_fresh=self.fresh_mean, **options)


def prepare(
    settings: TrainSettings, stage: Stage, *, start: str | Path | None = None, cache: Path | None = None
) -> Job:
    """Check everything that can be checked before the long work; the cheapest checks come first."""
    dataset = load_dataset(settings.data)
    base = _part(dataset, settings.split, "split")
    validation = _part(dataset, settings.validation.split, "validation.split")
    shared = sorted(set(base.classes) & set(validation.classes))
    if shared:
        raise DataError(
            f"{len(shared)} classes are in both {settings.split} and {settings.validation.split}, such as "
            f"'{shared[0]}'; validation classes must be new to the network"
        )
    validation = _at_most(validation, settings.validation.max_clips)
    _check_episodes(validation, settings.validation)
    if stage == "meta":
        _check_episodes(base, settings.meta)
    network = build_network(
        settings.network(),
        seed=seed_of(settings.seed, "new layers"),
        train_batch_norm=stage == "pretrain" and not settings.pretrain.freeze_batch_norm,
    )
    start_digest = "" if start is None else _start_from(network, start, settings)
    head = _head(settings, stage, network, len(base.classes), start)
    cache = cache if cache is not None else default_cache()
    digests = DigestCache(cache)
    contents = [*_contents(base, digests), *_contents(validation, digests)]
    both = replace(
        base, videos=tuple(sorted((*base.videos, *validation.videos), key=lambda video: video.name))
    )
    by_name = dict(zip([*base.video_names, *validation.video_names], contents, strict=True))
    record = TrainRecord(
        stage=stage,
        method=settings.method,
        dataset=dataset.name,
        split=settings.split,
        validation_split=settings.validation.split,
        classes=base.classes,
        validation_classes=validation.classes,
        clips=len(base),
        validation_clips=len(validation),
        config=settings.model_dump(mode="json"),
        config_digest=settings.digest(),
        data_digest=both.digest(contents=[by_name[name] for name in both.video_names]),
        start=start_digest,
        parameters=sum(p.numel() for p in network.parameters() if p.requires_grad),
        steps=settings.pretrain.steps if stage == "pretrain" else settings.meta.steps,
        done=False,
        best=None,
        weights_digest="",
        versions=versions(),
    )
    return Job(
        settings=settings,
        stage=stage,
        base=base,
        validation=validation,
        digests=digests,
        store=FeatureStore(cache / "features"),
        network=network,
        head=head,
        fresh_mean=start is None,
        record=record,
    )


def plan(job: Job) -> list[str]:
    """What a training would do, in a few lines."""
    settings, record = job.settings, job.record
    if job.stage == "pretrain":
        stage = settings.pretrain
        work = f"{record.steps} steps of {stage.accumulate * stage.batch} clips"
        epochs = record.steps * stage.accumulate * stage.batch / len(job.base)
        work += f" ({epochs:.1f} epochs), {len(job.base.classes)} classes"
    else:
        meta = settings.meta
        work = f"{record.steps} steps of {meta.episodes_per_step} episodes, {meta.way}-way {meta.shot}-shot, "
        work += f"{meta.query} queries a class"
    validation = settings.validation
    return [
        f"{_WHAT[job.stage]}: {work}",
        f"clips: {len(job.base)} of {settings.split}, {len(job.validation)} of {validation.split} "
        f"({len(job.validation.classes)} classes) to validate every {validation.every} steps",
        f"network: {settings.method} on {settings.backbone.source}, {record.parameters:,} parameters, "
        f"{f'from weights {record.start}' if record.start else 'from the start'}",
    ]


def _run(
    job: Job,
    folder: TrainingFolder,
    record: TrainRecord,
    *,
    progress: Progress | None,
    accelerator: str,
    board: Board | None,
) -> TrainRecord:
    settings = job.settings
    clips = ClipSource(job.base.videos, settings.video)
    held_out = ClipSource(job.validation.videos, settings.video)
    if settings.clips_in_memory:
        clips.keep(job.store, job.digests, progress=progress)
        held_out.keep(job.store, job.digests, progress=progress)
    frames = list(map_in_threads(held_out.centre, range(len(job.validation)), num_threads=2))
    validator = Validator(frames, job.validation.video_classes, job.validation.classes, settings.validation)
    batches = job.batches(clips)
    module = job.module(batches)
    loader = BatchLoader(batches, num_workers=0 if settings.clips_in_memory else settings.loader_workers)
    keeper = Keeper(folder, record, loader, validator, progress=progress, what=_WHAT[job.stage], board=board)
    if record.steps == 0:
        if job.fresh_mean:
            some = range(0, len(job.base), max(1, len(job.base) // _MEAN_CLIPS))
            measure_mean(job.network.eval().encoder, map(clips.centre, some))
        keeper.validate(0, module)
        keeper.finish(module)
        return keeper.record
    checkpoint = folder.checkpoint if folder.checkpoint.is_file() else None
    if checkpoint is None:
        folder.cut(0)
        keeper.record = replace(record, best=None, weights_digest="")
    with _quiet_lightning():
        trainer = pl.Trainer(
            accelerator=accelerator,
            devices=1,
            precision=settings.precision,
            max_steps=record.steps,
            max_epochs=1,
            accumulate_grad_batches=job.accumulate,
            callbacks=[keeper],
            plugins=[SafeCheckpointIO()],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            default_root_dir=folder.path,
        )
        try:
            trainer.fit(module, loader, ckpt_path=checkpoint, weights_only=True)
        except SystemExit:
            # Lightning turns Ctrl-C into an exit of its own.
            raise KeyboardInterrupt from None
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


def _part(dataset: Dataset, split: str, key: str) -> Dataset:
    if not dataset.splits:
        raise DataError(
            f"{dataset.name} has no splits, and training needs two: base classes in {key!s} '{split}' and others to "
            "validate on; lay clips out as ROOT/train/CLASS/ and ROOT/val/CLASS/"
        )
    return dataset.select([split])


def _check_episodes(dataset: Dataset, task: MetaSettings | ValidationSettings) -> None:
    """Refuse classes that cannot fill an episode before anything is written."""
    EpisodeSampler(
        dataset.video_classes,
        class_names=dataset.classes,
        way=task.way,
        shot=task.shot,
        query=task.query,
        seed=0,
    )


def _at_most(dataset: Dataset, most: int) -> Dataset:
    """At most ``most`` videos, taken in turn from each class."""
    taken: dict[int, int] = {}
    ranked = []
    for index, label in enumerate(dataset.video_classes):
        taken[label] = taken.get(label, -1) + 1
        ranked.append((taken[label], index))
    kept = sorted(index for _, index in sorted(ranked)[:most])
    return replace(dataset, videos=tuple(dataset.videos[index] for index in kept))


def _contents(dataset: Dataset, digests: DigestCache) -> Sequence[str]:
    return digests.digests([video.path for video in dataset.videos])


def _start_from(network: FewShotModel, start: str | Path, settings: TrainSettings) -> str:
    path = network_file(start)
    metadata, tensors = read_tensors(path)
    try:
        same_method = f'"method":"{settings.method}"' in metadata["settings"]
    except KeyError:
        raise WeightsError(f"{path} is not a network of a2m2; give a training folder") from None
    fill(network, tensors, source=str(path), head=same_method)
    return network_digest(network.state_dict(), settings.network())


def _head(
    settings: TrainSettings, stage: Stage, network: FewShotModel, num_classes: int, start: str | Path | None
) -> BaseClassifier | None:
    if stage == "meta" and settings.meta.base_loss_weight == 0:
        return None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(settings.seed, "head"))
        head = BaseClassifier(
            dim=sum(network.encoder.dims),
            num_frames=settings.video.num_frames,
            scales=tuple(Scale(*scale) for scale in settings.m2.scales),
            num_classes=num_classes,
            feature_scale=settings.pretrain.feature_scale,
            dropout=settings.pretrain.dropout,
        )
    if start is not None and (Path(start) / HEAD).is_file():
        _, tensors = read_tensors(Path(start) / HEAD)
        shapes = {name: tensor.shape for name, tensor in head.state_dict().items()}
        if shapes != {name: tensor.shape for name, tensor in tensors.items()}:
            raise ConfigError(
                f"{Path(start) / HEAD} is the classifier of other classes or descriptors; remove it"
            )
        head.load_state_dict(tensors)
    return head


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
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
