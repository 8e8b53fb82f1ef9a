"""An evaluation from a folder of clips to a folder of records."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from a2m2.data import (
    Dataset,
    DigestCache,
    EpisodeSampler,
    default_cache,
    identical_contents,
    load_dataset,
    read_annotation,
)
from a2m2.data.store import FeatureStore
from a2m2.errors import ConfigError, DataError
from a2m2.eval.alignment import AlignmentTruth, frame_labels
from a2m2.eval.evidence import write_evidence
from a2m2.eval.library import Library
from a2m2.eval.maps import MapBank, Progress, backbone_stages
from a2m2.eval.results import results_folder, write_records
from a2m2.eval.runner import Contestant, run_episodes
from a2m2.eval.sources import DescriptorSource, FixedSource, SupportFitSource
from a2m2.eval.stats import Summary, summarize
from a2m2.methods import Method, find_method
from a2m2.nn import load_backbone
from a2m2.records import EpisodeRecord, RunRecord, episodes_digest
from a2m2.settings import EvaluateSettings
from a2m2.versions import versions

TRAIN = "train"
"""Name of the split that ``fit`` takes clips from."""

_TRANSDUCTIVE = (
    "transductive: reduction and mean descriptor were fitted on the test clips, queries included and unlabelled; "
    "do not compare with inductive figures"
)


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation gives."""

    run: RunRecord
    summary: Summary
    records: tuple[EpisodeRecord, ...]


def evaluate(
    settings: EvaluateSettings,
    *,
    out: Path | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
    num_threads: int | None = None,
    num_pictures: int = 4,
) -> Evaluation:
    """Test methods side by side on episodes drawn from a data set.

    Args:
        settings: what to run.
        out: folder for the records; it appears whole at the end or not at all. None writes nothing.
        cache: folder for features; :func:`a2m2.data.default_cache` when None.
        progress: told about long steps.
        num_threads: decoding and matching threads; 2 when None. Results do not depend on it.
        num_pictures: alignment pictures to keep, of the first method that aligns single videos.

    Raises:
        A2M2Error: data, settings or weights that cannot be used; what was computed until then stays cached.
    """
    job = _prepare(settings, cache=cache, progress=progress, num_threads=num_threads or 2)
    if out is None:
        return job.run(None, num_pictures)
    with results_folder(out) as folder:
        return job.run(folder, num_pictures)


def plan(settings: EvaluateSettings, *, cache: Path | None = None) -> list[str]:
    """What :func:`evaluate` would do, in a few lines; computes nothing that takes long."""
    job = _prepare(settings, cache=cache, progress=None, num_threads=2)
    missing = len(job.bank.missing(job.test.videos, job.digests))
    lines = [
        f"test: {len(job.test)} clips of {len(job.test.classes)} classes from {settings.data}",
        f"fit: {job.fit_source}, {len(job.fit_set)} clips" if job.fit_set else f"fit: {job.fit_source}",
        f"backbone: {settings.backbone.source}, weights {job.bank.backbone_digest}",
        f"maps: {missing} of {len(job.test)} test clips still to embed; kept in {job.bank.store.root}",
        f"episodes: {settings.protocol.episodes}, methods: {', '.join(settings.methods)}",
    ]
    return lines


@dataclass(frozen=True, eq=False)
class _Job:
    """Everything that was checked and loaded before the long work begins."""

    settings: EvaluateSettings
    methods: dict[str, Method]
    test: Dataset
    digests: Sequence[str]
    fit_source: str
    fit_set: tuple[int, ...]
    library: Library
    sampler: EpisodeSampler
    bank: MapBank
    notes: tuple[str, ...]
    num_threads: int
    progress: Progress | None

    def run(self, folder: Path | None, num_pictures: int) -> Evaluation:
        clock = _Clock()
        with clock("features"):
            contestants = self._contestants()
        protocol = self.settings.protocol
        run = self._record()
        truth = self._truth(contestants)
        with clock("episodes"):
            records = tuple(
                run_episodes(
                    contestants,
                    self.sampler.episode,
                    protocol.episodes,
                    num_threads=self.num_threads,
                    observer=truth,
                    progress=self.progress,
                )
            )
        run = replace(run, episodes_digest=episodes_digest(record.episode for record in records))
        summary = summarize(run, records)
        if truth is not None:
            summary = replace(summary, alignment=truth.summary())
        if folder is not None:
            write_records(folder, run, records, summary)
            if num_pictures:
                with clock("pictures"):
                    self._pictures(folder / "evidence", contestants, num_pictures)
            (folder / "timings.json").write_text(json.dumps(clock.seconds, indent=1) + "\n", encoding="utf-8")
        return Evaluation(run, summary, records)

    def _contestants(self) -> list[Contestant]:
        representations = list({method.m2.digest(): method.m2 for method in self.methods.values()}.values())
        sources: dict[str, DescriptorSource] = {}
        if self.fit_source == "supports":
            self.bank.embed(
                self.test.videos, self.digests, progress=self.progress, num_threads=self.num_threads
            )
        else:
            self.library.prepare(representations)
        for m2 in representations:
            if self.fit_source == "supports":
                sources[m2.digest()] = SupportFitSource(self.bank, self.digests, m2)
            else:
                sources[m2.digest()] = FixedSource(self.library.describe(m2))
        return [
            Contestant(name, sources[method.m2.digest()], method.matcher.eval())
            for name, method in self.methods.items()
        ]

    def _truth(self, contestants: Sequence[Contestant]) -> AlignmentTruth | None:
        """Ground truth of alignment, when every test clip is annotated."""
        if any(video.annotation is None for video in self.test.videos):
            return None
        annotations = [read_annotation(video.annotation) for video in self.test.videos]
        if not all(annotations):
            return None
        pts = self.library.pts_seconds
        if pts is None:
            pts = torch.stack(
                [self.bank.load(digest, self.bank.stages[:1]).pts_seconds for digest in self.digests]
            )
        first = (0,)
        windows = {c.name: c.source.episode(first, first)[0].windows for c in contestants}
        return AlignmentTruth(frame_labels(annotations, pts.tolist()), windows)

    def _pictures(self, folder: Path, contestants: Sequence[Contestant], num_pictures: int) -> None:
        aligning = [c for c in contestants if c.matcher.aligns]
        if aligning:
            write_evidence(
                folder,
                aligning[0],
                self.sampler.episode,
                self.test.videos,
                self.test.classes,
                video=self.settings.video,
                num_pairs=num_pictures,
                num_episodes=self.settings.protocol.episodes,
            )

    def _record(self) -> RunRecord:
        protocol, config = self.settings.protocol, _portable(self.settings)
        return RunRecord(
            dataset=self.test.name,
            splits=self.test.splits,
            classes=self.test.classes,
            videos=self.test.video_names,
            video_classes=self.test.video_classes,
            way=protocol.way,
            shot=protocol.shot,
            query=protocol.query,
            episodes=protocol.episodes,
            seed=protocol.seed,
            methods={name: method.description for name, method in self.methods.items()},
            config=config.model_dump(mode="json"),
            config_digest=config.digest(),
            data_digest=self.test.digest(contents=self.digests),
            episodes_digest="",
            weights_digest=self.bank.backbone_digest,
            fit=self.fit_source,
            versions=versions(),
            notes=self.notes,
        )


def _prepare(
    settings: EvaluateSettings, *, cache: Path | None, progress: Progress | None, num_threads: int
) -> _Job:
    """Check everything that can be checked before the long work; the cheapest checks come first."""
    methods = {name: find_method(name)(settings.m2, settings.a2) for name in dict.fromkeys(settings.methods)}
    if not methods:
        raise ConfigError("no methods to run; name at least one, for example --method a2m2_net")
    dataset = load_dataset(settings.data)
    notes: list[str] = []
    test = _test_set(dataset, settings, notes)
    protocol = settings.protocol
    sampler = EpisodeSampler(
        test.video_classes,
        class_names=test.classes,
        way=protocol.way,
        shot=protocol.shot,
        query=protocol.query,
        seed=protocol.seed,
    )
    fit_source = _fit_source(dataset, settings)
    stages = [stage for method in methods.values() for stage in method.m2.stages]
    backbone = load_backbone(
        settings.backbone.source,
        stages=backbone_stages(stages),
        last_stride=settings.backbone.last_stride,
        random_seed=settings.backbone.random_seed,
    )
    cache = cache if cache is not None else default_cache()
    bank = MapBank(FeatureStore(cache / "features"), backbone, settings.video, stages)
    digest_cache = DigestCache(cache)
    digests = digest_cache.digests([video.path for video in test.videos])
    notes.extend(_copies(test, digests))
    if fit_source == "train":
        train = dataset.select([TRAIN])
        chosen = _spread(train, settings.fit_max_clips)
        fit_videos = [train.videos[index] for index in chosen]
        fit_digests = digest_cache.digests([video.path for video in fit_videos])
    elif fit_source == "transductive":
        notes.append(_TRANSDUCTIVE)
        chosen, fit_videos, fit_digests = tuple(range(len(test))), list(test.videos), digests
    else:
        chosen, fit_videos, fit_digests = (), [], []
    library = Library(
        bank, test.videos, digests, fit_videos, fit_digests, num_threads=num_threads, progress=progress
    )
    return _Job(
        settings=settings,
        methods=methods,
        test=test,
        digests=digests,
        fit_source=fit_source,
        fit_set=chosen,
        library=library,
        sampler=sampler,
        bank=bank,
        notes=tuple(notes),
        num_threads=num_threads,
        progress=progress,
    )


def _test_set(dataset: Dataset, settings: EvaluateSettings, notes: list[str]) -> Dataset:
    if dataset.splits:
        if not settings.split:
            raise ConfigError(f"no split to test on; name one of {', '.join(dataset.splits)} with --split")
        return dataset.select(settings.split)
    notes.append("the data set has no splits: all its clips are test clips")
    return dataset


def _copies(test: Dataset, digests: Sequence[str]) -> list[str]:
    """A note when test clips are byte for byte the same: one can be support while the other is query."""
    groups = identical_contents(dict(zip(test.video_names, digests, strict=True)))
    if not groups:
        return []
    num_copies = sum(len(names) - 1 for names in groups)
    first = " and ".join(groups[0][:2])
    return [
        f"{num_copies} test clips are copies of others, for example {first}; copies make recognition look easier"
    ]


def _fit_source(dataset: Dataset, settings: EvaluateSettings) -> str:
    usable = TRAIN in dataset.splits and TRAIN not in settings.split
    if settings.fit == "auto":
        return "train" if usable else "supports"
    if settings.fit == "train" and not usable:
        raise DataError(
            f"{dataset.name} has no train split apart from the test clips to fit on; use --fit supports"
        )
    return settings.fit


def _spread(dataset: Dataset, most: int) -> tuple[int, ...]:
    """At most ``most`` videos, taken in turn from each class, in the order of the list."""
    taken: dict[int, int] = {}
    ranked = []
    for index, label in enumerate(dataset.video_classes):
        taken[label] = taken.get(label, -1) + 1
        ranked.append((taken[label], index))
    return tuple(sorted(index for _, index in sorted(ranked)[:most]))


def _portable(settings: EvaluateSettings) -> EvaluateSettings:
    """The settings with names in place of paths, so that records are the same on every machine."""
    backbone = settings.backbone
    if Path(backbone.source).is_dir():
        backbone = backbone.model_copy(update={"source": Path(backbone.source).resolve().name})
    return settings.model_copy(update={"data": Path(settings.data).resolve().name, "backbone": backbone})


class _Clock:
    """Seconds spent in named steps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[step] = round(time.perf_counter() - start, 3)
