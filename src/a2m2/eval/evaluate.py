"""An evaluation from a folder of clips to a folder of records."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from a2m2.data import (
    Dataset,
    DigestCache,
    EpisodeSampler,
    content_key,
    default_cache,
    identical_contents,
    load_dataset,
    read_annotation,
)
from a2m2.data.probes import PROBES, Sampler, probe
from a2m2.data.store import FeatureStore
from a2m2.devices import DeviceName, find_device
from a2m2.errors import ConfigError
from a2m2.eval.alignment import AlignmentTruth, frame_labels
from a2m2.eval.entry import Entry
from a2m2.eval.evidence import write_evidence
from a2m2.eval.maps import Progress
from a2m2.eval.results import record_lines, results_folder, write_run
from a2m2.eval.runner import Contestant, run_episodes
from a2m2.eval.stats import Summary, summarize
from a2m2.eval.trained import TrainedEntry, names_of
from a2m2.eval.training_free import TrainingFreeEntry, fit_source, methods_of
from a2m2.records import EpisodeRecord, EpisodesDigest, RunRecord, read_episodes
from a2m2.settings import EvaluateSettings
from a2m2.versions import versions


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation gives.

    Attributes:
        run: what was run.
        summary: its figures.
        folder: where its records are; None when they were not to be written.
        kept: the records, when they were not to be written.
    """

    run: RunRecord
    summary: Summary
    folder: Path | None
    kept: tuple[EpisodeRecord, ...] = ()

    @property
    def records(self) -> tuple[EpisodeRecord, ...]:
        """Every episode, read from the folder where there is one."""
        return self.kept if self.folder is None else tuple(read_episodes(self.folder))


def evaluate(
    settings: EvaluateSettings,
    *,
    out: Path | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
    num_threads: int | None = None,
    num_pictures: int = 4,
    device: DeviceName = "auto",
) -> Evaluation:
    """Test methods side by side on episodes drawn from a data set.

    Args:
        settings: what to run.
        out: folder for the records; it appears whole at the end or not at all. None writes nothing.
        cache: folder for features; :func:`a2m2.data.default_cache` when None.
        progress: told about long steps.
        num_threads: decoding and matching threads; 2 when None. Results do not depend on it.
        num_pictures: alignment pictures to keep, of the first method that aligns single videos.
        device: where clips are encoded and cosines computed. Descriptors made on a GPU are kept apart from the CPU's;
            from the same descriptors, results do not depend on it.

    Raises:
        A2M2Error: no GPU where one is asked for; data, settings or weights that cannot be used; what was computed
            until then stays cached.
    """
    job = _prepare(
        settings, cache=cache, progress=progress, num_threads=num_threads or 2, device=find_device(device)
    )
    if out is None:
        return job.run(None, num_pictures)
    with results_folder(out) as folder:
        evaluation = job.run(folder, num_pictures)
    return replace(evaluation, folder=out)


def plan(settings: EvaluateSettings, *, cache: Path | None = None, device: DeviceName = "auto") -> list[str]:
    """What :func:`evaluate` would do, in a few lines; computes nothing that takes long."""
    job = _prepare(settings, cache=cache, progress=None, num_threads=2, device=find_device(device))
    return [
        f"test: {len(job.test)} clips of {len(job.test.classes)} classes from {settings.data}",
        *job.entry.plan(),
        f"episodes: {settings.protocol.episodes}, methods: {', '.join(job.entry.descriptions)}",
    ]


def record_digest(settings: EvaluateSettings) -> str:
    """``config_digest`` of the records that :func:`evaluate` writes for ``settings``."""
    return _portable(settings).digest()


@dataclass(frozen=True, eq=False)
class _Job:
    """Everything that was checked and loaded before the long work begins."""

    settings: EvaluateSettings
    test: Dataset
    digests: Sequence[str]
    sampler: Sampler
    entry: Entry
    notes: tuple[str, ...]
    num_threads: int
    progress: Progress | None
    device: torch.device

    def run(self, folder: Path | None, num_pictures: int) -> Evaluation:
        clock = _Clock()
        with clock("features"):
            contestants = self.entry.contestants(num_threads=self.num_threads, progress=self.progress)
        protocol = self.settings.protocol
        run = self._record()
        truth = self._truth(contestants)
        digest = EpisodesDigest()
        kept: list[EpisodeRecord] = []

        def finished(keep: Callable[[EpisodeRecord], None]) -> Iterator[EpisodeRecord]:
            for record in run_episodes(
                contestants,
                self.sampler.episode,
                protocol.episodes,
                num_threads=self.num_threads,
                observer=truth,
                device=self.device,
                progress=self.progress,
            ):
                digest.add(record.episode)
                keep(record)
                yield record

        with (
            clock("episodes"),
            nullcontext(kept.append) if folder is None else record_lines(folder) as keep,
        ):
            summary = summarize(run, finished(keep))
        run = replace(run, episodes_digest=digest.text())
        if truth is not None:
            summary = replace(summary, alignment=truth.summary())
        if folder is not None:
            write_run(folder, run, summary)
            if num_pictures:
                with clock("pictures"):
                    self._pictures(folder / "evidence", contestants, num_pictures)
            (folder / "timings.json").write_text(json.dumps(clock.seconds, indent=1) + "\n", encoding="utf-8")
        return Evaluation(run, summary, None, tuple(kept))

    def _truth(self, contestants: Sequence[Contestant]) -> AlignmentTruth | None:
        """Ground truth of alignment, when every test clip is annotated."""
        if any(video.annotation is None for video in self.test.videos):
            return None
        annotations = [read_annotation(video.annotation) for video in self.test.videos]
        if not all(annotations):
            return None
        first = (0,)
        windows = {c.name: c.source.episode(first, first)[0].windows for c in contestants}
        return AlignmentTruth(frame_labels(annotations, self.entry.pts_seconds().tolist()), windows)

    def _pictures(self, folder: Path, contestants: Sequence[Contestant], num_pictures: int) -> None:
        aligning = [c for c in contestants if c.matcher.aligns]
        if aligning:
            write_evidence(
                folder,
                aligning[0],
                self.sampler.episode,
                self.test.videos,
                self.test.classes,
                video=self.entry.video,
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
            methods=self.entry.descriptions,
            config=config.model_dump(mode="json"),
            config_digest=config.digest(),
            data_digest=self.test.digest(contents=self.digests),
            episodes_digest="",
            weights_digest=self.entry.weights_digest,
            fit=self.entry.fit,
            versions=versions(),
            notes=self.notes,
        )


def _prepare(
    settings: EvaluateSettings,
    *,
    cache: Path | None,
    progress: Progress | None,
    num_threads: int,
    device: torch.device,
) -> _Job:
    """Check everything that can be checked before the long work; the cheapest checks come first."""
    methods = {} if settings.weights else methods_of(settings)
    dataset = load_dataset(settings.data)
    notes: list[str] = []
    test = _test_set(dataset, settings, notes)
    protocol = settings.protocol
    sampler: Sampler
    if settings.probe is not None:
        test, sampler = probe(settings.probe, test, protocol)
        notes.append(PROBES[settings.probe])
    else:
        sampler = EpisodeSampler(
            test.video_classes,
            class_names=test.classes,
            way=protocol.way,
            shot=protocol.shot,
            query=protocol.query,
            seed=protocol.seed,
        )
    cache = cache if cache is not None else default_cache()
    digest_cache = DigestCache(cache)

    def digests_of_test() -> Sequence[str]:
        digests = digest_cache.digests([video.path for video in test.videos])
        return [content_key(video, digest) for video, digest in zip(test.videos, digests, strict=True)]

    entry: Entry
    if settings.weights:
        digests = digests_of_test()
        entry = TrainedEntry(settings, test.videos, digests, FeatureStore(cache / "features"), device)
    else:
        fit_source(dataset, settings)
        digests = digests_of_test()
        free = TrainingFreeEntry(settings, methods, dataset, test, digests, digest_cache, cache, device)
        notes.extend(free.notes)
        entry = free
    notes.extend(_copies(test, digests))
    return _Job(
        settings=settings,
        test=test,
        digests=digests,
        sampler=sampler,
        entry=entry,
        notes=tuple(notes),
        num_threads=num_threads,
        progress=progress,
        device=device,
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


def _portable(settings: EvaluateSettings) -> EvaluateSettings:
    """The settings with names in place of paths, so that records are the same on every machine."""
    backbone = settings.backbone
    if Path(backbone.source).is_dir():
        backbone = backbone.model_copy(update={"source": Path(backbone.source).resolve().name})
    return settings.model_copy(
        update={
            "data": Path(settings.data).resolve().name,
            "backbone": backbone,
            "weights": tuple(names_of(settings.weights)),
        }
    )


class _Clock:
    """Seconds spent in named steps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[step] = round(time.perf_counter() - start, 3)
