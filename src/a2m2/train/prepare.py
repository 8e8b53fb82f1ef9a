"""What a training needs before its long work begins: everything checked, loaded and built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from a2m2.config import values_digest
from a2m2.data import Dataset, DigestCache, EpisodeSampler, VideoRecord, default_cache, load_dataset
from a2m2.data.store import FeatureStore
from a2m2.errors import DataError
from a2m2.methods import find_method
from a2m2.model import FewShotModel
from a2m2.networks import build_network
from a2m2.settings import TaskSettings
from a2m2.train.batches import BaseClasses, Batches, ClipBatches, EpisodeBatches
from a2m2.train.classifier import BaseClassifier, build_classifier, load_classifier
from a2m2.train.clips import ClipSource, Progress
from a2m2.train.draws import seed_of
from a2m2.train.folder import HEAD
from a2m2.train.ranks import ALONE, Ranks
from a2m2.train.stages import StageModule, build_stage
from a2m2.train.sub_actions import SubActions
from a2m2.train_records import TrainRecord
from a2m2.train_settings import Stage, TrainSettings
from a2m2.versions import versions
from a2m2.weights import fill, network_digest, network_file, read_network, without_cohort

STAGE_NAMES = {"pretrain": "pre-training", "meta": "meta-training"}

_DIGESTS_AT_ONCE = 1000


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
    sub_actions: SubActions | None
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
            clips,
            self.base.video_classes,
            self.base.classes,
            self.settings.augment,
            self.settings.seed,
            self.sub_actions,
        )
        number = self.record.steps * self.accumulate
        if self.stage == "pretrain":
            return ClipBatches(base, number, size=self.settings.pretrain.batch)
        meta = self.settings.meta
        return EpisodeBatches(base, number, way=meta.way, shot=meta.shot, query=meta.query)

    def module(self, batches: Batches, ranks: Ranks = ALONE) -> StageModule:
        """What is trained, by ``ranks``."""
        return build_stage(
            self.settings,
            self.stage,
            self.network,
            self.head,
            num_steps=self.record.steps,
            describe=batches.describe,
            starts_fresh=self.fresh_mean,
            ranks=ranks,
        )


def prepare(
    settings: TrainSettings,
    stage: Stage,
    *,
    start: str | Path | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
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
    validation = validation.at_most(settings.validation.max_clips)
    _check_episodes(validation, settings.validation)
    if stage == "meta":
        _check_episodes(base, settings.meta)
    network = build_network(
        settings.network(),
        seed=seed_of(settings.seed, "new layers"),
        train_batch_norm=stage == "pretrain" and not settings.pretrain.freeze_batch_norm,
    )
    start_digest, fresh_mean = ("", True) if start is None else _start_from(network, start, settings)
    learnt = stage == "pretrain" and settings.pretrain.sub_action_weight > 0
    sub_actions = SubActions(base.videos) if learnt else None
    head = _head(settings, stage, network, len(base.classes), sub_actions, start)
    cache = cache if cache is not None else default_cache()
    digests = DigestCache(cache)
    contents = _contents((*base.videos, *validation.videos), digests, progress)
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
        config=settings.stage(stage),
        config_digest=values_digest(settings.stage(stage)),
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
        sub_actions=sub_actions,
        fresh_mean=fresh_mean,
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
        f"{STAGE_NAMES[job.stage]}: {work}",
        f"clips: {len(job.base)} of {settings.split}, {len(job.validation)} of {validation.split} "
        f"({len(job.validation.classes)} classes) to validate every {validation.every} steps",
        f"network: {settings.method} on {settings.backbone.source}, {record.parameters:,} parameters, "
        f"{f'from weights {record.start}' if record.start else 'from the start'}",
    ]


def _part(dataset: Dataset, split: str, key: str) -> Dataset:
    if not dataset.splits:
        raise DataError(
            f"{dataset.name} has no splits, and training needs two: base classes in {key!s} '{split}' and others to "
            "validate on; lay clips out as ROOT/train/CLASS/ and ROOT/val/CLASS/"
        )
    return dataset.select([split])


def _check_episodes(dataset: Dataset, task: TaskSettings) -> None:
    """Refuse classes that cannot fill an episode before anything is written."""
    EpisodeSampler(
        dataset.video_classes,
        class_names=dataset.classes,
        way=task.way,
        shot=task.shot,
        query=task.query,
        seed=0,
    )


def _contents(videos: Sequence[VideoRecord], digests: DigestCache, progress: Progress | None) -> list[str]:
    contents: list[str] = []
    for begin in range(0, len(videos), _DIGESTS_AT_ONCE):
        part = videos[begin : begin + _DIGESTS_AT_ONCE]
        contents += digests.digests([video.path for video in part])
        if progress is not None and len(videos) > _DIGESTS_AT_ONCE:
            progress("checking clips", len(contents), len(videos))
    return contents


def _start_from(network: FewShotModel, start: str | Path, settings: TrainSettings) -> tuple[str, bool]:
    """Read weights; returns their digest and whether the mean descriptor could not be taken over.

    A matcher's own parts are those of its method, mean descriptor and projection those of a statistic: where these
    differ, they begin anew. Pre-training trains no matcher, so none is taken over from it.
    """
    path = network_file(start)
    file = read_network(path)
    old, new = (find_method(some.method)(some.m2, some.a2).m2.statistic for some in (file.settings, settings))
    same_matcher = file.settings.method == settings.method and file.provenance.get("stage") != "pretrain"
    without = (*(() if same_matcher else ("matcher.",)), *((".mean", ".projection") if old != new else ()))
    tensors = without_cohort(file.tensors)
    fill(network, tensors, source=str(path), without=without)
    return network_digest(tensors, file.settings), old != new


def _head(
    settings: TrainSettings,
    stage: Stage,
    network: FewShotModel,
    num_classes: int,
    sub_actions: SubActions | None,
    start: str | Path | None,
) -> BaseClassifier | None:
    if stage == "meta" and settings.meta.base_loss_weight == 0:
        return None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(settings.seed, "head"))
        head = build_classifier(
            settings,
            network.encoder,
            num_classes=num_classes,
            num_sub_actions=0 if sub_actions is None else len(sub_actions.names),
        )
    if start is not None and (Path(start) / HEAD).is_file():
        load_classifier(head, Path(start) / HEAD)
    return head
